"""The standalone context refiner against diffusers' blocks, forward and backward, and as a thing to train."""

import contextlib
import gc
import math
import weakref

import llmdit
import pytest
import tiny_models
import torch
from diffusers import ZImageTransformer2DModel
from parity import assert_close
from reference import draw
from safetensors.torch import load_file, save_file

CHECK = "context refiner"
MODELS = [name for name, model in tiny_models.MODELS.items() if model.transformer["n_refiner_layers"] > 0]
SMALL = {"dim": 64, "n_heads": 4, "max_seq_len": 256, "device": "cpu"}


@pytest.fixture(autouse=True)
def _grad():
    with torch.enable_grad():
        yield


def load(folder, **options):
    return llmdit.ContextRefiner.from_pretrained(folder, subfolder="transformer", device="cpu", **options)


@pytest.fixture
def refiners(folders):
    """A new refiner of a tiny model, and the transformer's own copy to compare with."""
    return lambda name, **options: load(folders(name), **options)


@pytest.fixture
def reference_transformers():
    """A transformer of the reference that a test may take gradients of."""

    def get(name):
        return tiny_models.make_transformer(tiny_models.MODELS[name])

    return get


def reference_rows(transformer, x, positions=None, mask=None):
    """diffusers' context_refiner on rows [tokens, dim] or [batch, tokens, dim] that have passed the embedder."""
    batch = x if x.dim() == 3 else x[None]
    tokens = batch.shape[1]
    if positions is None:
        positions = torch.arange(1, tokens + 1)
    if positions.dim() == 1:
        positions = torch.stack([positions, torch.zeros_like(positions), torch.zeros_like(positions)], 1)
    freqs = transformer.rope_embedder(positions)[None].expand(batch.shape[0], -1, -1)
    for block in transformer.context_refiner:
        batch = block(batch, mask, freqs)
    return batch if x.dim() == 3 else batch[0]


def rows(seed, *shape):
    return draw(seed, *shape)


# --- forward


@pytest.mark.parametrize("tokens", [1, 2, 31, 32, 33, 96, 200])
@pytest.mark.parametrize("model", MODELS)
def test_equals_the_reference(model, tokens, refiners, references):
    refiner = refiners(model)
    x = rows(tokens, tokens, refiner.config.dim)
    want = reference_rows(references(model).transformer, x)
    assert_close(CHECK, refiner(x), want, where=f"{model}, {tokens} tokens")


@pytest.mark.parametrize("model", MODELS)
def test_equals_the_transformer_s_own(model, refiners, pipelines):
    transformer, refiner = pipelines(model).transformer, refiners(model)
    state = transformer.state_dict()
    for tokens in (1, 32, 70):
        embeds = rows(tokens, tokens, transformer.config.cap_feat_dim)
        normed = torch.nn.functional.rms_norm(
            embeds, embeds.shape[1:], state["cap_embedder.0.weight"], transformer.config.norm_eps
        )
        x = torch.nn.functional.linear(normed, state["cap_embedder.1.weight"], state["cap_embedder.1.bias"])
        x = torch.cat([x, state["cap_pad_token"].expand(-tokens % llmdit.SEQ_MULTI_OF, -1)])
        want = transformer.condition([embeds]).captions[0]
        assert_close("context refiner against condition()", refiner(x), want, where=f"{model}, {tokens} tokens")


def test_positions(refiners, references):
    refiner, transformer = refiners("base"), references("base").transformer
    x = rows(5, 7, 64)
    counted = torch.arange(1, 8)
    assert torch.equal(refiner(x, position_ids=counted), refiner(x))
    three = torch.stack([counted, torch.zeros(7, dtype=torch.int64), torch.zeros(7, dtype=torch.int64)], 1)
    assert torch.equal(refiner(x, position_ids=three), refiner(x))

    gaps = torch.tensor([0, 3, 3, 90, 5, 2, 700 - 1], dtype=torch.int32)
    assert_close(CHECK, refiner(x, position_ids=gaps), reference_rows(transformer, x, gaps.long()), where="gaps")
    grid = torch.stack([torch.full((7,), 9), torch.arange(7), torch.arange(7).flip(0) * 5], 1)
    assert_close(CHECK, refiner(x, position_ids=grid), reference_rows(transformer, x, grid), where="three axes")
    assert (refiner(x, position_ids=grid) - refiner(x)).abs().max() > 1e-3


def test_batch_list_and_rows_are_one(refiners):
    refiner = refiners("base")
    batch = rows(1, 3, 9, 64)
    want = torch.stack([refiner(x) for x in batch])
    assert_close("context refiner batch", refiner(batch), want)
    parts = [batch[0], batch[1, :4], batch[2, :1]]
    for got, x in zip(refiner(parts), parts):
        assert_close("context refiner list", got, refiner(x))
    positions = [torch.arange(len(x)) * 2 for x in parts]
    for got, x, ids in zip(refiner(parts, position_ids=positions), parts, positions):
        assert_close("context refiner list", got, refiner(x, position_ids=ids))


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.uint8])
def test_masked_rows_take_no_part(dtype, refiners, references):
    refiner = refiners("base")
    lengths = [9, 4, 1]
    batch = rows(2, 3, 9, 64)
    mask = torch.stack([torch.arange(9) < length for length in lengths])
    filled = batch.masked_fill(~mask[..., None], math.nan)
    got = refiner(filled, mask.to(dtype))
    for index, length in enumerate(lengths):
        assert_close("context refiner mask", got[index, :length], refiner(batch[index, :length]), where=str(length))
        assert not got[index, length:].any()

    want = reference_rows(references("base").transformer, batch, mask=mask[:, None, None])
    assert_close(CHECK, got[mask], want[mask], where="the reference's mask")


def test_masked_rows_keep_the_others_positions(refiners):
    refiner = refiners("base")
    x = rows(3, 6, 64)
    keep = torch.tensor([False, True, True, False, False, True])
    got = refiner(x, keep)
    want = refiner(x[keep], position_ids=torch.tensor([2, 3, 6]))
    assert_close("context refiner mask", got[keep], want)
    ids = torch.tensor([5, 4, 3, 2, 1, 0])
    assert_close(
        "context refiner mask", refiner(x, keep, ids)[keep], refiner(x[keep], position_ids=torch.tensor([4, 3, 0]))
    )


def naive_legacy(state, config, x):
    """The 1-D form, row by row and head by head: all columns turn by the row's number from 0."""
    heads, kv_heads = config.n_heads, config.n_kv_heads
    head_dim = config.dim // heads

    def norm(values, weight, eps):
        return values / (values.pow(2).mean(-1, keepdim=True) + eps).sqrt() * weight

    def turned(values):
        out = torch.empty_like(values)
        for row in range(len(values)):
            for pair in range(head_dim // 2):
                angle = row * config.rope_theta ** (-2 * pair / head_dim)
                a, b = values[row, 2 * pair], values[row, 2 * pair + 1]
                out[row, 2 * pair] = a * math.cos(angle) - b * math.sin(angle)
                out[row, 2 * pair + 1] = a * math.sin(angle) + b * math.cos(angle)
        return out

    for layer in range(config.n_layers):
        p = {name.removeprefix(f"context_refiner.{layer}."): value for name, value in state.items()}
        y = norm(x, p["attention_norm1.weight"], config.norm_eps)
        outputs = []
        for head in range(heads):
            own = slice(head * head_dim, (head + 1) * head_dim)
            group = head // (heads // kv_heads)
            shared = slice(group * head_dim, (group + 1) * head_dim)
            q, k, v = (
                y @ p[f"attention.to_{name}.weight"][part].T
                for name, part in (("q", own), ("k", shared), ("v", shared))
            )
            if config.qk_norm:
                q = norm(q, p["attention.norm_q.weight"], 1e-5)
                k = norm(k, p["attention.norm_k.weight"], 1e-5)
            scores = turned(q) @ turned(k).T / head_dim**0.5
            outputs.append(scores.softmax(-1) @ v)
        y = torch.cat(outputs, 1) @ p["attention.to_out.0.weight"].T
        x = x + norm(y, p["attention_norm2.weight"], config.norm_eps)
        y = norm(x, p["ffn_norm1.weight"], config.norm_eps)
        y = torch.nn.functional.silu(y @ p["feed_forward.w1.weight"].T) * (y @ p["feed_forward.w3.weight"].T)
        x = x + norm(y @ p["feed_forward.w2.weight"].T, p["ffn_norm2.weight"], config.norm_eps)
    return x


@pytest.mark.parametrize("more", [{}, {"n_kv_heads": 2, "ffn_hidden": 40}, {"qk_norm": False, "rope_theta": 50.0}])
def test_legacy_form(more):
    refiner = llmdit.ContextRefiner(legacy_rope=True, seed=3, **SMALL, **more)
    assert refiner.config.axes_dims is None
    x = rows(4, 7, 64)
    want = naive_legacy({name: t.double() for name, t in refiner.state_dict().items()}, refiner.config, x.double())
    assert_close("context refiner, legacy form", refiner(x), want.float(), where=str(more))
    shifted = refiner(x, position_ids=torch.arange(3, 10))
    assert_close("context refiner, legacy form", shifted, refiner(x), bound=1e-4, where="only distances count")


def test_legacy_form_of_a_checkpoint(refiners):
    refiner, legacy = refiners("base"), refiners("base", legacy_rope=True)
    x = rows(4, 7, 64)
    assert (refiner(x) - legacy(x)).abs().max() > 1e-3
    want = naive_legacy({name: t.double() for name, t in legacy.state_dict().items()}, legacy.config, x.double())
    assert_close("context refiner, legacy form", legacy(x), want.float(), where="checkpoint")


def test_grouped_keys_are_repeated():
    grouped = llmdit.ContextRefiner(n_kv_heads=2, seed=1, **SMALL)
    full = llmdit.ContextRefiner(seed=2, **SMALL)
    state = grouped.state_dict()
    for name in state:
        if "to_k" in name or "to_v" in name:
            state[name] = state[name].view(2, 16, 64).repeat_interleave(2, 0).reshape(64, 64)
    full.load_state_dict(state)
    x = rows(6, 11, 64)
    assert_close("context refiner, grouped keys", grouped(x), full(x))
    grouped(x).sum().backward()
    assert all(p.grad is not None for p in grouped.parameters())


# --- backward


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_gradients_equal_the_reference_s(model, checkpointing, refiners, reference_transformers):
    transformer, refiner = reference_transformers(model), refiners(model)
    refiner.enable_gradient_checkpointing(checkpointing)
    x = rows(7, 21, refiner.config.dim)
    weight = rows(8, 21, refiner.config.dim)
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
    x = rows(9, 2, 13, 64).requires_grad_()
    out = run(refiner, x)
    (out * rows(10, *out.shape)).sum().backward()
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
    x = rows(11, 128, 64)

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
        x = rows(12, 5, 64).requires_grad_()
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
    loss = refiner(rows(12, 5, 64)).sum()
    with torch.no_grad():
        refiner.parameters()[0].add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("checkpointing", [False, True])
def test_training_lowers_the_loss(checkpointing):
    refiner = llmdit.ContextRefiner(seed=0, **SMALL)
    refiner.enable_gradient_checkpointing(checkpointing)
    optimizer = torch.optim.AdamW(refiner.parameters(), lr=3e-3)
    x, target = rows(13, 4, 8, 64), rows(14, 4, 8, 64)
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
    x = rows(15, 3, 64)
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


# --- parameters


def test_names_and_counts_are_the_reference_s(refiners, references):
    for model in MODELS:
        refiner, transformer = refiners(model), references(model).transformer
        want = {n: t for n, t in transformer.state_dict().items() if n.startswith("context_refiner.")}
        assert {name for name, _ in refiner.named_parameters()} == set(want) == set(refiner.state_dict())
        assert [name for name, _ in refiner.named_parameters()] == [
            name for name, _ in transformer.named_parameters() if name.startswith("context_refiner.")
        ]
        assert all(torch.equal(refiner.state_dict()[name], tensor) for name, tensor in want.items())
        assert refiner.get_num_params() == sum(tensor.numel() for tensor in want.values())
    parameters = refiner.parameters()
    assert all(p.is_leaf and p.requires_grad for p in parameters)
    assert all(a is b for a, b in zip(parameters, refiner.parameters()))
    parameters[0].requires_grad_(False)
    assert refiner.get_num_params(trainable_only=True) == refiner.get_num_params() - parameters[0].numel()


def test_saved_state_loads_back(tmp_path, references, folders):
    trained = load(folders("base"))
    optimizer = torch.optim.SGD(trained.parameters(), lr=0.1)
    trained(rows(16, 5, 64)).square().sum().backward()
    optimizer.step()
    save_file(trained.state_dict(), tmp_path / "refiner.safetensors")
    x = rows(17, 9, 64)

    # The tiny model's axes are not the published split, which the tensors do not tell.
    bare = {"config_path": folders("base") / "transformer", "device": "cpu"}
    loaded = llmdit.ContextRefiner.from_pretrained(tmp_path / "refiner.safetensors", **bare)
    assert torch.equal(loaded(x), trained(x))

    other = load(folders("base"))
    other.load_state_dict(load_file(tmp_path / "refiner.safetensors"))
    assert torch.equal(other(x), trained(x))
    assert all(torch.equal(a, b) for a, b in zip(other.parameters(), trained.parameters()))

    transformer = tiny_models.make_transformer(tiny_models.MODELS["base"])
    unmatched = transformer.load_state_dict(load_file(tmp_path / "refiner.safetensors"), strict=False)
    assert not unmatched.unexpected_keys
    assert_close(CHECK, trained(x), reference_rows(transformer, x), where="trained, in the reference")


def test_sizes_are_told_by_a_bare_file(tmp_path):
    made = llmdit.ContextRefiner(dim=128, n_layers=3, n_heads=4, n_kv_heads=2, ffn_hidden=72, seed=9, device="cpu")
    save_file(made.state_dict(), tmp_path / "own.safetensors")
    loaded = llmdit.ContextRefiner.from_pretrained(tmp_path / "own.safetensors", device="cpu")
    for name in ("dim", "n_layers", "n_heads", "n_kv_heads", "ffn_hidden", "qk_norm", "axes_dims", "rope_theta"):
        assert getattr(loaded.config, name) == getattr(made.config, name), name
    x = rows(18, 9, 128)
    assert torch.equal(loaded(x), made(x))


def test_load_state_dict_is_strict():
    refiner = llmdit.ContextRefiner(seed=1, **SMALL)
    before = {name: tensor.clone() for name, tensor in refiner.state_dict().items()}
    first = "context_refiner.0.attention.to_q.weight"
    ones = {name: torch.ones_like(tensor) for name, tensor in before.items()}

    def changed(**edits):
        state = dict(ones)
        state.update(edits)
        return state

    missing = {name: tensor for name, tensor in ones.items() if name != first}
    cases = {
        "1 missing .*" + first: missing,
        "1 others .layers.0": changed(**{"layers.0.x": torch.ones(1)}),
        first + "' to be numbers .64, 64., got .* .64, 63.": changed(**{first: torch.ones(64, 63)}),
        first + "' to be numbers .64, 64., got Long": changed(**{first: torch.ones(64, 64, dtype=torch.int64)}),
    }
    for text, state in cases.items():
        with pytest.raises(llmdit.InvalidArgument, match=text):
            refiner.load_state_dict(state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in refiner.state_dict().items())
    optimizer_s = refiner.parameters()
    refiner.load_state_dict(ones)
    assert all((p == 1).all() for p in optimizer_s)


def test_fresh_weights_depend_on_the_seed_alone():
    def first(**options):
        return llmdit.ContextRefiner(**SMALL, **options).state_dict()["context_refiner.0.attention.to_q.weight"]

    assert torch.equal(first(seed=7), first(seed=7))
    assert not torch.equal(first(seed=7), first(seed=8))
    assert torch.equal(first(seed=7, dtype=torch.bfloat16), first(seed=7).bfloat16())
    assert first().abs().max() <= 1 / 8 and first().std() > 0.05
    norms = [p for name, p in llmdit.ContextRefiner(**SMALL).named_parameters() if "norm" in name]
    assert len(norms) == 12 and all((p == 1).all() for p in norms)


def test_types(folders):
    x = rows(19, 6, 64)
    full = load(folders("base"))
    for dtype in (torch.bfloat16, torch.float16):
        half = load(folders("base"), dtype=dtype)
        assert {p.dtype for p in half.parameters()} == {dtype}
        kept = load(folders("base", dtype))
        assert {p.dtype for p in kept.parameters()} == {dtype}
        want = load(folders("base"))
        want.load_state_dict(half.state_dict())
        assert half(x).dtype == torch.float32
        assert torch.equal(half(x), want(x))
        half(x).sum().backward()
        assert half.parameters()[0].grad.dtype == dtype
    wide = full(x.double())
    assert wide.dtype == torch.float32 and torch.equal(wide, full(x))
    strided = x.T.contiguous().T
    assert_close(CHECK, full(strided), full(x), where="strided")


# --- errors


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"dim": 65}, "dim / n_heads to be an even whole number, got 65 / 4"),
        ({"dim": 0}, "dim from 1"),
        ({"n_layers": 0}, "n_layers from 1"),
        ({"n_heads": -1}, "n_heads from 1"),
        ({"n_kv_heads": 3}, "n_heads to be a multiple of n_kv_heads, got 4 and 3"),
        ({"ffn_hidden": 0}, "ffn_hidden from 1"),
        ({"max_seq_len": 0}, "max_seq_len from 1"),
        ({"norm_eps": -1.0}, "norm_eps of at least 0"),
        ({"rope_theta": 0.0}, "rope_theta above 0"),
        ({"axes_dims": [4, 6, 8]}, r"sum is dim / n_heads = 16, got \[4, 6, 8\]"),
        ({"axes_dims": [5, 5, 6]}, "three even numbers"),
        ({"axes_dims": [4, 6, 6], "legacy_rope": True}, "no axes_dims with legacy_rope"),
        ({"dim": 48}, "a multiple of 16, got 12; give axes_dims"),
        ({"vae_path": "vae"}, "vae_path"),
        ({"device": "tpu"}, "got 'tpu'"),
    ],
)
def test_sizes_that_do_not_fit(arguments, text):
    with pytest.raises(llmdit.InvalidArgument, match=text):
        llmdit.ContextRefiner(**{**SMALL, **arguments})


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([torch.zeros(5, 63)], r"\[tokens, 64\] or \[batch, tokens, 64\], got \[5, 63\]"),
        ([torch.zeros(64)], r"got \[64\]"),
        ([torch.zeros(0, 64)], r"got \[0, 64\]"),
        ([torch.zeros(0, 5, 64)], r"got \[0, 5, 64\]"),
        ([torch.zeros(2, 0, 64)], "1 to max_seq_len = 256 tokens, got 0"),
        ([torch.zeros(257, 64)], "1 to max_seq_len = 256 tokens, got 257"),
        ([torch.zeros(5, 64, dtype=torch.int64)], "float type, got Long"),
        ([[]], "at least one sequence"),
        ([[torch.zeros(1, 5, 64)]], r"\[tokens, 64\], got \[1, 5, 64\]"),
        ([torch.zeros(2, 5, 64), torch.ones(5)], r"attention_mask of \[2, 5\], got \[5\]"),
        ([torch.zeros(2, 5, 64), torch.ones(2, 5)], "bool or of integers 0 and 1, got Float"),
        ([torch.zeros(5, 64), torch.tensor([1, 1, 1, 1, 2])], "0 and 1 in attention_mask, got 1 to 2"),
        ([torch.zeros(2, 2, 64), torch.tensor([[1, 1], [0, 0]])], "none in the attention_mask of sequence 1"),
        ([torch.zeros(5, 64), None, torch.arange(4)], r"position_ids of \[5\] or \[5, 3\], got \[4\]"),
        ([torch.zeros(5, 64), None, torch.zeros(5, 2)], r"position_ids of \[5\] or \[5, 3\], got \[5, 2\]"),
        ([torch.zeros(5, 64), None, torch.zeros(5)], "position_ids of integers, got Float"),
        ([torch.zeros(1, 64), None, torch.tensor([-1])], "0 to max_seq_len = 256, got -1 to -1"),
        ([torch.zeros(1, 64), None, torch.tensor([257])], "0 to max_seq_len = 256, got 257"),
        ([[torch.zeros(5, 64)] * 2, None, [torch.arange(5)]], "position_ids for each of 2 sequences, got 1"),
    ],
)
def test_inputs_that_do_not_fit(arguments, text):
    refiner = llmdit.ContextRefiner(**SMALL)
    with pytest.raises(llmdit.InvalidArgument, match=text):
        refiner(*arguments)
    assert torch.isfinite(refiner(rows(20, 256, 64), position_ids=torch.arange(1, 257))).all()


def test_legacy_form_has_one_axis():
    refiner = llmdit.ContextRefiner(legacy_rope=True, **SMALL)
    with pytest.raises(llmdit.InvalidArgument, match=r"position_ids of \[5\], got \[5, 3\]"):
        refiner(torch.zeros(5, 64), position_ids=torch.zeros(5, 3, dtype=torch.int64))


def test_wrong_types():
    refiner = llmdit.ContextRefiner(**SMALL)
    x = torch.zeros(5, 64)
    for arguments in (("x",), ([x], torch.ones(1, 5)), ([x], None, torch.arange(5)), (x, None, [torch.arange(5)])):
        with pytest.raises(TypeError):
            refiner(*arguments)
    for keywords in ({"dims": 3}, {"seed": -1}, {"dim": "wide"}):
        with pytest.raises(TypeError):
            llmdit.ContextRefiner(**{"device": "cpu", "n_layers": 1, **keywords})


def damaged(folder, edit):
    path = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    edit(tensors)
    save_file(tensors, path)
    return folder


def test_loading_is_strict(model_copy):
    gone = "context_refiner.1.attention.to_v.weight"
    folder = damaged(model_copy("base"), lambda tensors: tensors.pop(gone))
    with pytest.raises(llmdit.Unsupported, match=gone):
        load(folder)
    damaged(folder, lambda tensors: tensors.update({gone: torch.zeros(64, 60)}))
    with pytest.raises(llmdit.Unsupported, match=r"\[64, 64\].*\[64, 60\]"):
        load(folder)
    damaged(
        folder, lambda tensors: tensors.update({gone: torch.zeros(64, 64), gone.replace(".1.", ".2."): torch.ones(1)})
    )
    with pytest.raises(llmdit.Unsupported, match=r"2 blocks.*context_refiner\.2\.attention\.to_v\.weight"):
        load(folder)


def test_only_the_refiner_s_tensors_are_read(model_copy, tmp_path, folders):
    def keep(tensors):
        for name in [name for name in tensors if not name.startswith("context_refiner.")]:
            del tensors[name]

    x = rows(21, 4, 64)
    assert torch.equal(load(damaged(model_copy("base"), keep))(x), load(folders("base"))(x))

    path = tmp_path / "foreign.safetensors"
    save_file({"encoder.weight": torch.zeros(3, 3)}, path)
    with pytest.raises(llmdit.Unsupported, match="context_refiner in .*foreign.safetensors, found none"):
        llmdit.ContextRefiner.from_pretrained(path, device="cpu")
    with pytest.raises(llmdit.NotFound):
        llmdit.ContextRefiner.from_pretrained(tmp_path / "none", device="cpu")


def test_transformer_without_refiner(folders):
    with pytest.raises(llmdit.Unsupported, match="no context refiner"):
        load(folders("plain"))


def test_heads_that_no_tensor_tells(tmp_path):
    made = llmdit.ContextRefiner(qk_norm=False, **SMALL)
    save_file(made.state_dict(), tmp_path / "bare.safetensors")
    with pytest.raises(llmdit.Unsupported, match="config_path: without norm_q"):
        llmdit.ContextRefiner.from_pretrained(tmp_path / "bare.safetensors", device="cpu")
    config = tmp_path / "config.json"
    ZImageTransformer2DModel(**{**tiny_models.MODELS["base"].transformer, "qk_norm": False}).save_config(
        tmp_path / "saved"
    )
    (tmp_path / "saved" / "config.json").rename(config)
    loaded = llmdit.ContextRefiner.from_pretrained(tmp_path / "bare.safetensors", device="cpu")
    x = rows(22, 4, 64)
    assert torch.equal(loaded(x), made(x))


def test_repr(refiners):
    assert "2 layers, 64 wide, 4 heads, rope 4/6/6, " in repr(refiners("base"))
    refiner = llmdit.ContextRefiner(n_kv_heads=2, legacy_rope=True, **SMALL)
    assert "4 heads (2 of keys and values), legacy rope" in repr(refiner)
    assert f"{refiner.get_num_params()} parameters on cpu" in repr(refiner)


def test_published_sizes_are_the_defaults():
    config = llmdit.ContextRefiner(n_layers=1, device="cpu", dtype="bfloat16").config
    assert (config.dim, config.n_heads, config.n_kv_heads, config.ffn_hidden) == (3840, 30, 30, 10240)
    assert config.axes_dims == [32, 48, 48]
    assert (config.norm_eps, config.rope_theta, config.qk_norm, config.max_seq_len) == (1e-5, 256.0, True, 2048)
