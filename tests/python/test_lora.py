"""LoRAs in every family of keys: the same merged weights, on any base; what is unused is told; removal is exact."""

import json
import shutil
from pathlib import Path

import checkpoint_forms as forms
import gguf
import llmdit
import numpy as np
import pytest
import torch
from parity import relative_error
from safetensors.torch import load_file, save_file

RANK = 4
MODULES = [
    "layers.0.attention.to_q",
    "layers.0.attention.to_k",
    "layers.0.attention.to_v",
    "layers.1.attention.to_out.0",
    "layers.1.feed_forward.w2",
    "layers.0.adaLN_modulation.0",
    "noise_refiner.0.attention.to_k",
    "context_refiner.1.feed_forward.w1",
    "all_x_embedder.2-1",
]
QKV = MODULES[:3]
SMALL = {"width": 32, "height": 32, "num_inference_steps": 2, "seed": 4, "output_type": "latent"}


@pytest.fixture(scope="module")
def base(folders):
    """Weights of the tiny model, float32."""
    return load_file(folders("base") / "transformer/diffusion_pytorch_model.safetensors")


@pytest.fixture(scope="module")
def lora(base):
    """One logical LoRA: module -> (up, down); the three projections share `down`, so that they can be one."""
    generator = torch.Generator().manual_seed(3)
    draw = lambda *shape: torch.randn(*shape, generator=generator) * 0.2  # noqa: E731
    shared = draw(RANK, base[QKV[0] + ".weight"].shape[1])
    result = {}
    for module in MODULES:
        rows, columns = base[module + ".weight"].shape
        result[module] = (draw(rows, RANK), shared if module in QKV else draw(RANK, columns))
    return result


@pytest.fixture
def pipe(folders):
    return llmdit.ZImagePipeline.from_pretrained(folders("base"))


def save(state, path, **metadata):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.clone().contiguous() for name, tensor in state.items()}, path, metadata=metadata or None)
    return path


def peft(lora, prefix="transformer.", infix=""):
    state = {}
    for module, (up, down) in lora.items():
        state[f"{prefix}{module}.lora_A.{infix}weight"] = down
        state[f"{prefix}{module}.lora_B.{infix}weight"] = up
    return state


def pairs(lora, name, down, up, alpha=None):
    """`name` gives a module's name as the trainer spells it; down and up are the suffixes."""
    state = {}
    for module, (b, a) in lora.items():
        state[name(module) + down], state[name(module) + up] = a, b
        if alpha is not None:
            state[name(module) + ".alpha"] = torch.tensor(float(alpha))
    return state


def underscored(module):
    return module.replace(".", "_")


def dotted(module):
    return module.replace("_", ".")


def fused(lora, name=lambda module: module):
    """The three projections as one `qkv`, names of the original release."""
    up, down = torch.cat([lora[m][0] for m in QKV]), lora[QKV[0]][1]
    rest = {forms.original_name(m + ".weight").removesuffix(".weight"): v for m, v in lora.items() if m not in QKV}
    return {name(m): v for m, v in ({"layers.0.attention.qkv": (up, down)} | rest).items()}


def block_diagonal(lora):
    """qkv of three times the rank, as converters for ComfyUI write it."""
    state = {m: v for m, v in lora.items() if m not in QKV}
    up = torch.block_diag(*[lora[m][0] for m in QKV])
    return state | {"layers.0.attention.qkv": (up, torch.cat([lora[m][1] for m in QKV]))}


FAMILIES = {
    "PEFT": lambda x: peft(x),
    "PEFT raw": lambda x: peft(x, "base_model.model."),
    "PEFT raw, nested": lambda x: peft(x, "base_model.model.transformer."),
    "PEFT with an adapter name": lambda x: peft(x, "transformer.", "default."),
    "DiffSynth": lambda x: peft(x, "", "default."),
    "DiffSynth, pipe": lambda x: peft(x, "pipe.dit."),
    "bare": lambda x: peft(x, ""),
    "ai-toolkit": lambda x: peft(x, "diffusion_model."),
    "model prefix": lambda x: peft(x, "model.diffusion_model."),
    "no .weight": lambda x: pairs(x, lambda m: "transformer." + m, ".lora_A", ".lora_B"),
    "a name and no .weight": lambda x: pairs(
        x, lambda m: "base_model.model." + m, ".lora_A.default", ".lora_B.default"
    ),
    "kohya": lambda x: pairs(x, lambda m: "lora_unet_" + underscored(m), ".lora_down.weight", ".lora_up.weight", RANK),
    "kohya, two underscores": lambda x: pairs(
        x, lambda m: "lora_unet__" + underscored(m), ".lora_down.weight", ".lora_up.weight", RANK
    ),
    "LyCORIS": lambda x: pairs(x, lambda m: "lycoris_" + underscored(m), ".lora_down.weight", ".lora_up.weight", RANK),
    "LyCORIS, dotted": lambda x: peft(x, "lycoris."),
    "lora prefix": lambda x: peft(x, "lora."),
    "OneTrainer": lambda x: pairs(
        x, lambda m: "lora_transformer_" + underscored(m), ".lora_down.weight", ".lora_up.weight", RANK
    ),
    "old diffusers": lambda x: pairs(x, lambda m: "transformer." + m, ".lora.down.weight", ".lora.up.weight"),
    "older diffusers": lambda x: pairs(
        x, lambda m: "transformer." + m, ".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"
    ),
    "underscore lora": lambda x: pairs(x, lambda m: "transformer." + m, "_lora.down.weight", "_lora.up.weight"),
    "processor": lambda x: pairs(
        x,
        lambda m: "transformer." + m.replace("attention.", "attention.processor."),
        "_lora.down.weight",
        "_lora.up.weight",
    ),
    "dotted exporter": lambda x: pairs(x, dotted, ".lora.down.weight", ".lora.up.weight"),
    "fused, dotted": lambda x: peft(fused(x), "diffusion_model."),
    "fused, kohya": lambda x: pairs(
        fused(x), lambda m: "lora_unet_" + underscored(m), ".lora_down.weight", ".lora_up.weight", RANK
    ),
    "fused, block-diagonal": lambda x: peft(block_diagonal(x), "diffusion_model."),
    "whole differences": lambda x: {f"diffusion_model.{m}.diff": up @ down for m, (up, down) in x.items()},
    "1x1 convolutions": lambda x: {n: t[:, :, None, None] for n, t in peft(x).items()},
}


def merged(base, lora, scale=1.0):
    """The naive formula, in double."""
    result = {name: tensor.double() for name, tensor in base.items()}
    for module, (up, down) in lora.items():
        result[module + ".weight"] = result[module + ".weight"] + scale * (up.double() @ down.double())
    return result


def assert_weights(pipe, want, bound=1e-6):
    got = pipe.transformer.state_dict()
    assert got.keys() == want.keys()
    for name, tensor in want.items():
        assert relative_error(got[name], tensor) <= bound, name


def assert_original(pipe, base):
    got = pipe.transformer.state_dict()
    assert all(torch.equal(got[name], tensor) for name, tensor in base.items())


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gives_the_same_weights(family, lora, base, pipe, tmp_path):
    """Field reports L1, L2, L7; the file's name says nothing."""
    report = pipe.load_lora(save(FAMILIES[family](lora), tmp_path / "file.safetensors"))
    assert report.applied == sorted(module + ".weight" for module in MODULES)
    assert report.unused == [] and report.warnings == []
    assert_weights(pipe, merged(base, lora))
    pipe.unload_loras()
    assert_original(pipe, base)


@pytest.mark.parametrize("layout", ["original", "diffusers"])
@pytest.mark.parametrize("family", ["PEFT", "fused, kohya"])
def test_fused_and_split_models(family, layout, lora, base, folders, tmp_path):
    state = forms.original_transformer(base) if layout == "original" else base
    path = save(state, tmp_path / "model.safetensors")
    pipe = llmdit.ZImagePipeline.from_pretrained(folders("base"), transformer_path=path)
    pipe.load_lora(save(FAMILIES[family](lora), tmp_path / "lora.safetensors"))
    assert_weights(pipe, merged(base, lora))


def test_one_part_of_a_fused_projection(lora, base, folders, tmp_path):
    """Field report L1."""
    chosen = {module: lora[module] for module in ("layers.0.attention.to_k", "noise_refiner.0.attention.to_k")}
    path = save(forms.original_transformer(base), tmp_path / "model.safetensors")
    pipe = llmdit.ZImagePipeline.from_pretrained(folders("base"), transformer_path=path)
    report = pipe.load_lora(save(peft(chosen, "diffusion_model."), tmp_path / "lora.safetensors"))
    assert report.applied == [module + ".weight" for module in chosen]
    assert_weights(pipe, merged(base, chosen))


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

Q = "layers.0.attention.to_q"


def only(base, module, change):
    result = {name: tensor.double() for name, tensor in base.items()}
    result[module + ".weight"] = result[module + ".weight"] + change.double()
    return result


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


# --- several, scales, removal


@pytest.fixture
def two(lora, tmp_path):
    other = {m: (torch.randn_like(up) * 0.1, torch.randn_like(down)) for m, (up, down) in list(lora.items())[:4]}
    return (
        save(peft(lora), tmp_path / "one.safetensors"),
        save(
            pairs(other, lambda m: "lora_unet_" + underscored(m), ".lora_down.weight", ".lora_up.weight"),
            tmp_path / "two.safetensors",
        ),
        other,
    )


def test_several_at_once_in_any_order(two, lora, base, folders):
    """Field report L12."""
    one, second, other = two
    want = merged({n: t for n, t in merged(base, lora, 0.7).items()}, other, 0.3)
    states = []
    for paths, scales in (([one, second], [0.7, 0.3]), ([second, one], [0.3, 0.7])):
        pipe = llmdit.ZImagePipeline.from_pretrained(folders("base"))
        pipe.load_lora(paths, scales)
        assert_weights(pipe, want)
        assert [(lora.path, lora.scale) for lora in pipe.loras] == list(zip(paths, scales, strict=True))
        states.append(pipe.transformer.state_dict())
    pipe = llmdit.ZImagePipeline.from_pretrained(folders("base"))
    pipe.load_lora(one, 0.7)
    pipe.load_lora(second, 0.3)
    assert_weights(pipe, want)


def test_scale_0_and_negative_ones(two, lora, base, pipe):
    report = pipe.load_lora(two[0], 0)
    assert len(report.applied) == len(MODULES)
    assert_original(pipe, base)
    pipe.load_lora(two[0], -0.5)
    assert_weights(pipe, merged(base, lora, -0.5))
    for scale in (float("nan"), float("inf")):
        with pytest.raises(llmdit.InvalidArgument, match="finite scale"):
            pipe.load_lora(two[0], scale)
    with pytest.raises(ValueError, match="one for each of 2 files, got 1"):
        pipe.load_lora(list(two[:2]), [1.0])


def test_with_without_with(two, pipe):
    """Field report L10: bit for bit, nothing stays and nothing adds up."""
    plain = pipe("a", **SMALL).images
    pipe.load_lora(two[0])
    first = pipe("a", **SMALL)
    assert [lora.path for lora in first._native.loras] == [two[0]]
    pipe.unload_loras()
    assert pipe.loras == []
    second = pipe("a", **SMALL).images
    pipe.load_lora(two[0])
    third = pipe("a", **SMALL).images
    assert torch.equal(plain, second) and torch.equal(first.images, third) and not torch.equal(plain, third)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_the_sum_is_rounded_once(dtype, two, lora, base, folders):
    pipe = llmdit.ZImagePipeline.from_pretrained(folders("base"), dtype=dtype)
    before = pipe.transformer.state_dict()
    pipe.load_lora(two[0], 0.25)
    want = merged(base, lora, 0.25)  # of the file's float32 numbers, not of rounded ones
    got = pipe.transformer.state_dict()
    for module in MODULES:
        name = module + ".weight"
        assert got[name].dtype == before[name].dtype == getattr(torch, dtype)
        exact = want[name].to(got[name].dtype)
        assert (got[name] == exact).float().mean() > 0.999, name
        assert (got[name].double() - want[name]).abs().max() <= want[name].abs().max() * 2**-8
    pipe.unload_loras()
    assert all(torch.equal(pipe.transformer.state_dict()[name], tensor) for name, tensor in before.items())


def test_through_the_loading_options(two, lora, base, folders):
    pipe = llmdit.ZImagePipeline.from_pretrained(folders("base"), lora=[f"{two[0]}:0.5"])
    assert_weights(pipe, merged(base, lora, 0.5))
    assert llmdit.parse_lora("C:/x/y.safetensors:-1e-1") == llmdit.Lora(path="C:/x/y.safetensors", scale=-0.1)
    assert llmdit.parse_lora("C:/x/y.safetensors").scale == 1.0
    assert str(llmdit.parse_lora("C:/x").path) == "C:/x"


def test_a_call_that_runs_keeps_its_weights(two, pipe):
    """Field report L19: weights change between jobs, never inside one."""
    plain = pipe("a", **SMALL).images

    def load(info):
        if info.step == 0:
            pipe.load_lora(two[0])

    assert torch.equal(pipe("a", on_step=load, **SMALL).images, plain)
    assert not torch.equal(pipe("a", **SMALL).images, plain)


# --- quantised bases


def quantised(base, kind, path):
    """A file of the model with the matrices of its blocks in 8 or 4 bits."""
    if isinstance(kind, torch.dtype):
        return save(forms.scaled(base, kind, "new", per_row=True), path / "base.safetensors")
    if kind == "int4":
        llmdit.convert_weights(save(base, path / "plain.safetensors"), path / "base.safetensors", quantization="int4")
        return path / "base.safetensors"
    writer = gguf.GGUFWriter(path / "base.gguf", "lumina2")
    for name, tensor in forms.original_transformer(base).items():
        if forms.is_block_matrix(name, tensor) and tensor.shape[1] % 32 == 0:
            writer.add_tensor(name, gguf.quants.quantize(tensor.numpy(), kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, tensor.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path / "base.gguf"


@pytest.mark.parametrize(
    "kind",
    [torch.float8_e4m3fn, torch.int8, gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.Q4_0, "int4"],
    ids=str,
)
@pytest.mark.parametrize("family", ["PEFT", "whole differences"])
def test_on_a_quantised_base(family, kind, lora, base, folders, tmp_path):
    """Field report L13: the change is not lost in the base's few bits, and removal gives the file's bits."""
    path = quantised(base, kind, tmp_path)
    pipe = llmdit.ZImagePipeline.from_pretrained(folders("base"), transformer_path=path)
    before = pipe.transformer.state_dict()
    pipe.load_lora(save(FAMILIES[family](lora), tmp_path / "lora.safetensors"))
    want = merged(before, lora)
    assert_weights(pipe, want, 1e-6 if family == "PEFT" else 4e-3)  # beside the weights, or rounded to bf16
    plain = save({n: t.float() for n, t in want.items()}, tmp_path / "plain.safetensors")
    reference = llmdit.ZImagePipeline.from_pretrained(folders("base"), transformer_path=plain)
    error = relative_error(pipe("a", **SMALL).images, reference("a", **SMALL).images)
    assert error <= (1e-5 if family == "PEFT" else 1e-2)
    pipe.unload_loras()
    assert all(torch.equal(pipe.transformer.state_dict()[name], tensor) for name, tensor in before.items())


# --- the report


def test_a_lora_is_not_taken_for_a_model(lora, folders, tmp_path):
    """Field report L15: the last parts of the keys count, not the first."""
    path = save(peft(lora, "diffusion_model."), tmp_path / "x.safetensors")
    assert llmdit.inspect(path).model == "LoRA"
    with pytest.raises(llmdit.Unsupported, match="LoRA"):
        llmdit.ZImagePipeline.from_pretrained(folders("base"), transformer_path=path)


def test_a_lora_of_another_model(pipe, base, tmp_path):
    """Field report L11."""
    state = {"lora_unet_single_blocks_0_linear1.lora_down.weight": torch.ones(4, 64)}
    state["lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight"] = torch.ones(64, 4)
    with pytest.raises(llmdit.Unsupported, match=r"x\.safetensors.*Flux.*none of its 2 keys.*lora_unet_"):
        pipe.load_lora(save(state, tmp_path / "x.safetensors"))
    assert pipe.loras == []
    with pytest.raises(llmdit.Unsupported, match=r"expected a LoRA.*ZImageTransformer2DModel"):
        pipe.load_lora(save(base, tmp_path / "model.safetensors"))
    assert_original(pipe, base)


@pytest.mark.parametrize("family", FAMILIES)
def test_inspect_tells_what_a_file_changes(family, lora, tmp_path):
    info = llmdit.inspect(save(FAMILIES[family](lora), tmp_path / "x.safetensors"))
    (load,) = info.loads
    assert (info.model, load.component, load.problems, load.unused) == ("LoRA", "lora", [], [])
    changed = {name for tensor in info.tensors for name in tensor.becomes}
    assert changed == {module + ".weight" for module in MODULES}
    assert f"{len(MODULES) - 2 if 'fused' in family else len(MODULES)} modules" in load.sizes


def test_inspect_tells_what_has_no_place(lora, tmp_path):
    stray = {"lora_unet_single_blocks_0_linear1.lora_down.weight": torch.ones(4, 64)}
    (load,) = llmdit.inspect(save(stray, tmp_path / "flux.safetensors")).loads
    assert len(load.problems) == 1 and len(load.unused) == 1
    (load,) = llmdit.inspect(save(peft(lora) | stray, tmp_path / "x.safetensors")).loads
    assert load.problems == [] and "no such module" in load.unused[0] and load.sizes.endswith(f"rank {RANK}")


def test_what_has_no_use_is_told(lora, base, pipe, tmp_path):
    state = peft(lora) | {
        "transformer.layers.77.attention.to_q.lora_A.weight": torch.ones(4, 64),
        "transformer.layers.0.feed_forward.w1.lora_A.weight": torch.ones(4, 64),  # alone
        "transformer.layers.0.feed_forward.w3.lora_A.weight": torch.ones(4, 63),
        "transformer.layers.0.feed_forward.w3.lora_B.weight": torch.ones(170, 4),
        "transformer.layers.1.feed_forward.w3.lora_A.weight": torch.ones(4, 64),
        "transformer.layers.1.feed_forward.w3.lora_B.weight": torch.ones(170, 4),
        "transformer.layers.1.feed_forward.w3.lora_mid.weight": torch.ones(4, 4),
        "a stranger": torch.ones(2),
    }
    path = save(state, tmp_path / "x.safetensors")
    report = pipe.load_lora(path)
    reasons = {key.key: key.reason for key in report.unused}
    assert len(reasons) == 8 and len(report.applied) == len(MODULES)
    assert "no such module" in reasons["transformer.layers.77.attention.to_q.lora_A.weight"]
    assert "up factor" in reasons["transformer.layers.0.feed_forward.w1.lora_A.weight"]
    assert "[170, 64]" in reasons["transformer.layers.0.feed_forward.w3.lora_A.weight"]
    assert "[170, 63]" in reasons["transformer.layers.0.feed_forward.w3.lora_A.weight"]
    assert "lora_mid.weight: parts for convolutions" in reasons["transformer.layers.1.feed_forward.w3.lora_B.weight"]
    assert len(report.warnings) == 1 and "8 of 26 keys" in report.warnings[0]
    assert report.warnings[0] in pipe("a", **SMALL).warnings
    assert_weights(pipe, merged(base, lora))
    pipe.unload_loras()
    with pytest.raises(llmdit.Unsupported, match="strict"):
        pipe.load_lora(path, strict=True)
    assert_original(pipe, base)


@pytest.mark.parametrize(
    ("ending", "tensor", "words"),
    [
        ("reshape_weight", torch.tensor([64, 64]), "changing a weight's shape"),
        ("lora_A.bias", torch.ones(RANK), "factors with biases"),
        ("lora_A.scale_weight", torch.ones(1), "factors with scales"),
        ("lora_B.weight_scale", torch.ones(1), "factors with scales"),
        ("lokr_t2", torch.ones(RANK, RANK, 1, 1), "parts for convolutions"),
        ("oft_blocks", torch.ones(2, 4, 4), "OFT"),
        ("dora_scale", torch.ones(3, 1), r"a magnitude for each of 64 rows or 64 columns, found [3, 1]"),
        ("dora_scale", torch.ones(64, 1, dtype=torch.int32), "type I32"),
        ("dora_scale", torch.ones(0, 1), "empty"),
    ],
)
def test_a_part_that_is_not_handled_leaves_its_module_out(ending, tensor, words, lora, base, pipe, tmp_path):
    """Half of what a file says would be a third thing."""
    path = save(peft(lora) | {f"transformer.{Q}.{ending}": tensor}, tmp_path / "x.safetensors")
    report = pipe.load_lora(path)
    assert len(report.unused) == 3 and all(words in key.reason for key in report.unused)
    assert_weights(pipe, merged(base, {m: v for m, v in lora.items() if m != Q}))


def test_two_adapters_in_one_file(lora, base, pipe, tmp_path):
    other = {module: (up + 1, down) for module, (up, down) in lora.items()}
    state = peft(lora, infix="first.") | peft(other, infix="second.")
    report = pipe.load_lora(save(state, tmp_path / "x.safetensors"))
    assert_weights(pipe, merged(base, lora))
    assert len(report.unused) == 2 * len(lora)
    assert all("second" in key.key and "under another name" in key.reason for key in report.unused)


def test_two_spellings_of_a_module_count_once(lora, base, pipe, tmp_path):
    """Field report A5, dotted exporters: fused and split copies side by side."""
    state = pairs(lora, dotted, ".lora.down.weight", ".lora.up.weight")
    state |= pairs(
        {"layers.0.attention.qkv": fused(lora)["layers.0.attention.qkv"]},
        dotted,
        ".lora.down.weight",
        ".lora.up.weight",
    )
    report = pipe.load_lora(save(state, tmp_path / "x.safetensors"))
    assert_weights(pipe, merged(base, lora))
    assert len(report.unused) == 6 and all("another spelling" in key.reason for key in report.unused)


def test_a_damaged_factor_is_refused(lora, base, pipe, tmp_path):
    state = peft(lora)
    state[f"transformer.{Q}.lora_A.weight"] = torch.full((RANK, 64), float("nan"))
    with pytest.raises(llmdit.Unsupported, match=rf"{Q}.lora_A.weight.*not finite"):
        pipe.load_lora(save(state, tmp_path / "x.safetensors"))
    with pytest.raises(llmdit.NotFound):
        pipe.load_lora(tmp_path / "nowhere.safetensors")
    assert_original(pipe, base)


@pytest.mark.parametrize(
    "name",
    [
        lambda m: "text_encoder." + m,
        lambda m: "lora_te_" + underscored(m),
        lambda m: "lora_te1_" + underscored("model." + m),
        lambda m: "text_encoder.model." + m,
    ],
)
def test_keys_for_the_text_encoder(name, lora, folders, pipe, tmp_path):
    module = "layers.1.self_attn.q_proj"
    weight = pipe.text_encoder.state_dict()[module + ".weight"]
    up, down = torch.randn(weight.shape[0], 2), torch.randn(2, weight.shape[1])
    encoder = {name(module) + ".lora_down.weight": down, name(module) + ".lora_up.weight": up}
    path = save(peft(lora) | encoder, tmp_path / "x.safetensors")
    report = pipe.load_lora(path, strict=True)
    assert {key.key for key in report.unused} == set(encoder) and "text_encoder" in report.unused[0].reason
    assert torch.equal(pipe.text_encoder.state_dict()[module + ".weight"], weight)
    pipe.unload_loras()
    report = pipe.load_lora(path, 0.5, text_encoder=True)
    assert report.unused == [] and f"text_encoder.{module}.weight" in report.applied
    assert relative_error(pipe.text_encoder.state_dict()[module + ".weight"], weight + 0.5 * up @ down) <= 1e-6
    pipe.unload_loras()
    assert torch.equal(pipe.text_encoder.state_dict()[module + ".weight"], weight)
    with pytest.raises(llmdit.Unsupported, match=r"for the text encoder alone.*\(text_encoder\)"):
        pipe.load_lora(save(encoder, tmp_path / "y.safetensors"))


def test_what_is_loaded_does_not_depend_on_its_file_any_more(two, pipe, tmp_path):
    """A second LoRA does not read the first again, whose file may be gone or another one by then."""
    (tmp_path / "copies").mkdir()
    first, second = (shutil.copy(path, tmp_path / "copies") for path in two[:2])
    pipe.load_lora([first, second])
    want = pipe.transformer.state_dict()
    pipe.unload_loras()
    pipe.load_lora(first)
    Path(first).unlink()
    pipe.load_lora(second)
    got = pipe.transformer.state_dict()
    assert all(torch.equal(got[name], want[name]) for name in want)


@pytest.mark.parametrize("scale", [1e308, float("nan"), float("-inf")])
def test_a_scale_that_is_no_number(scale, two, pipe):
    with pytest.raises(llmdit.InvalidArgument, match="finite scale"):
        pipe.load_lora(two[0], scale=scale)


@pytest.mark.parametrize("text", ["", ":0.5", ":te"])
def test_a_lora_without_a_path(text, folders):
    with pytest.raises(llmdit.InvalidArgument, match="path of a LoRA"):
        llmdit.ZImagePipeline.from_pretrained(folders("base"), lora=[text])


def test_numbers_of_other_packages_are_scales(two, pipe):
    for scale in (np.float32(0.5), torch.tensor(0.5), [np.float64(0.5)]):
        pipe.load_lora(two[0], scale=scale)
    assert [lora.scale for lora in pipe.loras] == [0.5] * 3


def test_parts_that_cannot_be_used_are_no_other_model(lora, tmp_path, pipe):
    state = {name: tensor.T for name, tensor in peft(lora).items()}
    with pytest.raises(llmdit.Unsupported, match="one whose parts cannot be used"):
        pipe.load_lora(save(state, tmp_path / "x.safetensors"))
