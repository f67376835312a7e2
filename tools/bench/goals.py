"""What a figure should reach, and whether it does."""

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .runner import Figure


@dataclass(frozen=True)
class Goal:
    """At least `times` as good as another figure, within the same rounds, or a distance to float32 of at most so much.

    Times and memory are both better when less.
    """

    entrant: str
    times: float | None = None
    over: str = ""
    quantity: str = ""
    over_quantity: str | None = None
    """The same quantity where nothing is said."""
    slack: float = 0.0
    """Added to the other figure, in its unit."""
    distance: float | None = None
    distance_of: str | None = None
    """No further than that entrant."""

    def text(self) -> str:
        """For a table."""
        if self.times is None:
            return f"{self.entrant}: distance to float32 at most {self.distance_of or self.distance}"
        other = ", ".join(part for part in (self.over if self.over != self.entrant else "", self._other()) if part)
        slack = f" and {self.slack:g} s" if self.slack else ""
        own = f", {self.quantity}" if self.quantity else ""
        return f"{self.entrant}{own}: {self.times:g} x {other}{slack}"

    def result(self, figures: "list[Figure]") -> dict[str, Any] | None:
        """What was measured and whether that is enough; nothing where one of the figures is missing."""
        found = self._ratio(figures) if self.times is not None else self._distance(figures)
        if found is None:
            return None
        measured, met = found
        return {"text": self.text(), "measured": measured, "met": met, "is_distance": self.times is None}

    def _ratio(self, figures: "list[Figure]") -> tuple[float, bool] | None:
        own, other = _find(figures, self.entrant, self.quantity), _find(figures, self.over, self._other())
        if own is None or other is None or self.times is None:
            return None
        ratio = statistics.median((b + self.slack) / a for a, b in zip(own.values, other.values))
        return ratio, ratio >= self.times

    def _distance(self, figures: "list[Figure]") -> tuple[float, bool] | None:
        own = _find(figures, self.entrant, "")
        limit = self.distance
        if self.distance_of is not None:
            other = _find(figures, self.distance_of, "")
            limit = other.distance if other else None
        if own is None or own.distance is None or limit is None:
            return None
        return own.distance, own.distance <= limit

    def _other(self) -> str:
        return self.quantity if self.over_quantity is None else self.over_quantity


def _find(figures: "list[Figure]", entrant: str, quantity: str) -> "Figure | None":
    return next((f for f in figures if f.entrant == entrant and f.quantity == quantity), None)
