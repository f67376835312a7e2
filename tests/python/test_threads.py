"""One pipeline on many threads, and calls that are stopped."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import llmdit
import pytest
import torch
from parity import assert_close

SIZE = {"width": 48, "height": 48, "num_inference_steps": 6}
PROMPT = "a red circle above a blue ring"


def latents(pipe, **options):
    return pipe(PROMPT, output_type="pt", **{**SIZE, **options})


@pytest.mark.parametrize("guidance", [0.0, 2.0])
def test_eight_threads_equal_one(pipe, guidance):
    seeds = list(range(20))

    def draw(seed):
        return latents(pipe, seed=seed, guidance_scale=guidance, num_inference_steps=2)

    serial = [draw(seed) for seed in seeds]
    with ThreadPoolExecutor(8) as pool:
        threaded = list(pool.map(lambda _: [draw(seed) for seed in seeds], range(8)))
    for results in threaded:
        for one, other in zip(serial, results):
            assert torch.equal(one.images, other.images) and torch.equal(one.latents, other.latents)


def test_threads_share_encoder_transformer_and_autoencoder(pipe):
    def work(_):
        rows = pipe.encode_prompt(PROMPT).embeddings
        latent = torch.ones(1, 16, 4, 4)
        return (
            pipe.transformer(latent, 0.5, rows),
            pipe.vae.decode(latent),
            pipe.vae.encode(torch.zeros(1, 3, 32, 32)).mean,
        )

    want = work(0)
    with ThreadPoolExecutor(4) as pool:
        for results in pool.map(work, range(16)):
            assert all(torch.equal(one, other) for one, other in zip(results, want))


def test_the_number_of_threads_is_no_matter(pipe):
    want = latents(pipe, seed=4, num_inference_steps=1, guidance_scale=1.0)
    torch.set_num_threads(2)
    try:
        got = latents(pipe, seed=4, num_inference_steps=1, guidance_scale=1.0)
    finally:
        torch.set_num_threads(1)
    assert_close("one thread and two", got.latents, want.latents, where="latents")
    assert_close("one thread and two", got.images, want.images, where="pixels")


def test_callbacks_of_each_thread_are_its_own(pipe):
    def work(seed):
        threads = set()
        result = latents(pipe, seed=seed, on_step=lambda info: threads.add(threading.get_ident()))
        return threads == {threading.get_ident()}, result.seeds == [seed]

    with ThreadPoolExecutor(4) as pool:
        assert all(all(pair) for pair in pool.map(work, range(8)))


def test_other_threads_run_meanwhile(pipe):
    """The interpreter is free while a picture is made."""
    ticks, done = [], threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    started = time.perf_counter()
    latents(pipe, seed=1, width=256, height=256, num_inference_steps=3)
    ended = time.perf_counter()
    done.set()
    thread.join()
    during = [t for t in ticks if started < t < ended]
    assert len(during) > 10
    assert max(b - a for a, b in zip(during, during[1:])) < max(0.2, (ended - started) / 3)


def test_on_step_true_stops(pipe):
    want = latents(pipe, seed=3)
    for last in (0, 2, SIZE["num_inference_steps"] - 1):
        seen = []

        def on_step(info, last=last, seen=seen):
            seen.append(info.step)
            return info.step == last

        with pytest.raises(llmdit.Cancelled, match=f"step {last + 1} of 6"):
            latents(pipe, seed=3, on_step=on_step)
        assert seen == list(range(last + 1))
    assert torch.equal(latents(pipe, seed=3).images, want.images)


class Unusual(BaseException):
    """Not an Exception, as KeyboardInterrupt is not."""


@pytest.mark.parametrize("kind", [ValueError, llmdit.Cancelled, Unusual, SystemExit])
def test_an_exception_of_on_step_comes_through_as_it_is(pipe, kind):
    raised = kind("my own")

    def on_step(info):
        if info.step == 1:
            raise raised

    want = latents(pipe, seed=3)
    with pytest.raises(kind) as caught:
        latents(pipe, seed=3, on_step=on_step)
    assert caught.value is raised
    assert "on_step" in [entry.name for entry in caught.traceback]
    assert torch.equal(latents(pipe, seed=3).images, want.images)


@pytest.mark.parametrize("answer", ["stop", 1, 0, [True]])
def test_on_step_returns_a_bool_or_nothing(pipe, answer):
    with pytest.raises(TypeError, match="on_step returns True to stop"):
        latents(pipe, seed=3, on_step=lambda info: answer)


def test_ctrl_c_stops_within_one_step(pipe):
    want = latents(pipe, seed=3)
    steps = 2000
    pid = os.getpid()
    timer = threading.Timer(0.3, lambda: os.kill(pid, signal.SIGINT))
    started = time.perf_counter()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        latents(pipe, seed=3, num_inference_steps=steps)
    assert time.perf_counter() - started < 5
    timer.join()
    assert torch.equal(latents(pipe, seed=3).images, want.images)


def test_ctrl_c_with_a_callback(pipe):
    seen = []

    def on_step(info):
        seen.append(info.step)
        if info.step == 1:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        latents(pipe, seed=3, on_step=on_step)
    assert seen == [0, 1]


def test_a_callback_may_make_pictures_itself(pipe):
    inner = []
    want = latents(pipe, seed=9)

    def on_step(info):
        if info.step == 0:
            inner.append(latents(pipe, seed=9))

    latents(pipe, seed=3, on_step=on_step)
    assert torch.equal(inner[0].images, want.images)


def test_callbacks_are_let_go(pipe):
    import gc
    import weakref

    class Callback:
        def __call__(self, info):
            return None

    callback = Callback()
    gone = weakref.ref(callback)
    result = latents(pipe, seed=1, on_step=callback)
    del callback, result
    gc.collect()
    assert gone() is None
