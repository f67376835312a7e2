"""`llmdit generate --from`: a picture made again by the settings inside it."""

import json
import re

import llmdit as python_module
import pytest
from command import (
    DEMO_MODEL,
    FAST,
    NOT_FOUND,
    STYLE_LORA,
    UNSUPPORTED,
    USAGE,
    copy_of_demo_model,
    inspected,
    llmdit,
)
from PIL import Image


def again(tmp_path, *arguments):
    done = llmdit("generate", "--json", "-o", tmp_path / "again.png", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_a_picture_is_made_again_from_itself(tmp_path, suffix):
    settings = ["--steps", 3, "--seed", 11, "--width", 96, "--guidance-scale", 1.5, "--negative-prompt", "a star"]
    first = tmp_path / f"first.{suffix}"
    quality = ["--quality", 100] if suffix == "webp" else []  # lossless
    chat = ["--system-prompt", "Paint.", "--lora", f"{STYLE_LORA}:0.5"]
    assert llmdit("generate", "ein rötlicher Kreis", *settings, *chat, *quality, "-o", first).returncode == 0
    document, told = again(tmp_path, "--from", first)
    assert document["rerun"] == {
        "from": str(first),
        "identical": True,
        "largest_difference": 0,
        "differences": {},
    }
    assert document["prompt"] == "ein rötlicher Kreis" and document["load"]["lora"] == [f"{STYLE_LORA}:0.5"]
    assert f"identical to {first}" in told
    assert inspected(first)["text"] == inspected(tmp_path / "again.png")["text"]


def test_flags_change_what_is_made_again(tmp_path):
    first = tmp_path / "first.png"
    assert llmdit("generate", "a red circle", *FAST, "--seed", 1, "-o", first).returncode == 0
    document, told = again(tmp_path, "--from", first, "--seed", 2)
    assert document["settings"]["num_inference_steps"] == 1 and document["settings"]["seed"] == 2
    assert not document["rerun"]["identical"] and document["rerun"]["largest_difference"] > 0
    assert f"not identical to {first}" in told
    document, _ = again(tmp_path, "--from", first, "a blue star")
    assert document["prompt"] == "a blue star"
    document, told = again(tmp_path, "--from", first, "--width", 160)
    assert document["rerun"]["largest_difference"] is None and "another size" in told


def test_one_of_a_batch_and_one_of_a_picture_are_made_again(tmp_path, start):
    batch = ["--num-images-per-prompt", 2, "--seed", 5, "-o", tmp_path / "cat.png"]
    assert llmdit("generate", "a cat", *FAST, *batch).returncode == 0
    document, _ = again(tmp_path, "--from", tmp_path / "cat-0002.png")
    assert document["settings"]["seed"] == 6 and document["rerun"]["largest_difference"] <= 1  # batches round otherwise

    image = ["--image", start / "in.jpg"]
    assert llmdit("generate", "a cat", *FAST, *image, "-o", tmp_path / "x.png").returncode == 0
    done = llmdit("generate", "--from", tmp_path / "x.png", "-o", tmp_path / "y.png")
    assert done.returncode == USAGE and "image, which it cannot hold; give it by --image" in done.stderr
    document, _ = again(tmp_path, "--from", tmp_path / "x.png", *image)
    assert document["rerun"]["identical"]


def test_pictures_that_do_not_say_how_they_were_made(tmp_path):
    Image.new("RGB", (32, 32)).save(tmp_path / "plain.png")
    done = llmdit("generate", "--from", tmp_path / "plain.png", cwd=tmp_path)
    assert done.returncode == UNSUPPORTED and "plain.png: expected a picture that llmdit made" in done.stderr
    text = python_module.encode_png(python_module.Image(Image.new("RGB", (32, 32))), text={"llmdit": '{"stepz": 3}'})
    (tmp_path / "strange.png").write_bytes(text)
    done = llmdit("generate", "--from", tmp_path / "strange.png", cwd=tmp_path)
    assert done.returncode == UNSUPPORTED and 'setting "stepz"' in done.stderr
    assert llmdit("generate", "--from", tmp_path / "none.png", cwd=tmp_path).returncode == NOT_FOUND
    assert not (tmp_path / "output.png").exists()


def picture_with(settings):
    image = python_module.Image(Image.new("RGB", (32, 32)))
    return python_module.encode_png(image, text={"llmdit": json.dumps(settings)})


def test_settings_that_no_file_can_have_do_no_harm(tmp_path):
    """Those of a program that asked for latents, text that commands a terminal, and text without end."""
    cases = {
        "latent": ({"prompt": "x", "output_type": "latent", "num_inference_steps": 1}, 0, ""),
        "escapes": ({"prompt": "x", "model": "\x1b[2Jevil", "num_inference_steps": 1}, 0, "by the model ?[2Jevil"),
        "long": ({"prompt": "x" * (1 << 21)}, UNSUPPORTED, "at most 1048576 bytes"),
        "loras": ({"prompt": "x", "loras": [{"path": "a"}]}, UNSUPPORTED, '"loras[0].scale": expected a number'),
    }
    for name, (settings, code, told) in cases.items():
        (tmp_path / f"{name}.png").write_bytes(picture_with(settings))
        done = llmdit("generate", "--from", f"{name}.png", "-o", "out.png", cwd=tmp_path)
        assert done.returncode == code and told in done.stderr and "\x1b" not in done.stderr, (name, done.stderr)


def test_a_picture_is_not_replaced_by_its_copy(tmp_path):
    first = tmp_path / "first.png"
    assert llmdit("generate", "a red circle", *FAST, "-o", first).returncode == 0
    before = first.read_bytes()
    for arguments in (["--from", first, "-o", first], ["x", "--image", first, "--preview", first]):
        done = llmdit("generate", *FAST, *arguments, cwd=tmp_path)
        assert done.returncode == USAGE and "is what the picture is made from" in done.stderr
    assert first.read_bytes() == before


def test_settings_can_be_taken_back(tmp_path):
    first = tmp_path / "first.png"
    made = ["--sigmas", "1,0.5", "--lora", f"{STYLE_LORA}:0.5", "-o", first]
    assert llmdit("generate", "a red circle", *made).returncode == 0
    document, _ = again(tmp_path, "--from", first, "--sigmas", "", "--lora", "", "--steps", 1)
    assert document["settings"]["sigmas"] == [] and document["load"]["lora"] == []
    assert document["settings"]["num_inference_steps"] == 1


def test_how_the_model_was_loaded_is_repeated(tmp_path):
    first = tmp_path / "first.png"
    made = ["--dit-quantization", "int8", "--dtype", "bfloat16", "--attention-backend", "math"]
    made += ["--vae-path", DEMO_MODEL / "vae", "--shift", "2.5"]
    assert llmdit("generate", "a red circle", *FAST, "--seed", 3, *made, "-o", first).returncode == 0
    recorded = json.loads({entry["keyword"]: entry["text"] for entry in inspected(first)["text"]}["llmdit"])
    assert recorded["shift"] == 2.5
    assert recorded["load"]["dit_quantization"] == "int8" and recorded["load"]["vae_path"] == str(DEMO_MODEL / "vae")
    made_with = recorded["made_with"]
    assert (made_with["transformer.quantization"], made_with["text_encoder.quantization"]) == ("int8", "none")
    assert (made_with["transformer.dtype"], made_with["transformer.attention"]) == ("BFloat16", "math")
    assert re.fullmatch("[0-9a-f]{64}", made_with["vae.files"]) and made_with["cpu.threads"] == "1"
    # Neither what is built in nor a profile or variable takes the place of what the picture tells.
    document, told = again(tmp_path, "--from", first)
    assert document["rerun"]["identical"] and document["load"]["dit_quantization"] == "int8", told
    done = llmdit(
        "generate", "--json", "--from", first, "-o", tmp_path / "again.png", env={"LLMDIT_DIT_QUANTIZATION": "int4"}
    )
    assert json.loads(done.stdout)["rerun"]["identical"], done.stderr


def test_what_differs_is_told_exactly(tmp_path):
    first = tmp_path / "first.png"
    made = ["--quantization", "int8", "--lora", f"{STYLE_LORA}:0.5"]
    assert llmdit("generate", "a red circle", *FAST, "--seed", 3, *made, "-o", first).returncode == 0
    document, told = again(tmp_path, "--from", first, "--quantization", "none", "--lora", f"{STYLE_LORA}:0.75")
    assert not document["rerun"]["identical"]
    assert "made with transformer.quantization int8, now none" in told
    assert document["rerun"]["differences"]["transformer.quantization"] == {"was": "int8", "is": "none"}
    assert re.search(r"made with lora 1 neon.safetensors x 0.5, [0-9a-f]{64}, now neon.safetensors x 0.75", told)
    # Another file under the same name.
    model = copy_of_demo_model(tmp_path / "model")
    weights = model / "vae" / "diffusion_pytorch_model.safetensors"
    plain = tmp_path / "plain.png"
    assert llmdit("generate", "a", *FAST, "--seed", 3, "--model-path", model, "-o", plain).returncode == 0
    data = bytearray(weights.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    data[start : start + 4096] = bytes(4096)
    weights.write_bytes(data)
    document, told = again(tmp_path, "--from", plain, "--model-path", model)
    assert set(document["rerun"]["differences"]) == {"vae.files"} and "made with vae.files" in told


def test_pictures_of_earlier_versions_are_made_again(tmp_path):
    (tmp_path / "old.png").write_bytes(picture_with({"prompt": "x", "num_inference_steps": 1, "seed": 1}))
    document, told = again(tmp_path, "--from", tmp_path / "old.png", "--quantization", "int8")
    assert document["load"]["quantization"] == "int8" and "of another size" in told
    for load in ({"dtype": "float9"}, {"device": "cpu"}, {"dtpye": "auto"}, 3):
        (tmp_path / "odd.png").write_bytes(picture_with({"prompt": "x", "load": load}))
        done = llmdit("generate", "--from", tmp_path / "odd.png", cwd=tmp_path)
        assert done.returncode == UNSUPPORTED and "load" in done.stderr
