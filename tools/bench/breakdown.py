"""Where the time of a job goes, operation by operation.

python -m tools.bench.breakdown --work /tmp/bench --job step --entrant llmdit
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from .case import Case
from .jobs import JOBS
from .sizes import Sizes

# Operations by what they are for; the first that fits counts, "element by element" takes the rest.
GROUPS: dict[str, tuple[str, ...]] = {
    "matrix products": ("mm", "addmm", "bmm", "linear", "mkldnn_linear"),
    "convolutions": ("mkldnn_convolution", "_slow_conv2d_forward", "thnn_conv2d", "convolution"),
    "attention": ("_scaled_dot_product_flash_attention_for_cpu", "_softmax", "scaled_dot_product_attention"),
    "norms": ("_fused_rms_norm", "rms_norm", "native_layer_norm", "native_group_norm", "mean", "pow", "rsqrt"),
    "copies": ("copy_", "cat", "clone", "contiguous", "constant_pad_nd", "index", "upsample_nearest2d"),
    "memory": ("empty", "empty_like", "empty_strided", "resize_", "fill_", "zero_"),
}
REST = "element by element"


def group_of(operation: str) -> str:
    """The group of "aten::mm"."""
    name = operation.removeprefix("aten::")
    return next((group for group, names in GROUPS.items() if name in names), REST)


def record(stages: list[Callable[[], object]], runs: int) -> list[tuple[str, str, int, float]]:
    """(operation, shapes, calls, milliseconds) of one run: own time, without that of the operations called inside."""
    with torch.no_grad():
        for stage in stages:
            stage()
        with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiler:
            for _ in range(runs):
                for stage in stages:
                    stage()
    events = profiler.key_averages(group_by_input_shape=True)
    rows = [(e.key, shapes_text(e.input_shapes), e.count // runs, e.self_cpu_time_total / 1e3 / runs) for e in events]
    return sorted(rows, key=lambda row: -row[3])


def shapes_text(shapes: list[list[int]]) -> str:
    """[[2, 3], [], [3]] to "2x3 3"."""
    return " ".join("x".join(map(str, shape)) for shape in shapes if shape)


def print_table(rows: list[tuple[str, str, int, float]], top: int) -> None:
    """Groups, then the operations that cost most."""
    total = sum(row[3] for row in rows)
    groups: dict[str, float] = {}
    for operation, _, _, milliseconds in rows:
        groups[group_of(operation)] = groups.get(group_of(operation), 0.0) + milliseconds
    print(f"{'total':<24}{total:9.1f} ms")
    for group, milliseconds in sorted(groups.items(), key=lambda item: -item[1]):
        print(f"{group:<24}{milliseconds:9.1f} ms {milliseconds / total:6.1%}")
    print(f"\n{'operation':<48}{'calls':>6}{'ms':>9}{'share':>7}  shapes")
    for operation, shapes, calls, milliseconds in rows[:top]:
        print(f"{operation:<48}{calls:>6}{milliseconds:>9.1f}{milliseconds / total:>7.1%}  {shapes}")


def main() -> None:
    """Runs one way to do a job under torch's profiler, which also sees the operations that C++ code calls."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="the folder of python -m tools.bench")
    parser.add_argument("--job", default="step", choices=JOBS)
    parser.add_argument("--entrant", default="llmdit")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--top", type=int, default=25)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    case = Case(Sizes().folders(args.work), args.size, args.threads)
    stages = JOBS[args.job].entrants[args.entrant](case)
    print_table(record(list(stages.values()), args.runs), args.top)


if __name__ == "__main__":
    main()
