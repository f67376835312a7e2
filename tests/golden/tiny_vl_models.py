"""Tiny Qwen3-VL models of transformers' own classes as complete folders, with weights that all matter."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tiny_models
import torch
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

IMAGE_TOKEN, VISION_START, VISION_END, VIDEO_TOKEN = 736, 733, 734, 737  # of the demo model's tokenizer

# The form of the published templates, as far as one turn goes.
INSTRUCT_TEMPLATE = (
    "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\n' }}{%- if m.content is string %}{{- m.content }}"
    "{%- else %}{%- for part in m.content %}{%- if part.type == 'image' %}"
    "{{- '<|vision_start|><|image_pad|><|vision_end|>' }}{%- else %}{{- part.text }}{%- endif %}{%- endfor %}"
    "{%- endif %}{{- '<|im_end|>\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)
THINKING_TEMPLATE = INSTRUCT_TEMPLATE.replace("'<|im_start|>assistant\n'", "'<|im_start|>assistant\n<think>\n'")


@dataclass(frozen=True)
class TinyVL:
    text: dict[str, Any] = field(default_factory=dict)
    vision: dict[str, Any] = field(default_factory=dict)
    preprocessor: dict[str, Any] = field(default_factory=dict)
    tied: bool = True
    template: str = INSTRUCT_TEMPLATE
    seed: int = 0


def text_config(hidden: int, heads: int, kv_heads: int, head_dim: int, layers: int, section: list[int]) -> dict:
    return {
        "vocab_size": 768,
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden + 8,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head_dim,
        "max_position_embeddings": 8192,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 5e6,
            "mrope_interleaved": True,
            "mrope_section": section,
        },
    }


def vision_config(hidden: int, heads: int, depth: int, out: int, side: int, taps: list[int], **more: Any) -> dict:
    return {
        "depth": depth,
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden + 4,
        "num_heads": heads,
        "out_hidden_size": out,
        "num_position_embeddings": side * side,
        "deepstack_visual_indexes": taps,
        **more,
    }


SMALL_PICTURES = {"size": {"shortest_edge": 4096, "longest_edge": 65536}}

# Head widths, grouped keys, taps that do not start at 0 or end at the last block, tied and own heads, other patches.
MODELS: dict[str, TinyVL] = {
    "base": TinyVL(
        text=text_config(48, heads=4, kv_heads=2, head_dim=16, layers=8, section=[4, 2, 2]),
        vision=vision_config(32, heads=2, depth=5, out=48, side=12, taps=[1, 2, 4]),
        preprocessor=SMALL_PICTURES,
    ),
    "wide": TinyVL(
        text=text_config(64, heads=2, kv_heads=1, head_dim=32, layers=7, section=[6, 5, 5]),
        vision=vision_config(48, heads=3, depth=3, out=64, side=7, taps=[0], patch_size=8, spatial_merge_size=3),
        preprocessor={"min_pixels": 2304, "max_pixels": 36864, "patch_size": 8, "merge_size": 3},
        tied=False,
        template=THINKING_TEMPLATE,
        seed=1,
    ),
    "bare": TinyVL(
        text=text_config(40, heads=2, kv_heads=2, head_dim=12, layers=2, section=[2, 2, 2]),
        vision=vision_config(16, heads=1, depth=1, out=40, side=4, taps=[], temporal_patch_size=1),
        preprocessor={"size": {"min_pixels": 1024, "max_pixels": 16384}, "temporal_patch_size": 1},
        seed=2,
    ),
}


def make_model(model: TinyVL | str) -> Qwen3VLForConditionalGeneration:
    """The reference in float32."""
    model = MODELS[model] if isinstance(model, str) else model
    config = Qwen3VLConfig(
        text_config=dict(model.text),
        vision_config=dict(model.vision),
        image_token_id=IMAGE_TOKEN,
        video_token_id=VIDEO_TOKEN,
        vision_start_token_id=VISION_START,
        vision_end_token_id=VISION_END,
        tie_word_embeddings=model.tied,
    )
    reference = Qwen3VLForConditionalGeneration(config)
    tiny_models.randomize(reference, 10 * model.seed + 5)
    reference.generation_config.eos_token_id = [726, 724]
    reference.generation_config.pad_token_id = 724
    return reference.eval()


def save_folder(
    reference: Qwen3VLForConditionalGeneration, model: TinyVL | str, folder: Path, **save_options: Any
) -> Path:
    """Writes a folder laid out as the published ones are."""
    model = MODELS[model] if isinstance(model, str) else model
    reference.save_pretrained(folder, **save_options)
    for file in tiny_models.DEMO_TOKENIZER.iterdir():
        shutil.copy(file, folder)
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": model.template}))
    preprocessor = {
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "image_processor_type": "Qwen2VLImageProcessorFast",
        "merge_size": 2,
        "patch_size": 16,
        "temporal_patch_size": 2,
        "processor_class": "Qwen3VLProcessor",
        **model.preprocessor,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    (folder / "video_preprocessor_config.json").write_text(json.dumps({"size": {"shortest_edge": 1}, "fps": 2}))
    return folder


def preprocess(picture: torch.Tensor, model: TinyVL | str = "base") -> tuple[torch.Tensor, torch.Tensor]:
    """(pixel_values, image_grid_thw) of uint8 [3, height, width], written out."""
    model = MODELS[model] if isinstance(model, str) else model
    settings = {"patch_size": 16, "merge_size": 2, "temporal_patch_size": 2, **model.preprocessor}
    size = settings.get("size", settings)
    least = size.get("shortest_edge", size.get("min_pixels"))
    most = size.get("longest_edge", size.get("max_pixels"))
    return preprocess_with(
        picture, settings["patch_size"], settings["merge_size"], settings["temporal_patch_size"], least, most
    )


def preprocess_with(
    picture: torch.Tensor, patch: int, merge: int, frames: int, least: int, most: int
) -> tuple[torch.Tensor, torch.Tensor]:
    from transformers.models.qwen2_vl import image_processing_pil_qwen2_vl as reference

    height, width = reference.smart_resize(
        picture.shape[1], picture.shape[2], factor=patch * merge, min_pixels=least, max_pixels=most
    )
    resized = torch.nn.functional.interpolate(picture[None], (height, width), mode="bicubic", antialias=True)[0]
    values = (resized.float() - 127.5) / 127.5
    rows = []
    for block_row in range(0, height, patch * merge):
        for block_column in range(0, width, patch * merge):
            for y in range(block_row, block_row + patch * merge, patch):
                for x in range(block_column, block_column + patch * merge, patch):
                    tile = values[:, None, y : y + patch, x : x + patch]
                    rows.append(tile.expand(-1, frames, -1, -1).flatten())
    return torch.stack(rows), torch.tensor([[1, height // patch, width // patch]])


def reference_inputs(ids: list[int], picture: torch.Tensor | None, model: TinyVL | str) -> dict[str, torch.Tensor]:
    """What the reference's forward and generate take."""
    input_ids = torch.tensor([ids])
    inputs = {"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids)}
    if picture is not None:
        pixels, grid = preprocess(picture, model)
        inputs |= {
            "pixel_values": pixels,
            "image_grid_thw": grid,
            "mm_token_type_ids": (input_ids == IMAGE_TOKEN).int(),
        }
    return inputs
