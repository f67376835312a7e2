"""The record of a run as one HTML page with plots, which needs nothing from anywhere.

python -m tools.bench.page run.json page.html
"""

import argparse
import html
import json
from pathlib import Path
from typing import Any

from .report import cells, machine_line, number

Record = dict[str, Any]

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #222; }
h2 { font-size: 1.1em; margin: 2em 0 .3em; } table { border-collapse: collapse; width: 100%; margin-top: .5em; }
td, th { padding: .2em .8em .2em 0; border-bottom: 1px solid #ddd; text-align: right; } th { font-weight: 600; }
td:first-child, th:first-child { text-align: left; } svg text { font: 13px system-ui, sans-serif; fill: #222; }
.note { color: #666; } .ours { fill: #2b6cb0; } .others { fill: #b8c2cc; }
"""
ROW, LABEL, BARS = 24, 290, 430  # pixels: height of a bar's row, width of the names, of the longest bar


def bars(figures: list[Record]) -> str:
    """Medians side by side, shorter is better; a line from the least to the greatest round."""
    longest = max(max(figure["values"]) for figure in figures)
    lines = [f'<svg width="{LABEL + BARS + 90}" height="{ROW * len(figures)}" role="img">']
    for index, figure in enumerate(figures):
        y, scale = ROW * index, BARS / longest
        kind = "ours" if figure["entrant"].startswith("llmdit") else "others"
        low, high = (LABEL + scale * limit(figure["values"]) for limit in (min, max))
        name = html.escape(": ".join(part for part in (figure["entrant"], figure["quantity"]) if part))
        width = scale * figure["median"]
        lines += [
            f'<text x="{LABEL - 8}" y="{y + 16}" text-anchor="end">{name}</text>',
            f'<rect class="{kind}" x="{LABEL}" y="{y + 4}" width="{width:.1f}" height="{ROW - 8}"/>',
            f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y + ROW / 2}" y2="{y + ROW / 2}" stroke="#222"/>',
            f'<text x="{high + 6:.1f}" y="{y + 16}">{number(figure["median"], figure["unit"])}</text>',
        ]
    return "\n".join([*lines, "</svg>"])


def section(result: Record) -> str:
    """One job: plot of its times, table of everything."""
    times = [figure for figure in result["figures"] if figure["unit"] == "s"]
    rows = [
        f"<tr><td>{html.escape(name)}</td>"
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells(figure, result["baseline"]))
        + f"<td>{html.escape(result['goals'].get(figure['entrant'], ''))}</td></tr>"
        for figure in result["figures"]
        for name in [": ".join(part for part in (figure["entrant"], figure["quantity"]) if part)]
    ]
    head = "".join(
        f"<th>{title}</th>"
        for title in ("", "minimum", "median", f"times better than {result['baseline']}", "distance to float32", "goal")
    )
    return "\n".join(
        [
            f"<h2>{html.escape(result['title'])}</h2>",
            f'<p class="note">load average before: {result["load_average"]:.1f}</p>',
            bars(times),
            f"<table><tr>{head}</tr>",
            *rows,
            "</table>",
        ]
    )


def write_page(path: Path, record: Record) -> None:
    """The whole page."""
    left_out = "; ".join(f"{name}: {reason}" for name, reason in record.get("left_out", {}).items())
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>llmdit: measurements</title>',
        f"<style>{STYLE}</style><h1>llmdit: measurements</h1>",
        f"<p>{html.escape(machine_line(record['machine']))}</p>",
        "<p>Bars are medians, thin lines reach from the least round to the greatest. Shorter is better.</p>",
        f'<p class="note">Left out: {html.escape(left_out)}</p>' if left_out else "",
        *(section(result) for result in record["results"]),
        "</html>",
    ]
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")


def main() -> None:
    """Makes the page of a record written by --json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path)
    parser.add_argument("page", type=Path)
    args = parser.parse_args()
    write_page(args.page, json.loads(args.record.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
