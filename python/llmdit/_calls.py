"""What bound functions get on their way into Python: a signature, arrays taken as tensors, and wrong arguments told by
name instead of by a list of all that might have been."""

import ast
import functools
import inspect
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType
from typing import Any

import torch

from . import _llmdit
from ._arrays import as_tensors

# pybind11's words for a type, and ours.
_WORDS = (
    (r"typing\.SupportsInt \| typing\.SupportsIndex", "int"),
    (r"typing\.SupportsFloat \| typing\.SupportsIndex", "float"),
    (r"os\.PathLike \| str \| bytes", "str | os.PathLike"),
    (r"typing_extensions\.Buffer", "bytes"),
    (r"(?:collections\.abc|typing)\.", ""),
    (r'Annotated\[Sequence\[(\w+)\], "FixedSize\(3\)"\]', r"tuple[\1, \1, \1]"),
)
_OVERLOAD = re.compile(r"^\d+\. (.*)$", re.MULTILINE)
_KEYWORD = re.compile(r"^ {4}([a-z]\w*)=", re.MULTILINE)  # of the option tables in docstrings
# What pybind11 says of arguments, and what our own readers of keywords say of those they do not know or cannot take.
_REFUSED = re.compile("incompatible (function|constructor) arguments")
_KEYWORD_REFUSED = re.compile(r"^(unexpected keyword argument '|\w+ cannot be )")
_ATTRIBUTES = re.compile(r"attributes of (\w+)")  # of a class, where keywords are those
_CALLED = ("__init__", "__call__")  # under the name of their class


def _wrap_module(module: ModuleType) -> None:
    """Wraps all functions, methods, constructors and setters."""
    for thing in list(vars(module).values()):
        if isinstance(thing, type) and type(thing).__name__ == "pybind11_type":
            _wrap_class(thing)
    for name, thing in list(vars(module).items()):
        if callable(thing) and not isinstance(thing, type) and not name.startswith("_"):
            named = _ATTRIBUTES.search(thing.__doc__ or "")
            setattr(module, name, _wrapped(thing, name, keywords=_settable(getattr(module, named[1])) if named else {}))


def _wrap_class(cls: type) -> None:
    settable = _settable(cls)
    for name, member in list(vars(cls).items()):
        if isinstance(member, property) and member.fset:
            setter = _wrapped(member.fset, name)
            setattr(cls, name, property(member.fget, setter, member.fdel, member.__doc__))
        elif isinstance(member, staticmethod):
            setattr(cls, name, staticmethod(_wrapped(member.__func__, f"{cls.__name__}.{name}")))
        elif type(member).__name__ == "instancemethod" and (not name.startswith("_") or name in _CALLED):
            own_name = cls.__name__ if name in _CALLED else f"{cls.__name__}.{name}"
            keywords = settable if name == "__init__" else {}
            setattr(cls, name, _wrapped(getattr(cls, name), own_name, name, keywords))
    if type(vars(cls).get("__init__")).__name__ == "wrapper_descriptor":
        _refuse_construction(cls)


def _settable(cls: type) -> dict[str, str]:
    """The types of the attributes that can be set, by name."""
    setters = {name: member.fset for name, member in vars(cls).items() if isinstance(member, property)}
    types = {
        name: re.search(r"arg0: (.*)\) -> None", setter.__doc__ or "") for name, setter in setters.items() if setter
    }
    return {name: _in_our_words(found[1]) if found else "object" for name, found in types.items()}


def _refuse_construction(cls: type) -> None:
    hint = f"use {cls.__name__}.from_pretrained" if hasattr(cls, "from_pretrained") else "calls give it back"

    def __init__(self: Any) -> None:
        raise TypeError(f"{cls.__module__}.{cls.__name__} is not made by hand; {hint}")

    cls.__init__ = __init__  # type: ignore[misc]


def _wrapped(
    function: Callable[..., Any], shown: str, name: str = "", keywords: Mapping[str, str] = MappingProxyType({})
) -> Callable[..., Any]:
    """`shown` stands in messages; `name` is the function's own where that is another; `keywords`: those that **kwargs
    stands for with their types, unless the docstring lists others."""
    doc = _in_our_words(function.__doc__ or "")
    signatures = _signatures(doc, dict.fromkeys(_KEYWORD.findall(doc), "object") or keywords)
    takes_tensors = "torch.Tensor" in doc.partition(" -> ")[0]

    @functools.wraps(function)
    def call(*args: Any, **given: Any) -> Any:
        if takes_tensors:
            args = tuple(map(as_tensors, args))
            given = {key: as_tensors(value) for key, value in given.items()}
        try:
            return function(*args, **given)
        except TypeError as error:
            is_keyword = _KEYWORD_REFUSED.search(str(error))
            complaint = _complaint(signatures, args, given) if is_keyword or _REFUSED.search(str(error)) else None
            if complaint is None or (is_keyword and complaint == _UNKNOWN):
                raise
        raise TypeError(f"{shown}(): {complaint}")

    del call.__wrapped__  # which has no signature
    call.__name__ = name or shown.rpartition(".")[2]
    call.__qualname__ = shown if not name else f"{shown.partition('.')[0]}.{name}"
    call.__doc__ = re.sub(r"^(\w+\()self: [\w.]+(?:, )?", r"\1", doc)
    if len(signatures) == 1 and all(p.kind is not p.VAR_KEYWORD for p in signatures[0].parameters.values()):
        call.__signature__ = signatures[0]  # type: ignore[attr-defined]
    return call


def _in_our_words(text: str) -> str:
    for pattern, word in _WORDS:
        text = re.sub(pattern, word, text)
    return text


def _signatures(doc: str, keywords: Mapping[str, str]) -> list[inspect.Signature]:
    """Those that a docstring begins with."""
    first = doc.partition("\n")[0]
    lines = _OVERLOAD.findall(doc) if "(*args, **kwargs)" in first else [first]
    signatures: list[inspect.Signature] = []
    for line in lines:
        arguments = line[line.find("(") + 1 : line.rfind(") ->")]
        arguments = re.sub(r"= <[^>]*>", "= ...", arguments)  # what has no literal
        try:
            [function] = ast.parse(f"def f({arguments}): ...").body
        except SyntaxError:
            continue
        assert isinstance(function, ast.FunctionDef)
        signatures.append(_signature(function.args, keywords))
    return signatures


def _signature(arguments: ast.arguments, keywords: Mapping[str, str]) -> inspect.Signature:
    """`keywords`: those that **kwargs stands for."""
    parameters = []

    def add(argument: ast.arg, kind: Any, default: ast.expr | None) -> None:
        annotation = ast.unparse(argument.annotation) if argument.annotation else inspect.Parameter.empty
        value = inspect.Parameter.empty if default is None else _value(default)
        if str(annotation).startswith("tuple["):
            value = tuple(value) if isinstance(value, list) else value
        if argument.arg == "self":
            annotation = inspect.Parameter.empty
        parameters.append(inspect.Parameter(argument.arg, kind, default=value, annotation=annotation))

    positional = [*arguments.posonlyargs, *arguments.args]
    first_default = len(positional) - len(arguments.defaults)
    for index, argument in enumerate(positional):
        is_named = index >= len(arguments.posonlyargs)
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD if is_named else inspect.Parameter.POSITIONAL_ONLY
        add(argument, kind, arguments.defaults[index - first_default] if index >= first_default else None)
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults):
        add(argument, inspect.Parameter.KEYWORD_ONLY, default)
    if arguments.kwarg and keywords:
        taken = {parameter.name for parameter in parameters}
        for name, its_type in keywords.items():
            if name not in taken:
                annotation = inspect.Parameter.empty if its_type == "object" else its_type
                option = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
                parameters.append(option)
    elif arguments.kwarg:
        parameters.append(inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD))
    return inspect.Signature(parameters)


def _value(default: ast.expr) -> Any:
    try:
        return ast.literal_eval(default)
    except ValueError:
        return ...


def _complaint(signatures: list[inspect.Signature], args: tuple[Any, ...], keywords: dict[str, Any]) -> str:
    """What is wrong with arguments that were refused."""
    complaint = _UNKNOWN
    for signature in signatures:
        unknown = next((name for name in keywords if not _takes(signature, name)), None)
        if unknown is not None:
            complaint = _unexpected(unknown, [name for name in signature.parameters if name != "self"])
            continue
        try:
            bound = signature.bind(*args, **keywords).arguments
        except TypeError as error:
            complaint = str(error)
            continue
        for name, value in bound.items():
            parameter = signature.parameters[name]
            wanted = parameter.annotation
            if isinstance(wanted, str) and not (value is None and parameter.default is None or _fits(value, wanted)):
                what = "it" if re.fullmatch(r"arg\d+", name) else name
                return f"{what} takes {wanted}, got {_short(value)} of type {type(value).__name__}"
        for name, value in bound.items():
            if signature.parameters[name].annotation == "int" and not 0 <= value < 2**63:
                complaint = f"{name} takes an integer of 64 bits that is not negative, got {value}"
    return complaint


def _unexpected(name: str, known: list[str]) -> str:
    try:
        _llmdit._unexpected_keyword(name, known)
    except TypeError as error:
        return str(error)
    return ""


_UNKNOWN = "got arguments that it does not take"


def _takes(signature: inspect.Signature, name: str) -> bool:
    return name in signature.parameters or any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())


def _short(value: Any) -> str:
    text = f"a tensor {list(value.shape)}" if isinstance(value, torch.Tensor) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _fits(value: Any, wanted: str) -> bool:
    """Whether a value is of a type as signatures spell it; of what is not known here, yes."""
    alternatives = _split(wanted, "|")
    if len(alternatives) > 1:
        return any(_fits(value, alternative) for alternative in alternatives)
    outer, _, inner = wanted.partition("[")
    of = _split(inner[:-1], ",") if inner else []
    if outer in ("Sequence", "list"):
        is_sequence = hasattr(value, "__len__") and hasattr(value, "__getitem__")
        is_sequence = is_sequence and not isinstance(value, (str, bytes, Mapping))
        return is_sequence and all(_fits(item, of[0]) for item in value)
    if outer in ("Mapping", "dict"):
        is_mapping = isinstance(value, Mapping)
        return is_mapping and (not of or all(_fits(k, of[0]) and _fits(v, of[1]) for k, v in value.items()))
    if outer == "tuple":
        return isinstance(value, (tuple, list)) and len(value) == len(of) and all(map(_fits, value, of))
    return outer not in _KINDS and not outer.startswith("llmdit.") or _is(value, outer)


_KINDS: dict[str, Callable[[Any], bool]] = {
    "None": lambda value: value is None,
    "bool": lambda value: isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"),
    "str": lambda value: isinstance(value, (str, bytes)),
    "bytes": lambda value: hasattr(value, "__buffer__") or isinstance(value, (bytes, bytearray, memoryview)),
    "os.PathLike": lambda value: hasattr(value, "__fspath__"),
    "int": lambda value: hasattr(value, "__index__"),
    "float": lambda value: hasattr(value, "__float__") or hasattr(value, "__index__"),
    "torch.Tensor": lambda value: isinstance(value, torch.Tensor),
}


def _is(value: Any, kind: str) -> bool:
    if kind in _KINDS:
        return _KINDS[kind](value)
    return any(cls.__name__ == kind.rpartition(".")[2] for cls in type(value).__mro__)


def _split(text: str, separator: str) -> list[str]:
    """At separators outside of brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character == "[") - (character == "]")
        if character == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


_wrap_module(_llmdit)
