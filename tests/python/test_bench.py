"""The measuring tool: a smoke run of it, and what it makes of figures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.bench import peers, report  # noqa: E402
from tools.bench.goals import Goal  # noqa: E402
from tools.bench.jobs import JOBS  # noqa: E402
from tools.bench.models import write_holes  # noqa: E402
from tools.bench.page import write_page  # noqa: E402
from tools.bench.plots import Scale  # noqa: E402
from tools.bench.runner import Figure, ratio_to  # noqa: E402


def test_quick_run(tmp_path):
    command = [
        sys.executable,
        "-m",
        "tools.bench",
        "--work",
        tmp_path,
        "--quick",
        "--no-install",
        "--only",
        "llmdit, G",
    ]
    command += ["--jobs", "encode_bf16,generate_4bit,growth_steps", "--json", tmp_path / "run.json"]
    command += ["--html", tmp_path / "page.html", "--markdown", tmp_path / "table.md"]
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((tmp_path / "run.json").read_text())
    found = {result["job"]: [figure["entrant"] for figure in result["figures"]] for result in record["results"]}
    assert found == {
        "encode_bf16": ["llmdit, GGUF Q8_0", "llmdit, GGUF Q8_0, int8"],
        "generate_4bit": ["llmdit, GGUF Q4_0", "llmdit, GGUF Q4_0, int4"],
    }
    assert record["machine"]["threads"] and set(record["machine"]["versions"]) >= {"llmdit", "torch", "diffusers"}
    assert "llmdit, GGUF Q8_0" in (tmp_path / "page.html").read_text()
    table = (tmp_path / "table.md").read_text()
    assert "| encode a prompt of 20 tokens" in table and report.markdown(record) == table


def gpu_bench(*arguments):
    command = [sys.executable, "-m", "tools.bench.gpu", *map(str, arguments)]
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600)


def test_quick_run_of_the_gpu_bench(tmp_path):
    """On the CPU, where each tool's float32 result is the other's."""
    options = ["--work", tmp_path, "--quick", "--device", "cpu", "--rounds", "1"]
    done = gpu_bench(*options, "--jobs", "steps,decode", "--json", tmp_path / "gpu.json")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {(row["work"], row["tool"]): row for row in json.loads((tmp_path / "gpu.json").read_text())["rows"]}
    assert len(rows) == 9 and all(row["seconds"] > 0 for row in rows.values())
    assert max(rows["step", "llmdit, bfloat16"]["distance"], rows["decode", "llmdit, float32"]["distance"]) < 1e-5
    assert done.stdout.count("| step | llmdit, int") == 2


def test_the_gpu_bench_refuses_before_it_makes_models(tmp_path):
    for arguments, words in (
        (["--jobs", "wait"], "no job wait; there are steps"),
        ([], "expected a GPU for --device cuda"),
    ):
        done = gpu_bench("--work", tmp_path / "models", *arguments)
        assert done.returncode == 2 and words in done.stderr
    assert not (tmp_path / "models").exists()


def figures() -> list[Figure]:
    """Three rounds of two tools, and a bound."""
    ours = Figure("llmdit", "", "s", [1.0, 2.0, 1.0], distance=0.01)
    theirs = Figure("diffusers", "", "s", [3.0, 4.0, 5.0], distance=0.02)
    return [ours, theirs, Figure("llmdit", "peak", "GB", [4.0]), Figure("llmdit", "allowed", "GB", [5.0])]


def test_ratios_are_of_the_same_round():
    ours, theirs = figures()[:2]
    assert ratio_to("diffusers", ours, [ours, theirs]) == 3.0
    assert ratio_to("OpenVINO", ours, [ours, theirs]) is None


@pytest.mark.parametrize(
    ("goal", "measured", "met"),
    [
        (Goal("llmdit", 3, "diffusers"), 3.0, True),
        (Goal("llmdit", 3.5, "diffusers"), 3.0, False),
        (Goal("llmdit", 3.5, "diffusers", slack=1.0), 4.0, True),
        (Goal("llmdit", 1, "llmdit", quantity="peak", over_quantity="allowed"), 1.25, True),
        (Goal("llmdit", distance=0.02), 0.01, True),
        (Goal("llmdit", distance=0.009), 0.01, False),
        (Goal("llmdit", distance_of="diffusers"), 0.01, True),
    ],
)
def test_goals(goal, measured, met):
    result = goal.result(figures())
    assert (result["measured"], result["met"]) == (measured, met)
    assert result["text"].startswith("llmdit")


def test_a_goal_without_its_figures_is_left_out():
    assert Goal("llmdit", 3, "OpenVINO").result(figures()) is None
    assert Goal("OpenVINO", distance=0.1).result(figures()) is None


def test_goals_name_ways_that_there_are():
    for name, job in JOBS.items():
        for goal in job.goals:
            assert {goal.entrant, goal.over or goal.entrant, goal.distance_of or goal.entrant} <= set(job.entrants), (
                name
            )


def curve_record() -> dict:
    """Of a curve whose time grows with the square."""
    points = [Figure("llmdit", str(count), "s", [count**2 / 100]).as_dict() for count in (1, 4, 16)]
    result = {"job": "growth", "title": "time <over> tokens", "baseline": "diffusers", "figures": points, "goals": []}
    result |= {"curve": "tokens", "failed": {"diffusers": "no <memory>"}, "load_average": 0.0}
    machine = {"processor": "a processor", "features": [], "threads": 2, "memory_gb": 8.0, "system": "Linux"}
    return {"machine": machine | {"versions": {}}, "settings": {"rounds": 1}, "results": [result]}


def test_powers_of_a_curve():
    assert [round(power, 6) for power in report.powers(curve_record()["results"][0]).values()] == [2.0, 2.0]
    assert "llmdit, 16 tokens (power 2.00)" in report.markdown(curve_record())


def test_page_of_a_curve(tmp_path):
    write_page(tmp_path / "page.html", curve_record())
    page = (tmp_path / "page.html").read_text()
    assert "<polyline" in page and "time &lt;over&gt; tokens" in page and "no &lt;memory&gt;" in page


def test_scale_of_a_single_value():
    assert Scale([5.0], 0.0, 100.0)(5.0) == 0.0


def test_holes_are_whole_files(tmp_path):
    import torch
    from safetensors.torch import load_file

    write_holes(tmp_path / "zeros.safetensors", {"a": torch.empty(3, 5, device="meta"), "b": torch.empty(7)})
    tensors = load_file(tmp_path / "zeros.safetensors")
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == {"a": (3, 5), "b": (7,)}
    assert not any(tensor.any() for tensor in tensors.values())


def test_an_edit_that_does_not_fit_is_an_error(tmp_path):
    source = tmp_path / "source.hpp"
    source.write_text("int layers = 30;")
    peers.edit(source, "30", "4")
    assert source.read_text() == "int layers = 4;"
    with pytest.raises(ValueError, match=r"source.hpp is not the file"):
        peers.edit(source, "30", "4")
