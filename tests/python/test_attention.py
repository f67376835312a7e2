"""Attention by named backends: each against the formula, and a loaded model uses the one it was loaded with."""

import llmdit
import pytest
import torch
from command import DEMO_MODEL, USAGE, generate, pixels
from command import llmdit as run

BACKENDS = llmdit.get_available_backends("cpu")
OPERATORS = ["flash_attn_2", "flash_attn_3", "sage", "xformers"]


def naive(q, k, v, mask=None, causal=False, scale=None):
    """softmax(q k^T * scale + mask) v, one head after another, in double."""
    q, k, v = q.double(), k.double(), v.double()
    out = torch.empty_like(q)
    rows, keys = q.shape[2], k.shape[2]
    for head in range(q.shape[1]):
        shared = head // (q.shape[1] // k.shape[1])
        scores = q[:, head] @ k[:, shared].mT * (scale or q.shape[3] ** -0.5)
        if mask is not None:
            here = mask.expand(q.shape[0], q.shape[1], rows, keys)[:, head]
            scores = scores.masked_fill(~here, -torch.inf) if mask.dtype == torch.bool else scores + here
        if causal:
            scores = scores.masked_fill(~torch.ones(rows, keys).tril(keys - rows).bool(), -torch.inf)
        out[:, head] = scores.softmax(-1) @ v[:, shared]
    return out


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def distance(got, wanted):
    return ((got.double() - wanted).norm() / wanted.norm()).item()


CALLS = {
    "odd length": ((2, 4, 37, 128), (2, 4, 37, 128), {}),
    "one row": ((1, 4, 1, 64), (1, 4, 50, 64), {}),
    "grouped heads": ((1, 8, 33, 64), (1, 2, 33, 64), {}),
    "causal": ((1, 4, 33, 64), (1, 4, 33, 64), {"causal": True}),
    "causal, grouped, behind others": ((1, 8, 7, 64), (1, 2, 40, 64), {"causal": True}),
    "causal, one row behind others": ((1, 4, 1, 64), (1, 4, 40, 64), {"causal": True}),
    "scale": ((1, 2, 9, 32), (1, 2, 9, 32), {"scale": 0.5}),
    "mask of truths": ((1, 2, 9, 32), (1, 2, 12, 32), {"mask": numbers(9, 12) > -1}),
    "mask of numbers": ((2, 2, 9, 32), (2, 2, 12, 32), {"mask": numbers(2, 1, 9, 12)}),
    "mask of truths, causal": ((1, 2, 9, 32), (1, 2, 9, 32), {"mask": numbers(9, 9) > -9, "causal": True}),
    "mask of numbers, causal": ((1, 2, 9, 32), (1, 2, 12, 32), {"mask": numbers(9, 12), "causal": True}),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_each_backend_is_the_formula(backend, call):
    query, key, given = CALLS[call]
    q, k, v = numbers(*query), numbers(*key, seed=1), numbers(*key, seed=2)
    got = llmdit.attention_forward(
        q,
        k,
        v,
        given.get("mask"),
        is_causal=given.get("causal", False),
        scale=given.get("scale"),
        backend=backend,
    )
    assert distance(got, naive(q, k, v, **given)) < 2e-6


@pytest.mark.parametrize("backend", BACKENDS)
def test_large_numbers_stay_finite(backend):
    q, k, v = (1e4 * numbers(1, 2, 65, 128, seed=seed) for seed in range(3))
    assert llmdit.attention_forward(q, k, v, backend=backend).isfinite().all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_model_gives_the_same_with_each_backend(backend):
    load = {"device": "cpu", "dtype": "float32"}
    math = llmdit.ZImagePipeline.from_pretrained(DEMO_MODEL, attention_backend="math", **load)
    other = llmdit.ZImagePipeline.from_pretrained(DEMO_MODEL, attention_backend=backend, **load)
    prompts = ["a red circle", "a red circle on white, and a blue square beside it"]
    for wanted, got in zip(
        math.encode_prompt(prompts).embeddings, other.encode_prompt(prompts).embeddings, strict=True
    ):
        assert distance(got, wanted.double()) < 2e-5
    settings = {"seed": 3, "num_inference_steps": 2, "output_type": "pt"}
    assert distance(other(prompts[0], **settings).images, math(prompts[0], **settings).images.double()) < 1e-4


def test_what_is_there_is_listed():
    assert BACKENDS[:3] == ["sdpa", "math", "flash"]
    assert llmdit.setup_attention_backend() == "sdpa"
    assert llmdit.setup_attention_backend("native") == "sdpa"
    assert [support.kind for support in llmdit.storage_support()][:2] == ["float32", "bfloat16"]


@pytest.mark.parametrize("backend", [*OPERATORS, "mem_efficient"])
def test_one_that_is_not_there_is_refused_with_those_that_are(backend):
    for refused in (
        lambda: llmdit.setup_attention_backend(backend, "cpu"),
        lambda: llmdit.ZImagePipeline.from_pretrained(DEMO_MODEL, attention_backend=backend, device="cpu"),
    ):
        with pytest.raises(llmdit.InvalidArgument, match=f"available on cpu: sdpa, math, flash; got {backend}"):
            refused()
    done = run("generate", "a", "--attention-backend", backend, "--device", "cpu")
    assert done.returncode == USAGE and "sdpa, math, flash" in done.stderr


def test_an_unknown_name_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="flash_attn_2"):
        llmdit.setup_attention_backend("flash3")
    monkeypatch.setenv("LLM_DIT_ATTENTION", "flash3")
    with pytest.raises(ValueError, match="flash3"):
        llmdit.setup_attention_backend()


def test_the_variable_of_scripts_names_one(monkeypatch, tmp_path):
    monkeypatch.setenv("LLM_DIT_ATTENTION", "math")
    assert llmdit.setup_attention_backend() == "math"
    assert llmdit.setup_attention_backend("sdpa") == "sdpa"
    variable = {"LLM_DIT_ATTENTION": "math"}
    done = run("config", "--print", env=variable)
    assert "LLM_DIT_ATTENTION" in done.stdout
    assert run("generate", "a", "--dry-run", env={"LLM_DIT_ATTENTION": "no"}).returncode == USAGE
    newer = run("config", "--print", env={**variable, "LLMDIT_ATTENTION_BACKEND": "flash"})
    assert "environment LLMDIT_ATTENTION_BACKEND" in newer.stdout


def test_bad_tensors_are_refused():
    q = numbers(1, 4, 8, 32)
    for arguments, message in [
        ((q[0], q, q), "expected q of"),
        ((q, q, q[:, :, :5]), "expected k and v of"),
        ((q, q[:, :3], q[:, :3]), "a divisor of 4 heads"),
        ((q, q[..., :16], q[..., :16]), "expected k and v of"),
        ((q, q.double(), q), "floats of one type"),
        ((q.long(), q.long(), q.long()), "floats of one type"),
        ((q[:, :, :0], q, q), "expected q of"),
        ((q, q, q, torch.ones(8, 7, dtype=torch.bool)), "expected a mask"),
        ((q, q, q, torch.ones(8, 8, dtype=torch.long)), "expected a mask"),
    ]:
        with pytest.raises(llmdit.InvalidArgument, match=message):
            llmdit.attention_forward(*arguments)


@pytest.fixture
def operators():
    """Stands in for the libraries of GPUs: the operators' contract, on the CPU."""
    library = torch.library.Library("llmdit_attention", "DEF")
    calls = []

    def define(name, work):
        library.define(f"{name}(Tensor q, Tensor k, Tensor v, bool causal, float scale) -> Tensor")
        library.impl(name, work, "CPU")

    def right(q, k, v, causal, scale):
        calls.append(q.shape)
        return (
            naive(q.mT.mT.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), None, causal, scale)
            .transpose(1, 2)
            .to(q.dtype)
        )

    define("sage", right)
    define("xformers", lambda q, k, v, causal, scale: 0.5 * right(q, k, v, causal, scale))
    yield calls
    library._destroy()


def test_an_operator_library_brings_a_backend(operators):
    assert llmdit.get_available_backends("cpu") == ["sdpa", "math", "flash", "sage", "xformers"]
    q, k, v = numbers(1, 8, 7, 64), numbers(1, 2, 40, 64, seed=1), numbers(1, 2, 40, 64, seed=2)
    got = llmdit.attention_forward(q, k, v, is_causal=True, backend="sage")
    assert distance(got, naive(q, k, v, causal=True)) < 2e-6
    pipe = llmdit.ZImagePipeline.from_pretrained(DEMO_MODEL, attention_backend="sage", device="cpu")
    operators.clear()
    settings = {"seed": 3, "num_inference_steps": 1, "output_type": "pt"}
    got = pipe("a red circle", **settings).images
    assert len(operators) > 0
    plain = llmdit.ZImagePipeline.from_pretrained(DEMO_MODEL, device="cpu")("a red circle", **settings).images
    assert distance(got, plain.double()) < 1e-4
    with pytest.raises(llmdit.InvalidArgument, match="no mask for sage"):
        llmdit.attention_forward(q, k, v, torch.ones(7, 40, dtype=torch.bool), backend="sage")


def test_an_operator_that_computes_something_else_is_refused(operators):
    with pytest.raises(llmdit.Unsupported, match="a relative distance of 0.5"):
        llmdit.setup_attention_backend("xformers", "cpu")


def test_a_library_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.so"):
        llmdit.load_operator_library(tmp_path / "nowhere.so")


def test_compile_is_refused_and_told_why(tmp_path):
    with pytest.raises(NotImplementedError, match="libtorch compiles what torch.export makes"):
        llmdit.ZImagePipeline.from_pretrained(DEMO_MODEL, compile=True)
    done = run("generate", "a", "--compile")
    assert done.returncode == 5 and "torch.export" in done.stderr
    assert run("generate", "a", "--dry-run", "--no-compile").returncode == 0


def test_the_backend_of_a_run(tmp_path):
    math = generate(tmp_path, "--seed", 7, "--attention-backend", "math")
    assert math["load"]["attention_backend"] == "math"
    assert len(pixels(math)) == 128 * 128 * 3
