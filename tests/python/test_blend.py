"""Blending beside the naive formulas, for fewer, as many and more rows than the text has, and every type."""

import itertools
import warnings

import llmdit
import naive_blend as naive
import numpy as np
import pytest
import torch
from llmdit import vl
from parity import assert_close
from reference import draw

WIDTH = 10
ROWS = [(3, 7), (7, 7), (9, 7), (1, 7), (7, 1), (1, 1), (200, 77)]
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
# Half a unit in the last place of the result, relative to its largest number.
BOUNDS = {torch.float32: 2e-6, torch.float64: 1e-12, torch.bfloat16: 2**-8, torch.float16: 2**-10}


def pair(m, n, dtype=torch.float32):
    """A picture's rows and a prompt's, of the scales they have in life."""
    return (draw(1, m, WIDTH) * 13 + 2).to(dtype), (draw(2, n, WIDTH) * 60 - 1).to(dtype)


def numpy(*tensors):
    return [tensor.detach().double().numpy() for tensor in tensors]


def check(name, got, want, like):
    assert got.dtype == like.dtype and got.device == like.device and not got.requires_grad
    kind = str(like.dtype).removeprefix("torch.")
    assert_close(f"blending in {kind}", got, torch.as_tensor(want), bound=BOUNDS[like.dtype], where=name)


# Every function as (picture, text) -> result, beside its formula.
ALPHAS = [0.1 * i for i in range(10)] * 20
WEIGHTS = [((7 * i) % 11) / 3 - 1 for i in range(200)]
CASES = {
    "embeddings": (lambda v, x: vl.blend_embeddings(v, x, 0.3), lambda v, x: naive.blend_embeddings(v, x, 0.3)),
    "interpolate": (lambda v, x: vl.blend_interpolate(v, x, 0.3), lambda v, x: naive.blend_interpolate(v, x, 0.3)),
    "style_only": (lambda v, x: vl.blend_style_only(v, x), lambda v, x: naive.blend_style_only(v, x, 0.3)),
    "style_only dims": (
        lambda v, x: vl.blend_style_only(v, x, 0.7, dims=[0, 9, 4]),
        lambda v, x: naive.blend_style_only(v, x, 0.7, [0, 9, 4]),
    ),
    "per_token": (lambda v, x: vl.blend_per_token(v, x, ALPHAS), lambda v, x: naive.blend_rows(v, x, ALPHAS)),
    "attention_weighted": (
        lambda v, x: vl.blend_attention_weighted(v, x, 0.6, WEIGHTS),
        lambda v, x: naive.blend_rows(v, x, naive.attention_alphas(0.6, WEIGHTS)),
    ),
    "attention_weighted without": (
        lambda v, x: vl.blend_attention_weighted(v, x, 0.6),
        lambda v, x: naive.blend_embeddings(v, x, 0.6),
    ),
    "adain": (lambda v, x: vl.blend_adain(x, v), lambda v, x: naive.adain(x, v, 0.3, 1)),
    "adain as a whole": (
        lambda v, x: vl.blend_adain(x, v, 0.8, per_token=False),
        lambda v, x: naive.adain(x, v, 0.8, None),
    ),
    "adain_per_dim": (lambda v, x: vl.blend_adain_per_dim(x, v), lambda v, x: naive.adain(x, v, 0.3, 0)),
    "style delta": (
        lambda v, x: vl.compute_style_delta(x, v),
        lambda v, x: naive.style_delta(x, v, True),
    ),
    "style delta as it is": (
        lambda v, x: vl.compute_style_delta(x, v, normalize=False),
        lambda v, x: naive.style_delta(x, v, False),
    ),
    "with style delta": (
        lambda v, x: vl.blend_with_style_delta(x, v),
        lambda v, x: naive.with_style_delta(x, v, 0.3, True),
    ),
    "with style delta as it is": (
        lambda v, x: vl.blend_with_style_delta(x, v, -1.5, scale_to_text=False),
        lambda v, x: naive.with_style_delta(x, v, -1.5, False),
    ),
}


@pytest.mark.parametrize("rows", ROWS, ids=lambda rows: f"{rows[0]}+{rows[1]}")
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_formula(name, dtype, rows):
    function, formula = CASES[name]
    picture, text = pair(*rows, dtype)
    if name == "adain_per_dim" and min(rows) == 1:
        with pytest.raises(llmdit.InvalidArgument, match="two rows or more on both sides"):
            function(picture, text)
        return
    check(name, function(picture, text), formula(*numpy(picture, text)), text)


@pytest.mark.parametrize("name", CASES)
def test_strides_and_gradients_do_not_matter(name):
    function, _ = CASES[name]
    picture, text = pair(5, 7)
    want = function(picture, text)
    columns = [x.t().contiguous().t().requires_grad_() for x in (picture, text)]
    spread = [torch.stack([x, x * 9], dim=2)[..., 0] for x in (picture, text)]
    assert not columns[0].is_contiguous() and not spread[0].is_contiguous()
    for views in (columns, spread):
        with torch.enable_grad():
            got = function(*views)
        assert not got.requires_grad
        assert torch.allclose(got, want, rtol=1e-6, atol=1e-5)
    with torch.inference_mode():
        assert torch.equal(function(picture, text), want)


@pytest.mark.parametrize("name", CASES)
def test_the_result_is_no_view_and_the_input_stays(name):
    function, _ = CASES[name]
    picture, text = pair(7, 7)
    before = picture.clone(), text.clone()
    function(picture, text).fill_(0)
    assert torch.equal(picture, before[0]) and torch.equal(text, before[1])


@pytest.mark.parametrize("name", CASES)
def test_dtype_is_that_of_the_text(name):
    function, formula = CASES[name]
    picture, text = pair(7, 7)[0].half(), pair(7, 7)[1].bfloat16()
    check(name + " of two types", function(picture, text), formula(*numpy(picture, text)), text)
    picture, text = picture.float(), text.double()
    check(name + " of two types", function(picture, text), formula(*numpy(picture, text)), text)


@pytest.mark.parametrize("rows", ROWS, ids=lambda rows: f"{rows[0]}+{rows[1]}")
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_ends_of_alpha_are_exact(dtype, rows):
    """0 is the text bit for bit; 1 is the picture in the text's type, in the rows that both have."""
    picture, text = pair(*rows, dtype)
    m, n = rows
    common = min(m, n)
    kept = torch.cat([picture[:common], text[common:]])
    assert torch.equal(vl.blend_embeddings(picture, text, 0.0), text)
    assert torch.equal(vl.blend_embeddings(picture, text, 1.0), kept)
    assert torch.equal(vl.blend_interpolate(picture, text, 0), text)
    assert torch.equal(vl.blend_per_token(picture, text, [0] * n), text)
    assert torch.equal(vl.blend_per_token(picture, text, torch.ones(n)), kept)
    assert torch.equal(vl.blend_style_only(picture, text, 0.0), text)
    assert torch.equal(vl.blend_attention_weighted(picture, text, 0.0, WEIGHTS), text)
    assert torch.equal(vl.blend_adain(text, picture, 0.0), text)
    assert torch.equal(vl.blend_with_style_delta(text, picture, 0.0), text)
    if m == n:
        assert torch.equal(vl.blend_interpolate(picture, text, 1.0), picture)
    if common > 1:
        assert torch.equal(vl.blend_adain_per_dim(text, picture, 0.0), text)


@pytest.mark.parametrize("count", [1, 2, 7, 33, 400])
@pytest.mark.parametrize("rows", [1, 2, 9, 400])
def test_resampling_is_torch_s_linear_interpolation(rows, count):
    picture, text = draw(3, rows, WIDTH), torch.zeros(count, WIDTH)
    want = torch.nn.functional.interpolate(picture.double().t()[None], size=count, mode="linear", align_corners=False)[
        0
    ].t()
    assert_close("resampling of rows", vl.blend_interpolate(picture, text, 1.0), want, bound=1e-6)


@pytest.mark.parametrize("curve", ["linear", "ease_in", "ease_out"])
@pytest.mark.parametrize("count", [1, 2, 3, 50])
def test_graduated_alpha(curve, count):
    for start, end in itertools.product([0.0, 0.4, 1.0, -0.5], [0.5, 0.0, 1.4]):
        got = vl.create_graduated_alpha(count, start, end, curve)
        assert got.dtype == torch.float32 and got.shape == (count,)
        np.testing.assert_allclose(got.numpy(), naive.graduated(count, start, end, curve), atol=1e-7)
        assert 0 <= got.min() and got.max() <= 1
    assert torch.equal(vl.create_graduated_alpha(5), torch.linspace(0, 0.5, 5))


def test_graduated_alpha_refuses():
    with pytest.raises(ValueError, match="one of linear, ease_in, ease_out, got .cubic."):
        vl.create_graduated_alpha(5, curve="cubic")
    for count in (0, -1, 2**40):
        with pytest.raises(ValueError, match="count of rows"):
            vl.create_graduated_alpha(count)
    with pytest.raises(ValueError, match="finite"):
        vl.create_graduated_alpha(5, float("nan"))


def test_constant_rows():
    """Deviations of 0 divide nothing."""
    picture, text = pair(4, 4)
    flat = torch.full((4, WIDTH), 5.0)
    got = vl.blend_adain(flat, picture, 1.0)
    assert torch.allclose(got, picture.mean(1, keepdim=True).expand(4, WIDTH), atol=1e-4)
    assert torch.allclose(vl.blend_adain(text, flat, 1.0), flat, atol=1e-3)
    assert torch.equal(vl.compute_style_delta(flat, flat), torch.zeros(4, WIDTH))
    assert torch.equal(vl.blend_with_style_delta(text, torch.zeros(2, WIDTH), 0.5), text)
    assert torch.equal(
        vl.blend_attention_weighted(picture, text, 0.5, [3.0] * 4), vl.blend_embeddings(picture, text, 0.5)
    )


def test_stats():
    picture, text = pair(3, 7)
    stats = vl.compute_blend_stats(picture.bfloat16(), text[:, :4])
    assert stats.vl.shape == [3, WIDTH] and stats["text"]["shape"] == [7, 4]
    want = text[:, :4].double()
    got = stats.text
    for value, reference in (
        (got.mean, want.mean()),
        (got.std, want.std()),
        (got.min, want.min()),
        (got.max, want.max()),
    ):
        assert value == pytest.approx(reference.item(), rel=1e-5)
    assert "EmbeddingStats(shape=[3, 10]" in repr(stats.vl)
    with pytest.raises(KeyError):
        stats["picture"]


MODES = {
    "interpolate": lambda v, x, a: vl.blend_interpolate(v, x, a),
    "linear": lambda v, x, a: vl.blend_embeddings(v, x, a),
    "adain": lambda v, x, a: vl.blend_adain(x, v, a),
    "adain_per_dim": lambda v, x, a: vl.blend_adain_per_dim(x, v, a),
    "style_only": lambda v, x, a: vl.blend_style_only(v, x, a),
    "graduated": lambda v, x, a: vl.blend_per_token(v, x, vl.create_graduated_alpha(len(x), 0, 2 * a)),
    "attention_weighted": lambda v, x, a: vl.blend_attention_weighted(v, x, a, WEIGHTS),
    "style_delta": lambda v, x, a: vl.blend_with_style_delta(x, vl.compute_style_delta(v, NEUTRAL), a),
}
NEUTRAL = draw(8, 6, WIDTH)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("rows", [(5, 7), (7, 7), (9, 7)], ids=str)
@pytest.mark.parametrize("mode", MODES)
def test_blend_by_name(mode, rows, alpha):
    picture, text = pair(*rows, torch.bfloat16)
    extra = {"attention_weights": WEIGHTS} if mode == "attention_weighted" else {}
    extra |= {"neutral": NEUTRAL} if mode == "style_delta" else {}
    result = vl.blend(picture, text, alpha, mode=mode, **extra)
    assert torch.equal(result.embeddings, MODES[mode](picture, text, alpha))
    assert result.embeddings.shape == text.shape
    if alpha == 0:
        assert torch.equal(result.embeddings, text)
    told = mode not in ("interpolate", "style_delta") and rows[0] != rows[1]
    assert len(result.warnings) == told
    if told:
        words = "5 of the prompt's 7 rows" if rows[0] == 5 else "7 of the picture's 9 rows"
        assert words in result.warnings[0]


def test_blend_defaults_and_options_without_effect():
    picture, text = pair(5, 7)
    assert torch.equal(vl.blend(picture, text).embeddings, vl.blend_interpolate(picture, text, 0.3))
    assert vl.blend(picture, text, mode="attention_weighted").warnings[1:] == [
        "blend mode attention_weighted without weights is mode linear"
    ]
    result = vl.blend(picture, text, neutral=picture, attention_weights=[1.0] * 7)
    assert [w.split(" ")[0] for w in result.warnings] == ["attention", "a"]
    with pytest.raises(ValueError, match="neutral"):
        vl.blend(picture, text, mode="style_delta")
    with pytest.raises(ValueError, match="expected one of interpolate, linear, .* got 'lerp'"):
        vl.blend(picture, text, mode="lerp")


# Refusals.

TWO_SIDES = {name: case[0] for name, case in CASES.items()} | {
    f"blend {mode}": lambda v, x, mode=mode: vl.blend(v, x, 0.3, mode=mode, neutral=v) for mode in MODES
}


@pytest.mark.parametrize("name", TWO_SIDES)
@pytest.mark.parametrize("side", [0, 1])
def test_bad_tensors(name, side):
    function = TWO_SIDES[name]
    good = list(pair(7, 7))
    nan, infinite = good[side].clone(), good[side].clone()
    nan[3, 2], infinite[5, 0] = float("nan"), float("-inf")
    bad = {
        "NaN or infinity, first in row 3": nan,
        "NaN or infinity, first in row 5": infinite,
        r"\[rows, hidden\]": good[side][None],
        r"both at least 1; got Float \[0, 10\]": good[side][:0],
        r"got Float \[7, 0\]": good[side][:, :0],
        "floating-point numbers": good[side].long(),
        "got ComplexFloat": good[side].to(torch.complex64),
        "width": torch.zeros(7, WIDTH + 1),
        "got Float": good[side].to_sparse(),
    }
    for message, tensor in bad.items():
        arguments = list(good)
        arguments[side] = tensor
        with pytest.raises(llmdit.InvalidArgument, match=message):
            function(*arguments)
    arguments = list(good)
    arguments[side] = good[side].tolist()
    with pytest.raises(TypeError):
        function(*arguments)


@pytest.mark.parametrize("alpha", [-0.001, 1.001, float("nan"), float("inf"), 1e300])
def test_bad_alpha(alpha):
    picture, text = pair(5, 7)
    for function in (
        lambda: vl.blend_embeddings(picture, text, alpha),
        lambda: vl.blend_interpolate(picture, text, alpha),
        lambda: vl.blend_style_only(picture, text, alpha),
        lambda: vl.blend_per_token(picture, text, [0.5] * 6 + [alpha]),
        lambda: vl.blend_attention_weighted(picture, text, alpha),
        lambda: vl.blend_attention_weighted(picture, text, alpha, WEIGHTS),
        lambda: vl.blend_adain(text, picture, alpha),
        lambda: vl.blend_adain_per_dim(text, picture, alpha),
        *(lambda mode=mode: vl.blend(picture, text, alpha, mode=mode, neutral=text) for mode in MODES),
    ):
        with pytest.raises(llmdit.InvalidArgument):
            function()
    if not np.isfinite(alpha):
        with pytest.raises(llmdit.InvalidArgument, match="finite alpha"):
            vl.blend_with_style_delta(text, picture, alpha)


def test_bad_numbers_per_row():
    picture, text = pair(5, 7)
    for bad in ([0.1] * 4, [], torch.zeros(7, 1), torch.tensor(0.5), torch.tensor([float("nan")] * 7)):
        with pytest.raises(llmdit.InvalidArgument, match="alphas"):
            vl.blend_per_token(picture, text, bad)
        with pytest.raises(llmdit.InvalidArgument, match="weights"):
            vl.blend_attention_weighted(picture, text, 0.5, bad)
    with pytest.raises(TypeError):
        vl.blend_per_token(picture, text, ["a"] * 7)
    want = naive.blend_rows(*numpy(picture, text), [0.5] * 7)
    for good in (np.full(7, 0.5), torch.full((7,), 0.5, dtype=torch.float64), tuple([0.5] * 5), [0.5] * 99):
        check("per_token", vl.blend_per_token(picture, text, good), want, text)


def test_other_refusals():
    picture, text = pair(5, 7)
    with pytest.raises(llmdit.InvalidArgument, match="got 5 and 7 rows"):
        vl.blend_embeddings(picture, text, 0.5, match_lengths=False)
    assert vl.blend_embeddings(picture, text[:5], 0.5, match_lengths=False).shape == (5, WIDTH)
    for dim in (-1, WIDTH, 2**62):
        with pytest.raises(llmdit.InvalidArgument, match="dims from 0 to 9"):
            vl.blend_style_only(picture, text, dims=[0, dim])
    assert torch.equal(vl.blend_style_only(picture, text, dims=[]), text)
    single = torch.ones(1, 1)
    for function in (
        lambda: vl.blend_adain(single, single),
        lambda: vl.blend_adain(single, single, per_token=False),
        lambda: vl.compute_style_delta(single, single),
        lambda: vl.blend_with_style_delta(single, single),
        lambda: vl.compute_blend_stats(single, single),
    ):
        with pytest.raises(llmdit.InvalidArgument, match="more than one number for a standard deviation"):
            function()
    narrow = torch.randn(5, 1)
    with pytest.raises(llmdit.InvalidArgument, match="more than one number"):
        vl.blend_adain(narrow, narrow)


def test_too_large_numbers():
    picture, text = pair(4, 4)
    with pytest.raises(llmdit.InvalidArgument, match=r"a result that Half can hold, got numbers up to \d"):
        vl.blend_embeddings(picture * 1e5, text.half(), 1.0)
    assert torch.allclose(vl.blend_adain(text * 1e25, picture, 1.0), vl.blend_adain(text, picture, 1.0), rtol=1e-4)
    huge = torch.full((4, WIDTH), 3e38)
    assert torch.equal(vl.blend_embeddings(-huge, huge, 0.0), huge)


def test_nothing_is_warned_of_in_the_plain_functions():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for function, _ in CASES.values():
            function(*pair(7, 7))
