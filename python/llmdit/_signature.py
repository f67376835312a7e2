"""Signatures and docstrings made from the option tables, so that no name, default or help text stands twice."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from . import _llmdit
from ._llmdit import GenerateOptions, LoadOptions, OptionField, OptionKind

F = TypeVar("F", bound=Callable[..., Any])

_TYPES: dict[OptionKind, Any] = {
    OptionKind.boolean: bool,
    OptionKind.integer: int,
    OptionKind.unsigned_integer: int,
    OptionKind.number: float,
    OptionKind.text: str,
    OptionKind.choice: str,
    OptionKind.numbers: list[float],
    OptionKind.texts: list[str],
}


def with_options(options: type[GenerateOptions] | type[LoadOptions]) -> Callable[[F], F]:
    """Replaces **options of a function by the fields of an option class, in its signature and its docstring."""

    def decorate(function: F) -> F:
        signature = inspect.signature(function)
        named = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        taken = {parameter.name for parameter in named}
        fields = [field for field in options.fields() if field.name not in taken]
        defaults = options()
        extra = [_parameter(field, getattr(defaults, field.name)) for field in fields]
        lines = [f"    {field.name}: {field.help}{_bounds(field)}" for field in fields]
        for name, help_text in getattr(options, "runtime_fields", dict)().items():
            if name not in taken:
                extra.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None))
                lines.append(f"    {name}: {help_text}")
        function.__signature__ = signature.replace(parameters=[*named, *extra])  # type: ignore[attr-defined]
        function.__doc__ = inspect.cleandoc(function.__doc__ or "") + "\n\nOptions:\n" + "\n".join(lines)
        return function

    return decorate


def keywords_of(function: Callable[..., Any]) -> list[str]:
    """The names a function takes by keyword."""
    return [name for name in inspect.signature(function).parameters if name != "self"]


def reject_unknown(given: Iterable[str], function: Callable[..., Any]) -> None:
    """Raises TypeError for a keyword that `function` does not take, naming the nearest one."""
    known = keywords_of(function)
    for name in given:
        if name not in known:
            _llmdit._unexpected_keyword(name, known)


def _parameter(field: OptionField, default: Any) -> inspect.Parameter:
    # None stands for "not given" also where the default is an empty text or list.
    shown = None if default in ("", []) else default
    annotation = _TYPES[field.kind]
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=shown,
        annotation=annotation | None if shown is None else annotation,
    )


def _bounds(field: OptionField) -> str:
    if field.choices:
        return f" ({' | '.join(field.choices)})"
    bounds = {"from": field.minimum, "to": field.maximum}
    told = [f"{word} {bound:g}" for word, bound in bounds.items() if abs(bound) < 1e15]
    return f" ({' '.join([*told, field.unit]).strip()})" if told or field.unit else ""
