"""Runs the ways to do a job in turns, each in its own process: whatever else the machine does hits all alike."""

import importlib.util
import multiprocessing
import os
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .case import Case
from .jobs import Job
from .sizes import Sizes
from .worker import Answer, serve

_PROCESSES = multiprocessing.get_context("spawn")


@dataclass
class Figure:
    """One quantity of one way to do a job, over the rounds."""

    entrant: str
    quantity: str
    unit: str
    values: list[float]
    ratio: float | None = None
    """The baseline's value over this one's: median over the rounds of the ratio within a round."""
    distance: float | None = None
    """Of the result to the float32 reference: norm of the difference over norm of the reference."""

    @property
    def minimum(self) -> float:
        """The least disturbed round."""
        return min(self.values)

    @property
    def median(self) -> float:
        """The usual round."""
        return statistics.median(self.values)

    def as_dict(self) -> dict[str, Any]:
        """For the record of a run."""
        return asdict(self) | {"minimum": self.minimum, "median": self.median}


@dataclass
class Result:
    """What a job gave."""

    job: str
    title: str
    baseline: str
    figures: list[Figure] = field(default_factory=list)
    goals: dict[str, str] = field(default_factory=dict)
    load_average: float = 0.0
    """Of the last minute before the job, on all processors: what else the machine was doing."""

    def as_dict(self) -> dict[str, Any]:
        """For the record of a run."""
        return asdict(self) | {"figures": [figure.as_dict() for figure in self.figures]}


class Worker:
    """A running process of worker.serve."""

    def __init__(self, job: str, entrant: str, case: Case) -> None:
        self.name = f"{job}: {entrant}"
        self._pipe, far_end = _PROCESSES.Pipe()
        self._process = _PROCESSES.Process(target=serve, args=(far_end, job, entrant, case), daemon=True)
        self._process.start()
        far_end.close()

    def wait_until_ready(self) -> None:
        """To be called once, before the first request."""
        self._receive()

    def stop(self) -> None:
        """Ends the process."""
        try:
            self._pipe.send("end")
        except OSError:
            pass  # it has ended by itself
        self._process.join(timeout=60)
        self._process.kill()

    def ask(self, request: str) -> Answer:
        """Sends "run" or "output" and waits."""
        self._pipe.send(request)
        return self._receive()

    def _receive(self) -> Answer:
        try:
            answer: Answer = self._pipe.recv()
        except EOFError:
            self._process.join()
            raise RuntimeError(f"{self.name} ended with status {self._process.exitcode}") from None
        if answer.error:
            raise RuntimeError(f"{self.name} failed:\n{answer.error}")
        return answer


def set_threads(threads: int) -> None:
    """For the processes started from now on; before any of their libraries is loaded."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)


def build_models(work: Path, sizes: Sizes) -> None:
    """Writes the models that are missing, in a process of its own: this one stays small."""
    builder = _PROCESSES.Process(target=_build_models, args=(work, sizes))
    builder.start()
    builder.join()
    if builder.exitcode:
        raise RuntimeError(f"the models could not be made: the process ended with status {builder.exitcode}")


def _build_models(work: Path, sizes: Sizes) -> None:
    from .models import build

    build(work, sizes)


def measure(name: str, job: Job, case: Case, rounds: int) -> Result:
    """Runs a job."""
    gigabytes = folder_bytes(case.folders[job.reads]) / 1e9 if job.reads else 0.0
    title = job.title.format(pixels=case.pixels, twice=2 * case.pixels, four_times=4 * case.pixels, gigabytes=gigabytes)
    result = Result(name, title, job.baseline, goals=job.goals, load_average=os.getloadavg()[0])
    if job.fresh:
        answers = measure_fresh(name, job, case, rounds)
        outputs: dict[str, np.ndarray] = {}
    else:
        answers, outputs = measure_warm(name, job, case, rounds)
    for entrant, runs in answers.items():
        result.figures += figures_of(entrant, runs, with_memory=job.fresh)
    for figure in result.figures:
        figure.ratio = ratio_to(job.baseline, figure, result.figures)
        if job.reference and figure.entrant != job.reference and same_shape(outputs, figure.entrant, job.reference):
            figure.distance = distance(outputs[figure.entrant], outputs[job.reference])
    return result


def present(job: Job) -> list[str]:
    """The ways whose tools are installed."""
    return [name for name in job.entrants if name not in job.needs or importlib.util.find_spec(job.needs[name])]


def measure_warm(name: str, job: Job, case: Case, rounds: int) -> tuple[dict[str, list[Answer]], dict[str, np.ndarray]]:
    """All processes live side by side and run in turns; a first run of each, which is not counted, gives its output."""
    workers: dict[str, Worker] = {}
    try:
        for entrant in present(job):
            workers[entrant] = Worker(name, entrant, case)
        for worker in workers.values():
            worker.wait_until_ready()
        outputs = {entrant: worker.ask("output").output for entrant, worker in workers.items()}
        answers = in_turns(list(workers), rounds, lambda entrant: workers[entrant].ask("run"))
    finally:
        for worker in workers.values():
            worker.stop()
    return answers, {entrant: output for entrant, output in outputs.items() if output is not None}


def measure_fresh(name: str, job: Job, case: Case, rounds: int) -> dict[str, list[Answer]]:
    """A new process for each run, after the folder has been read once."""

    def once(entrant: str) -> Answer:
        assert job.reads
        read_folder(case.folders[job.reads])
        worker = Worker(name, entrant, case)
        try:
            worker.wait_until_ready()
            return worker.ask("run")
        finally:
            worker.stop()

    return in_turns(present(job), rounds, once)


def in_turns(entrants: list[str], rounds: int, once: Callable[[str], Answer]) -> dict[str, list[Answer]]:
    """Each round starts with another entrant."""
    answers: dict[str, list[Answer]] = {entrant: [] for entrant in entrants}
    for index in range(rounds):
        first = index % len(entrants)
        for entrant in entrants[first:] + entrants[:first]:
            answers[entrant].append(once(entrant))
    return answers


def figures_of(entrant: str, answers: list[Answer], with_memory: bool) -> list[Figure]:
    """Times of each stage, and memory when asked for."""
    figures = [
        Figure(entrant, stage, "s", [answer.seconds[stage] for answer in answers]) for stage in answers[0].seconds
    ]
    if with_memory:
        peaks = [answer.peak_bytes / 1e9 for answer in answers]
        own = [answer.own_bytes / 1e9 for answer in answers]
        figures.append(Figure(entrant, "peak memory, pages of files included", "GB", peaks))
        figures.append(Figure(entrant, "memory of its own afterwards", "GB", own))
    return figures


def ratio_to(baseline: str, figure: Figure, figures: list[Figure]) -> float | None:
    """How many times less than the baseline; nothing where the baseline has no such figure."""
    for other in figures:
        if other.entrant == baseline and other.quantity == figure.quantity:
            return statistics.median(theirs / own for theirs, own in zip(other.values, figure.values))
    return None


def same_shape(outputs: dict[str, np.ndarray], entrant: str, reference: str) -> bool:
    """Whether both gave a result and it is the same thing: not, say, that of the blocks alone."""
    return entrant in outputs and reference in outputs and outputs[entrant].shape == outputs[reference].shape


def distance(value: np.ndarray, reference: np.ndarray) -> float:
    """Relative, in the Euclidean norm."""
    difference = value.astype(np.float64) - reference
    return float(np.linalg.norm(difference) / np.linalg.norm(reference.astype(np.float64)))


def folder_files(folder: Path) -> list[Path]:
    """All files, in subfolders too."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def folder_bytes(folder: Path) -> int:
    """The size of a model."""
    return sum(path.stat().st_size for path in folder_files(folder))


def read_folder(folder: Path) -> None:
    """Brings a model into the page cache, if memory allows."""
    for path in folder_files(folder):
        with path.open("rb", buffering=0) as file:
            while file.read(1 << 24):
                pass
