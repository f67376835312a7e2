"""Runs every fuzz target for a while on seeds that tools of others write, and reports what they find.

python tests/fuzz/run.py BUILD_FOLDER [--seconds N] [TARGET...]
"""

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import seeds

LONGEST_INPUT = 1 << 16  # bytes; what breaks parsers is short
REPOSITORY = Path(__file__).resolve().parents[2]


def run(target: Path, folder: Path, seconds: int) -> bool:
    corpus = folder / target.name
    seeds.write(target.name.removesuffix("_fuzz"), corpus)
    findings = REPOSITORY / "out" / "fuzz"
    findings.mkdir(parents=True, exist_ok=True)
    command = [
        target,
        corpus,
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST_INPUT}",
        f"-artifact_prefix={findings}/{target.name}-",
        "-timeout=25",
        "-rss_limit_mb=4096",
        "-print_final_stats=1",
        "-close_fd_mask=1",
    ]
    # libtorch keeps what it allocates at start-up; its leaks are not the target's.
    environment = os.environ | {
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:detect_odr_violation=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "OMP_NUM_THREADS": "1",
        "LLMDIT_DEMO_MODEL": str(REPOSITORY / "examples/demo_model"),
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace")
    runs = next((line.split()[-1] for line in done.stderr.splitlines() if "number_of_executed_units" in line), "?")
    print(f"{target.name}: {runs} inputs, {'no finding' if done.returncode == 0 else 'FOUND A FAULT'}", flush=True)
    if done.returncode != 0:
        print(done.stderr[-6000:], flush=True)
    return done.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=Path)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    arguments = parser.parse_args()
    found = sorted(path for path in (arguments.build / "bin").glob("*_fuzz") if os.access(path, os.X_OK))
    chosen = [path for path in found if not arguments.targets or path.name in arguments.targets]
    if not chosen:
        print(f"expected fuzz targets in {arguments.build / 'bin'}, found none", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        results = list(pool.map(lambda target: run(target, Path(folder), arguments.seconds), chosen))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
