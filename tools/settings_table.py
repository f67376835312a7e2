"""Writes the table of docs/settings.md from the option tables: python tools/settings_table.py"""

from pathlib import Path

import llmdit

PAGE = Path(__file__).resolve().parents[1] / "docs" / "settings.md"
BEGIN, END = "<!-- made by tools/settings_table.py from the option tables -->\n", "<!-- end -->\n"


def bounds(field: llmdit.OptionField) -> str:
    if field.choices:
        return ", ".join(f"`{choice}`" for choice in field.choices)
    low, high = abs(field.minimum) < 1e15, abs(field.maximum) < 1e15
    text = f"{field.minimum:g} to {field.maximum:g}" if low and high else f"at least {field.minimum:g}" if low else ""
    return f"{text} {field.unit}".strip()


def default(setting: llmdit.Setting) -> str:
    value = setting.default
    if value is None or value == []:
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`" if value != "" else "empty"


def table() -> str:
    lines = ["| key | flag | variable | default | what it is |", "|---|---|---|---|---|"]
    for setting in llmdit.settings():
        field = setting.field
        limits = bounds(field)
        meaning = field.help + (f" ({limits})" if limits else "")
        no = "[no-]" if field.kind is llmdit.OptionKind.boolean else ""
        cells = [f"`{setting.key}`", f"`--{no}{field.flag}`", f"`{setting.environment}`", default(setting), meaning]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def page() -> str:
    """The page as it has to be."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    return before + BEGIN + table() + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
