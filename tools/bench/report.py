"""Results as text, JSON and Markdown. Records of one or several runs make one table, to be pasted:

python -m tools.bench.report first.json second.json
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

Record = dict[str, Any]
"""{"machine": ..., "settings": ..., "results": [...]}, as written by write_json."""

HEAD = """\
| | | minimum | median | times better than the job's baseline | distance to float32 |
|---|---|---:|---:|---:|---:|"""
GOALS_HEAD = """\
| job | goal | measured | |
|---|---|---:|---|"""


def number(value: float, unit: str) -> str:
    """Three digits and the unit."""
    if unit == "s" and value < 1:
        return f"{value * 1e3:.3g} ms"
    return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"


def cells(figure: Record, baseline: str) -> list[str]:
    """Minimum, median, ratio, distance."""
    ratio, distance = figure["ratio"], figure["distance"]
    shows_ratio = ratio is not None and figure["entrant"] != baseline
    return [
        number(figure["minimum"], figure["unit"]),
        number(figure["median"], figure["unit"]),
        f"{ratio:.3g}" if shows_ratio else "",
        "" if distance is None else f"{distance:.1e}" if distance else "0",
    ]


def name_of(figure: Record) -> str:
    """Entrant and quantity."""
    return ", ".join(part for part in (figure["entrant"], figure["quantity"]) if part)


def powers(result: Record) -> dict[tuple[str, str], float]:
    """Of a curve: with which power of what is counted the time grew since the entrant's point before."""
    found: dict[tuple[str, str], float] = {}
    for before, after in zip(result["figures"], result["figures"][1:]):
        if result["curve"] and before["entrant"] == after["entrant"]:
            steps = float(after["quantity"]) / float(before["quantity"])
            found[after["entrant"], after["quantity"]] = math.log(after["median"] / before["median"]) / math.log(steps)
    return found


def measured(goal: Record) -> str:
    """The figure of a goal."""
    return f"{goal['measured']:.1e}" if goal["is_distance"] else f"{goal['measured']:.3g}"


def result_lines(result: Record) -> list[str]:
    """A job for the terminal."""
    lines = [f"{result['job']}: {result['title']} (load average before: {result['load_average']:.2f})"]
    grown = powers(result)
    for figure in result["figures"]:
        low, middle, ratio, distance = cells(figure, result["baseline"])
        versus = f"{ratio:>8} x {result['baseline']}" if ratio else ""
        apart = f"  distance {distance}" if distance else ""
        power = grown.get((figure["entrant"], figure["quantity"]))
        growth = f"  grows with power {power:.2f}" if power is not None else ""
        lines.append(f"  {name_of(figure):<52} min {low:>9}  median {middle:>9}  {versus:<20}{apart}{growth}".rstrip())
    for goal in result["goals"]:
        lines.append(f"  {'met' if goal['met'] else 'NOT MET'}: {goal['text']}: {measured(goal)}")
    lines += [f"  {entrant} failed: {reason}" for entrant, reason in result["failed"].items()]
    return lines


def markdown(record: Record) -> str:
    """The goals, then the whole table."""
    lines = [machine_line(record["machine"]), "", GOALS_HEAD]
    for result in record["results"]:
        for goal in result["goals"]:
            lines.append(
                f"| {result['job']} | {goal['text']} | {measured(goal)} | {'met' if goal['met'] else 'not met'} |"
            )
    lines += ["", HEAD]
    for result in record["results"]:
        title, grown = result["title"], powers(result)
        for figure in result["figures"]:
            power = grown.get((figure["entrant"], figure["quantity"]))
            what = result["curve"] or ""
            name = f"{name_of(figure)} {what}".strip() + (f" (power {power:.2f})" if power is not None else "")
            lines.append(f"| {title} | {name} | " + " | ".join(cells(figure, result["baseline"])) + " |")
            title = ""  # once is enough
    return "\n".join(lines) + "\n"


def machine_line(machine: Record) -> str:
    """One sentence on where it was measured."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    features = ", ".join(machine["features"])
    return (
        f"{machine['processor']} with {features}; {machine['threads']} threads, "
        f"{machine['memory_gb']:.0f} GB of memory, {machine['system']}; {versions}."
    )


def write_json(path: Path, record: Record) -> None:
    """Everything, each round included."""
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Prints the Markdown of one or more records; where a job is in several, the last counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path, nargs="+")
    records = [json.loads(path.read_text(encoding="utf-8")) for path in parser.parse_args().records]
    results = {result["job"]: result for record in records for result in record["results"]}
    print(markdown(records[-1] | {"results": list(results.values())}), end="")


if __name__ == "__main__":
    main()
