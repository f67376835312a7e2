"""Worker processes: forked ones work on one thread, spawned ones on all, as docs/installation.md says."""

import subprocess
import sys
import textwrap

import pytest

# Each worker draws one picture; `parent` are those the parent draws before and after, on one thread and on two.
PROGRAM = """
import concurrent.futures, multiprocessing, os, sys
import torch, llmdit

OPTIONS = dict(num_inference_steps=2, width=64, height=64, output_type="pt")
pipe = None

def load():
    global pipe
    pipe = llmdit.ZImagePipeline.from_pretrained(llmdit.demo_model_path())

def draw(seed):
    if pipe is None:
        load()
    return pipe("a red circle", seed=seed, **OPTIONS).images.numpy(), torch.get_num_threads()

if __name__ == "__main__":
    kind = sys.argv[1]
    load()
    torch.set_num_threads(1)
    expected = [draw(seed)[0] for seed in range(4)]
    torch.set_num_threads(2)
    for seed in range(4):
        draw(seed)  # libtorch's pool has threads now
    context = multiprocessing.get_context(kind)
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        drawn = list(pool.map(draw, range(4), timeout=100))
    for (picture, threads), wanted in zip(drawn, expected):
        assert abs(picture - wanted).max() < 1e-4, abs(picture - wanted).max()
        if kind == "fork":
            assert threads == 1 and (picture == wanted).all()
    draw(5)
    assert torch.get_num_threads() == 2
"""


@pytest.mark.parametrize("kind", ["fork", "spawn"])
def test_workers_draw_the_same(kind, tmp_path):
    program = tmp_path / "workers.py"
    program.write_text(textwrap.dedent(PROGRAM))
    done = subprocess.run([sys.executable, program, kind], capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr


def test_import_is_quick():
    """Over that of torch; the bound is for a busy machine."""
    code = "import time, torch; t = time.perf_counter(); import llmdit; print(time.perf_counter() - t)"
    seconds = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(2)]
    assert min(seconds) < 1.5
