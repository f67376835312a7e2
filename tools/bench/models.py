"""Random-weight models as complete diffusers folders, one a storage type, made once and kept.

The weights are drawn in bf16, so that both folders hold the same numbers, as with the published checkpoint.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
from transformers import AutoTokenizer, Qwen3Config, Qwen3Model

from .sizes import Sizes

TOKENIZER = Path(__file__).resolve().parents[2] / "examples/demo_model/tokenizer"


def build(work: Path, sizes: Sizes) -> None:
    """Writes the folders that are missing."""
    folders = sizes.folders(work)
    if all((folder / "model_index.json").exists() for folder in folders.values()):
        return
    parts: dict[str, Callable[[], torch.nn.Module]] = {
        "text_encoder": lambda: Qwen3Model(Qwen3Config(**sizes.text_encoder)),
        "transformer": lambda: ZImageTransformer2DModel(**sizes.transformer),
        "vae": lambda: AutoencoderKL(**sizes.vae),
    }
    for seed, (name, make) in enumerate(parts.items()):
        module: Any = draw(make, seed)
        for dtype in ("bfloat16", "float32"):  # in this order, which loses nothing
            module.to(getattr(torch, dtype)).save_pretrained(folders[dtype] / name)
    empty = {name: on_meta(make) for name, make in parts.items()}
    for folder in folders.values():
        finish_folder(folder, empty)


def on_meta(make: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    """A module without memory."""
    with torch.device("meta"):
        return make()


def draw(make: Callable[[], torch.nn.Module], seed: int) -> torch.nn.Module:
    """A module in bf16 whose matrices keep the size of what passes through and whose norms are near one."""
    module = on_meta(make).to(torch.bfloat16).to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        flat = parameter.dim() < 2
        spread = 0.1 if flat else parameter[0].numel() ** -0.5
        mean = 1.0 if flat and name.endswith("weight") else 0.0
        parameter.data.normal_(mean, spread, generator=generator)
    return module


def finish_folder(folder: Path, parts: dict[str, torch.nn.Module]) -> None:
    """Adds what is not weights; model_index.json comes last and marks the folder as whole."""
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.save_pretrained(folder / "scheduler")
    shutil.copytree(TOKENIZER, folder / "tokenizer", dirs_exist_ok=True)
    ZImagePipeline(scheduler=scheduler, tokenizer=AutoTokenizer.from_pretrained(TOKENIZER), **parts).save_config(folder)
