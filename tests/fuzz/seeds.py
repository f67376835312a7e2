"""Small valid files that the fuzz targets start from."""

import io
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save

REPOSITORY = Path(__file__).resolve().parents[2]


def safetensors_files() -> list[bytes]:
    kinds = [torch.float32, torch.bfloat16, torch.float16, torch.float8_e4m3fn, torch.int8, torch.uint8]
    tensors = {f"layers.{i}.attention.qkv.weight": torch.zeros(6, 4).to(kind) for i, kind in enumerate(kinds)}
    scaled = {"scaled_fp8": torch.zeros(0), "layers.0.attention.qkv.scale_weight": torch.ones(1)}
    return [save(tensors), save(tensors | scaled, {"format": "pt"}), save({}), save({"x_pad_token": torch.zeros(())})]


def gguf_files() -> list[bytes]:
    import tempfile

    import gguf

    files = []
    for architecture in ("lumina2", "qwen3"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.gguf"
            writer = gguf.GGUFWriter(path, architecture)
            writer.add_uint32("qwen3.context_length", 64)
            writer.add_tokenizer_model("gpt2")
            writer.add_tokenizer_pre("qwen2")
            writer.add_token_list(["a", "b", "ab", "<x>", "[PAD4]"])
            writer.add_token_types([1, 1, 1, 3, 5])
            writer.add_token_merges(["a b"])
            writer.add_array("comfy.gguf.orig_shape.cap_embedder.0.weight", [2, 4])
            writer.add_tensor("cap_embedder.0.weight", np.zeros(8, np.float32))
            blocks = gguf.quants.quantize(np.zeros((4, 32), np.float32), gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor("blk.0.attn_q.weight", blocks, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            files.append(path.read_bytes())
    return files


def json_files() -> list[bytes]:
    flags = ("normalized", "lstrip", "rstrip", "single_word")
    tokenizer = {
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]},
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        "decoder": {"type": "ByteLevel"},
        "added_tokens": [{"id": 3, "content": "<x>", "special": True, **dict.fromkeys(flags, False)}],
    }
    demo = REPOSITORY / "examples/demo_model"
    configs = [demo / part / "config.json" for part in ("transformer", "text_encoder", "vae")]
    configs.append(demo / "scheduler/scheduler_config.json")
    texts = [json.dumps(tokenizer), *(path.read_text() for path in configs)]
    return [text.encode() for text in texts]


def image_files() -> list[bytes]:
    from PIL import Image, PngImagePlugin

    files = []
    pixels = Image.fromarray((np.arange(8 * 6 * 3) % 255).astype(np.uint8).reshape(6, 8, 3))
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", "a cat")
    text.add_itxt("llmdit", "{}")
    text.add_text("long", "x" * 100, zip=True)
    for mode in ("RGB", "RGBA", "L", "LA", "P", "1", "I;16"):
        files.append(
            encoded(pixels.convert(mode) if mode != "I;16" else Image.new("I;16", (5, 4)), "PNG", pnginfo=text)
        )
    exif = Image.Exif()
    exif[0x0112] = 6
    for mode in ("RGB", "L", "CMYK"):
        files.append(encoded(pixels.convert(mode), "JPEG", exif=exif))
    files += [encoded(pixels, "JPEG", progressive=True), encoded(pixels, "WEBP", lossless=True)]
    return [*files, encoded(pixels.convert("RGBA"), "WEBP", exif=exif.tobytes())]


def encoded(picture, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def settings_texts() -> list[bytes]:
    lora = {"path": "a.safetensors", "scale": 0.5}
    settings = {"version": "1", "prompt": "a cat", "model": "demo", "seed": 2**64 - 1, "sigmas": [1, 0.5]}
    settings |= {"loras": [lora], "unrecorded": ["image"], "vae_tiling": "on", "strip_quotes": True, "shift": None}
    return [json.dumps(settings).encode(), b"{}"]


def lora_files() -> list[bytes]:
    stem = "layers.0.attention.to_q"
    down, up = torch.ones(2, 192), torch.ones(192, 2)
    files = [
        {f"transformer.{stem}.lora_A.weight": down, f"transformer.{stem}.lora_B.weight": up},
        {
            "lora_unet_layers_0_attention_qkv.lora_down.weight": down.half(),
            "lora_unet_layers_0_attention_qkv.lora_up.weight": torch.ones(576, 2).half(),
            "lora_unet_layers_0_attention_qkv.alpha": torch.tensor(1.0),
        },
        {f"diffusion_model.{stem}.lokr_w1": torch.ones(2, 2), f"diffusion_model.{stem}.lokr_w2": torch.ones(96, 96)},
        {f"{stem}.diff": torch.ones(192, 192), f"{stem}.dora_scale": torch.ones(192, 1)},
    ]
    return [save({name: tensor.contiguous() for name, tensor in file.items()}) for file in files]


def statistics_files() -> list[bytes]:
    arrays = {"per_dim_mean": np.zeros(3, np.float32), "per_dim_std": np.ones(3, np.float32)}
    arrays |= {"global_mean": np.float64(0.5), "global_std": np.float64(1)}
    more = {"model": np.array("m"), "layer": np.int64(-2), "num_prompts": np.int32(1), "num_tokens": np.uint64(4)}
    files = []
    for save_arrays in (np.savez, np.savez_compressed):
        for chosen in (arrays, arrays | more, arrays | {"global_std": np.float16(1)}):
            buffer = io.BytesIO()
            save_arrays(buffer, **chosen)
            files.append(buffer.getvalue())
    return [*files, json.dumps({name: array.tolist() for name, array in (arrays | more).items()}).encode()]
def template_texts() -> list[bytes]:
    built_in = sorted((REPOSITORY / "templates/z_image").rglob("*.md"))[::20]
    odd = [
        "---\nname: a\nmodel: [x, y]\nadd_think_block: yes\n---\nb",
        "---\n- a\n---",
        "---\na: &x {b: *x}\n---\n",
        "a\r\n---\n",
    ]
    return [*(path.read_bytes() for path in built_in), *(text.encode() for text in odd)]


MAKERS = {
    "safetensors": safetensors_files,
    "gguf": gguf_files,
    "json": json_files,
    "image": image_files,
    "lora": lora_files,
    "settings": settings_texts,
    "statistics": statistics_files,
    "template": template_texts,
}


def write(kind: str, folder: Path) -> None:
    """The seeds of one target; a target without any starts from nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, content in enumerate(MAKERS[kind]() if kind in MAKERS else []):
        (folder / f"seed-{i}").write_bytes(content)
