"""Pictures of a prompt that is blended with what Qwen3-VL sees in a reference picture."""

import json
import shutil
from pathlib import Path
from typing import Any

import command
import llmdit
import pytest
import tiny_vl_models
import torch
from llmdit import vl
from test_vl_image import picture

PROMPT = "a red circle above a blue square"
REFERENCE = picture(64, 96)
FAST = {"num_inference_steps": 2, "seed": 3, "width": 64, "height": 48}


@pytest.fixture(scope="module")
def pipe(folders: Any, vl_folders: Any) -> llmdit.ZImagePipeline:
    return llmdit.ZImagePipeline.from_pretrained(folders("base"), vl_model_path=vl_folders("base"))


def latents(pipe: llmdit.ZImagePipeline, **options: Any) -> torch.Tensor:
    prompt = options.pop("prompt", PROMPT if "prompt_embeds" not in options else None)
    return pipe(prompt, output_type="latent", **{**FAST, **options}).latents


def rows(pipe: llmdit.ZImagePipeline, prompt: torch.Tensor, **options: Any) -> torch.Tensor:
    options.setdefault("target_std", prompt.std().item())
    return pipe.vl_encoder.extract(REFERENCE, **options).embeddings


@pytest.mark.parametrize(
    "mode", ["interpolate", "linear", "adain", "adain_per_dim", "style_only", "graduated", "attention_weighted"]
)
def test_blending_is_that_of_the_functions(pipe: llmdit.ZImagePipeline, mode: str) -> None:
    text = pipe.encode_prompt(PROMPT).embeddings[0]
    mixed = vl.blend(rows(pipe, text), text, 0.4, mode=mode).embeddings
    want = latents(pipe, prompt_embeds=[mixed])
    assert torch.equal(latents(pipe, vl_image=REFERENCE, vl_alpha=0.4, vl_blend_mode=mode), want)
    assert not torch.equal(want, latents(pipe))


def test_style_delta_is_against_a_gray_picture(pipe: llmdit.ZImagePipeline) -> None:
    text = pipe.encode_prompt(PROMPT).embeddings[0]
    gray = torch.full_like(REFERENCE, 128)
    neutral = pipe.vl_encoder.extract(gray, target_std=text.std().item()).embeddings
    mixed = vl.blend(rows(pipe, text), text, 0.3, mode="style_delta", neutral=neutral).embeddings
    got = latents(pipe, vl_image=REFERENCE, vl_blend_mode="style_delta")
    assert torch.equal(got, latents(pipe, prompt_embeds=[mixed]))


def test_options_reach_the_extractor(pipe: llmdit.ZImagePipeline, tmp_path: Path) -> None:
    text = pipe.encode_prompt(PROMPT).embeddings[0]
    for name, value in {
        "hidden_layer": -3,
        "token_selection": "image_only",
        "system_prompt": "Look.",
        "force_think_block": False,
        "scale_to_text": False,
        "target_std": 3.0,
    }.items():
        mixed = vl.blend_interpolate(rows(pipe, text, **{name: value}), text, 0.3)
        got = latents(pipe, vl_image=REFERENCE, **{f"vl_{name}": value})
        assert torch.equal(got, latents(pipe, prompt_embeds=[mixed])), name
    mixed = vl.blend_interpolate(rows(pipe, text, text="a wall"), text, 0.3)
    assert torch.equal(latents(pipe, vl_image=REFERENCE, vl_text="a wall"), latents(pipe, prompt_embeds=[mixed]))
    statistics = vl.ReferenceStatistics.compute(text)
    statistics.save(tmp_path / "own.npz")
    options = {"normalization_mode": "per_dim", "outlier_masking": "clamp", "outlier_threshold": 0.8}
    mixed = vl.blend_interpolate(
        pipe.vl_encoder.extract(REFERENCE, statistics=statistics, **options).embeddings, text, 0.3
    )
    got = latents(
        pipe, vl_image=REFERENCE, vl_statistics=tmp_path / "own.npz", **{f"vl_{n}": v for n, v in options.items()}
    )
    assert torch.equal(got, latents(pipe, prompt_embeds=[mixed]))
    for name in ("normalization_mode", "outlier_masking"):
        with pytest.raises(ValueError, match="statistics"):
            latents(pipe, vl_image=REFERENCE, **{f"vl_{name}": "hybrid" if name[0] == "n" else "zero"})


def test_statistics_of_another_layer_are_told(pipe: llmdit.ZImagePipeline, tmp_path: Path) -> None:
    """A scale that the transformer does not see; the same layer may be counted from either end."""

    def warnings(layer: int | None, **options: Any) -> str:
        rows = pipe.encode_prompt(PROMPT).embeddings
        vl.ReferenceStatistics.compute(rows, hidden_layer=layer).save(tmp_path / "own.npz")
        given = {"vl_image": REFERENCE, "vl_statistics": tmp_path / "own.npz", "output_type": "latent"}
        return " ".join(pipe(PROMPT, **given, **options, **FAST).warnings)

    layers = pipe.text_encoder.config.num_hidden_layers
    assert "vl_statistics are of layer -3, and the prompt is read at layer -2" in warnings(-3)
    assert "read at a mix of layers" in warnings(-2, layer_weights={-2: 1.0, -3: 1.0})
    for layer, options in ((-2, {}), (layers - 1, {}), (None, {}), (1, {"hidden_layer": 1})):
        assert "vl_statistics" not in warnings(layer, **options)


def test_alpha_0_is_the_prompt_and_1_the_picture(pipe: llmdit.ZImagePipeline) -> None:
    result = pipe(PROMPT, vl_image=REFERENCE, vl_alpha=0, output_type="latent", **FAST)
    assert torch.equal(result.latents, latents(pipe)) and result.vl is None
    assert any("vl_alpha is 0" in warning for warning in result.warnings)
    text = pipe.encode_prompt(PROMPT).embeddings[0]
    resampled = vl.blend_interpolate(rows(pipe, text), text, 1.0)
    assert torch.equal(latents(pipe, vl_image=REFERENCE, vl_alpha=1), latents(pipe, prompt_embeds=[resampled]))


def test_the_result_tells_what_was_read(pipe: llmdit.ZImagePipeline) -> None:
    result = pipe(PROMPT, vl_image=REFERENCE, vl_token_selection="image_only", output_type="latent", **FAST)
    assert result.vl.num_tokens == 6 + 2 and result.vl.hidden_layer == -6
    assert result.vl.embeddings.shape == (8, 48)
    assert pipe(PROMPT, output_type="latent", **FAST).vl is None


def test_several_prompts_are_each_scaled_to_their_own(pipe: llmdit.ZImagePipeline) -> None:
    prompts = [PROMPT, "a house"]
    both = latents(pipe, prompt=prompts, vl_image=REFERENCE, num_images_per_prompt=1)
    texts = pipe.encode_prompt(prompts).embeddings
    mixed = [vl.blend_interpolate(rows(pipe, text), text, 0.3) for text in texts]
    assert torch.equal(both, latents(pipe, prompt_embeds=mixed))


def test_together_with_img2img_and_guidance(pipe: llmdit.ZImagePipeline) -> None:
    text = pipe.encode_prompt(PROMPT).embeddings[0]
    mixed = vl.blend_interpolate(rows(pipe, text), text, 0.3)
    options = {"image": picture(48, 64) / 255, "strength": 0.6, "guidance_scale": 1.5, "negative_prompt": "blurry"}
    assert torch.equal(latents(pipe, vl_image=REFERENCE, **options), latents(pipe, prompt_embeds=[mixed], **options))


def test_options_without_a_picture_are_told(pipe: llmdit.ZImagePipeline) -> None:
    result = pipe(PROMPT, vl_alpha=0.9, vl_hidden_layer=-2, vl_text="x", output_type="latent", **FAST)
    told = [warning for warning in result.warnings if "without a vl_image" in warning]
    assert [warning.split()[0] for warning in told] == ["vl_alpha", "vl_text", "vl_hidden_layer"]
    assert torch.equal(result.latents, latents(pipe))


def test_a_missing_or_wrong_model_is_named(folders: Any, vl_folders: Any) -> None:
    none = llmdit.ZImagePipeline.from_pretrained(folders("base"))
    assert none(PROMPT, output_type="latent", **FAST).vl is None
    for ask in (lambda: none(PROMPT, vl_image=REFERENCE, **FAST), lambda: none.vl_encoder):
        with pytest.raises(FileNotFoundError, match="vl_model_path"):
            ask()
    # Before anything is encoded, which would say that there is no encoder.
    bare = llmdit.ZImagePipeline.from_pretrained(folders("base"), text_encoder="none")
    with pytest.raises(FileNotFoundError, match="vl_model_path"):
        bare(PROMPT, vl_image=REFERENCE, **FAST)
    wide = llmdit.ZImagePipeline.from_pretrained(folders("base"), vl_model_path=vl_folders("wide"))
    with pytest.raises(NotImplementedError, match="as wide as the text encoder, 48, found 64"):
        wide(PROMPT, vl_image=REFERENCE, **FAST)


def test_a_models_own_vl_encoder_is_taken(folders: Any, vl_folders: Any, tmp_path: Path) -> None:
    folder = shutil.copytree(folders("base"), tmp_path / "model")
    shutil.copytree(vl_folders("base"), folder / "vl_encoder")
    own = llmdit.ZImagePipeline.from_pretrained(folder)
    named = llmdit.ZImagePipeline.from_pretrained(folders("base"), vl_model_path=vl_folders("base"))
    assert torch.equal(latents(own, vl_image=REFERENCE), latents(named, vl_image=REFERENCE))


def test_weights_are_freed_unless_kept(folders: Any, vl_folders: Any) -> None:
    for keeps in (False, True):
        pipe = llmdit.ZImagePipeline.from_pretrained(
            folders("base"), vl_model_path=vl_folders("base"), vl_auto_unload=not keeps, vl_device="cpu"
        )
        latents(pipe, vl_image=REFERENCE)
        assert pipe.vl_encoder.is_loaded == keeps
        latents(pipe, vl_image=REFERENCE, vl_blend_mode="style_delta")
        assert pipe.vl_encoder.is_loaded == keeps


def test_every_kind_of_picture(pipe: llmdit.ZImagePipeline, tmp_path: Path) -> None:
    from PIL import Image

    array = REFERENCE.permute(1, 2, 0).numpy()
    Image.fromarray(array).save(tmp_path / "reference.png")
    want = latents(pipe, vl_image=REFERENCE)
    for same in (array, Image.fromarray(array), tmp_path / "reference.png", REFERENCE / 255):
        assert torch.equal(latents(pipe, vl_image=same), want)
    with pytest.raises(TypeError):
        latents(pipe, vl_image=5)
    with pytest.raises(ValueError, match="vl_alpha"):
        latents(pipe, vl_image=REFERENCE, vl_alpha=1.5)


def test_the_command(folders: Any, vl_folders: Any, tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(REFERENCE.permute(1, 2, 0).numpy()).save(tmp_path / "reference.png")
    model = ["--model-path", folders("base"), "--vl-model", vl_folders("base")]
    size = ["--width", 64, "--height", 48, "--steps", 2, "--seed", 3]
    plain = command.generate(tmp_path, *model, *size)
    assert plain["vl"] is None
    plain_pixels = command.pixels(plain)
    seen = ["--vl-image", tmp_path / "reference.png", "--vl-alpha", 0.5, "--vl-blend-mode", "linear",
            "--vl-hidden-layer", -2, "--vl-token-selection", "image_only"]  # fmt: skip
    done = command.generate(tmp_path, *model, *size, *seen)
    assert done["vl"]["num_tokens"] == 8 and done["vl"]["hidden_layer"] == -2
    assert done["settings"]["vl_alpha"] == 0.5 and done["vl_image"].endswith("reference.png")
    pixels = command.pixels(done)
    assert pixels != plain_pixels
    old = ["--model-path", folders("base"), "--vl-model-path", vl_folders("base"), "--vl-no-auto-unload"]
    assert command.pixels(command.generate(tmp_path, *old, *size, *seen)) == pixels

    # A picture knows that it needs the reference picture again.
    text = json.loads(llmdit.read_image_info(tmp_path / "picture.png").text[1][1])
    assert text["unrecorded"] == ["vl_image"]
    shutil.copy(tmp_path / "picture.png", tmp_path / "first.png")
    again = command.llmdit("generate", "--from", tmp_path / "first.png", "-o", tmp_path / "b.png", *model)
    assert again.returncode == command.USAGE and "--vl-image" in again.stderr
    again = command.llmdit("generate", "--from", tmp_path / "first.png", "-o", tmp_path / "b.png", *model, *seen[:2])
    assert again.returncode == 0 and "identical" in again.stderr
    missing = command.llmdit("generate", PROMPT, "--model-path", folders("base"), *seen, *size)
    assert missing.returncode == command.NOT_FOUND and "--vl-model-path" in missing.stderr


def test_the_tiny_models_fit() -> None:
    assert tiny_vl_models.MODELS["base"].text["hidden_size"] == 48
