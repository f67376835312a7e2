"""Tiny models of the reference's own classes, with weights that all matter, as complete diffusers folders.

The reference is diffusers (ZImageTransformer2DModel, AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImagePipeline)
and transformers (Qwen3). Default initialisation leaves norms at one and pad tokens, biases and modulations at zero or
near it, so that a wrong use of them would not show: here every tensor is drawn.
"""

import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

REPOSITORY = Path(__file__).resolve().parents[2]
DEMO_TOKENIZER = REPOSITORY / "examples/demo_model/tokenizer"


@dataclass(frozen=True)
class TinyModel:
    """Settings of one pipeline; the dictionaries go to the classes' constructors as they are."""

    text_encoder: dict[str, Any] = field(default_factory=dict)
    transformer: dict[str, Any] = field(default_factory=dict)
    vae: dict[str, Any] = field(default_factory=dict)
    scheduler: dict[str, Any] = field(default_factory=lambda: {"shift": 3.0})
    seed: int = 0


def encoder_config(hidden: int, heads: int, kv_heads: int, head_dim: int, layers: int, **more: Any) -> dict[str, Any]:
    return {
        "vocab_size": 768,
        "hidden_size": hidden,
        "intermediate_size": more.pop("intermediate_size", 2 * hidden + 8),
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head_dim,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
        "rope_parameters": {"rope_type": "default", "rope_theta": more.pop("rope_theta", 1e6)},
        **more,
    }


def transformer_config(
    heads: int, axes_dims: list[int], layers: int, refiners: int, width: int, **more: Any
) -> dict[str, Any]:
    return {
        "dim": heads * sum(axes_dims),
        "n_heads": heads,
        "n_kv_heads": heads,
        "n_layers": layers,
        "n_refiner_layers": refiners,
        "axes_dims": axes_dims,
        "axes_lens": more.pop("axes_lens", [704, 64, 64]),
        "cap_feat_dim": width,
        **more,
    }


def vae_config(channels: list[int], layers: int, groups: int, latent_channels: int, **more: Any) -> dict[str, Any]:
    return {
        "block_out_channels": channels,
        "down_block_types": ["DownEncoderBlock2D"] * len(channels),
        "up_block_types": ["UpDecoderBlock2D"] * len(channels),
        "layers_per_block": layers,
        "norm_num_groups": groups,
        "latent_channels": latent_channels,
        "use_quant_conv": False,
        "use_post_quant_conv": False,
        "sample_size": more.pop("sample_size", 64),
        "scaling_factor": more.pop("scaling_factor", 0.3611),
        "shift_factor": more.pop("shift_factor", 0.1159),
        **more,
    }


# Each setting that the code could mistake for another differs from it in some model: head widths and counts, grouped
# keys, refiners 0 to 2, a width past 256 (where the modulation's width stops), odd feed-forward widths, epsilons.
MODELS: dict[str, TinyModel] = {
    "base": TinyModel(
        text_encoder=encoder_config(48, heads=4, kv_heads=2, head_dim=16, layers=3),
        transformer=transformer_config(heads=4, axes_dims=[4, 6, 6], layers=2, refiners=2, width=48),
        vae=vae_config([8, 16, 16, 32], layers=1, groups=4, latent_channels=16),
    ),
    "wide": TinyModel(
        text_encoder=encoder_config(64, heads=6, kv_heads=1, head_dim=8, layers=2, rope_theta=1e4, rms_norm_eps=1e-3),
        transformer=transformer_config(
            heads=9,
            axes_dims=[8, 12, 12],
            layers=1,
            refiners=1,
            width=64,
            norm_eps=1e-3,
            rope_theta=10000.0,
            t_scale=500.0,
        ),
        vae=vae_config([16, 32, 32, 64], layers=2, groups=8, latent_channels=16, scaling_factor=1.1, shift_factor=-0.2),
        seed=1,
    ),
    "plain": TinyModel(
        text_encoder=encoder_config(40, heads=3, kv_heads=3, head_dim=12, layers=1),
        transformer=transformer_config(heads=3, axes_dims=[8, 8, 8], layers=3, refiners=0, width=40, qk_norm=False),
        vae=vae_config(
            [16, 24, 32], layers=1, groups=8, latent_channels=16, sample_size=32, mid_block_add_attention=False
        ),
        seed=2,
    ),
    "dynamic": TinyModel(
        text_encoder=encoder_config(56, heads=2, kv_heads=2, head_dim=32, layers=4),
        transformer=transformer_config(heads=2, axes_dims=[16, 16, 16], layers=1, refiners=1, width=56, in_channels=4),
        vae=vae_config([8, 16], layers=1, groups=4, latent_channels=4, sample_size=16),
        scheduler={"use_dynamic_shifting": True, "max_shift": 1.5, "max_image_seq_len": 512},
        seed=3,
    ),
}


def randomize(module: torch.nn.Module, seed: int) -> None:
    """Draws every parameter: matrices keep the size of what passes through, norms are near one, biases near zero."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(module.named_parameters()):
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.dim() >= 2 and "embed_tokens" not in name and "pad_token" not in name:
            value = noise / parameter[0].numel() ** 0.5
        elif name.endswith("weight") and parameter.dim() == 1:
            value = 1 + 0.3 * noise
        elif parameter.dim() == 1:
            value = 0.2 * noise
        else:
            value = noise
        parameter.data.copy_(value)


def make_text_encoder(model: TinyModel) -> Qwen3ForCausalLM:
    encoder = Qwen3ForCausalLM(Qwen3Config(**model.text_encoder))
    randomize(encoder, 10 * model.seed + 1)
    return encoder.eval()


def make_transformer(model: TinyModel) -> ZImageTransformer2DModel:
    transformer = ZImageTransformer2DModel(**model.transformer)
    randomize(transformer, 10 * model.seed + 2)
    return transformer.eval()


def make_vae(model: TinyModel) -> AutoencoderKL:
    vae = AutoencoderKL(**model.vae)
    randomize(vae, 10 * model.seed + 3)
    return vae.eval()


def make_pipeline(model: TinyModel | str) -> ZImagePipeline:
    """The reference pipeline in float32, on the demo model's tokenizer."""
    model = MODELS[model] if isinstance(model, str) else model
    pipeline = ZImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(**model.scheduler),
        vae=make_vae(model),
        text_encoder=make_text_encoder(model),
        tokenizer=AutoTokenizer.from_pretrained(DEMO_TOKENIZER),
        transformer=make_transformer(model),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def save_folder(pipeline: ZImagePipeline, folder: Path, dtype: torch.dtype | None = None, **save_options: Any) -> Path:
    """Writes a diffusers folder, in `dtype` when given; save_options such as max_shard_size go to save_pretrained.

    The pipeline itself is left as it is.
    """
    if dtype is not None:
        # A copy: `to` would round buffers such as the rope frequencies as well, which nothing restores.
        pipeline = copy.deepcopy(pipeline)
        for part in (pipeline.text_encoder, pipeline.transformer, pipeline.vae):
            part.to(dtype)
    pipeline.save_pretrained(folder, **save_options)
    # transformers writes a tokenizer of its own; the original's files are what the tests are about.
    shutil.rmtree(folder / "tokenizer")
    shutil.copytree(DEMO_TOKENIZER, folder / "tokenizer")
    return folder


def load_pipeline(folder: Path, dtype: torch.dtype = torch.float32) -> ZImagePipeline:
    """The reference on a saved folder."""
    pipeline = ZImagePipeline.from_pretrained(folder, dtype=dtype, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def edit_json(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """Changes a JSON file in place."""
    content = json.loads(path.read_text(encoding="utf-8"))
    edit(content)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
