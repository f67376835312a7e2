"""The notebooks run from the first cell to the last, and lie in the repository with their pictures."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from traitlets.config import Config

FOLDER = Path(__file__).resolve().parents[2] / "examples/notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
PICTURES = {"first_tour": 8, "what_the_language_model_sees": 8}


def pictures(notebook: nbformat.NotebookNode) -> int:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return sum("image/png" in output.get("data", {}) for output in outputs)


def test_there_are_two_and_they_are_small() -> None:
    assert {path.stem for path in NOTEBOOKS} == set(PICTURES)
    assert sum(path.stat().st_size for path in NOTEBOOKS) < 3e6


def texts(notebook: nbformat.NotebookNode) -> Iterator[str]:
    """All that is to be read in a notebook: its cells and what they wrote."""
    for cell in notebook.cells:
        yield cell.source
        for output in cell.get("outputs", []):
            yield output.get("text", "")
            yield from (str(data) for kind, data in output.get("data", {}).items() if not kind.startswith("image/"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = nbformat.read(path, as_version=4)
    cells = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "stored as it was run, in order"
    assert pictures(stored) >= PICTURES[path.stem]
    assert str(Path.home()) not in path.read_text()
    assert not re.search(r"(?:^|[\s'\"(=])/(?!usr/)\w+/", "\n".join(texts(stored))), "no path of a machine"

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(FOLDER.parents[1] / "build/python")]))
    config = Config()
    config.KernelManager.transport = "ipc"
    config.KernelManager.connection_file = str(tmp_path / "kernel.json")
    run = NotebookClient(stored, timeout=300, kernel_name="python3", config=config).execute()
    assert pictures(run) >= PICTURES[path.stem]
