"""Pictures into files, and the texts in them, against Pillow; and the class itself."""

import io
import json
import struct

import llmdit
import numpy as np
import pytest
from image_files import EXIF_IFD, MAKER_NOTE, USER_COMMENT, difference, noise, saved, smooth
from PIL import Image, PngImagePlugin

TEXT = [
    ("parameters", "小猫 🐈, кот\nNegative prompt: naïve\nSteps: 9, Seed: 7, Size: 16x8"),
    ("llmdit", '{"prompt":"小猫 🐈","seed":7}'),
]


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


@pytest.mark.parametrize("format,kind,error", [("png", "PNG", 0), ("jpeg", "JPEG", 12), ("webp", "WEBP", 24)])
def test_pillow_reads_what_is_written(format, kind, error):
    pixels = smooth(40, 56)
    picture = Image.open(io.BytesIO(llmdit.encode_image(pixels, format)))
    assert picture.format == kind and picture.mode == "RGB"
    assert difference(picture, pixels) <= error
    assert "exif" not in picture.info and not getattr(picture, "text", None)
    assert llmdit.encode_image(pixels, llmdit.ImageFormat[format]) == llmdit.encode_image(pixels, format)


def test_lossless_webp():
    pixels = noise(20, 30)
    picture = Image.open(io.BytesIO(llmdit.encode_image(pixels, "webp", quality=100)))
    assert np.array_equal(np.asarray(picture), pixels)


def user_comment(picture):
    """The comment as readers of A1111's files take it: a code, then UTF-16 big-endian."""
    value = picture.getexif().get_ifd(EXIF_IFD)[USER_COMMENT]
    assert value[:8] == b"UNICODE\0"
    return value[8:].decode("utf-16-be")


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "webp", "JPG"])
def test_texts_in_exif(suffix, tmp_path):
    path = tmp_path / f"cat.{suffix}"
    llmdit.write_image(path, smooth(8, 16), text=TEXT)
    assert llmdit.read_image_info(path).text == TEXT
    with Image.open(path) as picture:
        assert user_comment(picture) == TEXT[0][1]
        note = picture.getexif().get_ifd(EXIF_IFD)[MAKER_NOTE]
    assert note[:7] == b"llmdit\0" and json.loads(note[7:])["prompt"] == "小猫 🐈"


def exif_with_comment(value, order=">"):
    """EXIF data with a UserComment alone."""
    mark = b"MM" if order == ">" else b"II"
    ifd = struct.pack(order + "HHHIII", 1, EXIF_IFD, 4, 1, 26, 0)
    comment = struct.pack(order + "HHHIII", 1, USER_COMMENT, 7, len(value), 44, 0)
    return b"Exif\0\0" + mark + struct.pack(order + "HI", 42, 8) + ifd + comment + value


COMMENT = "кот, a cat 🐈\nSteps: 20, Seed: 3"


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
@pytest.mark.parametrize(
    "value,order,text",
    [
        (b"UNICODE\0" + COMMENT.encode("utf-16-be"), ">", COMMENT),
        (b"UNICODE\0" + COMMENT.encode("utf-16-be"), "<", COMMENT),
        (b"UNICODE\0" + COMMENT.encode("utf-16-le"), "<", COMMENT),
        (b"UNICODE\0" + COMMENT.encode("utf-16-le"), ">", COMMENT),
        (b"UNICODE\0" + COMMENT.encode("utf-16"), ">", COMMENT),
        (b"UNICODE\0" + "кот猫".encode("utf-16-le"), "<", "кот猫"),
        (b"UNICODE\0" + "a\0\0".encode("utf-16-be"), ">", "a"),
        (b"UNICODE\0\0a\0b\xd8\x00\0c\xdc\x00", ">", "ab�c�"),
        (b"ASCII\0\0\0a cat\0", ">", "a cat"),
        (b"\0" * 8 + "кот".encode(), ">", "кот"),
        (b"ASCII\0\0\0caf\xe9", ">", "café"),
        ("plain кот without a code".encode(), ">", "plain кот without a code"),
        (b"ASCII\0\0\0", ">", None),
        (b"\0" * 20, ">", None),
        (b"JIS\0\0\0\0\0\x24\x22", ">", None),
    ],
)
def test_user_comments_of_other_writers(kind, value, order, text, tmp_path):
    (tmp_path / "a").write_bytes(saved(Image.fromarray(noise(8, 8)), kind, exif=exif_with_comment(value, order)))
    assert llmdit.read_image_info(tmp_path / "a").text == ([] if text is None else [("parameters", text)])


def test_text_chunks(tmp_path):
    text = [("parameters", "a cat\nSteps: 9"), ("Title", "Grüße"), ("Comment", "小猫 🐈"), ("Title", "twice")]
    llmdit.write_png(tmp_path / "cat.png", noise(4, 4), text=text)
    info = llmdit.read_image_info(tmp_path / "cat.png")
    assert (info.width, info.height, info.bit_depth, info.color) == (4, 4, 8, "RGB")
    assert info.text == text
    assert Image.open(tmp_path / "cat.png").text["Comment"] == "小猫 🐈"
    assert Image.open(tmp_path / "cat.png").text["parameters"] == "a cat\nSteps: 9"


def test_reads_text_of_other_writers(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("plain", "Grüße")
    info.add_text("packed", "x" * 1000, zip=True)
    info.add_itxt("wide", "小猫", zip=True)
    info.add_text("workflow", '{"nodes": []}')
    Image.fromarray(noise(2, 3)).save(tmp_path / "other.png", pnginfo=info)
    read = llmdit.read_image_info(tmp_path / "other.png")
    assert dict(read.text) == {"plain": "Grüße", "packed": "x" * 1000, "wide": "小猫", "workflow": '{"nodes": []}'}
    assert "width=3, height=2" in repr(read)


def test_texts_that_do_not_fit(tmp_path):
    long = {"parameters": "x" * 40000}
    with pytest.raises(llmdit.InvalidArgument, match="write PNG or WebP"):
        llmdit.encode_image(noise(2, 2), "jpeg", text=long)
    llmdit.write_image(tmp_path / "a.webp", noise(2, 2), text=long)
    assert dict(llmdit.read_image_info(tmp_path / "a.webp").text) == long
    with pytest.raises(llmdit.InvalidArgument, match="Title"):
        llmdit.encode_image(noise(2, 2), "webp", text={"Title": "x"})


# ---- The class, and what is refused


def test_image_shares_its_memory():
    image = llmdit.Image(noise(3, 2))
    view = np.asarray(image)
    assert view.shape == (3, 2, 3) and not view.flags.owndata and not view.flags.writeable
    assert (image.width, image.height) == (2, 3)
    assert image == llmdit.Image(view) and image != llmdit.Image(noise(2, 3))
    assert repr(image) == "<llmdit.Image 2x3>"


def test_decoding_takes_any_bytes():
    data = llmdit.encode_png(noise(3, 2))
    for source in (data, bytearray(data), memoryview(data), np.frombuffer(data, np.uint8)):
        assert np.array_equal(np.asarray(llmdit.decode_image(source)), noise(3, 2))
    with pytest.raises(ValueError):
        llmdit.decode_image(memoryview(data)[::2])


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
    with pytest.raises(llmdit.InvalidArgument, match="lossless"):
        llmdit.encode_image(noise(2, 2), "png", quality=90)
    with pytest.raises(llmdit.InvalidArgument, match=".png, .jpg, .jpeg or .webp"):
        llmdit.write_image(tmp_path / "cat.gif", noise(2, 2))
    with pytest.raises(llmdit.InvalidArgument, match="one of png, jpeg, webp"):
        llmdit.encode_image(noise(2, 2), "gif")
    with pytest.raises(llmdit.NotFound, match="nowhere"):
        llmdit.write_png(tmp_path / "nowhere" / "cat.png", noise(2, 2))
    for read in (llmdit.read_image, llmdit.read_image_info):
        with pytest.raises(llmdit.NotFound):
            read(tmp_path / "absent.png")
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(llmdit.Unsupported):
        llmdit.read_image_info(tmp_path / "text.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text.png"]
