"""Runs the ways to do a job in turns, each in its own process: whatever else the machine does hits all alike."""

import contextlib
import importlib.util
import multiprocessing
import os
import statistics
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .case import Case
from .jobs import NEEDS_WIDTHS, Job, need_of
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
    goals: list[dict[str, Any]] = field(default_factory=list)
    """Of goals.Goal.result."""
    curve: str | None = None
    """What the quantities count, where they are numbers."""
    failed: dict[str, str] = field(default_factory=dict)
    """Ways that ended with an error, and its last line."""
    load_average: float = 0.0
    """Of the last minute before the job, on all processors: what else the machine was doing."""

    def as_dict(self) -> dict[str, Any]:
        """For the record of a run."""
        return asdict(self) | {"figures": [figure.as_dict() for figure in self.figures]}


class WorkerFailed(Exception):
    """A process ended or told an error."""


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

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the process."""
        try:
            self._pipe.send("end")
        except OSError:
            pass  # it has ended by itself
        self._process.join(timeout=60)
        self._process.kill()

    def ask(self, request: str) -> Answer:
        """Sends "run" or "output" and waits."""
        try:
            self._pipe.send(request)
        except OSError:
            pass  # it has ended; receiving tells how
        return self._receive()

    def _receive(self) -> Answer:
        try:
            answer: Answer = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            raise WorkerFailed(f"{self.name} ended with status {self._process.exitcode}") from None
        if answer.error:
            print(f"{self.name} failed:\n{answer.error}", flush=True)
            raise WorkerFailed(answer.error)
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


def machine(threads: int) -> dict[str, Any]:
    """Of machine.describe, in a process of its own: it loads torch, which measurements need not share memory with."""
    with _PROCESSES.Pool(1) as pool:
        described: dict[str, Any] = pool.apply(_describe, (threads,))
    return described


def _describe(threads: int) -> dict[str, Any]:
    from . import peers
    from .machine import describe

    peers.activate_in_worker()
    return describe(threads)


def _build_models(work: Path, sizes: Sizes) -> None:
    from .models import build

    build(work, sizes)


def measure(name: str, job: Job, case: Case, rounds: int, only: str = "") -> Result:
    """Runs the ways to do a job whose names contain `only`."""
    gigabytes = folder_bytes(case.folders[job.reads]) / 1e9 if job.reads else 0.0
    sides = {"pixels": 1, "twice": 2, "four_times": 4, "eight_times": 8}
    title = job.title.format(**{key: times * case.pixels for key, times in sides.items()}, gigabytes=gigabytes)
    result = Result(name, title, job.baseline, curve=job.curve, load_average=os.getloadavg()[0])
    race = Race(name, job, case, [entrant for entrant in present(job, case) if only in entrant])
    race.run(min(rounds, job.most_rounds or rounds))
    result.failed = race.failed
    for entrant, runs in race.answers.items():
        if runs:
            result.figures += figures_of(entrant, runs, with_memory=job.fresh)
    for figure in result.figures:
        figure.ratio = ratio_to(job.baseline, figure, result.figures)
        if (
            job.reference
            and figure.entrant != job.reference
            and same_shape(race.outputs, figure.entrant, job.reference)
        ):
            figure.distance = distance(race.outputs[figure.entrant], race.outputs[job.reference])
    result.goals = [outcome for goal in job.goals if (outcome := goal.result(result.figures))]
    return result


def present(job: Job, case: Case) -> list[str]:
    """The ways whose tools are installed and fit the models."""
    needs = {entrant: need_of(entrant) for entrant in job.entrants}
    return [
        entrant
        for entrant, need in needs.items()
        if need is None or (importlib.util.find_spec(need) and (case.wide or need not in NEEDS_WIDTHS))
    ]


class Race:
    """The ways to do one job, in turns. One that fails leaves the others running."""

    def __init__(self, name: str, job: Job, case: Case, entrants: list[str]) -> None:
        self.answers: dict[str, list[Answer]] = {entrant: [] for entrant in entrants if entrant not in job.untimed}
        self.outputs: dict[str, np.ndarray] = {}
        self.failed: dict[str, str] = {}
        self._name, self._job, self._case = name, job, case
        self._untimed = [entrant for entrant in entrants if entrant in job.untimed]

    def run(self, rounds: int) -> None:
        """All of it."""
        if self._job.fresh:
            self._in_turns(rounds, self._run_fresh)
            return
        for entrant in self._untimed:
            with self._noting_failure(entrant), self._worker(entrant) as worker:
                worker.wait_until_ready()
                self._keep(entrant, worker.ask("output"))
        with contextlib.ExitStack() as workers:
            self._run_warm(rounds, workers)

    def _run_warm(self, rounds: int, stack: contextlib.ExitStack) -> None:
        """All processes live side by side and run in turns; the first run of each gives its output."""
        workers: dict[str, Worker] = {entrant: stack.enter_context(self._worker(entrant)) for entrant in self.answers}
        for entrant, worker in workers.items():
            with self._noting_failure(entrant):
                worker.wait_until_ready()
                if self._job.warms_up(entrant):
                    self._keep(entrant, worker.ask("output"))

        def once(entrant: str) -> Answer:
            if self.answers[entrant] or self._job.warms_up(entrant):
                return workers[entrant].ask("run")
            return self._keep(entrant, workers[entrant].ask("output"))

        self._in_turns(rounds, once)

    def _run_fresh(self, entrant: str) -> Answer:
        """A new process, after the folder has been read once."""
        assert self._job.reads
        read_folder(self._case.folders[self._job.reads])
        with self._worker(entrant) as worker:
            worker.wait_until_ready()
            return worker.ask("run")

    def _in_turns(self, rounds: int, once: Callable[[str], Answer]) -> None:
        """Each round starts with another entrant."""
        names = list(self.answers)
        for index in range(rounds):
            first = index % max(len(names), 1)
            for entrant in names[first:] + names[:first]:
                if entrant not in self.failed:
                    with self._noting_failure(entrant):
                        self.answers[entrant].append(once(entrant))

    def _worker(self, entrant: str) -> "Worker":
        return Worker(self._name, entrant, self._case)

    def _keep(self, entrant: str, answer: Answer) -> Answer:
        if answer.output is not None:
            self.outputs[entrant] = answer.output
        return answer

    @contextlib.contextmanager
    def _noting_failure(self, entrant: str) -> Iterator[None]:
        try:
            yield
        except WorkerFailed as failure:
            self.failed[entrant] = str(failure).strip().splitlines()[-1]


def figures_of(entrant: str, answers: list[Answer], with_memory: bool) -> list[Figure]:
    """Times of each stage, and memory when asked for."""
    figures = [
        Figure(entrant, stage, "s", [answer.seconds[stage] for answer in answers]) for stage in answers[0].seconds
    ]
    figures += [
        Figure(entrant, name, unit, [answer.figures[name][0] for answer in answers])
        for name, (_, unit) in answers[0].figures.items()
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
    """Brings a model into the page cache, if memory allows; of files of holes that costs next to nothing."""
    for path in folder_files(folder):
        with path.open("rb", buffering=0) as file:
            while file.read(1 << 24):
                pass
