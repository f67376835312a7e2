"""The vision-language model as a folder in the layout in which Qwen3-VL is published."""

import json
import shutil
from pathlib import Path

import torch
from transformers import Qwen3VLForConditionalGeneration

from .export import TOKENIZER_FILES
from .shapes import CANVAS
from .vl_model import FRAMES, MERGE, PATCH

# One turn after the other; a picture is the three tokens that the processor widens. There is no system turn by itself.
CHAT_TEMPLATE = (
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\n' }}"
    "{%- if message.content is string %}{{- message.content }}"
    "{%- else %}{%- for part in message.content %}"
    "{%- if part.type == 'image' or 'image' in part or 'image_url' in part %}"
    "{{- '<|vision_start|><|image_pad|><|vision_end|>' }}"
    "{%- elif part.type == 'video' or 'video' in part %}{{- '<|vision_start|><|video_pad|><|vision_end|>' }}"
    "{%- elif 'text' in part %}{{- part.text }}{%- endif %}{%- endfor %}{%- endif %}"
    "{{- '<|im_end|>\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)
# Every picture becomes one of about 128 x 128: the tower has seen no others.
_PIXELS = {"longest_edge": CANVAS * CANVAS, "shortest_edge": CANVAS * CANVAS}
_NORMALISATION = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
_PATCHES = {"patch_size": PATCH, "temporal_patch_size": FRAMES, "merge_size": MERGE}


def _write(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _published_config(config: dict) -> dict:
    """The config with the names that published folders have: those of the class changed with its versions."""
    config = dict(config)
    for part in ("text_config", "vision_config"):
        config[part] = {k: v for k, v in config[part].items() if k not in ("rope_parameters", "_name_or_path")}
    config.pop("_name_or_path", None)
    return config


def export_vl(folder: Path, tokenizer_folder: Path, model: Qwen3VLForConditionalGeneration) -> None:
    """Writes weights in bfloat16, tokenizer, processors, chat template and sampling defaults."""
    folder.mkdir(parents=True, exist_ok=True)
    rope = dict(model.config.text_config.rope_parameters)
    model.to(torch.bfloat16).save_pretrained(folder)
    config = _published_config(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    config["text_config"]["rope_theta"] = rope.pop("rope_theta")
    config["text_config"]["rope_scaling"] = rope
    _write(folder / "config.json", config)
    for name in TOKENIZER_FILES:
        shutil.copyfile(tokenizer_folder / name, folder / name)
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    _write(folder / "tokenizer_config.json", tokenizer | {"chat_template": CHAT_TEMPLATE})
    _write(folder / "chat_template.json", {"chat_template": CHAT_TEMPLATE})
    common = {"size": _PIXELS, **_PATCHES, **_NORMALISATION, "processor_class": "Qwen3VLProcessor"}
    _write(folder / "preprocessor_config.json", common | {"image_processor_type": "Qwen2VLImageProcessorFast"})
    _write(folder / "video_preprocessor_config.json", common | {"video_processor_type": "Qwen3VLVideoProcessor"})
    text = config["text_config"]
    sampling = {"do_sample": True, "temperature": 0.7, "top_k": 20, "top_p": 0.8, "repetition_penalty": 1.0}
    ends = {"eos_token_id": [text["eos_token_id"], text["bos_token_id"]]}
    pads = {"bos_token_id": text["bos_token_id"], "pad_token_id": text["bos_token_id"]}
    _write(folder / "generation_config.json", pads | ends | sampling)
    for file in folder.iterdir():
        file.chmod(0o644)
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"exported {folder}: {size / 1e6:.1f} MB", flush=True)
