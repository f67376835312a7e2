"""The standalone context refiner against diffusers' blocks, and what it refuses to take."""

import math

import llmdit
import pytest
import torch
from context_refiners import CHECK, MODELS, SMALL, reference_rows
from parity import assert_close
from reference import draw

pytestmark = pytest.mark.usefixtures("with_gradients")


@pytest.mark.parametrize("tokens", [1, 2, 31, 32, 33, 96, 200])
@pytest.mark.parametrize("model", MODELS)
def test_equals_the_reference(model, tokens, refiners, references):
    refiner = refiners(model)
    x = draw(tokens, tokens, refiner.config.dim)
    want = reference_rows(references(model).transformer, x)
    assert_close(CHECK, refiner(x), want, where=f"{model}, {tokens} tokens")


@pytest.mark.parametrize("model", MODELS)
def test_equals_the_transformer_s_own(model, refiners, pipelines):
    transformer, refiner = pipelines(model).transformer, refiners(model)
    state = transformer.state_dict()
    for tokens in (1, 32, 70):
        embeds = draw(tokens, tokens, transformer.config.cap_feat_dim)
        normed = torch.nn.functional.rms_norm(
            embeds, embeds.shape[1:], state["cap_embedder.0.weight"], transformer.config.norm_eps
        )
        x = torch.nn.functional.linear(normed, state["cap_embedder.1.weight"], state["cap_embedder.1.bias"])
        x = torch.cat([x, state["cap_pad_token"].expand(-tokens % llmdit.SEQ_MULTI_OF, -1)])
        want = transformer.condition([embeds]).captions[0]
        assert_close("context refiner against condition()", refiner(x), want, where=f"{model}, {tokens} tokens")


def test_positions(refiners, references):
    refiner, transformer = refiners("base"), references("base").transformer
    x = draw(5, 7, 64)
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
    batch = draw(1, 3, 9, 64)
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
    batch = draw(2, 3, 9, 64)
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
    x = draw(3, 6, 64)
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
    x = draw(4, 7, 64)
    want = naive_legacy({name: t.double() for name, t in refiner.state_dict().items()}, refiner.config, x.double())
    assert_close("context refiner, legacy form", refiner(x), want.float(), where=str(more))
    shifted = refiner(x, position_ids=torch.arange(3, 10))
    assert_close("context refiner, legacy form", shifted, refiner(x), bound=1e-4, where="only distances count")


def test_legacy_form_of_a_checkpoint(refiners):
    refiner, legacy = refiners("base"), refiners("base", legacy_rope=True)
    x = draw(4, 7, 64)
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
    x = draw(6, 11, 64)
    assert_close("context refiner, grouped keys", grouped(x), full(x))
    grouped(x).sum().backward()
    assert all(p.grad is not None for p in grouped.parameters())


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
    assert torch.isfinite(refiner(draw(20, 256, 64), position_ids=torch.arange(1, 257))).all()


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
