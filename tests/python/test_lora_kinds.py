"""What a LoRA file says of its scale, and changes that are no plain factors: LoHa, LoKr, DoRA, differences."""

import json

import llmdit
import pytest
import torch
from lora_files import (
    MODULES,
    QKV,
    RANK,
    Q,
    assert_original,
    assert_weights,
    fused,
    merged,
    only,
    peft,
    save,
    underscored,
)


@pytest.fixture
def pipe(folders):
    return llmdit.ZImagePipeline.from_pretrained(folders("base"))


# --- alpha


@pytest.mark.parametrize(
    "alpha", [torch.tensor(1.0), torch.tensor([1.0]), torch.tensor([[1]]), torch.tensor(1.0).half()]
)
def test_alpha_counts_by_the_rank_and_may_have_any_shape(alpha, lora, base, pipe, tmp_path):
    """Field report L8."""
    state = peft(lora) | {f"transformer.{module}.alpha": alpha.clone() for module in lora}
    pipe.load_lora(save(state, tmp_path / "x.safetensors"))
    assert_weights(pipe, merged(base, lora, 1 / RANK))


def test_alpha_of_some_modules_only(lora, base, pipe, tmp_path):
    """Field report L3: absent is the rank, module by module."""
    state = peft(lora) | {f"transformer.{MODULES[5]}.alpha": torch.tensor(2.0)}
    pipe.load_lora(save(state, tmp_path / "x.safetensors"))
    want = merged(base, {m: v for m, v in lora.items() if m != MODULES[5]})
    want[MODULES[5] + ".weight"] = merged(base, lora, 2 / RANK)[MODULES[5] + ".weight"]
    assert_weights(pipe, want)


@pytest.mark.parametrize("pattern", ["feed_forward.w2", "^" + MODULES[4]])
@pytest.mark.parametrize("stabilized", [False, True])
@pytest.mark.parametrize("place", ["header", "adapter_config.json"])
def test_alpha_in_metadata(place, stabilized, pattern, lora, base, pipe, tmp_path):
    prefix = "transformer." if place == "header" else ""
    config = {"lora_alpha": 8, "r": RANK, "use_rslora": stabilized, "alpha_pattern": {pattern: 2}}
    text = json.dumps({prefix + key: value for key, value in config.items()})
    if place == "header":
        path = save(peft(lora), tmp_path / "x.safetensors", lora_adapter_metadata=text)
    else:
        path = tmp_path / "adapter"
        save(peft(lora, "base_model.model."), path / "adapter_model.safetensors")
        (path / "adapter_config.json").write_text(text)
    pipe.load_lora(path)
    root = RANK**0.5 if stabilized else RANK
    want = merged(base, lora, 8 / root)
    want[MODULES[4] + ".weight"] = merged(base, lora, 2 / root)[MODULES[4] + ".weight"]
    assert_weights(pipe, want)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "parse error"),
        ("[]", "expected a JSON object"),
        ('{"transformer.lora_alpha": "8"}', r"transformer\.lora_alpha.*expected a number"),
        ('{"alpha_pattern": {"to_[qk]": 2}}', r"regular expression \"to_\[qk\]\""),
    ],
)
def test_metadata_that_cannot_be_followed(text, words, lora, base, pipe, tmp_path):
    path = save(peft(lora), tmp_path / "x.safetensors", lora_adapter_metadata=text)
    with pytest.raises(llmdit.Unsupported, match=rf"x\.safetensors.*{words}"):
        pipe.load_lora(path)
    assert_original(pipe, base)


def test_a_configuration_belongs_to_one_file(lora, base, pipe, tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"lora_alpha": 8}))
    pipe.load_lora(save(peft(lora), tmp_path / "neighbour.safetensors"))
    assert_weights(pipe, merged(base, lora))


def test_an_alpha_of_several_numbers_is_no_alpha(lora, base, pipe, tmp_path):
    state = peft(lora) | {f"transformer.{MODULES[0]}.alpha": torch.ones(2)}
    report = pipe.load_lora(save(state, tmp_path / "x.safetensors"))
    assert len(report.unused) == 3 and all("alpha to be one number, found [2]" in key.reason for key in report.unused)
    assert_weights(pipe, merged(base, {m: v for m, v in lora.items() if m != MODULES[0]}))


def test_an_own_scale_stands_for_alpha(lora, base, pipe, tmp_path):
    state = peft(lora)
    for module in lora:
        state |= {f"transformer.{module}.scale": torch.tensor(0.5), f"transformer.{module}.alpha": torch.tensor(9.0)}
    pipe.load_lora(save(state, tmp_path / "x.safetensors"))
    assert_weights(pipe, merged(base, lora, 0.5))


# --- other kinds


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2], ids=str)
def test_factors_of_few_bits_are_widened_first(dtype, lora, base, pipe, tmp_path):
    rounded = {m: (up.to(dtype), down.to(dtype)) for m, (up, down) in lora.items()}
    pipe.load_lora(save(peft(rounded), tmp_path / "x.safetensors"))
    assert_weights(pipe, merged(base, {m: (up.float(), down.float()) for m, (up, down) in rounded.items()}))


@pytest.mark.parametrize("alpha", [None, 2.0])
def test_loha(alpha, base, pipe, tmp_path):
    n = base[Q + ".weight"].shape[0]
    a1, b1, a2, b2 = torch.randn(n, 3), torch.randn(3, n), torch.randn(n, 3), torch.randn(3, n)
    state = dict(zip(["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"], [a1, b1, a2, b2], strict=True))
    if alpha:
        state["alpha"] = torch.tensor(alpha)
    pipe.load_lora(save({f"lora_unet_{underscored(Q)}.{k}": t for k, t in state.items()}, tmp_path / "x.safetensors"))
    change = (a1.double() @ b1.double()) * (a2.double() @ b2.double()) * (alpha / 3 if alpha else 1)
    assert_weights(pipe, only(base, Q, change), 1e-5)


@pytest.mark.parametrize("low", ["neither", "first", "second", "both"])
def test_lokr(low, base, pipe, tmp_path):
    """Field report L5: a Kronecker product; alpha counts only where there is a rank."""
    n = base[Q + ".weight"].shape[0]
    state = {"alpha": torch.tensor(9999999999.0 if low == "neither" else 4.0)}
    sides = []
    for side, size in (("w1", 4), ("w2", n // 4)):
        if low in ("both", "first" if side == "w1" else "second"):
            a, b = torch.randn(size, 2), torch.randn(2, size)
            state[f"lokr_{side}_a"], state[f"lokr_{side}_b"] = a, b
            sides.append(a.double() @ b.double())
        else:
            state[f"lokr_{side}"] = torch.randn(size, size)
            sides.append(state[f"lokr_{side}"].double())
    pipe.load_lora(save({f"diffusion_model.{Q}.{k}": t for k, t in state.items()}, tmp_path / "x.safetensors"))
    factor = 1 if low == "neither" else 4 / 2
    assert_weights(pipe, only(base, Q, torch.kron(*sides) * factor), 1e-5)


@pytest.mark.parametrize("shape", [(), (1,)])
def test_the_alpha_of_whole_lokr_factors_may_overflow(shape, base, pipe, tmp_path):
    n = base[Q + ".weight"].shape[0]
    w1, w2 = torch.randn(2, 2).half(), torch.randn(n // 2, n // 2).half()
    state = {"lokr_w1": w1, "lokr_w2": w2, "alpha": torch.full(shape, float("inf")).half()}
    pipe.load_lora(save({f"lycoris_{underscored(Q)}.{k}": t for k, t in state.items()}, tmp_path / "x.safetensors"))
    assert_weights(pipe, only(base, Q, torch.kron(w1.double(), w2.double())), 1e-5)


def test_loha_and_lokr_on_a_fused_projection(base, pipe, tmp_path):
    n = base[Q + ".weight"].shape[0]
    w1, w2 = torch.randn(6, 2), torch.randn(n // 2, n // 2)
    a1, b1, a2, b2 = torch.randn(3 * n, 3), torch.randn(3, n), torch.randn(3 * n, 3), torch.randn(3, n)
    state = {f"lora_unet_layers_0_attention_qkv.lokr_{k}": t for k, t in (("w1", w1), ("w2", w2))}
    hada = zip(["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"], [a1, b1, a2, b2], strict=True)
    state |= {f"lora_unet_layers_1_attention_qkv.{k}": t for k, t in hada}
    report = pipe.load_lora(save(state, tmp_path / "x.safetensors"))
    assert len(report.applied) == 6 and report.unused == []
    want = {name: tensor.double() for name, tensor in base.items()}
    changes = torch.kron(w1.double(), w2.double()), (a1.double() @ b1.double()) * (a2.double() @ b2.double())
    for layer, change in enumerate(changes):
        for part, rows in zip("qkv", change.chunk(3), strict=True):
            want[f"layers.{layer}.attention.to_{part}.weight"] += rows
    assert_weights(pipe, want, 1e-5)


def test_dora_by_columns_of_a_fused_projection_is_refused(lora, base, pipe, tmp_path):
    up, down = fused(lora)["layers.0.attention.qkv"]
    state = peft({"layers.0.attention.qkv": (up, down)}, "") | peft({MODULES[3]: lora[MODULES[3]]}, "")
    state["layers.0.attention.qkv.dora_scale"] = torch.ones(1, down.shape[1])
    report = pipe.load_lora(save(state, tmp_path / "x.safetensors"))
    assert len(report.unused) == 3 and "columns of a fused projection" in report.unused[0].reason
    assert_weights(pipe, merged(base, {MODULES[3]: lora[MODULES[3]]}))


@pytest.mark.parametrize("strength", [1.0, 0.5, -1.0])
@pytest.mark.parametrize(
    ("where", "kind"),
    [("split", "rows"), ("split", "columns"), ("split", "vector"), ("fused", "rows"), ("fused", "vector")],
)
def test_dora(where, kind, strength, lora, base, pipe, tmp_path):
    """Field report L6: the axis by shape, slice by slice on a fused weight."""
    targets = QKV if where == "fused" else [Q]
    up, down = torch.cat([lora[m][0] for m in targets]), lora[Q][1]
    n, columns = up.shape[0], down.shape[1]
    magnitude = torch.rand({"rows": (n, 1), "columns": (1, columns), "vector": (n,)}[kind]) + 0.5
    module = "layers.0.attention.qkv" if where == "fused" else Q
    name = "lora_magnitude_vector" if kind == "vector" else "dora_scale"
    state = peft({module: (up, down)}, "diffusion_model.") | {f"diffusion_model.{module}.{name}": magnitude}
    pipe.load_lora(save(state, tmp_path / "x.safetensors"), strength)
    want = {name: tensor.double() for name, tensor in base.items()}
    for i, target in enumerate(targets):
        rows = slice(i * n // len(targets), (i + 1) * n // len(targets))
        weight = base[target + ".weight"].double()
        changed = weight + up[rows].double() @ down.double()
        axis = 0 if kind == "columns" else 1
        own = magnitude.double() if kind == "columns" else magnitude.double().flatten()[rows, None]
        full = changed / changed.norm(dim=axis, keepdim=True) * own
        want[target + ".weight"] = weight + strength * (full - weight)
    assert_weights(pipe, want, 1e-5)


def test_differences_of_weights_biases_and_norms(base, pipe, tmp_path):
    module = "layers.0.adaLN_modulation.0"
    state = {
        f"diffusion_model.{module}.diff_b": torch.randn_like(base[module + ".bias"]),
        "diffusion_model.layers.0.attention_norm1.w_norm": torch.randn(64),
        "diffusion_model.layers.1.attention.q_norm.set_weight": torch.rand(16),
    }
    state["diffusion_model.x_pad_token.diff"] = torch.randn(base["x_pad_token"].numel())
    report = pipe.load_lora(save(state, tmp_path / "x.safetensors"), 0.5)
    assert report.unused == []
    want = {name: tensor.double() for name, tensor in base.items()}
    want["x_pad_token"] += 0.5 * state["diffusion_model.x_pad_token.diff"].double()
    want[module + ".bias"] += 0.5 * state[f"diffusion_model.{module}.diff_b"].double()
    want["layers.0.attention_norm1.weight"] += 0.5 * state["diffusion_model.layers.0.attention_norm1.w_norm"].double()
    norm = "layers.1.attention.norm_q.weight"
    want[norm] = 0.5 * want[norm] + 0.5 * state["diffusion_model.layers.1.attention.q_norm.set_weight"].double()
    assert_weights(pipe, want)
