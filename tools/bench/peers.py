"""The tools that llmdit is measured against, in an environment of their own beside the models.

python -m tools.bench.peers --work /tmp/bench
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import venv
from pathlib import Path

# What each is imported as, and what pip calls it. diffusers and transformers come with the project's own environment.
PEERS = {"openvino": ["openvino", "nncf"]}


def folder(work: Path) -> Path:
    """The environment."""
    return work / "peers"


def site_packages(work: Path) -> Path:
    """Where its packages are."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return folder(work) / "lib" / version / "site-packages"


def activate(work: Path) -> None:
    """Makes its packages importable here, after the project's own: torch and numpy stay those that llmdit runs on."""
    path = str(site_packages(work))
    if path not in sys.path:
        sys.path.append(path)
    os.environ["LLMDIT_BENCH_PEERS"] = path  # for the worker processes, which start afresh


def activate_in_worker() -> None:
    """The same in a process that was started by one that did."""
    if path := os.environ.get("LLMDIT_BENCH_PEERS"):
        sys.path.append(path)


def missing(work: Path) -> list[str]:
    """Those that cannot be imported."""
    activate(work)
    return [name for name in PEERS if importlib.util.find_spec(name) is None]


def install(work: Path) -> dict[str, str]:
    """Installs what is missing; what failed, with the last line that pip said."""
    if not (folder(work) / "bin/python").exists():
        venv.create(folder(work), with_pip=True)
    failed = {}
    for name in missing(work):
        command = [folder(work) / "bin/python", "-m", "pip", "install", "-q", *PEERS[name]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            failed[name] = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return failed


def main() -> None:
    """Installs them, and names those that could not be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="the folder of python -m tools.bench")
    for name, reason in install(parser.parse_args().work).items():
        print(f"{name} could not be installed: {reason}")


if __name__ == "__main__":
    main()
