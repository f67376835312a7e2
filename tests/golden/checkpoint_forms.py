"""The weights of a diffusers folder in the forms other tools write them: layouts, prefixes, storage kinds.

Every function takes a state dict under diffusers' (or transformers') names and gives one under another tool's.
"""

import json
import re

import torch

State = dict[str, torch.Tensor]

TRANSFORMER_PREFIXES = ("", "model.diffusion_model.", "diffusion_model.", "transformer.")
TEXT_ENCODER_PREFIXES = (
    "",
    "text_encoders.qwen3_4b.transformer.",
    "text_encoders.qwen3_4b.",
    "text_encoder.",
)
VAE_PREFIXES = ("", "vae.", "first_stage_model.")


def with_prefix(state: State, prefix: str) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


def original_transformer(state: State) -> State:
    """Names of the original release and of ComfyUI's single files, with fused qkv."""
    result: State = {}
    for name, tensor in state.items():
        if name.endswith("attention.to_q.weight"):
            stem = name.removesuffix("to_q.weight")
            result[stem + "qkv.weight"] = torch.cat([state[f"{stem}to_{part}.weight"] for part in "qkv"])
        elif not re.search(r"attention\.to_[kv]\.", name):
            result[original_name(name)] = tensor
    return result


def original_name(name: str) -> str:
    name = re.sub(r"^all_(x_embedder|final_layer)\.2-1\.", r"\1.", name)
    name = name.replace("attention.to_out.0.", "attention.out.")
    return name.replace("attention.norm_q.", "attention.q_norm.").replace("attention.norm_k.", "attention.k_norm.")


def mixed_transformer(state: State) -> State:
    """Split projections under their diffusers names beside original names of the rest."""
    return {original_name(name) if "norm" in name or "embedder" in name else name: t for name, t in state.items()}


def single_file_vae(state: State) -> State:
    """Names of ae.safetensors; attention projections are 1x1 convolutions, decoder levels count the other way."""
    levels = 1 + max(int(m[1]) for n in state if (m := re.match(r"decoder\.up_blocks\.(\d+)\.", n)))
    result: State = {}
    for name, tensor in state.items():
        half, rest = name.split(".", 1)
        rest = re.sub(r"^down_blocks\.(\d+)\.resnets\.", r"down.\1.block.", rest)
        rest = re.sub(r"^down_blocks\.(\d+)\.downsamplers\.0\.", r"down.\1.downsample.", rest)
        rest = re.sub(r"^up_blocks\.(\d+)\.resnets\.", lambda m: f"up.{levels - 1 - int(m[1])}.block.", rest)
        rest = re.sub(r"^up_blocks\.(\d+)\.upsamplers\.0\.", lambda m: f"up.{levels - 1 - int(m[1])}.upsample.", rest)
        rest = rest.replace("conv_shortcut.", "nin_shortcut.").replace("conv_norm_out.", "norm_out.")
        rest = rest.replace("mid_block.resnets.0.", "mid.block_1.").replace("mid_block.resnets.1.", "mid.block_2.")
        rest = rest.replace("mid_block.attentions.0.group_norm.", "mid.attn_1.norm.")
        rest = re.sub(r"mid_block\.attentions\.0\.to_([qkv])\.", r"mid.attn_1.\1.", rest)
        rest = rest.replace("mid_block.attentions.0.to_out.0.", "mid.attn_1.proj_out.")
        is_projection = re.match(r"mid\.attn_1\.(q|k|v|proj_out)\.weight", rest)
        result[f"{half}.{rest}"] = tensor[:, :, None, None].contiguous() if is_projection else tensor
    return result


def early_diffusers_vae(state: State) -> State:
    """The attention of the first diffusers releases."""
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    result = {}
    for name, tensor in state.items():
        for new, old in names.items():
            name = name.replace(f"attentions.0.{new}.", f"attentions.0.{old}.")
        result[name] = tensor
    return result


def llama_cpp_name(name: str) -> str:
    """A Qwen3 tensor's name in GGUF files."""
    name = name.removeprefix("model.")
    name = re.sub(r"^layers\.", "blk.", name)
    for old, new in {
        "embed_tokens.": "token_embd.",
        "self_attn.q_norm": "attn_q_norm",
        "self_attn.k_norm": "attn_k_norm",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    }.items():
        name = name.replace(old, new)
    return "output_norm.weight" if name == "norm.weight" else name


def is_block_matrix(name: str, tensor: torch.Tensor) -> bool:
    """The matrices that tools quantise: those of the blocks."""
    return tensor.dim() == 2 and bool(re.search(r"(attention|feed_forward|self_attn|mlp)\.", name))


def scaled(state: State, dtype: torch.dtype, spelling: str, *, per_row: bool = False, prefix: str = "") -> State:
    """Block matrices in 8 bits with scales: W = stored * scale. spelling: "old" (scaled_fp8 marker) or "new"."""
    largest = 127.0 if dtype == torch.int8 else torch.finfo(dtype).max
    result: State = {}
    for name, tensor in state.items():
        if not is_block_matrix(name, tensor):
            result[name] = tensor
            continue
        magnitude = tensor.float().abs().amax(1) if per_row else tensor.float().abs().max()
        scale = (magnitude / largest).float()
        quotient = tensor.float() / (scale[:, None] if per_row else scale)
        stem = name.removesuffix(".weight")
        result[name] = quotient.round().to(dtype) if dtype == torch.int8 else quotient.to(dtype)
        shaped = scale[:, None].contiguous() if per_row else scale.reshape(1 if spelling == "old" else ())
        result[stem + (".scale_weight" if spelling == "old" else ".weight_scale")] = shaped
        result[stem + (".scale_input" if spelling == "old" else ".input_scale")] = torch.ones(1)
        if spelling == "new":
            text = json.dumps({"format": "int8_tensorwise" if dtype == torch.int8 else str(dtype)[6:]})
            result[stem + ".comfy_quant"] = torch.tensor(list(text.encode()), dtype=torch.uint8)
    if spelling == "old":
        result[prefix + "scaled_fp8"] = torch.zeros(2 if per_row else 0, dtype=dtype)
    return result


def unscaled(state: State) -> State:
    """What `scaled` tensors stand for, in float32."""
    result: State = {}
    for name, tensor in state.items():
        if not name.endswith(".weight"):
            continue
        stem = name.removesuffix(".weight")
        scale = state.get(stem + ".scale_weight", state.get(stem + ".weight_scale"))
        result[name] = tensor.float() if scale is None else tensor.float() * scale
    return {name: result.get(name, state[name]) for name in state if not name.endswith(COMPANIONS)}


COMPANIONS = (".scale_weight", ".weight_scale", ".scale_input", ".input_scale", ".comfy_quant", "scaled_fp8")
