"""How the tests compare numbers, and the table of what they measured."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

# float32 sums taken in another order; the tiny models' own rounding noise is about a tenth of this.
FLOAT32_BOUND = 2e-5


@dataclass
class Measured:
    """The worst case of one named check."""

    bound: float
    worst: float = 0.0
    where: str = ""
    count: int = 0


TABLE: dict[str, Measured] = {}


def relative_error(got: torch.Tensor, want: torch.Tensor) -> float:
    """Largest difference over the largest absolute value of the reference; infinite when a shape or NaN differs."""
    got, want = (torch.as_tensor(np.asarray(x)) if not isinstance(x, torch.Tensor) else x for x in (got, want))
    got, want = got.detach().cpu().double(), want.detach().cpu().double()
    if got.shape != want.shape or not torch.isfinite(got).all() or not torch.isfinite(want).all():
        return float("inf")
    return ((got - want).abs().max() / want.abs().max().clamp_min(1e-30)).item()


def record(check: str, value: float, *, bound: float, where: str = "") -> None:
    """Enters a measured error into the table, and fails when it is past its bound."""
    value = float(value)  # numpy's numbers do not travel between the processes of a parallel run
    entry = TABLE.setdefault(check, Measured(float(bound)))
    entry.count += 1
    if value > entry.worst:
        entry.worst, entry.where, entry.bound = value, str(where), float(bound)
    assert value <= bound, f"{check} ({where}): error {value:.3g} is past the bound {bound:.3g}"


def assert_close(
    check: str, got: torch.Tensor, want: torch.Tensor, *, bound: float = FLOAT32_BOUND, where: str = ""
) -> None:
    """Compares by relative_error; `where` names the case inside the check."""
    got_shape, want_shape = tuple(got.shape), tuple(want.shape)
    assert got_shape == want_shape, f"{check} ({where}): shape {got_shape}, expected {want_shape}"
    record(check, relative_error(got, want), bound=bound, where=where)


def merge(tables: dict[str, dict[str, Any]]) -> None:
    """Adds what another process measured."""
    for check, values in tables.items():
        other = Measured(**values)
        entry = TABLE.setdefault(check, Measured(other.bound))
        count = entry.count + other.count
        if other.worst > entry.worst:
            entry = TABLE[check] = other
        entry.count = count


def table_lines() -> list[str]:
    """The measured errors, one line a check."""
    if not TABLE:
        return []
    width = max(len(name) for name in TABLE)
    lines = [f"{'check':<{width}}  {'cases':>5}  {'bound':>8}  {'worst':>8}  where"]
    for name, entry in sorted(TABLE.items()):
        lines.append(f"{name:<{width}}  {entry.count:>5}  {entry.bound:>8.1e}  {entry.worst:>8.1e}  {entry.where}")
    return lines
