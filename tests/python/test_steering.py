"""Directions between embeddings beside the naive formulas."""

import llmdit
import numpy as np
import pytest
import torch
from parity import assert_close
from reference import draw

REDUCTIONS = {
    "mean": lambda x: x.mean(0),
    "max": lambda x: x.max(0),
    "last": lambda x: x[-1],
    "first": lambda x: x[0],
}


def prompts(seed, dtype=torch.float32):
    return [(draw(seed + i, 2 + 3 * i, 6) + seed).to(dtype) for i in range(3)]


def numpy(tensor):
    return tensor.double().numpy()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64], ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_formulas(reduction, dtype):
    reduce = REDUCTIONS[reduction]
    positive, negative = prompts(1, dtype), prompts(7, dtype)
    a, b = (reduce(numpy(x)) for x in (positive[2], negative[0]))
    got = llmdit.compare_embeddings(positive[2], negative[0], reduction=reduction)
    assert got.cosine_similarity == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), rel=1e-5)
    assert got.mean_squared_error == pytest.approx(np.square(a - b).mean(), rel=1e-5)

    want = np.mean([reduce(numpy(x)) for x in positive], 0) - np.mean([reduce(numpy(x)) for x in negative], 0)
    vector = llmdit.steering_vector(positive, negative, reduction=reduction, normalize=False)
    assert_close("steering vector", vector, torch.as_tensor(want), bound=1e-6)
    unit = llmdit.steering_vector(positive, negative, reduction=reduction)
    assert_close("steering vector", unit, torch.as_tensor(want / np.linalg.norm(want)), bound=1e-6)

    moved = llmdit.apply_steering(positive[0], unit, -2.5)
    assert moved.dtype == dtype
    bound = {torch.float32: 1e-6, torch.float64: 1e-6, torch.bfloat16: 2**-8, torch.float16: 2**-11}[dtype]
    assert_close("steered", moved, torch.as_tensor(numpy(positive[0]) - 2.5 * numpy(unit)), bound=bound)


def test_steering_moves_one_group_onto_the_other():
    positive, negative = prompts(1), prompts(7)
    vector = llmdit.steering_vector(positive, negative, normalize=False)
    moved = [llmdit.apply_steering(x, vector) for x in negative]
    assert llmdit.steering_vector(positive, moved, normalize=False).abs().max() < 1e-5
    assert torch.equal(llmdit.steering_vector(positive[0], positive[0]), torch.zeros(6))
    assert llmdit.compare_embeddings(positive[0], positive[0]).cosine_similarity == pytest.approx(1)
    assert llmdit.compare_embeddings(positive[0], torch.zeros(1, 6)).cosine_similarity == 0


def test_refusals():
    good = draw(1, 3, 6)
    for function, message in (
        (lambda: llmdit.compare_embeddings(good, good[:, :5]), "one width, got 6 and 5"),
        (lambda: llmdit.compare_embeddings(good, good * float("nan")), "finite numbers in b"),
        (lambda: llmdit.compare_embeddings(good, good, reduction="sum"), "one of mean, max, last, first"),
        (lambda: llmdit.steering_vector([], good), "one positive prompt or more"),
        (lambda: llmdit.steering_vector(good, [good, good[:, :2]]), "one width, got 6 and 2"),
        (lambda: llmdit.steering_vector(good, good[:, :5]), "one width, got 6 and 5"),
        (lambda: llmdit.apply_steering(good, good), r"vector \[hidden\]"),
        (lambda: llmdit.apply_steering(good, good[0, :3]), "as wide as the embeddings, 6, got 3"),
        (lambda: llmdit.apply_steering(good, good[0], float("inf")), "finite scale"),
        (lambda: llmdit.apply_steering(good.half(), good[0], 1e6), "Half can hold"),
        (lambda: llmdit.apply_steering(good[0], good[0]), r"\[rows, hidden\]"),
    ):
        with pytest.raises(llmdit.InvalidArgument, match=message):
            function()
