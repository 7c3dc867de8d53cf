"""Names of episodes and regions: each case a picture. A letter is an hour, and a name: before, and after late data."""

from datetime import datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import episodes
from analytics.episodes.names import Named
from analytics.frames import EPISODES

T0 = datetime.fromisoformat("2026-01-05T00:00:00+00:00")
LETTERS = "ABCDEFGHIJ"


def bars(picture: str) -> list[tuple[str, int, int, int]]:
    """(letter, station, first, stop) of each run of letters; a line a station, its number."""
    found = []
    for station, line in enumerate(picture.split("/")):
        start = 0
        for at in range(1, len(line) + 1):
            if at == len(line) or line[at] != line[start]:
                if line[start] != ".":
                    found.append((line[start], station, start, at))
                start = at
    return found


def before(picture: str, gone: str = "", open_: str = "") -> pl.DataFrame:
    """`NAMED`; A is 0. What is `gone` is drawn as a second picture of its own, what is `open_` goes on."""
    rows = [(bar, False) for bar in bars(picture)] + [(bar, True) for bar in bars(gone)]
    made = [
        (
            LETTERS.index(letter),
            station,
            "rule",
            T0 + timedelta(hours=a),
            T0 + timedelta(hours=b),
            letter not in open_,
            lost,
        )
        for (letter, station, a, b), lost in rows
    ]
    return pl.DataFrame(made, schema=dict(episodes.NAMED), orient="row")


def found(picture: str) -> pl.DataFrame:
    """`FOUND`; a letter is a key."""
    made = [
        (LETTERS.index(letter), station, "rule", T0 + timedelta(hours=a), T0 + timedelta(hours=b), True)
        for letter, station, a, b in bars(picture)
    ]
    return pl.DataFrame(made, schema=dict(episodes.FOUND), orient="row")


def told(named: Named) -> set[str]:
    """The events in words."""
    return {
        f"{LETTERS[name]} {event}" + ("" if other is None else f" {LETTERS[other]}")
        for name, event, other, _, _ in named.events.iter_rows()
    }


def renamed(picture: str, named: Named) -> str:
    """`picture` with names for keys."""
    names = {LETTERS[key]: LETTERS[name] for key, name in named.names.iter_rows()}
    return "".join(names.get(letter, letter) for letter in picture)


CASES = {
    "nothing changes": ("AAA..BB", "AAA..BB", "AAA..BB", set()),
    "it is new": ("AAA....", "AAA..BB", "AAA..BB", {"B opened"}),
    "it begins earlier": ("..AAA..", ".AAAA..", ".AAAA..", {"A extended"}),
    "it ended later": ("AAA....", "AAAAA..", "AAAAA..", {"A extended"}),
    "it is shorter": ("AAAAA..", ".AAA...", ".AAA...", {"A shortened"}),
    "it moves": (".AAAA..", "...AAAA", "...AAAA", {"A extended", "A shortened"}),
    "it is gone": ("AAA..BB", "AAA....", "AAA....", {"B withdrawn"}),
    "a gap is filled": ("AAA..BB", "AAAAAAA", "AAAAAAA", {"A extended", "B merged into A"}),
    "the longer one lends its name": ("AA..BBB", "AAAAAAA", "BBBBBBB", {"B extended", "A merged into B"}),
    "of equal ones the earlier": ("AA...BB", "AAAAAAA", "AAAAAAA", {"A extended", "B merged into A"}),
    "a gap opens": ("AAAAAAA", "AAAA.BB", "AAAA.BB", {"A shortened", "B split from A"}),
    "the longer part keeps the name": ("AAAAAAA", "AA.BBBB", "BB.AAAA", {"A shortened", "B split from A"}),
    "of equal parts the earlier": ("AAAAAAA", "AAA.BBB", "AAA.BBB", {"A shortened", "B split from A"}),
    "one is split, its end joins another": (
        "AAAAA.BBB",
        "AAA.BBBBB",
        "AAA.BBBBB",
        {"A shortened", "B extended"},
    ),
    "it moved so far that it is another": ("AA.....", ".....AA", ".....BB", {"A withdrawn", "B opened"}),
    "stations count together": (
        "AAA..../....BBB",
        "AAAAAAA/....AAA",
        "AAAAAAA/....AAA",
        {"A extended", "B merged into A"},
    ),
    "at another station it is another": ("AAAA/....", "..../AAAA", "..../BBBB", {"A withdrawn", "B opened"}),
}


@pytest.mark.parametrize(("was", "drawn", "expected", "events"), CASES.values(), ids=CASES)
def test_a_name_follows_its_hours(was: str, drawn: str, expected: str, events: set[str]) -> None:
    named = episodes.name(before(was), found(drawn), first=len(set(was) - set("./")))
    assert renamed(drawn, named) == expected
    assert told(named) == events


def test_that_it_goes_on_is_no_event() -> None:
    assert told(episodes.name(before("AAA...", open_="A"), found("AAAAA."), first=1)) == set()
    assert told(episodes.name(before(".AAA..", open_="A"), found("AAAAA."), first=1)) == {"A extended"}


def test_a_name_comes_back_with_its_hours() -> None:
    """B was merged into A when a correction filled the gap; the correction ends."""
    named = episodes.name(before("AAAAAAA", gone=".....BB"), found("AAA..BB"), first=2)
    assert renamed("AAA..BB", named) == "AAA..BB"
    assert told(named) == {"A shortened", "B restored"}
    assert told(episodes.name(before(".......", gone="AAA...."), found("AAA...."), first=1)) == {"A restored"}


def test_events_say_where_it_lies_now() -> None:
    events = episodes.name(before("AAA..BB"), found("AAAAAAA"), first=2).events
    merged, extended = (events.filter(event=word).row(0, named=True) for word in ("merged into", "extended"))
    assert (merged["time"], merged["stop"]) == (None, None)
    assert (extended["time"], extended["stop"]) == (T0, T0 + timedelta(hours=7))


def test_each_episode_is_one_by_itself() -> None:
    row = dict.fromkeys(EPISODES) | {"station": 3, "rule": "rule", "time": T0, "stop": T0, "closed": False}
    made = pl.DataFrame([row, row], schema=dict(EPISODES))
    assert episodes.listed(made)["key"].to_list() == [0, 1]
    assert episodes.listed(made.clear()).schema == pl.Schema(episodes.FOUND)


drawings = st.lists(st.sampled_from(".AABC"), min_size=1, max_size=16).map("".join)


@settings(deadline=None)
@given(drawings, drawings)
def test_every_name_is_accounted_for(was: str, drawn: str) -> None:
    """Each new one has one name, no two the same; each old one lives on, or says in one event why not."""
    old, new = before(_apart(was)), found(_apart(drawn))
    named = episodes.name(old, new, first=50)
    names = named.names["name"].to_list()
    assert sorted(named.names["key"].to_list()) == sorted(new["key"].unique().to_list())
    assert len(set(names)) == len(names)
    ended = named.events.filter(pl.col("event").is_in(["merged into", "withdrawn"]))["name"].to_list()
    assert sorted([*ended, *(name for name in names if name < 50)]) == sorted(old["name"].unique().to_list())
    begun = named.events.filter(pl.col("event").is_in(["opened", "split from"]))["name"].to_list()
    assert sorted(begun) == sorted(name for name in names if name >= 50) == list(range(50, 50 + len(begun)))
    again = new.join(named.names, on="key").drop("key").with_columns(pl.lit(value=False).alias("gone"))
    assert told_nothing(again.select(list(episodes.NAMED)), new)


def told_nothing(named: pl.DataFrame, new: pl.DataFrame) -> bool:
    """What has its names already keeps them."""
    return episodes.name(named, new, first=99).events.is_empty()


def _apart(picture: str) -> str:
    """`picture` with another letter for each run."""
    letters, out, last = iter(LETTERS * 2), "", ""
    for letter in picture:
        if letter == ".":
            out, last = out + ".", ""
        else:
            last = last or next(letters)
            out += last
    return out
