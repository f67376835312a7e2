"""Whole generations against diffusers' ZImagePipeline: latents after every step, float pictures, PNG bytes."""

import io

import llmdit
import numpy as np
import pytest
import tiny_models
import torch
from parity import assert_close, record
from PIL import Image
from reference import draw, run, seeded

MODELS = list(tiny_models.MODELS)
PROMPT = "a small red circle left of a blue ring"


def steps_of(pipe, *arguments, **options):
    """Our run with the latents of every step, kept without a copy of the test's own."""
    steps = []

    def on_step(info):
        steps.append(info.latents)

    return pipe(*arguments, on_step=on_step, **options), steps


def compare(check, ours, steps, want, where):
    assert len(steps) == len(want.latents)
    for index, (got, theirs) in enumerate(zip(steps, want.latents)):
        assert_close(f"{check}, latents after each step", got, theirs, where=f"{where}, step {index + 1}")
    assert torch.equal(ours.latents, steps[-1])
    assert_close(f"{check}, sigmas", torch.tensor(ours.sigmas), want.sigmas, bound=1.2e-7, where=where)
    if want.pixels is not None:
        assert_close(f"{check}, float picture", ours.images, want.pixels, where=where)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("width", "height"), [(64, 64), (96, 48), (32, 80)])
def test_text_to_image(model, width, height, references, pipelines):
    want = run(references(model), PROMPT, width=width, height=height, num_inference_steps=4, generator=seeded(5))
    ours, steps = steps_of(
        pipelines(model), PROMPT, width=width, height=height, num_inference_steps=4, seed=5, output_type="pt"
    )
    compare("text to image", ours, steps, want, f"{model}, {width}x{height}")


@pytest.mark.parametrize("steps", [1, 2, 9, 20])
def test_numbers_of_steps(steps, references, pipelines):
    want = run(references("base"), PROMPT, width=32, height=32, num_inference_steps=steps, generator=seeded(6))
    ours, seen = steps_of(
        pipelines("base"), PROMPT, width=32, height=32, num_inference_steps=steps, seed=6, output_type="pt"
    )
    compare("text to image", ours, seen, want, f"{steps} steps")


GUIDANCE = [
    {"guidance_scale": 1.0},
    {"guidance_scale": 4.0, "negative_prompt": "blurry, a green square"},
    {"guidance_scale": 4.0, "cfg_normalization": True},
    {"guidance_scale": 3.0, "cfg_normalization": 0.9, "negative_prompt": "blurry"},
    {"guidance_scale": 3.0, "cfg_truncation": 0.3},
    {"guidance_scale": 3.0, "cfg_truncation": 0.0, "negative_prompt": "blurry"},
    {"guidance_scale": 2.0, "cfg_normalization": 1.2, "cfg_truncation": 0.5, "negative_prompt": "кот"},
]


@pytest.mark.parametrize("options", GUIDANCE, ids=lambda options: ",".join(f"{k[:9]}={v}" for k, v in options.items()))
@pytest.mark.parametrize("model", ["base", "dynamic"])
def test_guidance(model, options, references, pipelines):
    size = {"width": 48, "height": 32, "num_inference_steps": 4}
    want = run(references(model), PROMPT, generator=seeded(7), **size, **options)
    ours, steps = steps_of(pipelines(model), PROMPT, seed=7, output_type="pt", **size, **options)
    compare("guidance", ours, steps, want, f"{model}, {options}")


def test_given_sigmas(references, pipelines):
    size = {"width": 48, "height": 32, "sigmas": [1.0, 0.75, 0.3]}
    want = run(references("base"), PROMPT, generator=seeded(8), num_inference_steps=3, **size)
    ours, steps = steps_of(pipelines("base"), PROMPT, seed=8, output_type="pt", **size)
    compare("given sigmas", ours, steps, want, "base")
    assert len(steps) == 3


@pytest.mark.parametrize("shift", [1.0, 3.0, 7.5])
def test_shift(shift, references, pipelines):
    reference = references("base")
    configured = reference.scheduler
    size = {"width": 32, "height": 32, "num_inference_steps": 3}
    try:
        reference.scheduler = type(configured)(shift=shift)
        want = run(reference, PROMPT, generator=seeded(9), **size)
    finally:
        reference.scheduler = configured
    ours, steps = steps_of(pipelines("base"), PROMPT, seed=9, shift=shift, output_type="pt", **size)
    compare("shift", ours, steps, want, f"shift {shift}")


@pytest.mark.parametrize("kind", ["exponential", "linear"])
def test_dynamic_shifting(kind, model_copy):
    folder = model_copy("dynamic")
    tiny_models.edit_json(
        folder / "scheduler/scheduler_config.json", lambda config: config.update(time_shift_type=kind)
    )
    reference, ours = tiny_models.load_pipeline(folder), llmdit.ZImagePipeline.from_pretrained(folder)
    # A linear shift is not positive for the smallest pictures, and then no schedule.
    for width, height in ((16, 16), (64, 32)) if kind == "exponential" else ((256, 160), (192, 256)):
        size = {"width": width, "height": height, "num_inference_steps": 4}
        want = run(reference, PROMPT, generator=seeded(10), **size)
        result, steps = steps_of(ours, PROMPT, seed=10, output_type="pt", **size)
        compare("dynamic shifting", result, steps, want, f"{kind}, {width}x{height}")


@pytest.mark.parametrize("guidance", [0.0, 2.0])
def test_batch_of_unequal_prompts(guidance, references, pipelines):
    prompts = ["a ring", "a large yellow star above a white heart, on a dark green background, and " + "a dot, " * 12]
    options = {
        "width": 48,
        "height": 48,
        "num_inference_steps": 3,
        "guidance_scale": guidance,
        "negative_prompt": ["blurry", ""],
    }
    want = run(references("base"), prompts, generator=[seeded(20), seeded(21)], **options)
    ours, steps = steps_of(pipelines("base"), prompts, seed=20, output_type="pt", **options)
    compare("batch of unequal prompts", ours, steps, want, f"guidance {guidance}")
    assert ours.seeds == [20, 21]
    assert ours.token_counts == [len(pipelines("base").tokenizer.encode(llmdit.format_prompt(p))) for p in prompts]


def test_several_pictures_of_each_prompt(references, pipelines):
    prompts = ["a ring", "a blue star"]
    options = {"width": 32, "height": 32, "num_inference_steps": 3, "num_images_per_prompt": 2, "guidance_scale": 1.5}
    generators = [seeded(30 + index) for index in range(4)]
    want = run(references("base"), prompts, generator=generators, **options)
    ours, steps = steps_of(pipelines("base"), prompts, seed=30, output_type="pt", **options)
    compare("several pictures a prompt", ours, steps, want, "2 prompts, 2 pictures")
    assert ours.seeds == [30, 31, 32, 33]
    for index, seed in enumerate(ours.seeds):
        alone = pipelines("base")(
            prompts[index // 2],
            width=32,
            height=32,
            num_inference_steps=3,
            guidance_scale=1.5,
            seed=seed,
            output_type="pt",
        )
        assert_close("a picture alone and in a batch", ours.images[index], alone.images[0], where=f"picture {index}")


@pytest.mark.parametrize("count", [1, 2, 4])
def test_as_many_pictures_as_asked_for(count, pipe):
    """Field report I6: n pictures with n seeds."""
    result = pipe(PROMPT, width=32, height=32, num_inference_steps=1, num_images_per_prompt=count, seed=8)
    assert len(result.images) == count and result.seeds == list(range(8, 8 + count))
    assert len({image.tobytes() for image in result.images}) == count


def test_one_generator_draws_the_whole_batch(references, pipelines):
    options = {"width": 32, "height": 32, "num_inference_steps": 2, "num_images_per_prompt": 3}
    want = run(references("base"), PROMPT, generator=seeded(40), **options)
    ours, steps = steps_of(pipelines("base"), PROMPT, generator=seeded(40), output_type="pt", **options)
    compare("generator", ours, steps, want, "one for 3 pictures")
    assert ours.seeds == []


def test_list_of_generators(references, pipelines):
    options = {"width": 48, "height": 32, "num_inference_steps": 2, "num_images_per_prompt": 2}
    want = run(references("base"), PROMPT, generator=[seeded(41), seeded(5)], **options)
    ours, steps = steps_of(pipelines("base"), PROMPT, generator=[seeded(41), seeded(5)], output_type="pt", **options)
    compare("generator", ours, steps, want, "a list of 2")
    with pytest.raises(ValueError, match="one generator for each of 2 pictures, got 1"):
        pipelines("base")(PROMPT, generator=[seeded(1)], **options)


def test_initial_latents(references, pipelines):
    latents = draw(50, 1, 16, 6, 8)
    want = run(references("base"), PROMPT, latents=latents, width=64, height=48, num_inference_steps=3)
    ours, steps = steps_of(pipelines("base"), PROMPT, latents=latents, num_inference_steps=3, output_type="pt")
    compare("initial latents", ours, steps, want, "base")
    assert ours.images.shape == (1, 3, 48, 64)
    assert torch.equal(latents, draw(50, 1, 16, 6, 8)), "the caller's tensor was written to"


def test_prompt_embeds(references, pipelines):
    pipe = pipelines("base")
    positive, negative = draw(60, 37, 48), draw(61, 5, 48)
    options = {"width": 32, "height": 32, "num_inference_steps": 3, "guidance_scale": 2.0}
    want = run(
        references("base"),
        None,
        prompt_embeds=[positive],
        negative_prompt_embeds=[negative],
        generator=seeded(62),
        **options,
    )
    ours, steps = steps_of(
        pipe, prompt_embeds=[positive], negative_prompt_embeds=[negative], seed=62, output_type="pt", **options
    )
    compare("prompt embeddings of the caller", ours, steps, want, "base")
    assert ours.token_counts == [37] and ours.formatted_prompts == []


def test_encoding_first_changes_nothing(pipe):
    options = {"width": 32, "height": 32, "num_inference_steps": 2, "seed": 1, "output_type": "pt"}
    embeds = pipe.encode_prompt(PROMPT).embeddings
    assert torch.equal(pipe(PROMPT, **options).images, pipe(prompt_embeds=embeds, **options).images)


def test_default_size_is_the_autoencoder_s(pipelines):
    for model, side in (("base", 64), ("plain", 32), ("dynamic", 16)):
        assert pipelines(model)("a cat", num_inference_steps=1, seed=0).images[0].size == (side, side)


def test_output_types_are_one_picture(pipe, references):
    options = {"width": 48, "height": 32, "num_inference_steps": 2, "seed": 3}
    pil, array, tensor, latent = (
        pipe(PROMPT, output_type=kind, **options).images for kind in ("pil", "np", "pt", "latent")
    )
    assert isinstance(pil[0], Image.Image) and pil[0].size == (48, 32) and pil[0].mode == "RGB"
    assert array.shape == (1, 32, 48, 3) and array.dtype == np.float32
    assert np.array_equal(tensor.permute(0, 2, 3, 1).numpy(), array)
    assert np.array_equal(np.asarray(pil[0]), (array[0] * 255).round().astype(np.uint8))
    assert latent.shape == (1, 16, 4, 6)
    assert torch.equal(latent, pipe(PROMPT, **options).latents)
    assert not tensor.is_inference() and not latent.is_inference()
    pixels = references("base").vae.decode(latent / 0.3611 + 0.1159).sample
    assert_close("decode of given latents", tensor, (pixels * 0.5 + 0.5).clamp(0, 1), where="base")


def test_png_bytes_are_the_reference_s_within_one_level(references, pipelines, tmp_path):
    options = {"width": 64, "height": 64, "num_inference_steps": 4}
    for model in ("base", "wide", "plain"):
        reference = references(model)
        want = reference(PROMPT, generator=seeded(70), guidance_scale=0.0, max_sequence_length=64, **options).images[0]
        ours = pipelines(model)(PROMPT, seed=70, **options)
        ours.save(tmp_path / "picture.png")
        saved = np.asarray(Image.open(tmp_path / "picture.png")).astype(int)
        assert np.array_equal(saved, np.asarray(ours.images[0]))
        record("PNG bytes, levels", np.abs(saved - np.asarray(want).astype(int)).max().item(), bound=1, where=model)
        assert np.mean(saved != np.asarray(want)) < 1e-3


def test_saved_picture_tells_how_it_was_made(pipe, tmp_path):
    import json

    result = pipe(["a cat", "a dog"], width=32, height=48, num_inference_steps=2, seed=7, num_images_per_prompt=2)
    result.save(tmp_path / "dog.png", 2)
    text = Image.open(tmp_path / "dog.png").text
    assert text == result.parameters(2)
    settings = json.loads(text["llmdit"])
    assert settings["prompt"] == "a dog" and settings["seed"] == 9
    assert (settings["width"], settings["height"], settings["num_inference_steps"]) == (32, 48, 2)
    assert settings["num_images_per_prompt"] == 1 and "unrecorded" not in settings
    assert text["parameters"].startswith("a dog\nSteps: 2")
    for suffix in ("jpg", "webp"):
        result.save(tmp_path / f"dog.{suffix}", 2, quality=80)
        assert dict(llmdit.read_image_info(tmp_path / f"dog.{suffix}").text) == text
        result.save(tmp_path / f"plain.{suffix}", 2, metadata=False)
        assert llmdit.read_image_info(tmp_path / f"plain.{suffix}").text == []


def test_the_picture_alone_is_made_again_from_its_settings(pipe):
    import json

    result = pipe("a dog", width=32, height=32, num_inference_steps=2, num_images_per_prompt=2, guidance_scale=1.5)
    settings = json.loads(result.parameters(1)["llmdit"])
    names = {field.name for field in llmdit.GenerateOptions.fields()}
    names -= {"output_type", "templates_dir"}  # a template's own text stands there instead of where it lay
    again = pipe(settings["prompt"], **{name: settings[name] for name in names})
    difference = np.asarray(again.images[0]).astype(int) - np.asarray(result.images[1])
    assert abs(difference).max() <= 1  # sums in a larger batch may round otherwise
    given = pipe("a dog", latents=result.latents[:1], num_inference_steps=1)
    assert json.loads(given.parameters()["llmdit"])["unrecorded"] == ["latents"]


def test_result(pipe):
    result = pipe("a cat", width=32, height=32, num_inference_steps=3, seed=1)
    assert result.seeds == [1] and len(result) == 1 and result.warnings == []
    assert result.formatted_prompts == ["<|im_start|>user\na cat<|im_end|>\n<|im_start|>assistant\n"]
    timings = result.timings
    assert len(timings.steps) == 3 and timings.total >= timings.encode + timings.denoise + timings.decode - 1e-3
    assert repr(result).startswith("<llmdit.GenerateResult 1 picture 32x32, seeds=[1]")
    drawn = pipe("a cat", width=32, height=32, num_inference_steps=1)
    again = pipe("a cat", width=32, height=32, num_inference_steps=1, seed=drawn.seeds[0])
    assert torch.equal(drawn.latents, again.latents)


def test_step_info(pipe):
    seen = []
    result = pipe("a cat", width=32, height=32, num_inference_steps=3, seed=1, on_step=seen.append)
    assert [(info.step, info.total) for info in seen] == [(0, 3), (1, 3), (2, 3)]
    assert [info.sigma for info in seen] == result.sigmas[1:]
    seen[-1].latents.add_(1)  # an ordinary tensor of the caller's own
    assert "step=2, total=3" in repr(seen[-1])


def test_results_of_one_call_are_the_same_twice(pipe):
    options = {"width": 48, "height": 32, "num_inference_steps": 3, "seed": 11, "guidance_scale": 2.0}
    assert torch.equal(pipe(PROMPT, **options).latents, pipe(PROMPT, **options).latents)


def test_chat_parts_reach_the_encoder(pipe):
    chat = {"system_prompt": "paint", "thinking_content": "hm", "assistant_content": "here", "strip_quotes": True}
    result = pipe('a "cat"', width=32, height=32, num_inference_steps=1, seed=0, **chat)
    assert result.formatted_prompts == [llmdit.format_prompt('a "cat"', **chat)]
    assert '"' not in result.formatted_prompts[0] and "paint" in result.formatted_prompts[0]


def test_effectless_options_are_told(pipe):
    result = pipe("a cat", width=32, height=32, num_inference_steps=1, seed=0, negative_prompt="blurry")
    assert any("negative_prompt" in warning for warning in result.warnings)
    assert "negative_prompt" in repr(result)


def test_options_object(pipe):
    options = llmdit.GenerateOptions(width=32, height=32, num_inference_steps=2, seed=4, output_type="latent")
    want = pipe("a cat", width=32, height=32, num_inference_steps=2, seed=4, output_type="latent")
    assert torch.equal(pipe("a cat", options=options).images, want.images)
    other = pipe("a cat", options=options, seed=5, output_type="pil")
    assert other.seeds == [5] and isinstance(other.images, list)
    assert options.seed == 4 and options.output_type == "latent"


def test_prompts_in_other_sequences(pipe):
    options = {"width": 32, "height": 32, "num_inference_steps": 1, "seed": 0, "output_type": "latent"}
    prompts = ["a cat", "a dog"]
    want = pipe(prompts, **options).images
    assert torch.equal(pipe(tuple(prompts), **options).images, want)
    assert prompts == ["a cat", "a dog"]


def test_png_decodes_from_bytes(pipe):
    result = pipe("a cat", width=32, height=32, num_inference_steps=1, seed=0)
    png = llmdit.encode_png(result.images[0], text={"Title": "a cat"})
    picture = Image.open(io.BytesIO(png))
    assert np.array_equal(np.asarray(picture), np.asarray(result.images[0])) and picture.text == {"Title": "a cat"}
