"""Options that several commands are asked alike: written once as a dataclass, spread over the words of each."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from typing import Any


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """`command` as typer is to see it: in place of each parameter that is a dataclass, the fields of that dataclass.

    Fields hold what a parameter would: an annotated type and a default, no factory of one. All are passed by name, so
    that those that must be said may stand behind others.
    """
    groups: dict[str, Any] = {}
    words: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        if not is_dataclass(parameter.annotation):
            words.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        groups[parameter.name] = parameter.annotation
        words += [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if field.default is MISSING else field.default,
                annotation=field.type,
            )
            for field in fields(parameter.annotation)
        ]

    @wraps(command)
    def spread_out(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        command(**given)

    del spread_out.__wrapped__  # typer would look through to the parameters of `command`
    spread_out.__annotations__ = {word.name: word.annotation for word in words}
    spread_out.__signature__ = inspect.Signature(words)  # type: ignore[attr-defined]  # what `inspect.signature` looks at
    return spread_out
