"""The demo model's eyes: a folder in the published layout that transformers loads, within the budget of bytes."""

import importlib.util
import logging
import warnings
from pathlib import Path

import pytest
import tiny_models
import torch
from PIL import Image
from safetensors import safe_open
from transformers import (
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    Qwen3VLForConditionalGeneration,
)

DEMO_MODEL = tiny_models.REPOSITORY / "examples/demo_model"
FOLDER = DEMO_MODEL / "vl_encoder"
SHIPPED_FILES = {
    "chat_template.json",
    "config.json",
    "generation_config.json",
    "merges.txt",
    "model.safetensors",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "video_preprocessor_config.json",
    "vocab.json",
}
MESSAGES = [
    {"role": "system", "content": "Look."},
    {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]},
]


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def test_the_assets_stay_small():
    assert size(FOLDER) <= 10_000_000
    assert size(DEMO_MODEL) <= 32_000_000


def test_the_layout_is_the_published_one():
    assert {file.name for file in FOLDER.iterdir()} == SHIPPED_FILES
    with safe_open(FOLDER / "model.safetensors", "pt") as weights:
        names = set(weights.keys())
        assert {weights.get_slice(name).get_dtype() for name in names} == {"BF16"}
    assert {".".join(name.split(".")[:2]) for name in names} == {"model.language_model", "model.visual"}  # tied head


def test_transformers_loads_it_without_a_warning(caplog):
    with caplog.at_level(logging.WARNING), warnings.catch_warnings():
        warnings.simplefilter("error")
        model, info = AutoModelForImageTextToText.from_pretrained(FOLDER, output_loading_info=True)
        tokenizer = AutoTokenizer.from_pretrained(FOLDER)
        AutoImageProcessor.from_pretrained(FOLDER)
    assert not caplog.records
    assert not any(info.values())
    assert isinstance(model, Qwen3VLForConditionalGeneration) and model.dtype == torch.bfloat16
    text = model.config.text_config
    rope = text.rope_parameters
    assert rope["mrope_interleaved"] and sum(rope["mrope_section"]) == text.head_dim // 2
    # hidden_states[-6] must hold what the deepstack layers add.
    added = len(model.config.vision_config.deepstack_visual_indexes)
    assert text.num_hidden_layers + 1 - 6 > added
    for name, token in {"image": "<|image_pad|>", "vision_start": "<|vision_start|>"}.items():
        assert getattr(model.config, f"{name}_token_id") == tokenizer.convert_tokens_to_ids(token)


def test_the_chat_template():
    text = AutoTokenizer.from_pretrained(FOLDER).apply_chat_template(
        MESSAGES, tokenize=False, add_generation_prompt=True
    )
    assert text == (
        "<|im_start|>system\nLook.<|im_end|>\n<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>What is it?"
        "<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.parametrize("side", [64, 128, 512])
def test_square_pictures_become_16_tokens(side):
    processor = AutoImageProcessor.from_pretrained(FOLDER)
    inputs = processor(Image.new("RGB", (side, side), "red"), return_tensors="pt")
    assert inputs["image_grid_thw"].tolist() == [[1, 8, 8]]


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="transformers wants torchvision for videos")
def test_the_processor_loads():
    processor = AutoProcessor.from_pretrained(FOLDER)
    picture = Image.new("RGB", (128, 128), "red")
    text = processor.apply_chat_template(MESSAGES, add_generation_prompt=True)
    inputs = processor(text=text, images=picture, return_tensors="pt")
    assert (inputs["input_ids"] == processor.image_token_id).sum() == 16
