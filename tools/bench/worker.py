"""A process that does one job in one way, each time it is asked to."""

import re
import time
import traceback
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from . import peers
from .case import Case, Measured, Stage
from .jobs import JOBS


@dataclass
class Answer:
    """What came of a request."""

    seconds: dict[str, float] = field(default_factory=dict)
    """From the start of the run to the end of each stage; of a curve, of each stage by itself."""
    figures: dict[str, tuple[float, str]] = field(default_factory=dict)
    """Other quantities, with their units."""
    output: Any = None
    """The result of the last stage, float32 in NumPy; only when asked for."""
    peak_bytes: int = 0
    """The most memory the process ever held, files in it included."""
    own_bytes: int = 0
    """Memory that is nobody else's: without pages of files."""
    error: str = ""


def memory(key: str) -> int:
    """A line of /proc/self/status in bytes, 0 where there is none."""
    status = Path("/proc/self/status")
    found = re.search(rf"^{key}:\s*(\d+) kB", status.read_text(), re.MULTILINE) if status.exists() else None
    return int(found[1]) * 1024 if found else 0


def serve(connection: Connection, job: str, entrant: str, case: Case) -> None:
    """Prepares, then answers each "run" and "output" until "end", or until nobody listens."""
    try:
        import torch

        peers.activate_in_worker()
        torch.set_num_threads(case.threads)
        with torch.no_grad():
            stages = JOBS[job].entrants[entrant](case)
            connection.send(Answer())
            while (request := connection.recv()) != "end":
                connection.send(run(stages, keep_output=request == "output", curve=bool(JOBS[job].curve)))
    except (BrokenPipeError, EOFError):
        pass  # the runner was stopped
    except Exception:
        connection.send(Answer(error=traceback.format_exc()))


def run(stages: dict[str, Stage], keep_output: bool, curve: bool = False) -> Answer:
    """Runs the stages once."""
    answer, output = Answer(), None
    start = time.perf_counter()
    for name, stage in stages.items():
        if curve:
            start = time.perf_counter()
        result = stage()
        seconds = time.perf_counter() - start
        if isinstance(result, Measured):
            answer.figures |= result.figures
            output, seconds = result.output, seconds if result.seconds is None else result.seconds
        else:
            output = result
        answer.seconds[name] = seconds
    if keep_output and output is not None:
        answer.output = output.float().numpy()
    answer.peak_bytes, answer.own_bytes = memory("VmHWM"), memory("RssAnon")
    return answer
