"""The model as a diffusers folder: writing and reading it."""

import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
from transformers import AutoTokenizer, Qwen3ForCausalLM

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt")


def load_exported(folder: Path) -> tuple[AutoencoderKL, Qwen3ForCausalLM, ZImageTransformer2DModel]:
    """The networks of an exported model folder, as float32."""
    vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32)
    encoder = Qwen3ForCausalLM.from_pretrained(folder / "text_encoder", dtype=torch.float32)
    transformer = ZImageTransformer2DModel.from_pretrained(folder / "transformer", torch_dtype=torch.float32)
    return vae, encoder, transformer


def export(
    folder: Path,
    tokenizer_folder: Path,
    vae: AutoencoderKL,
    transformer: ZImageTransformer2DModel,
    encoder: Qwen3ForCausalLM,
) -> None:
    """Writes a diffusers folder with bfloat16 weights."""
    kind = torch.bfloat16
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=3.0, use_dynamic_shifting=False)
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    vae = vae.to(kind, memory_format=torch.contiguous_format)
    encoder, transformer = encoder.to(kind), transformer.to(kind)
    ZImagePipeline(scheduler, vae, encoder.model, tokenizer, transformer).save_pretrained(folder)
    encoder.save_pretrained(folder / "text_encoder")  # again: real folders name these weights with "model." in front
    for name in TOKENIZER_FILES:  # as trained, not as the class rewrites them
        shutil.copyfile(tokenizer_folder / name, folder / "tokenizer" / name)
    for part in ("text_encoder", "transformer", "vae"):
        _clean_config(folder / part / "config.json")
        for file in (folder / part).iterdir():
            file.chmod(0o644)
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    print(f"exported {folder}: {size / 1e6:.1f} MB", flush=True)


def _clean_config(path: Path) -> None:
    """Removes local path names from a component's config and puts rope_theta where older readers look for it."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config.pop("_name_or_path", None)
    if "rope_parameters" in config:
        config["rope_theta"] = config["rope_parameters"]["rope_theta"]
    path.write_text(json.dumps(config, indent=2), encoding="utf-8")
