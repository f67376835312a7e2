"""Pictures as Qwen3-VL takes them, against the reference's formulas and, beside torchvision, its classes."""

import json
from pathlib import Path

import numpy as np
import pytest
import tiny_vl_models
import torch
from llmdit import vl
from transformers.models.qwen2_vl import image_processing_pil_qwen2_vl as reference

SIZES = [
    (1, 1), (1, 2), (2, 1), (1, 200), (200, 1), (3, 5), (16, 16), (17, 31), (31, 33), (32, 32), (33, 48), (48, 80),
    (64, 64), (100, 50), (127, 129), (255, 257), (256, 256), (300, 1000), (1000, 300), (511, 513), (640, 480),
    (33, 6600), (768, 1024), (1200, 40),
]  # fmt: skip


def picture(height: int, width: int, seed: int = 0) -> torch.Tensor:
    """Noise with an edge and a ramp in it: uint8 [3, height, width]."""
    generator = torch.Generator().manual_seed(seed + 1000 * height + width)
    pixels = torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)
    pixels[:, : height // 2, : width // 2] = 255
    pixels[1, :, width // 2 :] = torch.linspace(0, 255, width - width // 2).to(torch.uint8)
    return pixels


@pytest.mark.parametrize("factor, least, most", [(32, 65536, 16777216), (28, 3136, 1003520), (24, 2304, 36864)])
def test_smart_resize_is_the_references(factor: int, least: int, most: int) -> None:
    generator = np.random.default_rng(factor)
    sides = generator.integers(1, 5000, (400, 2)).tolist() + [list(size) for size in SIZES]
    sides += [[factor * k + factor // 2, factor * (k + 1) + factor // 2] for k in range(20)]  # halves
    for height, width in sides:
        if max(height, width) > 200 * min(height, width):
            continue
        want = reference.smart_resize(height, width, factor=factor, min_pixels=least, max_pixels=most)
        got = vl.smart_resize(height, width, factor, min_pixels=least, max_pixels=most)
        assert got == tuple(want), (height, width)


def test_smart_resize_has_the_published_defaults() -> None:
    for height, width in SIZES:
        assert vl.smart_resize(height, width) == reference.smart_resize(height, width, 32, 65536, 16777216)
    assert vl.smart_resize(256, 256) == (256, 256)


@pytest.mark.parametrize(
    "arguments",
    [(0, 5), (5, 0), (-1, 5), (1, 201), (201, 1), (2**40, 2**40), (5, 5, 0), (5, 5, 32, 0), (5, 5, 32, 100, 99)],
)
def test_sizes_without_an_answer_are_refused(arguments: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\[smart_resize\] expected"):
        vl.smart_resize(*arguments)


@pytest.mark.parametrize("size", SIZES)
def test_pixel_values_are_the_references(size: tuple[int, int]) -> None:
    pixels = picture(*size)
    want, grid = tiny_vl_models.preprocess_with(pixels, 16, 2, 2, 65536, 16777216)
    got, got_grid = vl.preprocess(pixels)
    assert torch.equal(got_grid, grid)
    assert got.dtype == torch.float32 and torch.equal(got, want)


@pytest.mark.parametrize("patch, merge, frames", [(8, 3, 1), (14, 2, 2), (16, 1, 2)])
def test_other_patches(patch: int, merge: int, frames: int) -> None:
    pixels = picture(90, 130)
    want, grid = tiny_vl_models.preprocess_with(pixels, patch, merge, frames, 4096, 30000)
    got, got_grid = vl.preprocess(
        pixels, patch_size=patch, merge_size=merge, temporal_patch_size=frames, min_pixels=4096, max_pixels=30000
    )
    assert torch.equal(got_grid, grid) and torch.equal(got, want)


def test_the_references_own_class_agrees() -> None:
    pytest.importorskip("torchvision")
    from transformers import Qwen2VLImageProcessor

    processor = Qwen2VLImageProcessor(
        patch_size=16, merge_size=2, size={"shortest_edge": 65536, "longest_edge": 16777216},
        image_mean=[0.5] * 3, image_std=[0.5] * 3,
    )  # fmt: skip
    for size in SIZES:
        want = processor(images=[picture(*size)], return_tensors="pt")
        got, grid = vl.preprocess(picture(*size))
        assert torch.equal(grid, want["image_grid_thw"]) and torch.equal(got, want["pixel_values"])


def test_every_kind_of_picture_is_the_same_picture(tmp_path: Path) -> None:
    from PIL import Image

    pixels = picture(40, 60)
    array = pixels.permute(1, 2, 0).numpy()
    Image.fromarray(array).save(tmp_path / "a.png")
    want, _ = vl.preprocess(pixels)
    for same in (array, Image.fromarray(array), tmp_path / "a.png", str(tmp_path / "a.png"), pixels / 255):
        assert torch.equal(vl.preprocess(same)[0], want)


def test_alpha_lies_on_white() -> None:
    from PIL import Image

    clear = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    assert torch.equal(vl.preprocess(clear)[0], torch.ones(256, 1536))


@pytest.mark.parametrize(
    "bad",
    [
        torch.zeros(3, 0, 5),
        torch.zeros(4, 8, 8),
        torch.zeros(8, 8),
        torch.full((3, 8, 8), 2.0),
        torch.full((3, 8, 8), float("nan")),
        torch.zeros(3, 8, 8, dtype=torch.int64),
        np.zeros((1, 300, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(bad: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        vl.preprocess(bad)


@pytest.mark.parametrize(
    "settings",
    [
        {"patch_size": 0},
        {"merge_size": -1},
        {"min_pixels": 0},
        {"min_pixels": 10, "max_pixels": 5},
        {"image_mean": [0.5]},
        {"image_std": [0.5, 0, 0.5]},
        {"image_std": [0.5, float("nan"), 0.5]},
        {"min_pixels": 2**40, "max_pixels": 2**40},
    ],
)
def test_settings_without_a_meaning_are_refused(settings: dict) -> None:
    with pytest.raises(ValueError, match="expected"):
        vl.preprocess(torch.zeros(3, 8, 8), **settings)
    with pytest.raises(TypeError, match="patch_size"):
        vl.preprocess(torch.zeros(3, 8, 8), patchsize=1)


def write(folder: Path, **settings: object) -> Path:
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def test_configurations_of_every_spelling(tmp_path: Path) -> None:
    load = vl.VLImageOptions.from_pretrained
    assert load(write(tmp_path)) == vl.VLImageOptions()
    assert load(write(tmp_path, size={"shortest_edge": 1000, "longest_edge": 2000})).max_pixels == 2000
    assert load(write(tmp_path, size={"min_pixels": 1000, "max_pixels": 2000})).min_pixels == 1000
    assert load(write(tmp_path, min_pixels=1000, max_pixels=2000)).min_pixels == 1000
    both = load(write(tmp_path, size={"shortest_edge": 1, "longest_edge": 2}, min_pixels=1000, max_pixels=2000))
    assert (both.min_pixels, both.max_pixels) == (1000, 2000)
    assert load(write(tmp_path, rescale_factor=1 / 255, resample=3, do_resize=True)) == vl.VLImageOptions()
    assert load(tmp_path / "preprocessor_config.json").patch_size == 16


@pytest.mark.parametrize(
    "settings",
    [
        {"resample": 2},
        {"do_resize": False},
        {"rescale_factor": 1.0},
        {"patch_size": 0},
        {"patch_size": "16"},
        {"size": 5},
        {"size": {"shortest_edge": -5}},
        {"image_mean": [1]},
        {"image_mean": "grey"},
    ],
)
def test_configurations_that_are_not_handled_are_refused(tmp_path: Path, settings: dict) -> None:
    with pytest.raises((NotImplementedError, ValueError), match="expected"):
        vl.VLImageOptions.from_pretrained(write(tmp_path, **settings))


def test_a_missing_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="preprocessor_config.json"):
        vl.VLImageOptions.from_pretrained(tmp_path)
