"""The record of a run as one HTML page with plots, which needs nothing from anywhere.

python -m tools.bench.page run.json page.html
"""

import argparse
import html
import json
from pathlib import Path
from typing import Any

from .plots import bars, curves
from .report import cells, machine_line, measured, name_of, powers

Record = dict[str, Any]

STYLE = """
:root { --text: #1f2933; --quiet: #66727f; --line: #dde3e8; --ours: #1f6feb; --others: #aab6c2; --good: #1a7f4b;
  --bad: #b3261e; --ground: #fff; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e9ee; --quiet: #98a4b0; --line: #333d47; --ours: #6aa5ff;
  --others: #5d6975; --good: #5cc98f; --bad: #ff8a80; --ground: #15191e; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em; color: var(--text);
  background: var(--ground); }
h1 { margin-bottom: .2em; } h2 { font-size: 1.1em; margin: 2.5em 0 .3em; padding-top: 1em;
  border-top: 1px solid var(--line); }
table { border-collapse: collapse; width: 100%; margin-top: .8em; font-variant-numeric: tabular-nums; }
td, th { padding: .25em .8em .25em 0; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
th { font-weight: 600; color: var(--quiet); } td:first-child, th:first-child, .words { text-align: left; }
svg { max-width: 100%; height: auto; } svg text { font: 13px system-ui, sans-serif; fill: var(--text); }
.note, svg text.note { color: var(--quiet); fill: var(--quiet); } .ours { fill: var(--ours); stroke: var(--ours); }
.others { fill: var(--others); stroke: var(--others); } .line { fill: none; stroke-width: 2; }
.axis { stroke: var(--line); } .range { stroke: var(--text); }
.met { color: var(--good); } .missed { color: var(--bad); }
a { color: var(--ours); }
"""


def section(result: Record) -> str:
    """One job: plot, goals, table of everything."""
    note = f"{result['job']}; load average before: {result['load_average']:.1f}"
    if "took" in result:
        note += f"; took {result['took']:.0f} s"
    times = [figure for figure in result["figures"] if figure["unit"] == "s"]
    parts = [
        f'<h2 id="{result["job"]}">{html.escape(result["title"])}</h2>',
        f'<p class="note">{html.escape(note)}</p>',
    ]
    if times:
        parts.append(curves(times, result["curve"]) if result["curve"] else bars(times))
    parts += [goal_table([result])] if result["goals"] else []
    parts += [figure_table(result)]
    parts += [f'<p class="missed">{html.escape(f"{name} failed: {why}")}</p>' for name, why in result["failed"].items()]
    return "\n".join(parts)


def figure_table(result: Record) -> str:
    """Each figure of a job."""
    head = ["", "minimum", "median", f"times better than {result['baseline']}", "distance to float32"]
    grown = powers(result)
    if grown:
        head.append("grows with power")
    rows = []
    for figure in result["figures"]:
        row = [name_of(figure), *cells(figure, result["baseline"])]
        if grown:
            power = grown.get((figure["entrant"], figure["quantity"]))
            row.append("" if power is None else f"{power:.2f}")
        rows.append(row)
    return table(head, rows)


def table(head: list[str], rows: list[list[str]]) -> str:
    """Columns that are empty throughout are left out."""
    kept = [index for index, _ in enumerate(head) if index == 0 or any(row[index] for row in rows)]
    lines = ["<tr>" + "".join(f"<th>{html.escape(head[index])}</th>" for index in kept) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{html.escape(row[index])}</td>" for index in kept) + "</tr>" for row in rows]
    return "\n".join(["<table>", *lines, "</table>"])


def goal_table(results: list[Record]) -> str:
    """What should be reached and what is."""
    lines = ['<tr><th>goal</th><th class="words">job</th><th>measured</th><th></th></tr>']
    for result in results:
        for goal in result["goals"]:
            kind, said = ("met", "met") if goal["met"] else ("missed", "not met")
            link = f'<a href="#{result["job"]}">{result["job"]}</a>'
            lines.append(
                f'<tr><td>{html.escape(goal["text"])}</td><td class="words">{link}</td>'
                f'<td>{measured(goal)}</td><td class="{kind}">{said}</td></tr>'
            )
    return "\n".join(["<table>", *lines, "</table>"])


def write_page(path: Path, record: Record) -> None:
    """The whole page."""
    left_out = "; ".join(f"{name}: {reason}" for name, reason in record.get("left_out", {}).items())
    settings = record["settings"]
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>llmdit: measurements</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{STYLE}</style><h1>llmdit: measurements</h1>",
        f'<p class="note">{html.escape(machine_line(record["machine"]))}</p>',
        f"<p>{settings['rounds']} round{'s' if settings['rounds'] != 1 else ''}; within one, each tool runs right "
        "after the other, and a ratio is the median of the ratios within one. Bars are medians, thin lines reach from "
        "the least round to the greatest. "
        "Shorter is better.</p>",
        f'<p class="missed">Left out: {html.escape(left_out)}</p>' if left_out else "",
        goal_table(record["results"]),
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
