"""How long a pipeline lives: reuse, closing, and calls that are seen from outside."""

import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import llmdit
import pytest
import torch

QUICK = {"num_inference_steps": 2, "width": 32, "height": 32}


def test_a_second_call_of_another_size(pipe):
    """Report C1."""
    want = pipe("a cat", seed=1, **QUICK).latents
    pipe("a dog", seed=1, num_inference_steps=1, width=64, height=48)
    assert torch.equal(pipe("a cat", seed=1, **QUICK).latents, want)


def test_results_outlive_the_pipeline_and_are_freed_once(folders):
    """Report C2."""
    with llmdit.ZImagePipeline.from_pretrained(folders("base")) as pipe:
        result, parts = pipe("a cat", seed=1, **QUICK), (pipe.vae, pipe.tokenizer)
    assert result.images[0].size == (32, 32) and result._repr_png_()
    assert parts[0].decode(torch.zeros(1, 16, 4, 4)).shape == (1, 3, 32, 32) and parts[1].encode("a cat")


def mapped(folder):
    with open("/proc/self/maps", encoding="utf-8") as maps:
        return sum(str(folder) in line for line in maps)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_closing_lets_the_weights_go_at_once(model_copy):
    folder = model_copy()
    with llmdit.ZImagePipeline.from_pretrained(folder) as pipe:
        pipe("a cat", **QUICK)
        assert mapped(folder) > 0
    assert mapped(folder) == 0
    pipe.close()  # twice is once


def test_use_after_close(folders):
    pipe = llmdit.ZImagePipeline.from_pretrained(folders("base"))
    pipe.close()
    uses = (
        lambda: pipe("a cat"),
        lambda: pipe.encode_prompt("a cat"),
        lambda: pipe.vae,
        lambda: pipe.load_lora("a.safetensors"),
        lambda: pipe.__enter__(),
    )
    for use in uses:
        with pytest.raises(llmdit.InvalidArgument, match="closed; load it again"):
            use()
    assert repr(pipe) == "<llmdit.ZImagePipeline closed>"


def test_a_with_block_that_fails_closes(folders):
    with pytest.raises(KeyError), llmdit.ZImagePipeline.from_pretrained(folders("base")) as pipe:
        raise KeyError("mine")
    with pytest.raises(llmdit.InvalidArgument, match="closed"):
        pipe("a cat")


def test_closing_waits_for_nobody_and_harms_no_call(folders, pipe):
    want = pipe("a cat", seed=1, num_inference_steps=6, width=48, height=48).latents
    other = llmdit.ZImagePipeline.from_pretrained(folders("base"))

    def close(info):
        if info.step == 0:
            other.close()

    got = other("a cat", seed=1, num_inference_steps=6, width=48, height=48, on_step=close)
    assert torch.equal(got.latents, want)


def test_a_pipeline_is_let_go_with_its_last_name(folders):
    pipe = llmdit.ZImagePipeline.from_pretrained(folders("base"))
    result = pipe("a cat", **QUICK)
    native = weakref.ref(pipe._native) if hasattr(type(pipe._native), "__weakref__") else None
    del pipe
    assert native is None or native() is None
    assert len(result) == 1


def test_the_interpreter_is_free_during_every_long_call(folders, pipe):
    """Report C5: another thread counts while each call runs."""
    text = "a cat. " * 60
    latents = torch.zeros(1, 16, 24, 24)
    rows = pipe.encode_prompt(text).embeddings
    chat = llmdit.format_prompt(text)
    calls = {
        "load": lambda: llmdit.ZImagePipeline.from_pretrained(folders("base")),
        "encode": lambda: pipe.text_encoder.encode([chat] * 4),
        "hidden_states": lambda: pipe.text_encoder.hidden_states(pipe.tokenizer.encode(chat), "all"),
        "transformer": lambda: pipe.transformer(latents, 0.5, rows),
        "decode": lambda: pipe.vae.decode(latents),
        "encode pixels": lambda: pipe.vae.encode(torch.zeros(1, 3, 192, 192)),
        "generate text": lambda: pipe.text_encoder.generate(chat, max_new_tokens=20, seed=1),
        "fingerprint": lambda: pipe.text_encoder.fingerprint(),
        "compress": lambda: llmdit.compress_embeddings(torch.randn(4000, 256), 1000, "attention_pool"),
    }
    for name, call in calls.items():
        counter, done = [0], threading.Event()

        def count(counter=counter, done=done):
            while not done.is_set():
                counter[0] += 1
                time.sleep(0.0002)

        thread = threading.Thread(target=count)
        thread.start()
        time.sleep(0.01)
        before, started = counter[0], time.perf_counter()
        while time.perf_counter() - started < 0.05:
            call()
        after = counter[0]
        done.set()
        thread.join()
        assert after - before >= 3, name


def test_the_process_ends_while_a_call_runs(folders):
    """Report C5: no deadlock on exit with a daemon thread inside the library."""
    program = (
        "import sys, threading, time, llmdit\n"
        "pipe = llmdit.ZImagePipeline.from_pretrained(sys.argv[1])\n"
        "call = lambda: pipe('a cat', num_inference_steps=5000, on_step=lambda info: None)\n"
        "threading.Thread(target=call, daemon=True).start()\n"
        "time.sleep(0.5)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, folders("base")], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_decoder_alone_refuses_pictures(model_copy):
    """Report C3."""
    from safetensors.torch import load_file, save_file

    path = model_copy() / "vae/diffusion_pytorch_model.safetensors"
    weights = {name: tensor for name, tensor in load_file(path).items() if not name.startswith(("encoder.", "quant_"))}
    save_file(weights, path)
    pipe = llmdit.ZImagePipeline.from_pretrained(path.parents[1])
    assert pipe("a cat", **QUICK).images
    with pytest.raises(llmdit.Error, match="encoder"):
        pipe.img2img("a cat", torch.zeros(3, 32, 32), num_inference_steps=2)


def test_no_exception_is_lost_between_threads(pipe):
    """Report C7: each thread's own error comes out of its own call."""

    def work(width):
        with pytest.raises(llmdit.InvalidArgument, match=str(width)):
            pipe("a cat", width=width)
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, [17, 33, 65, 129] * 4))
