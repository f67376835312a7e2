"""Results as text, JSON and Markdown. Records of several runs make one table:

python -m tools.bench.report first.json second.json
"""

import argparse
import json
from pathlib import Path
from typing import Any

Record = dict[str, Any]
"""{"machine": ..., "settings": ..., "results": [...]}, as written by write_json."""

HEAD = """\
| | | minimum | median | times better than diffusers | distance to float32 |
|---|---|---:|---:|---:|---:|"""


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


def result_lines(result: Record) -> list[str]:
    """A job for the terminal."""
    lines = [f"{result['job']}: {result['title']} (load average before: {result['load_average']:.2f})"]
    for figure in result["figures"]:
        low, middle, ratio, distance = cells(figure, result["baseline"])
        name = ", ".join(part for part in (figure["entrant"], figure["quantity"]) if part)
        versus = f"{ratio:>8} x {result['baseline']}" if ratio else ""
        apart = f"  distance {distance}" if distance else ""
        lines.append(f"  {name:<52} min {low:>9}  median {middle:>9}  {versus:<20}{apart}".rstrip())
    return lines


def markdown(record: Record) -> str:
    """The whole table."""
    lines = [machine_line(record["machine"]), "", HEAD]
    for result in record["results"]:
        title = result["title"]
        for figure in result["figures"]:
            name = ": ".join(part for part in (figure["entrant"], figure["quantity"]) if part)
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
