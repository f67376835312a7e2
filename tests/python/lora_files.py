"""LoRA files in every family of keys, and what models with them are compared with."""

import checkpoint_forms as forms
import torch
from parity import relative_error
from safetensors.torch import save_file

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


Q = "layers.0.attention.to_q"


def only(base, module, change):
    result = {name: tensor.double() for name, tensor in base.items()}
    result[module + ".weight"] = result[module + ".weight"] + change.double()
    return result
