"""Reference statistics beside numpy."""

import llmdit
import numpy as np
import pytest
import torch
from llmdit import vl
from reference import draw

WIDTH = 9


def prompts(dtype=torch.float32):
    scales = torch.tensor([1.0, 60, 2700, 1e-3, 5, 5, 5, 5, 0.0])
    return [(draw(i, 3 + 7 * i, WIDTH) * scales + 100).to(dtype) for i in range(4)]


def assert_statistics(stats, embeddings):
    rows = np.concatenate([tensor.double().numpy() for tensor in embeddings])
    np.testing.assert_allclose(stats.per_dim_mean.numpy(), rows.mean(0), rtol=1e-6)
    np.testing.assert_allclose(stats.per_dim_std.numpy(), rows.std(0, ddof=1), rtol=1e-6, atol=1e-12)
    assert stats.per_dim_mean.dtype == stats.per_dim_std.dtype == torch.float32
    assert stats.global_mean == pytest.approx(rows.mean(), rel=1e-12)
    assert stats.global_std == pytest.approx(rows.std(ddof=1), rel=1e-12)
    assert (stats.hidden_dim, stats.num_prompts, stats.num_tokens) == (WIDTH, len(embeddings), len(rows))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_compute(dtype):
    embeddings = prompts(dtype)
    assert_statistics(vl.ReferenceStatistics.compute(embeddings), embeddings)
    assert_statistics(vl.ReferenceStatistics.compute(embeddings[3]), embeddings[3:])
    single_rows = list(embeddings[1].split(1))
    assert_statistics(vl.ReferenceStatistics.compute(single_rows), single_rows)


def test_far_from_zero():
    """Sums of squares would lose every digit here."""
    embeddings = [(draw(i, 10, WIDTH).double() + 1e9) for i in range(3)]
    assert_statistics(vl.ReferenceStatistics.compute(embeddings), embeddings)


def test_record():
    stats = vl.ReferenceStatistics.compute(prompts(), model="m", hidden_layer=-6)
    assert (stats.model, stats.hidden_layer) == ("m", -6)
    assert "ReferenceStatistics(per_dim_mean=<torch.float32 [9]>" in repr(stats)
    stats.per_dim_mean += 1  # an ordinary tensor
    copy = vl.ReferenceStatistics(per_dim_mean=torch.zeros(2), per_dim_std=torch.ones(2), global_mean=0.5, global_std=2)
    copy.check()
    assert copy.hidden_layer is None and copy.hidden_dim == 2


def test_refusals():
    good = draw(1, 4, WIDTH)
    bad = good.clone()
    bad[2, 0] = float("inf")
    for embeddings, message in (
        ([], "two tokens or more, got 0"),
        (good[:1], "two tokens or more, got 1"),
        ([good, good[:, :4]], "one width, got 4 after 9"),
        ([good, bad], "NaN or infinity, first in row 2"),
        (good[0], r"\[rows, hidden\]"),
        ([good, good[:0]], "at least 1"),
    ):
        with pytest.raises(llmdit.InvalidArgument, match=message):
            vl.ReferenceStatistics.compute(embeddings)
    with pytest.raises(TypeError):
        vl.ReferenceStatistics.compute("text")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"per_dim_mean": torch.zeros(3)}, "equal length"),
        ({"per_dim_std": torch.zeros(2, dtype=torch.float64)}, "float32"),
        ({"per_dim_mean": torch.tensor([0, float("nan")])}, "finite"),
        ({"per_dim_std": torch.tensor([1.0, -1.0])}, "at least 0"),
        ({"global_std": float("inf")}, "finite"),
        ({"global_std": -1.0}, "at least 0"),
        ({"num_tokens": -1}, "counts"),
        ({"per_dim_mean": torch.zeros(0), "per_dim_std": torch.zeros(0)}, "equal length"),
    ],
)
def test_check(change, message):
    good = {"per_dim_mean": torch.zeros(2), "per_dim_std": torch.ones(2), "global_std": 1.0}
    with pytest.raises(llmdit.InvalidArgument, match=message):
        vl.ReferenceStatistics(**good | change).check()
