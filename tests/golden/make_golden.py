"""Writes tests/golden/tiny_z_image and tests/golden/expected: what the reference makes of a tiny model, for C++.

    python tests/golden/make_golden.py

Run it when the reference's version or a case changes, and commit what it writes. Each file of `expected` is one array,
raw and little-endian; its name tells name, shape and type: `hidden_states_2.23x32.f32`.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import tiny_models
import torch
import transformers

HERE = Path(__file__).resolve().parent
MODEL = HERE / "tiny_z_image"
EXPECTED = HERE / "expected"

PROMPT = "a red circle above a blue square"
NEGATIVE_PROMPT = "blurry"
WIDTH, HEIGHT, STEPS, SEED = 64, 48, 4, 42
GUIDANCE = {"guidance_scale": 2.5, "cfg_normalization": 1.1, "cfg_truncation": 0.3}

GOLDEN = tiny_models.TinyModel(
    text_encoder=tiny_models.encoder_config(32, heads=4, kv_heads=2, head_dim=16, layers=3),
    transformer=tiny_models.transformer_config(heads=3, axes_dims=[4, 6, 6], layers=2, refiners=1, width=32),
    vae=tiny_models.vae_config([8, 8, 16, 16], layers=1, groups=4, latent_channels=16),
    seed=7,
)


def write(name: str, array: torch.Tensor | np.ndarray) -> None:
    array = np.asarray(array)
    kind = {"f": "f32", "i": "i64"}[array.dtype.kind]
    shape = "x".join(str(side) for side in array.shape)
    array.astype("<f4" if kind == "f32" else "<i8").tofile(EXPECTED / f"{name}.{shape}.{kind}")


def draw(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def text_encoder(pipeline: Any) -> None:
    text = pipeline.tokenizer.apply_chat_template(
        [{"role": "user", "content": PROMPT}], tokenize=False, add_generation_prompt=True, enable_thinking=True
    )
    ids = pipeline.tokenizer(text, return_tensors="pt").input_ids
    write("input_ids", ids[0])
    states = pipeline.text_encoder(input_ids=ids, output_hidden_states=True).hidden_states
    for layer, state in enumerate(states):
        write(f"hidden_states_{layer}", state[0])


def transformer(pipeline: Any) -> None:
    width = pipeline.transformer.config.cap_feat_dim
    captions = [draw(1, 5, width), draw(2, 33, width)]  # below and past one multiple of 32
    latents = [draw(3, 16, 1, 8, 8), draw(4, 16, 1, 6, 10)]
    t = torch.tensor([0.0, 0.7])
    outputs = pipeline.transformer(latents, t, captions, return_dict=False)[0]
    write("t", t)
    for letter, caption, latent, output in zip("ab", captions, latents, outputs):
        write(f"caption_{letter}", caption)
        write(f"latents_{letter}", latent)
        write(f"prediction_{letter}", output)


def autoencoder(pipeline: Any) -> None:
    latents, pixels = draw(5, 1, 16, 4, 6), draw(6, 1, 3, 32, 48).clamp(-1, 1)
    write("decode_latents", latents)
    write("decode_pixels", pipeline.vae.decode(latents).sample)
    write("encode_pixels", pixels)
    distribution = pipeline.vae.encode(pixels).latent_dist
    write("encode_mean", distribution.mean)
    write("encode_logvar", distribution.logvar)


def scheduler() -> None:
    from diffusers.pipelines.z_image.pipeline_z_image import calculate_shift, get_default_z_image_sigmas

    def sigmas(config: dict[str, Any], steps: int, given: list[float] | None = None) -> torch.Tensor:
        reference = diffusers.FlowMatchEulerDiscreteScheduler(**config)
        mu = calculate_shift(1024, max_shift=config.get("max_shift", 1.15))
        reference.set_timesteps(sigmas=given or get_default_z_image_sigmas(steps), mu=mu)
        return reference.sigmas

    for steps in (1, 2, 4, 8, 9, 50):
        write(f"sigmas_static_{steps}", sigmas({"shift": 3.0}, steps))
    write("sigmas_given_4", sigmas({"shift": 6.0}, 4, [1.0, 0.8, 0.5, 0.1]))
    write("sigmas_exponential_8", sigmas({"use_dynamic_shifting": True}, 8))
    write("sigmas_linear_8", sigmas({"use_dynamic_shifting": True, "time_shift_type": "linear"}, 8))


def noise() -> None:
    for seed in (0, 42, 2**63 + 11):
        write(f"noise_{seed}", draw(seed, 1, 16, 4, 4))
    write("noise_few", draw(7, 1, 1, 3, 3))  # torch fills short tensors by another path


def generation(pipeline: Any, name: str, **guidance: Any) -> None:
    def after_step(_: Any, step: int, __: Any, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        write(f"{name}_latents_{step}", tensors["latents"])
        return tensors

    result = pipeline(
        PROMPT,
        width=WIDTH,
        height=HEIGHT,
        num_inference_steps=STEPS,
        generator=torch.Generator().manual_seed(SEED),
        output_type="pt",
        callback_on_step_end=after_step,
        max_sequence_length=64,
        **(guidance or {"guidance_scale": 0.0}),
    )
    write(f"{name}_pixels", result.images)


@torch.no_grad()
def main() -> int:
    for folder in (MODEL, EXPECTED):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    transformers.utils.logging.disable_progress_bar()
    # The files hold bfloat16, which float32 arithmetic reads without loss: half the size, the same exactness.
    tiny_models.save_folder(tiny_models.make_pipeline(GOLDEN), MODEL, torch.bfloat16)
    pipeline = tiny_models.load_pipeline(MODEL)
    text_encoder(pipeline)
    transformer(pipeline)
    autoencoder(pipeline)
    scheduler()
    noise()
    generation(pipeline, "plain")
    generation(pipeline, "guided", negative_prompt=NEGATIVE_PROMPT, **GUIDANCE)
    manifest = {
        "made_by": "tests/golden/make_golden.py",
        "versions": {module.__name__: module.__version__ for module in (torch, diffusers, transformers)},
        "relative_error": 2e-5,
        "prompt": PROMPT,
        "negative_prompt": NEGATIVE_PROMPT,
        "generation": {"width": WIDTH, "height": HEIGHT, "num_inference_steps": STEPS, "seed": SEED},
        "guided": GUIDANCE,
        "files": sorted(path.name for path in EXPECTED.iterdir()),
    }
    (HERE / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    size = sum(path.stat().st_size for folder in (MODEL, EXPECTED) for path in folder.rglob("*") if path.is_file())
    print(f"{len(manifest['files'])} arrays, {size / 1e6:.2f} MB with the model")
    return 0


if __name__ == "__main__":
    sys.exit(main())
