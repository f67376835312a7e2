"""Plots as SVG."""

import html
import math
from typing import Any

from .report import name_of, number

Record = dict[str, Any]

ROW, LABEL, BARS = 24, 370, 430  # pixels: height of a bar's row, width of the names, of the longest bar
WIDTH, HEIGHT, LEFT, BOTTOM = 640, 300, 70, 44  # of a curve's picture, and of the room for its axes


def bars(figures: list[Record]) -> str:
    """Medians side by side, shorter is better; a line from the least to the greatest round."""
    longest = max((max(figure["values"]) for figure in figures), default=1.0)
    width, height = LABEL + BARS + 90, ROW * len(figures)
    lines = [f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">']
    for index, figure in enumerate(figures):
        y, scale = ROW * index, BARS / longest
        low, high = (LABEL + scale * limit(figure["values"]) for limit in (min, max))
        lines += [
            f'<text x="{LABEL - 8}" y="{y + 16}" text-anchor="end">{html.escape(name_of(figure))}</text>',
            f'<rect class="{kind_of(figure)}" x="{LABEL}" y="{y + 4}" width="{scale * figure["median"]:.1f}" '
            f'height="{ROW - 8}" rx="2"/>',
            f'<line class="range" x1="{low:.1f}" x2="{high:.1f}" y1="{y + ROW / 2}" y2="{y + ROW / 2}"/>',
            f'<text x="{high + 6:.1f}" y="{y + 16}">{number(figure["median"], figure["unit"])}</text>',
        ]
    return "\n".join([*lines, "</svg>"])


def kind_of(figure: Record) -> str:
    """The class that gives the colour."""
    return "ours" if figure["entrant"].startswith("llmdit") else "others"


class Scale:
    """Numbers to pixels, by their logarithms."""

    def __init__(self, values: list[float], start: float, end: float) -> None:
        self.low, self.high = math.log(min(values)), math.log(max(values))
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        span = self.high - self.low or 1.0
        return self.start + (math.log(value) - self.low) / span * (self.end - self.start)

    def ticks(self) -> list[float]:
        """1, 2 and 5 of each decade within."""
        low, high = math.exp(self.low) * 0.999, math.exp(self.high) * 1.001
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        return [tick for power in decades for digit in (1, 2, 5) if low <= (tick := digit * 10.0**power) <= high]


def curves(figures: list[Record], counted: str) -> str:
    """Medians over what is counted, both axes logarithmic: a straight line is a power."""
    names = list(dict.fromkeys(figure["entrant"] for figure in figures))
    counts = sorted({float(figure["quantity"]) for figure in figures})
    across = Scale(counts, LEFT, WIDTH - 110)
    up = Scale([value for figure in figures for value in figure["values"]], HEIGHT - BOTTOM, 14)
    lines = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img">']
    for tick in up.ticks():
        y = up(tick)
        lines.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - 110}" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(f'<text class="note" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{number(tick, "s")}</text>')
    for count in counts:
        x, y = across(count), HEIGHT - BOTTOM + 18
        lines.append(f'<text class="note" x="{x:.1f}" y="{y}" text-anchor="middle">{count:g}</text>')
    middle = (LEFT + WIDTH - 110) / 2
    lines.append(f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{html.escape(counted)}</text>')
    for name in names:
        own = [figure for figure in figures if figure["entrant"] == name]
        points = [(across(float(figure["quantity"])), up(figure["median"])) for figure in own]
        kind = kind_of(own[0])
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        lines.append(f'<polyline class="{kind} line" points="{path}"/>')
        lines += [f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in points]
        lines.append(f'<text x="{points[-1][0] + 10:.1f}" y="{points[-1][1] + 4:.1f}">{html.escape(name)}</text>')
    return "\n".join([*lines, "</svg>"])
