"""Pictures that `llmdit generate` starts from, and those it writes."""

import json
import re
from pathlib import Path

import llmdit as python_module
import pytest
import torch
from command import DEMO_MODEL, FAST, NOT_FOUND, UNSUPPORTED, USAGE, files_in, generate, inspected, llmdit, pixels
from PIL import Image


def test_image_to_image(tmp_path, start):
    document = generate(tmp_path, "--image", start / "in.jpg", "--strength", "0.5", "--steps", 4, "--seed", 1)
    assert document["image"] == str(start / "in.jpg") and document["mask"] is None
    assert (document["pictures"][0]["width"], document["pictures"][0]["height"]) == (96, 80)
    assert len(document["sigmas"]) == 3 and document["warnings"] == []
    assert document["settings"]["strength"] == 0.5 and document["settings"]["num_inference_steps"] == 4
    done = llmdit("generate", "x", "--image", start / "in.jpg", "--strength", "0.5", "--steps", 4, cwd=tmp_path)
    assert "2 of 4 steps" in done.stderr


def test_inpainting_and_outpainting(tmp_path, start):
    arguments = ["--image", start / "in.jpg", "--mask", start / "mask.png", "--mask-composite", "--seed", 1]
    document = generate(tmp_path, *arguments, "--steps", 2, "--outpaint", "0,0,0,16")
    assert (document["pictures"][0]["width"], document["pictures"][0]["height"]) == (96, 96)
    assert document["settings"]["strength"] == 1
    with Image.open(document["pictures"][0]["path"]) as picture:
        kept = picture.crop((0, 0, 40, 80)).getcolors()
        new = picture.crop((48, 0, 96, 80)).getcolors()
    with Image.open(start / "in.jpg") as source:
        assert kept == source.crop((0, 0, 40, 80)).getcolors() and len(new or range(9)) > 1


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--image", "missing.png"], NOT_FOUND, "missing.png"),
        (["--image", "{start}/in.jpg", "--mask", "missing.png"], NOT_FOUND, "missing.png"),
        (["--image", __file__], UNSUPPORTED, Path(__file__).name),
        (["--image", "{start}/in.jpg", "--strength", "2"], USAGE, "--strength"),
        (["--outpaint", "1,x,2,3"], USAGE, "--outpaint"),
        (["--image", "{start}/in.jpg", "--outpaint", "65536,65536,65536,65536"], USAGE, "outpaint"),
        (["--image", ""], USAGE, "--image: expected a value"),
        (["--preview", ""], USAGE, "--preview: expected a value"),
        (["--preview", "preview.gif"], USAGE, "not as .gif: preview.gif"),
    ],
)
def test_inputs_that_cannot_be_used(tmp_path, start, arguments, code, told):
    arguments = [argument.format(start=start) for argument in arguments]
    done = llmdit("generate", "x", *FAST, *arguments, cwd=tmp_path)
    assert done.returncode == code and told in done.stderr and "Traceback" not in done.stderr
    assert files_in(tmp_path) == []


def test_previews_are_written(tmp_path):
    generate(tmp_path, "--steps", 2, "--width", 96, "--preview", tmp_path / "new" / "preview.png")
    with Image.open(tmp_path / "new" / "preview.png") as preview:
        assert preview.size == (96, 128) and not preview.text


def test_tiled_vae_is_vae_tiling_on(tmp_path):
    document = generate(tmp_path, *FAST, "--tiled-vae", "--tile-size", 64, "--tile-overlap", 16)
    settings = document["settings"]
    assert (settings["vae_tiling"], settings["vae_tile_size"], settings["vae_tile_overlap"]) == ("on", 64, 16)


def test_equal_seeds_give_equal_pictures(tmp_path, plain_pixels):
    assert pixels(generate(tmp_path, "--seed", 7)) == plain_pixels


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_python_gives_the_same_picture(plain_pixels, one_thread):
    pipe = python_module.ZImagePipeline.from_pretrained(str(DEMO_MODEL))
    assert pipe("a red circle on a white background", seed=7).images[0].tobytes() == plain_pixels


def largest_difference(a, b):
    assert len(a) == len(b)
    return max(abs(x - y) for x, y in zip(a, b))


def test_a_drawn_seed_is_told_and_repeats_the_picture(tmp_path):
    first = generate(tmp_path)
    seed = first["pictures"][0]["seed"]
    drawn = pixels(first)
    again = generate(tmp_path, "--seed", seed)
    assert again["settings"]["seed"] == first["settings"]["seed"] == seed
    assert pixels(again) == drawn


def test_several_pictures_are_numbered_and_have_their_own_seeds(tmp_path):
    done = llmdit(
        "generate", "a red circle", *FAST, "--seed", 7, "--num-images-per-prompt", 3, "-o", "out/cat.png", cwd=tmp_path
    )
    assert done.stdout.splitlines() == ["out/cat-0001.png", "out/cat-0002.png", "out/cat-0003.png"]
    assert files_in(tmp_path) == done.stdout.splitlines()
    seeds = [json.loads(Image.open(tmp_path / path).text["llmdit"])["seed"] for path in done.stdout.splitlines()]
    assert seeds == [7, 8, 9]
    assert "seeds 7 to 9" in done.stderr


def test_the_second_picture_is_that_of_the_next_seed(tmp_path):
    two = generate(tmp_path, "--seed", 6, "--num-images-per-prompt", 2)
    one = generate(tmp_path, "--seed", 7)
    with Image.open(two["pictures"][1]["path"]) as second, Image.open(one["pictures"][0]["path"]) as alone:
        assert largest_difference(second.tobytes(), alone.tobytes()) <= 2  # sums in a larger batch may round otherwise


def test_without_an_output_the_file_is_output_png(tmp_path):
    done = llmdit("generate", "a red circle", *FAST, cwd=tmp_path)
    assert (done.stdout, files_in(tmp_path)) == ("output.png\n", ["output.png"])


def test_a_replaced_file_is_told(tmp_path):
    first = llmdit("generate", "a", *FAST, cwd=tmp_path)
    assert "replaced" not in first.stderr
    second = llmdit("generate", "a", *FAST, "--quiet", "--json", cwd=tmp_path)
    assert "replaced the file output.png" in second.stderr
    assert json.loads(second.stdout)["pictures"][0]["replaced"] is True


def test_a_picture_on_stdout(tmp_path):
    document = generate(tmp_path, "--seed", 7)
    done = llmdit("generate", "a red circle on a white background", "--seed", 7, "-o", "-", text=False, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout == Path(document["pictures"][0]["path"]).read_bytes()


def test_stdout_carries_results_and_stderr_the_rest(tmp_path):
    done = llmdit("generate", "a red circle", *FAST, "--seed", 7, cwd=tmp_path)
    assert done.stdout == "output.png\n"
    assert "using the demo model" in done.stderr
    assert "seed 7, 128 x 128 pixels, 1 steps" in done.stderr
    assert all(line.startswith("llmdit: ") for line in done.stderr.splitlines())


def test_quiet_says_nothing(tmp_path):
    done = llmdit("generate", "a red circle", *FAST, "--quiet", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "output.png\n", "")


def test_timings_add_up(tmp_path):
    timings = generate(tmp_path)["timings"]
    assert timings["encode"] + timings["denoise"] + timings["decode"] == pytest.approx(timings["total"], rel=0.1)
    assert sum(timings["steps"]) == pytest.approx(timings["denoise"], rel=0.1)


def test_the_picture_holds_its_parameters(tmp_path):
    prompt = "a red circle, on white"
    document = generate(
        tmp_path, "--seed", 7, "--steps", 3, "--guidance-scale", 1.5, "--negative-prompt", "blue", prompt=prompt
    )
    with Image.open(document["pictures"][0]["path"]) as picture:
        text = dict(picture.text)
    lines = text["parameters"].splitlines()
    assert lines[:2] == [prompt, "Negative prompt: blue"]
    assert lines[2].startswith("Steps: 3, ") and "Seed: 7" in lines[2] and "Size: 128x128" in lines[2]
    ours = json.loads(text["llmdit"])
    assert (ours["prompt"], ours["seed"], ours["width"], ours["guidance_scale"]) == (prompt, 7, 128, 1.5)


def test_parameters_beyond_latin_letters(tmp_path):
    document = generate(tmp_path, *FAST, prompt="猫 🐈")
    with Image.open(document["pictures"][0]["path"]) as picture:
        assert picture.text["parameters"].startswith("猫 🐈\n")
        assert json.loads(picture.text["llmdit"])["prompt"] == "猫 🐈"


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_without_metadata_nothing_is_left(tmp_path, suffix):
    output = tmp_path / f"plain.{suffix}"
    assert llmdit("generate", "a secret wish", *FAST, "--no-metadata", "-o", output, cwd=tmp_path).returncode == 0
    with Image.open(output) as picture:
        assert "exif" not in picture.info and not getattr(picture, "text", {})
    data = output.read_bytes()
    assert b"secret" not in data and b"llmdit" not in data
    assert set(re.findall(rb"tEXt|iTXt|zTXt|eXIf|tIME|Exif|EXIF", data)) == set()


@pytest.mark.parametrize("suffix,kind", [("jpg", "JPEG"), ("JPEG", "JPEG"), ("webp", "WEBP")])
def test_the_suffix_gives_the_format(tmp_path, suffix, kind):
    command = ["generate", "красный круг", *FAST, "--seed", 7, "--quiet"]
    for quality in (20, 90):
        done = llmdit(*command, "-o", f"{quality}.{suffix}", "--quality", quality, cwd=tmp_path)
        assert done.stdout == f"{quality}.{suffix}\n"
    coarse, fine = (tmp_path / f"{quality}.{suffix}" for quality in (20, 90))
    assert Image.open(fine).format == kind and coarse.stat().st_size < fine.stat().st_size
    text = {entry["keyword"]: entry["text"] for entry in inspected(fine)["text"]}
    assert text["parameters"].startswith("красный круг\nSteps: 1")
    assert json.loads(text["llmdit"])["seed"] == 7


def test_texts_too_long_for_jpeg_are_left_out_with_a_warning(tmp_path):
    done = llmdit("generate", "a", *FAST, "--negative-prompt", "x" * 70000, "-o", "a.jpg", cwd=tmp_path)
    assert done.returncode == 0 and "left prompt and settings out of a.jpg" in done.stderr
    assert inspected(tmp_path / "a.jpg")["text"] == []
