"""Gradients of the context refiner against diffusers' blocks, with and without checkpointing, and training it."""

import contextlib
import gc
import weakref

import llmdit
import pytest
import tiny_models
import torch
from context_refiners import MODELS, SMALL, reference_rows
from parity import assert_close
from reference import draw

pytestmark = pytest.mark.usefixtures("with_gradients")


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_gradients_equal_the_reference_s(model, checkpointing, refiners):
    transformer = tiny_models.make_transformer(tiny_models.MODELS[model])  # whose gradients nobody else has taken
    refiner = refiners(model)
    refiner.enable_gradient_checkpointing(checkpointing)
    x = draw(7, 21, refiner.config.dim)
    weight = draw(8, 21, refiner.config.dim)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    (refiner(ours) * weight).sum().backward()
    (reference_rows(transformer, theirs) * weight).sum().backward()
    want = dict(transformer.named_parameters())
    assert_close("context refiner gradients", ours.grad, theirs.grad, where=f"{model}, x")
    for name, parameter in refiner.named_parameters():
        assert want[name].grad.any(), name
        assert_close("context refiner gradients", parameter.grad, want[name].grad, where=f"{model}, {name}")


def gradients(refiner, run):
    for parameter in refiner.parameters():
        parameter.grad = None
    x = draw(9, 2, 13, 64).requires_grad_()
    out = run(refiner, x)
    (out * draw(10, *out.shape)).sum().backward()
    return [out.detach(), x.grad, *(p.grad for p in refiner.parameters() if p.requires_grad)]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("case", ["plain", "mask", "list", "legacy", "frozen", "autocast"])
def test_checkpointing_changes_no_bit(case, dtype):
    refiner = llmdit.ContextRefiner(seed=5, legacy_rope=case == "legacy", dtype=dtype, **SMALL)
    if case == "frozen":
        for name, parameter in refiner.named_parameters():
            parameter.requires_grad_("feed_forward" in name)
    mask = torch.arange(13) < torch.tensor([[13], [5]])
    autocast = torch.autocast("cpu", torch.bfloat16) if case == "autocast" else contextlib.nullcontext()

    def run(refiner, x):
        if case == "list":
            return torch.cat(refiner([x[0], x[1, :5]]))
        with autocast:
            return refiner(x, mask if case == "mask" else None)

    kept = gradients(refiner, run)
    refiner.enable_gradient_checkpointing()
    assert refiner.is_gradient_checkpointing
    again = gradients(refiner, run)
    assert len(kept) == len(again) and all(torch.equal(a, b) for a, b in zip(kept, again))
    refiner.enable_gradient_checkpointing(False)
    assert not refiner.is_gradient_checkpointing


class SavedBytes:
    """Counts the bytes that autograd keeps alive for backward, and their peak."""

    def __init__(self, outside):
        self.outside = {tensor.data_ptr() for tensor in outside}
        self.now = self.peak = 0
        self.held = {}

    def pack(self, tensor):
        pointer = tensor.untyped_storage().data_ptr()
        size = tensor.untyped_storage().nbytes()
        box = _Box(tensor)
        if pointer not in self.outside:
            if self.held.get(pointer, 0) == 0:
                self.now += size
                self.peak = max(self.peak, self.now)
            self.held[pointer] = self.held.get(pointer, 0) + 1
            weakref.finalize(box, self.release, pointer, size)
        return box

    def release(self, pointer, size):
        self.held[pointer] -= 1
        if self.held[pointer] == 0:
            self.now -= size

    def __enter__(self):
        self.hooks = torch.autograd.graph.saved_tensors_hooks(self.pack, lambda box: box.tensor)
        self.hooks.__enter__()
        return self

    def __exit__(self, *error):
        self.hooks.__exit__(*error)


class _Box:
    def __init__(self, tensor):
        self.tensor = tensor


def test_checkpointing_lowers_the_peak():
    refiner = llmdit.ContextRefiner(seed=5, n_layers=6, **SMALL)
    x = draw(11, 128, 64)

    def measure():
        gc.collect()
        with SavedBytes([x, *refiner.parameters()]) as saved:
            loss = refiner(x).square().sum()
            forward = saved.now
            loss.backward()
        return forward, saved.peak

    forward, peak = measure()
    refiner.enable_gradient_checkpointing()
    checkpointed_forward, checkpointed_peak = measure()
    row_bytes = x.numel() * 4
    assert checkpointed_forward <= 7 * row_bytes  # one input a block, and what the loss keeps
    assert forward > 10 * checkpointed_forward
    assert checkpointed_peak < peak / 3  # the blocks' inputs and one block's own


def test_hooks_run_once_and_second_derivatives_pass():
    results = []
    for checkpointing in (False, True):
        refiner = llmdit.ContextRefiner(seed=6, **SMALL)
        refiner.enable_gradient_checkpointing(checkpointing)
        calls = []
        x = draw(12, 5, 64).requires_grad_()
        handles = [x.register_hook(calls.append), refiner.parameters()[0].register_hook(calls.append)]
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            (gradient,) = torch.autograd.grad(refiner(x).square().sum(), x, create_graph=True)
            for handle in handles:
                handle.remove()
            x.register_hook(calls.append)
            before = len(calls)
            gradient.square().sum().backward()
        assert (before, len(calls)) == (1, 2)
        results.append([gradient.detach(), x.grad, *(p.grad for p in refiner.parameters())])
    for index, (kept, again) in enumerate(zip(*results)):  # sums in another order
        assert_close("context refiner, second derivatives", again, kept, where=str(index))


def test_a_step_between_forward_and_backward_is_noticed():
    refiner = llmdit.ContextRefiner(seed=6, **SMALL)
    refiner.enable_gradient_checkpointing()
    loss = refiner(draw(12, 5, 64)).sum()
    with torch.no_grad():
        refiner.parameters()[0].add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("checkpointing", [False, True])
def test_training_lowers_the_loss(checkpointing):
    refiner = llmdit.ContextRefiner(seed=0, **SMALL)
    refiner.enable_gradient_checkpointing(checkpointing)
    optimizer = torch.optim.AdamW(refiner.parameters(), lr=3e-3)
    x, target = draw(13, 4, 8, 64), draw(14, 4, 8, 64)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(refiner(x), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 3


def test_no_graph_without_need():
    refiner = llmdit.ContextRefiner(**SMALL)
    x = draw(15, 3, 64)
    before = x.clone()
    for checkpointing in (False, True):
        refiner.enable_gradient_checkpointing(checkpointing)
        assert refiner(x).requires_grad
        with torch.no_grad():
            assert not refiner(x).requires_grad
    for parameter in refiner.parameters():
        parameter.requires_grad_(False)
    assert not refiner(x).requires_grad
    assert torch.equal(x, before)
    assert refiner.get_num_params(trainable_only=True) == 0 < refiner.get_num_params()
