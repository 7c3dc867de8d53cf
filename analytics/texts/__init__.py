"""Words for people, Chinese and English: the one catalogue, so that a thing is called the same wherever it is shown.

Names of parameters, averagings and classes of an index stand in the tables beside what they name; here is the rest, a
file a subject.
"""

from collections.abc import Mapping
from enum import StrEnum

from analytics.texts import alarms, inflow, irrigation, outlook, page, scores, summary


class Language(StrEnum):
    """In which words: English, Chinese, or both side by side."""

    both = "both"
    en = "en"
    zh = "zh"


SUBJECTS = (alarms, inflow, irrigation, outlook, page, scores, summary)
#: key -> (English, Chinese). What stands in braces is filled in by `text`.
TEXTS: Mapping[str, tuple[str, str]] = {key: words for subject in SUBJECTS for key, words in subject.WORDS.items()}


def text(key: str, language: Language = Language.both, between: str = " ", **values: object) -> str:
    """The words of `key` with `values` filled in; both languages are joined by `between`. Raises `KeyError`."""
    english, chinese = (words.format(**values) for words in TEXTS[key])
    if language is Language.both:
        return f"{english}{between}{chinese}"
    return english if language is Language.en else chinese


def choose(english: str, chinese: str, language: Language = Language.both, between: str = " ") -> str:
    """The name of a thing whose two names stand in a table of their own."""
    if language is Language.both and chinese:
        return f"{english}{between}{chinese}"
    return english if language is Language.en or not chinese else chinese
