"""Random-weight models as complete diffusers folders, one a storage type, made once and kept.

The weights are drawn in bf16, so that all folders hold the same numbers, as with the published checkpoint.
"""

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
from transformers import AutoTokenizer, Qwen3Config, Qwen3Model

from .case import gguf_path
from .sizes import DTYPES, Sizes

TOKENIZER = Path(__file__).resolve().parents[2] / "examples/demo_model/tokenizer"
# Parts of the model that some tool reads as GGUF, with the kinds.
GGUF = (
    ("transformer", "bf16"),
    ("transformer", "q8_0"),
    ("transformer", "q4_0"),
    ("text_encoder", "bf16"),
    ("text_encoder", "q8_0"),
    ("text_encoder", "q4_0"),
)
Parts = dict[str, Callable[[], torch.nn.Module]]


def build(work: Path, sizes: Sizes) -> None:
    """Writes the folders and files that are missing."""
    folders = sizes.folders(work)
    build_folders({dtype: folders[dtype] for dtype in DTYPES}, sizes)
    build_folders({"bfloat16": folders["growth"]}, sizes.growth)
    build_gguf(folders["bfloat16"])
    if not (folders["full"] / "model_index.json").exists():
        build_zeros(folders["full"], sizes.full)
    if not (folders["narrow"] / "config.json").exists():
        draw(lambda: AutoencoderKL(**sizes.narrow_vae), 0).float().save_pretrained(folders["narrow"])


def parts_of(sizes: Sizes) -> Parts:
    """The models of a folder, still to be made."""
    return {
        "text_encoder": lambda: Qwen3Model(Qwen3Config(**sizes.text_encoder)),
        "transformer": lambda: ZImageTransformer2DModel(**sizes.transformer),
        "vae": lambda: AutoencoderKL(**sizes.vae),
    }


def build_folders(folders: dict[str, Path], sizes: Sizes, device: str = "cpu") -> None:
    """The same random numbers in each type, drawn on a device: those of another are others."""
    if all((folder / "model_index.json").exists() for folder in folders.values()):
        return
    parts = parts_of(sizes)
    for seed, (name, make) in enumerate(parts.items()):
        module: Any = draw(make, seed, device)
        for dtype in sorted(folders):  # bf16 before float32, which loses nothing
            module.to(getattr(torch, dtype)).save_pretrained(folders[dtype] / name)
    for folder in folders.values():
        finish_folder(folder, parts)


def build_gguf(folder: Path) -> None:
    """The GGUF files beside the parts that they are made of."""
    import llmdit

    for part, kind in GGUF:
        path = gguf_path(folder, part, kind)
        if not path.exists():
            if kind == "bf16":
                llmdit.convert_weights(folder / part, path, dtype="bfloat16")
            else:  # with a table of words that all tools look up as it is
                dtype = "float16" if part == "text_encoder" else None
                llmdit.convert_weights(folder / part, path, dtype=dtype, quantization=kind)


def build_zeros(folder: Path, sizes: Sizes) -> None:
    """A model whose files are headers and holes: all sizes are right, no disk is used, every weight is zero."""
    parts = parts_of(sizes)
    for name, make in parts.items():
        module: Any = on_meta(make).to(torch.bfloat16)
        target = folder / name
        module.config.save_pretrained(target) if name == "text_encoder" else module.save_config(target)
        stem = "model" if name == "text_encoder" else "diffusion_pytorch_model"
        write_holes(target / f"{stem}.safetensors", module.state_dict())
    finish_folder(folder, parts)


def write_holes(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """A safetensors file of bf16 zeros."""
    header, offset = {}, 0
    for name, tensor in tensors.items():
        end = offset + 2 * tensor.numel()
        header[name] = {"dtype": "BF16", "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + offset)


def on_meta(make: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    """A module without memory."""
    with torch.device("meta"):
        return make()


def draw(make: Callable[[], torch.nn.Module], seed: int, device: str = "cpu") -> Any:
    """A module in bf16 whose matrices keep the size of what passes through and whose norms are near one."""
    module = on_meta(make).to(torch.bfloat16).to_empty(device=device)
    generator = torch.Generator(device).manual_seed(seed)
    for name, parameter in module.named_parameters():
        flat = parameter.dim() < 2
        spread = 0.1 if flat else parameter[0].numel() ** -0.5
        mean = 1.0 if flat and name.endswith("weight") else 0.0
        parameter.data.normal_(mean, spread, generator=generator)
    return module


def finish_folder(folder: Path, parts: Parts) -> None:
    """Adds what is not weights; model_index.json comes last and marks the folder as whole."""
    empty = {name: on_meta(make) for name, make in parts.items()}
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.save_pretrained(folder / "scheduler")
    shutil.copytree(TOKENIZER, folder / "tokenizer", dirs_exist_ok=True)
    ZImagePipeline(scheduler=scheduler, tokenizer=AutoTokenizer.from_pretrained(TOKENIZER), **empty).save_config(folder)
