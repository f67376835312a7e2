"""Scaling, normalising and outliers of embeddings beside the naive formulas."""

import llmdit
import naive_blend as naive
import numpy as np
import pytest
import torch
from llmdit import vl
from parity import assert_close
from reference import draw

WIDTH = 12
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
BOUNDS = {torch.float32: 2e-6, torch.float64: 1e-12, torch.bfloat16: 2**-8, torch.float16: 2**-10}


@pytest.fixture(scope="module")
def stats():
    scales = torch.tensor([5.0] * (WIDTH - 2) + [300.0, 1e-8])
    return vl.ReferenceStatistics.compute([draw(i, 20, WIDTH) * scales + 3 for i in range(4)])


def rows_with_outliers(count, dtype=torch.float32):
    """Columns 2 and 7 vary far more than the reference's, the last where the reference does not vary at all."""
    rows = draw(9, count, WIDTH) * 4 + 1
    rows[:, 2] *= 40
    rows[:, 7] *= 13
    return rows.to(dtype)


def numpy(tensor):
    return tensor.double().numpy()


def check(name, got, want, like):
    assert got.dtype == like.dtype and not got.requires_grad
    kind = str(like.dtype).removeprefix("torch.")
    assert_close(f"normalising in {kind}", got, torch.as_tensor(want), bound=BOUNDS[like.dtype], where=name)


@pytest.mark.parametrize("count", [1, 2, 50])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_scale(dtype, count):
    rows = rows_with_outliers(count, dtype)
    check("scale", vl.scale_embeddings(rows), naive.scale(numpy(rows), 61.0), rows)
    check("scale", vl.scale_embeddings(rows.t()[:, :1], 2.5), naive.scale(numpy(rows.t()[:, :1]), 2.5), rows)


@pytest.mark.parametrize("count", [2, 3, 50])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_per_dimension_and_hybrid(dtype, count, stats):
    rows = rows_with_outliers(count, dtype)
    mean, std = numpy(stats.per_dim_mean), numpy(stats.per_dim_std)
    by_column = naive.per_dimension(numpy(rows), mean, std)
    as_a_whole = naive.scale(numpy(rows), stats.global_std)
    check("per dimension", vl.normalize_per_dimension(rows, stats=stats), by_column, rows)
    for clip in (0.5, 1e9):
        want = naive.per_dimension(numpy(rows), mean, std, clip)
        check("per dimension", vl.normalize_per_dimension(rows, True, clip, stats), want, rows)
    want = naive.per_dimension(numpy(rows), mean, std, None)
    check(
        "per dimension", vl.normalize_per_dimension(rows, clip_outliers=False, clip_sigma=0.5, stats=stats), want, rows
    )
    for weight in (0.0, 0.25, 0.5, 1.0):
        want = weight * by_column + (1 - weight) * as_a_whole
        check("hybrid", vl.normalize_hybrid(rows, weight, stats), want, rows)


def test_normalised_columns_have_the_reference_s_moments(stats):
    rows = vl.normalize_per_dimension(rows_with_outliers(500), clip_outliers=False, stats=stats)
    assert torch.allclose(rows.mean(0), stats.per_dim_mean, atol=1e-2)
    assert torch.allclose(rows.std(0), stats.per_dim_std.clamp_min(1e-6), rtol=1e-2)


@pytest.mark.parametrize("mode", ["zero", "clamp", "scale", "none"])
@pytest.mark.parametrize("threshold", [2.0, 10.0, 1e12])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_outliers(dtype, threshold, mode, stats):
    rows = rows_with_outliers(50, dtype)
    std = numpy(stats.per_dim_std)
    got, info = vl.mask_outlier_dimensions(rows, threshold, mode, stats)
    check(f"outliers {mode}", got, naive.mask_outliers(numpy(rows), std, threshold, mode), rows)
    ratios = naive.outlier_ratios(numpy(rows), std)
    dims = np.flatnonzero(ratios > threshold).tolist()
    assert (
        info.masked_dimensions
        == dims
        == {2.0: [2, 7, 11], 10.0: [2, 11] if ratios[7] <= 10 else [2, 7, 11]}.get(threshold, [])
    )
    np.testing.assert_allclose(info.ratios, ratios[dims], rtol=1e-5)
    assert (info.mode, info["threshold"], info["masked_dimensions"]) == (mode, threshold, dims)
    listed = vl.get_outlier_dimensions(rows, threshold, stats)
    assert [dim for dim, _ in listed] == sorted(dims, key=lambda dim: -ratios[dim])
    np.testing.assert_allclose([ratio for _, ratio in listed], sorted(ratios[dims], reverse=True), rtol=1e-5)


def test_threshold_is_strict():
    stats = vl.ReferenceStatistics(per_dim_mean=torch.zeros(2), per_dim_std=torch.tensor([1.0, 1.0]), global_std=1.0)
    rows = torch.tensor([[-1.0, -1.5], [0.0, 0.0], [1.0, 1.5]])  # deviations 1 and 1.5
    assert vl.mask_outlier_dimensions(rows, 1.5, stats=stats)[1].masked_dimensions == []
    masked, info = vl.mask_outlier_dimensions(rows, 1.0, stats=stats)
    assert info.masked_dimensions == [1] and info.ratios == [1.5]
    assert torch.equal(masked, torch.tensor([[-1.0, 0], [0, 0], [1, 0]]))
    assert "OutlierInfo(masked_dimensions=[1], ratios=[1.5], mode='zero', threshold=1.0)" == repr(info)
    for name in ("ratio", "__class__"):
        with pytest.raises(KeyError):
            info[name]


def test_the_result_is_no_view(stats):
    rows = rows_with_outliers(5)
    before = rows.clone()
    vl.mask_outlier_dimensions(rows, 1e30, stats=stats)[0].fill_(0)
    vl.scale_embeddings(rows, rows.std().item()).fill_(0)
    flat = torch.ones(3, WIDTH)
    with pytest.warns(UserWarning):
        vl.scale_embeddings(flat).fill_(0)
    assert torch.equal(rows, before) and flat.min() == 1


def test_embeddings_that_do_not_vary(stats):
    flat = torch.full((3, WIDTH), 2.0, dtype=torch.bfloat16)
    with pytest.warns(UserWarning, match="standard deviation of 0 and were not scaled to 61"):
        assert torch.equal(vl.scale_embeddings(flat), flat)
    with pytest.warns(UserWarning, match=r"\[normalize_hybrid\] the embeddings have a standard deviation of 0"):
        got = vl.normalize_hybrid(flat, 0.5, stats)
    assert torch.allclose(got.float(), (stats.per_dim_mean + 2) / 2, rtol=1e-2)


def test_one_row(stats):
    row = rows_with_outliers(1)
    for function in (
        lambda: vl.normalize_per_dimension(row, stats=stats),
        lambda: vl.normalize_hybrid(row, stats=stats),
        lambda: vl.mask_outlier_dimensions(row, stats=stats),
        lambda: vl.get_outlier_dimensions(row, stats=stats),
    ):
        with pytest.raises(llmdit.InvalidArgument, match="two rows or more, got one"):
            function()
    with pytest.raises(llmdit.InvalidArgument, match="more than one number"):
        vl.scale_embeddings(torch.ones(1, 1))


FUNCTIONS = {
    "scale": lambda rows, stats: vl.scale_embeddings(rows),
    "per_dimension": lambda rows, stats: vl.normalize_per_dimension(rows, stats=stats),
    "hybrid": lambda rows, stats: vl.normalize_hybrid(rows, stats=stats),
    "mask": lambda rows, stats: vl.mask_outlier_dimensions(rows, stats=stats)[0],
    "outliers": lambda rows, stats: vl.get_outlier_dimensions(rows, stats=stats),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_refusals(name, stats):
    function = FUNCTIONS[name]
    good = rows_with_outliers(5)
    bad = good.clone()
    bad[4, 4] = float("nan")
    for rows, message in (
        (bad, "NaN or infinity, first in row 4"),
        (good[None], r"\[rows, hidden\]"),
        (good[:0], "at least 1"),
        (good.int(), "floating-point"),
    ):
        with pytest.raises(llmdit.InvalidArgument, match=message):
            function(rows, stats)
    if name == "scale":
        return
    with pytest.raises(llmdit.InvalidArgument, match="12 columns, got 3"):
        function(good, vl.ReferenceStatistics.compute(draw(1, 4, 3)))
    with pytest.raises(llmdit.InvalidArgument, match="llmdit encode --statistics"):
        function(good, None)
    with pytest.raises(llmdit.InvalidArgument, match="per_dim_mean and per_dim_std"):
        function(good, vl.ReferenceStatistics())


def test_bad_options(stats):
    rows = rows_with_outliers(5)
    for value in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(llmdit.InvalidArgument, match="positive target_std"):
            vl.scale_embeddings(rows, value)
        with pytest.raises(llmdit.InvalidArgument, match="positive threshold"):
            vl.mask_outlier_dimensions(rows, value, stats=stats)
        with pytest.raises(llmdit.InvalidArgument, match="positive threshold"):
            vl.get_outlier_dimensions(rows, value, stats)
    for value in (-0.1, 1.1, float("nan")):
        with pytest.raises(llmdit.InvalidArgument, match="per_dim_weight from 0 to 1"):
            vl.normalize_hybrid(rows, value, stats)
    with pytest.raises(llmdit.InvalidArgument, match="positive clip_sigma"):
        vl.normalize_per_dimension(rows, True, -1.0, stats)
    with pytest.raises(llmdit.InvalidArgument, match="one of none, zero, clamp, scale, got .drop."):
        vl.mask_outlier_dimensions(rows, 1e30, "drop", stats)
