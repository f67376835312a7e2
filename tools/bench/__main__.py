"""Measures llmdit against other tools on models of Z-Image's real width, and prints ratios.

    python -m tools.bench --work /tmp/bench                       # everything; writes 25 GB of models once
    python -m tools.bench --work /tmp/bench --jobs step,decode --rounds 9 --json step.json
    python -m tools.bench --work /tmp/bench --prepare             # peers and models, for a run at a quiet time
    python -m tools.bench --work /tmp/bench --quick               # does it run at all? Under a minute

A ratio is measured within a round, each tool right after the other: times alone mean little on a shared machine.
"""

import argparse
import dataclasses
import os
import time
from pathlib import Path
from typing import Any

from . import peers
from .case import Case
from .jobs import JOBS
from .page import write_page
from .report import markdown, result_lines, write_json
from .runner import build_models, machine, measure, set_threads
from .sizes import QUICK, Sizes

# No network, no progress bars, no advice.
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "DIFFUSERS_VERBOSITY": "error",
    "TRANSFORMERS_VERBOSITY": "error",
}


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="folder of the models, outside the repository")
    parser.add_argument("--jobs", default=",".join(JOBS), help=f"of {', '.join(JOBS)} (default: all)")
    parser.add_argument("--only", default="", metavar="TEXT", help="of the ways to do a job, those whose name has TEXT")
    parser.add_argument("--rounds", type=int, help="default: 3, with --quick 1")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: all there are")
    parser.add_argument("--size", type=int, help="side of the picture in pixels (default: 256, with --quick 64)")
    parser.add_argument("--layers", type=int, help="main layers of the transformer")
    parser.add_argument("--refiner-layers", type=int, help="layers of each of its two refiners")
    parser.add_argument("--encoder-layers", type=int, help="layers of the text encoder")
    parser.add_argument("--quick", action="store_true", help="small models: a smoke run")
    parser.add_argument("--prepare", action="store_true", help="install the peers and make the models, measure nothing")
    parser.add_argument("--no-install", action="store_true", help="measure only the peers that are installed already")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with plots")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure of every round")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table")
    args = parser.parse_args()
    args.jobs = args.jobs.split(",")
    unknown = [name for name in args.jobs if name not in JOBS]
    if unknown:
        parser.error(f"no job {', '.join(unknown)}; there are {', '.join(JOBS)}")
    args.rounds = args.rounds or (1 if args.quick else 3)
    args.size = args.size or (64 if args.quick else 256)
    if args.size % 16:
        parser.error("--size is a multiple of 16")
    return args


def chosen_sizes(args: argparse.Namespace) -> Sizes:
    """The models' sizes, with what the command line changes in them."""
    names = ("layers", "refiner_layers", "encoder_layers")
    changes = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    return dataclasses.replace(QUICK if args.quick else Sizes(), **changes)


def main() -> None:
    """Runs the jobs."""
    args = parse_arguments()
    os.environ.update(QUIET)
    set_threads(args.threads)
    left_out = dict.fromkeys(peers.missing(args.work), "not installed") if args.no_install else peers.install(args.work)
    peers.activate(args.work)
    for name, reason in left_out.items():
        print(f"without {name}: {reason}", flush=True)
    sizes = chosen_sizes(args)
    build_models(args.work, sizes)
    if args.prepare:
        return
    record = measure_all(args, sizes, left_out)
    if args.html:
        write_page(args.html, record)
    if args.markdown:
        args.markdown.write_text(markdown(record), encoding="utf-8")
    if any(result["failed"] for result in record["results"]):
        raise SystemExit("some failed, as told above")


def measure_all(args: argparse.Namespace, sizes: Sizes, left_out: dict[str, str]) -> dict[str, Any]:
    """Runs the jobs and tells each as it ends; the JSON file holds what there is even if a later one breaks."""
    case = Case(sizes.folders(args.work), args.size, args.threads, sizes.wide)
    settings = {"rounds": args.rounds, "pixels": args.size, "sizes": sizes.as_dict()}
    results: list[dict[str, Any]] = []
    record = {"machine": machine(args.threads), "settings": settings, "results": results, "left_out": left_out}
    for name in args.jobs:
        start = time.perf_counter()
        if not any(args.only in entrant for entrant in JOBS[name].entrants):
            continue
        results.append(measure(name, JOBS[name], case, args.rounds, args.only).as_dict())
        results[-1]["took"] = time.perf_counter() - start
        print("\n".join(result_lines(results[-1])), flush=True)
        if args.json:
            write_json(args.json, record)
    return record


if __name__ == "__main__":
    main()
