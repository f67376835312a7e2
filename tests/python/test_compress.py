"""Compression of long prompts beside the formulas it follows."""

import math

import llmdit
import pytest
import torch
from llmdit import LongPromptMode, compress_embeddings, estimate_quality_loss
from parity import FLOAT32_BOUND, assert_close, record, relative_error
from reference import draw

MODES = ["truncate", "interpolate", "pool", "attention_pool"]
# (rows, limit): a little and much too long, divisible or not, one row left, and hardly any neighbours.
SIZES = [(9, 8), (16, 8), (17, 8), (100, 7), (33, 32), (5, 1), (2, 1), (3, 2), (4, 3), (1700, 1504), (3000, 1504)]
BF16 = 2**-8


def naive_interpolate(x, m):
    n = len(x)
    rows = []
    for j in range(m):
        at = j * (n - 1) / (m - 1) if m > 1 else 0.0
        low = min(int(at), n - 1)
        high = min(low + 1, n - 1)
        rows.append(x[low] * (1 - (at - low)) + x[high] * (at - low))
    return torch.stack(rows)


def naive_pool(x, m):
    n = len(x)
    return torch.stack([x[j * n // m : -(-(j + 1) * n // m)].mean(0) for j in range(m)])


def naive_attention_pool(x, m):
    n = len(x)
    unit = x / x.norm(dim=1, keepdim=True).clamp_min(1e-12)
    scores = []
    for i in range(n):
        near = [k for k in range(max(0, i - 2), min(n, i + 3)) if k != i]
        scores.append(1 - sum(float(unit[i] @ unit[k]) for k in near) / len(near))
    scores = torch.tensor(scores, dtype=x.dtype)
    scores = scores - scores.min() + 0.1
    rows = []
    for j in range(m):
        begin, end = j * n // m, min((j + 1) * n // m + 1, n)
        rows.append(torch.softmax(scores[begin:end], 0) @ x[begin:end])
    return torch.stack(rows)


NAIVE = {
    "truncate": lambda x, m: x[:m],
    "interpolate": naive_interpolate,
    "pool": naive_pool,
    "attention_pool": naive_attention_pool,
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rows,limit", SIZES)
def test_each_mode_is_its_formula(mode, rows, limit):
    # A large common part, as hidden states have: neighbours that are alike.
    x = draw(rows, rows, 24) + 3 * draw(1, 1, 24)
    want = NAIVE[mode](x.double(), limit)
    got = compress_embeddings(x, limit, mode)
    assert got.dtype == x.dtype and got.shape == (limit, 24)
    assert_close("compression", got, want, where=f"{mode}, {rows} to {limit}")
    for dtype, bound in ((torch.bfloat16, BF16), (torch.float16, BF16 / 8), (torch.float64, 1e-12)):
        other = x.to(dtype)
        small = compress_embeddings(other, limit, LongPromptMode[mode])
        assert small.dtype == dtype
        # Rounded once, at the end: the sums are made in float32.
        error = relative_error(small.double(), NAIVE[mode](other.double(), limit))
        record(f"compression in {dtype}", error, bound=bound, where=f"{mode}, {rows} to {limit}")


def test_interpolation_is_that_of_torch():
    x = draw(3, 300, 16)
    want = torch.nn.functional.interpolate(x.double().T[None], 128, mode="linear", align_corners=True)[0].T
    assert relative_error(compress_embeddings(x, 128, "interpolate"), want) < FLOAT32_BOUND
    pooled = torch.nn.functional.adaptive_avg_pool1d(x.double().T[None], 128)[0].T
    assert relative_error(compress_embeddings(x, 128, "pool"), pooled) < FLOAT32_BOUND


@pytest.mark.parametrize("mode", [*MODES, "extrapolate", "segments"])
def test_what_fits_is_not_touched(mode):
    for rows in (1, 7, 8):
        x = draw(rows, rows, 4).to(torch.bfloat16)
        assert compress_embeddings(x, 8, mode) is x or torch.equal(compress_embeddings(x, 8, mode), x)


def test_extrapolate_keeps_all_and_segments_interpolate():
    x = draw(1, 20, 4)
    assert torch.equal(compress_embeddings(x, 8, "extrapolate"), x)
    assert torch.equal(compress_embeddings(x, 8, "segments"), compress_embeddings(x, 8, "interpolate"))


def test_the_default_cuts_at_the_published_limit():
    assert llmdit.MAX_TEXT_SEQ_LEN == 1504
    x = draw(1, 1600, 2)
    assert torch.equal(compress_embeddings(x), x[:1504])


def test_rows_that_are_equal_or_nothing():
    for x in (torch.ones(50, 3), torch.zeros(50, 3)):
        for mode in MODES:
            assert torch.allclose(compress_embeddings(x, 7, mode), x[:7])


@pytest.mark.parametrize("mode", MODES)
def test_any_memory_layout(mode):
    x = draw(5, 6, 40).T
    want = compress_embeddings(x.contiguous(), 9, mode)
    assert_close("compression of a transposed tensor", compress_embeddings(x, 9, mode), want, where=mode)


@pytest.mark.parametrize("mode", MODES)
def test_gradients_pass(mode):
    with torch.enable_grad():
        x = draw(2, 12, 3).double().requires_grad_()
        assert torch.autograd.gradcheck(lambda y: compress_embeddings(y, 5, mode), (x,))


def test_input_is_left_as_it_is():
    x = draw(4, 30, 5)
    before = x.clone()
    for mode in MODES:
        compress_embeddings(x, 10, mode).add_(1)
    assert torch.equal(x, before)


@pytest.mark.parametrize(
    "embeds,arguments,message",
    [
        (torch.zeros(3), (2,), r"\[tokens, width\], got \[3\]"),
        (torch.zeros(0, 4), (2,), r"got \[0, 4\]"),
        (torch.zeros(4, 0), (2,), r"got \[4, 0\]"),
        (torch.zeros(1, 3, 4), (2,), r"got \[1, 3, 4\]"),
        (torch.zeros(3, 4, dtype=torch.int64), (2,), "float type"),
        (torch.zeros(3, 4), (0,), "at least 1, got 0"),
        (torch.zeros(3, 4), (-5,), "at least 1, got -5"),
        (torch.full((3, 4), math.nan), (2,), "finite"),
        (torch.full((3, 4), math.inf), (2, "pool"), "finite"),
        (torch.zeros(3, 4), (2, "squash"), "expected one of truncate.*'squash'"),
    ],
)
def test_bad_input(embeds, arguments, message):
    with pytest.raises(llmdit.InvalidArgument, match=message):
        compress_embeddings(embeds, *arguments)


def test_estimates():
    cases = {
        ("truncate", 1000): "None (no compression needed)",
        ("truncate", 1001): "Low",
        ("truncate", 1333): "Low",
        ("truncate", 1334): "Medium",
        ("truncate", 2000): "Medium",
        ("truncate", 2001): "HIGH",
        ("interpolate", 1500): "Low",
        ("pool", 1501): "Medium",
        ("interpolate", 2000): "Medium",
        ("pool", 2001): "HIGH",
        ("segments", 2001): "HIGH",
        ("attention_pool", 1500): "Low",
        ("attention_pool", 2000): "Medium",
        ("attention_pool", 2001): "Medium-HIGH",
        ("extrapolate", 2001): "Unknown",
        ("extrapolate", 10): "None (no compression needed)",
    }
    for (mode, tokens), want in cases.items():
        assert estimate_quality_loss(tokens, 1000, mode) == want, (mode, tokens)
        assert estimate_quality_loss(tokens, 1000, LongPromptMode[mode]) == want
    with pytest.raises(llmdit.InvalidArgument, match="at least"):
        estimate_quality_loss(5, 0, "pool")
