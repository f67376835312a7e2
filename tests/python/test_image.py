"""Pictures and PNG files against Pillow."""

import io

import llmdit
import numpy as np
import pytest
from PIL import Image, PngImagePlugin


def noise(height, width):
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (7, 5), (64, 48)])
def test_png_holds_the_pixels(size):
    pixels = noise(*size)
    for source in (
        pixels,
        llmdit.Image(pixels),
        Image.fromarray(pixels),
        np.asfortranarray(pixels),
        pixels[::-1][::-1],
    ):
        picture = Image.open(io.BytesIO(llmdit.encode_png(source)))
        assert picture.mode == "RGB" and np.array_equal(np.asarray(picture), pixels)


def test_text_chunks(tmp_path):
    text = [("parameters", "a cat\nSteps: 9"), ("Title", "Grüße"), ("Comment", "小猫 🐈"), ("Title", "twice")]
    llmdit.write_png(tmp_path / "cat.png", noise(4, 4), text=text)
    info = llmdit.read_png_info(tmp_path / "cat.png")
    assert (info.width, info.height, info.bit_depth, info.color_type) == (4, 4, 8, 2)
    assert info.text == text
    assert Image.open(tmp_path / "cat.png").text["Comment"] == "小猫 🐈"
    assert Image.open(tmp_path / "cat.png").text["parameters"] == "a cat\nSteps: 9"


def test_reads_text_of_other_writers(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("plain", "Grüße")
    info.add_text("packed", "x" * 1000, zip=True)
    info.add_itxt("wide", "小猫", zip=True)
    Image.fromarray(noise(2, 3)).save(tmp_path / "other.png", pnginfo=info)
    read = llmdit.read_png_info(tmp_path / "other.png")
    assert dict(read.text) == {"plain": "Grüße", "packed": "x" * 1000, "wide": "小猫"}
    assert "width=3, height=2" in repr(read)


def test_image_shares_its_memory():
    image = llmdit.Image(noise(3, 2))
    view = np.asarray(image)
    assert view.shape == (3, 2, 3) and not view.flags.owndata and not view.flags.writeable
    assert (image.width, image.height) == (2, 3)
    assert image == llmdit.Image(view) and image != llmdit.Image(noise(2, 3))
    assert repr(image) == "<llmdit.Image 2x3>"


@pytest.mark.parametrize(
    "array", [np.zeros((2, 2)), np.zeros((2, 2, 3)), np.zeros((2, 2, 4), np.uint8), np.zeros((2, 2, 3), np.int8)]
)
def test_arrays_that_are_no_picture(array):
    with pytest.raises(ValueError, match="height, width, 3"):
        llmdit.Image(array)


def test_pictures_that_cannot_be_written(tmp_path):
    with pytest.raises(llmdit.InvalidArgument):
        llmdit.encode_png(np.zeros((0, 4, 3), np.uint8))
    with pytest.raises(llmdit.InvalidArgument):
        llmdit.encode_png(noise(2, 2), text={"": "no keyword"})
    with pytest.raises(llmdit.NotFound, match="nowhere"):
        llmdit.write_png(tmp_path / "nowhere" / "cat.png", noise(2, 2))
    with pytest.raises(llmdit.NotFound):
        llmdit.read_png_info(tmp_path / "absent.png")
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(llmdit.Unsupported):
        llmdit.read_png_info(tmp_path / "text.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text.png"]
