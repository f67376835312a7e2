"""Docstrings as they are written here, plain text with lists of `name: meaning`, as reStructuredText."""

import re

_HEADS = re.compile("Other keywords|Keywords|Raises ")  # what begins something new
# "name: meaning", "name=default: meaning" or "a, b: meaning", at any depth.
_ITEM = re.compile(r"^\s*([a-z_]\w*(?:, [a-z_]\w*)*(?:=.*?)?): (.*)$")


def to_rst(_app: object, _what: str, _name: str, _thing: object, _options: object, lines: list[str]) -> None:
    """Replaces a docstring's lines, as autodoc's event wants it."""
    blocks: list[tuple[str, list[str]]] = []  # kind and lines
    for line in lines:
        item = _ITEM.match(line)
        if not line.strip():
            blocks.append(("blank", []))
        elif item and not re.match(r" {4}\w+ = ", line):
            blocks.append(("item", [f"{item[1]}: {item[2]}"]))
        elif line.startswith("    "):
            last = blocks[-1] if blocks else ("", [])
            if last[0] == "code":
                last[1].append(line)
            elif last[0] == "item":
                last[1].append(line.strip())
            else:
                blocks.append(("code", [line]))
        elif blocks and blocks[-1][0] in ("text", "item") and not _HEADS.match(line):
            blocks[-1][1].append(line.strip())
        else:
            blocks.append(("text", [line.strip()]))
    lines[:] = _rendered(blocks)


def _rendered(blocks: list[tuple[str, list[str]]]) -> list[str]:
    lines: list[str] = []
    for kind, content in blocks:
        if kind == "code":
            lines += ["", ".. code-block:: python", "", *content, ""]
        elif kind == "item":
            name, _, meaning = " ".join(content).partition(": ")
            lines += ["", f"- ``{name}``: {_escaped(meaning)}"]
        elif kind == "text":
            lines += ["", _escaped(" ".join(content))]
    return [*lines, ""]


def _escaped(text: str) -> str:
    """Words in back quotes are code; no other character means anything."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return _plain(text)
    escaped = [_plain(part) for part in parts[::2]]
    code = [f"``{part}``" for part in parts[1::2]]
    return escaped[0] + "".join(a + b for a, b in zip(code, escaped[1:]))


def _plain(text: str) -> str:
    """Colons within words would make them addresses of the web."""
    return re.sub(r"(?<=\w):(?=\w)", r"\:", re.sub(r"([\\*_|`])", r"\\\1", text))
