"""Pictures in and out against Pillow."""

import io
import json
import struct
import zlib

import llmdit
import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

TEXT = [
    ("parameters", "小猫 🐈, кот\nNegative prompt: naïve\nSteps: 9, Seed: 7, Size: 16x8"),
    ("llmdit", '{"prompt":"小猫 🐈","seed":7}'),
]
USER_COMMENT, MAKER_NOTE, ORIENTATION, EXIF_IFD = 0x9286, 0x927C, 0x0112, 0x8769


def noise(height, width, channels=3):
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, channels), dtype=np.uint8)


def smooth(height, width, channels=3):
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(channels), indexing="ij")
    return (128 + 100 * np.sin(x / 9 + y / 13 + c)).astype(np.uint8)


def saved(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def difference(ours, theirs):
    """The largest difference of two pictures of one size."""
    ours, theirs = np.asarray(ours).astype(int), np.asarray(theirs).astype(int)
    assert ours.shape == theirs.shape
    return np.abs(ours - theirs).max()


def flattened(picture, background=(255, 255, 255)):
    """Alpha over the background in exact arithmetic, rounded."""
    rgba = np.asarray(picture.convert("RGBA")).astype(float)
    color, alpha = rgba[..., :3], rgba[..., 3:] / 255
    return np.floor(color * alpha + np.array(background) * (1 - alpha) + 0.5)


# ---- PNG of every kind


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pack_row(values, depth):
    """Samples of one row as a PNG holds them."""
    if depth == 16:
        return values.astype(">u2").tobytes()
    if depth == 8:
        return values.astype(np.uint8).tobytes()
    bits = "".join(format(int(v), f"0{depth}b") for v in values)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def make_png(samples, color_type, depth, *, interlaced=False, chunks=b""):
    """A PNG of samples [height, width, channels] without filters."""
    height, width, _ = samples.shape
    passes = ADAM7 if interlaced else [(0, 0, 1, 1)]
    raw = b""
    for x, y, dx, dy in passes:
        part = samples[y::dy, x::dx]
        if part.size:
            raw += b"".join(b"\0" + pack_row(row.reshape(-1), depth) for row in part)
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, interlaced)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + chunks
        + png_chunk(b"IDAT", zlib.compress(raw))
        + png_chunk(b"IEND", b"")
    )


PNG_KINDS = [(0, d) for d in (1, 2, 4, 8, 16)] + [(2, 8), (2, 16)] + [(3, d) for d in (1, 2, 4, 8)]
# Color type, depth, and whether a tRNS chunk makes it transparent, which one with alpha has not.
PNG_KINDS = [(*kind, keyed) for kind in PNG_KINDS for keyed in (False, True)]
PNG_KINDS += [(4, 8, False), (4, 16, False), (6, 8, False), (6, 16, False)]
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def expected_pixels(samples, color_type, depth, palette, palette_alpha, key, background):
    """The picture by the words of the PNG standard."""
    top = 2**depth - 1
    if color_type == 3:
        color = palette[samples[..., 0]].astype(float)
        alpha = palette_alpha[samples[..., 0]][..., None] / 255
    else:
        count = 1 if color_type in (0, 4) else 3
        color = np.floor(np.repeat(samples[..., :count], 3 // count, -1) * 255.0 / top + 0.5)
        alpha = np.ones((*samples.shape[:2], 1))
        if color_type in (4, 6):
            alpha = np.floor(samples[..., -1:] * 255.0 / top + 0.5) / 255
        if key is not None:
            alpha = 1.0 - (samples == key).all(-1, keepdims=True)
    return np.floor(color * alpha + np.array(background) * (1 - alpha) + 0.5)


@pytest.mark.parametrize("interlaced", [False, True], ids=["plain", "interlaced"])
@pytest.mark.parametrize("size", [(1, 1), (7, 11), (16, 24)], ids=str)
@pytest.mark.parametrize("color_type,depth,keyed", PNG_KINDS)
def test_png_of_every_kind(color_type, depth, size, keyed, interlaced, tmp_path):
    """Field report I1, as the next ones."""
    random = np.random.default_rng(depth)
    samples = random.integers(0, 2**depth, (*size, CHANNELS[color_type]))
    palette = random.integers(0, 256, (2**depth, 3), dtype=np.uint8)
    palette_alpha = np.full(2**depth, 255)
    chunks, key = b"", None
    if color_type == 3:
        chunks += png_chunk(b"PLTE", palette.tobytes())
        if keyed:
            palette_alpha[: 2**depth // 2] = random.integers(0, 256, 2**depth // 2)
            chunks += png_chunk(b"tRNS", palette_alpha[: 2**depth // 2].astype(np.uint8).tobytes())
    elif keyed:
        key = samples[0, 0]
        chunks += png_chunk(b"tRNS", key.astype(">u2").tobytes())
    data = make_png(samples, color_type, depth, interlaced=interlaced, chunks=chunks)
    for background in ((255, 255, 255), (10, 200, 90)):
        expected = expected_pixels(samples, color_type, depth, palette, palette_alpha, key, background)
        assert difference(llmdit.decode_image(data, background=background), expected) == 0
    # Pillow cuts 16 bits down, and compares a gray key of 2 or 4 bits with samples widened to 8.
    if depth <= 8 and not (keyed and color_type == 0 and depth in (2, 4)):
        assert difference(llmdit.decode_image(data), flattened(Image.open(io.BytesIO(data)))) == 0

    (tmp_path / "a.png").write_bytes(data)
    info = llmdit.read_image_info(tmp_path / "a.png")
    color = {0: "gray", 2: "RGB", 3: "palette", 4: "gray", 6: "RGB"}[color_type]
    assert (info.format, info.color, info.bit_depth) == (llmdit.ImageFormat.png, color, depth)
    assert info.has_alpha == (keyed or color_type in (4, 6))


# ---- JPEG and WebP of every kind


JPEG_KINDS = {
    "RGB": ("RGB", {}),
    "gray": ("L", {}),
    "CMYK": ("CMYK", {}),
    "progressive": ("RGB", {"progressive": True}),
    "progressive gray": ("L", {"progressive": True}),
    "progressive CMYK": ("CMYK", {"progressive": True}),
    "full color": ("RGB", {"subsampling": 0}),
    "4:2:2": ("RGB", {"subsampling": 1}),
    "restarts": ("RGB", {"restart_marker_rows": 1}),
    "coarse": ("RGB", {"quality": 5}),
    "kept as RGB": ("RGB", {"keep_rgb": True}),
}


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (33, 50)], ids=str)
@pytest.mark.parametrize("kind", JPEG_KINDS)
def test_jpeg_of_every_kind(kind, size, tmp_path):
    mode, options = JPEG_KINDS[kind]
    picture = Image.fromarray(smooth(*size)).convert(mode)
    data = saved(picture, "JPEG", **options)
    theirs = Image.open(io.BytesIO(data)).convert("RGB")
    assert difference(llmdit.decode_image(data), theirs) <= 2

    (tmp_path / "a.jpg").write_bytes(data)
    info = llmdit.read_image_info(tmp_path / "a.jpg")
    color = {"L": "gray", "RGB": "RGB", "CMYK": "CMYK"}[mode]
    assert (info.format, info.color, info.has_alpha) == (llmdit.ImageFormat.jpeg, color, False)
    assert (info.height, info.width) == size


def jpeg_segments(data):
    """(marker, position, size) of each segment before the pixels."""
    at = 2
    while data[at + 1] != 0xDA:
        size = struct.unpack(">H", data[at + 2 : at + 4])[0] + 2
        yield data[at + 1], at, size
        at += size


def test_cmyk_without_adobe_s_marker_is_not_inverted():
    inks = smooth(16, 16, 4)
    data = saved(Image.fromarray(inks, "CMYK"), "JPEG", quality=100)
    marker, at, size = next(s for s in jpeg_segments(data) if s[0] == 0xEE)
    bare = data[:at] + data[at + size :]
    assert difference(llmdit.decode_image(data), Image.open(io.BytesIO(data)).convert("RGB")) <= 2
    # Pillow has stored 255 - ink; without the marker these values are the inks themselves.
    ink, black = 255.0 - inks[..., :3], 255.0 - inks[..., 3:]
    assert difference(llmdit.decode_image(bare), (255 - ink) * (255 - black) / 255) <= 8


def test_ycck():
    """The first three inks stand in the file as the YCbCr of RGB; Adobe's marker says so."""
    inks = smooth(16, 16, 4)
    ycc = np.asarray(Image.fromarray(inks[..., :3]).convert("YCbCr"))
    stored = np.concatenate([255 - ycc, inks[..., 3:]], -1)  # Pillow inverts as it writes
    data = bytearray(saved(Image.fromarray(stored, "CMYK"), "JPEG", quality=100))
    _, at, size = next(s for s in jpeg_segments(data) if s[0] == 0xEE)
    data[at + size - 1] = 2  # the transform
    theirs = Image.open(io.BytesIO(bytes(data))).convert("RGB")
    assert difference(llmdit.decode_image(bytes(data)), theirs) <= 2
    expected = np.asarray(Image.fromarray(inks, "CMYK").convert("RGB"))
    assert difference(llmdit.decode_image(bytes(data)), expected) <= 8


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(9))
@pytest.mark.parametrize("order", ["MM", "II"])
def test_orientation(kind, orientation, order, tmp_path):
    endian = ">" if order == "MM" else "<"
    exif = order.encode() + struct.pack(endian + "HIHHHIHHI", 42, 8, 1, ORIENTATION, 3, 1, orientation, 0, 0)
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    data = saved(Image.fromarray(smooth(12, 20)), kind, exif=b"Exif\0\0" + exif, **options)
    theirs = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    assert difference(llmdit.decode_image(data), theirs) <= 2
    (tmp_path / "a").write_bytes(data)
    info = llmdit.read_image_info(tmp_path / "a")
    assert (info.width, info.height) == theirs.size and info.orientation == max(1, orientation)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("size", [(1, 1), (17, 40)], ids=str)
@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 80}, {"quality": 80, "exif": b"Exif\0\0MM\0*"}])
def test_webp_of_every_kind(mode, size, options, tmp_path):
    pixels = smooth(*size, len(mode))
    pixels[0, 0, -1] = 100
    data = saved(Image.fromarray(pixels, mode), "WEBP", **options)
    theirs = Image.open(io.BytesIO(data))
    expected = flattened(theirs, (9, 99, 199)) if mode == "RGBA" else theirs
    assert difference(llmdit.decode_image(data, background=(9, 99, 199)), expected) <= 1
    (tmp_path / "a").write_bytes(data)
    info = llmdit.read_image_info(tmp_path / "a")
    assert (info.format, info.has_alpha) == (llmdit.ImageFormat.webp, mode == "RGBA")
    assert (info.height, info.width) == size


def test_animated_webp_is_refused_by_name():
    frames = [Image.fromarray(noise(8, 8)) for _ in range(2)]
    frames[1].putpixel((0, 0), (1, 2, 3))
    data = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    with pytest.raises(llmdit.Unsupported, match="animated WebP"):
        llmdit.decode_image(data)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "AVIF"])
def test_other_formats_are_refused_by_name(kind, tmp_path):
    (tmp_path / "a.png").write_bytes(saved(Image.fromarray(noise(8, 8)), kind))
    with pytest.raises(llmdit.Unsupported, match=f"a.png: expected a PNG, JPEG or WebP picture, found an? {kind}"):
        llmdit.read_image(tmp_path / "a.png")


# ---- Damaged files


def damaged_files():
    rgba = Image.fromarray(noise(20, 24, 4), "RGBA")
    rgb = rgba.convert("RGB")
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a cat" * 20, zip=True)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return {
        "png": saved(rgba, "PNG", pnginfo=info, exif=exif),
        "palette png": saved(rgb.quantize(16), "PNG"),
        "jpeg": saved(rgb, "JPEG", exif=exif),
        "progressive jpeg": saved(rgb, "JPEG", progressive=True),
        "cmyk jpeg": saved(rgb.convert("CMYK"), "JPEG"),
        "webp": saved(rgb, "WEBP"),
        "lossless webp": saved(rgba, "WEBP", lossless=True, exif=exif),
        "alpha webp": saved(rgba, "WEBP", exif=exif),
    }


@pytest.mark.parametrize("kind", damaged_files())
def test_a_file_cut_anywhere_is_refused(kind):
    data = damaged_files()[kind]
    for size in range(0, len(data), max(1, len(data) // 400)):
        with pytest.raises(llmdit.Unsupported):
            llmdit.decode_image(data[:size])


@pytest.mark.parametrize("kind", damaged_files())
def test_changed_bytes_are_refused_or_decoded(kind, tmp_path, capfd):
    data = damaged_files()[kind]
    random = np.random.default_rng(5)
    refused = 0
    for i in range(600):
        changed = bytearray(data)
        for _ in range(1 + i % 3):
            changed[random.integers(len(data) if i % 2 else min(200, len(data)))] = random.integers(256)
        try:
            llmdit.decode_image(bytes(changed), max_pixels=1 << 16)
        except llmdit.Unsupported:
            refused += 1
    assert refused > 100
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("width,height", [(2**31 - 1, 2**31 - 1), (2**31 - 1, 1), (20000, 20000)])
def test_huge_pictures_are_refused(width, height, tmp_path):
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b"x") + png_chunk(b"IEND", b"")
    (tmp_path / "huge.png").write_bytes(data)
    with pytest.raises(llmdit.Unsupported, match=f"huge.png: {width} x {height} pixels are more than the limit"):
        llmdit.read_image(tmp_path / "huge.png")
    assert llmdit.read_image_info(tmp_path / "huge.png").width == width


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_limit_of_pixels(kind):
    data = saved(Image.fromarray(noise(10, 30)), kind)
    assert llmdit.decode_image(data, max_pixels=300).height == 10
    with pytest.raises(llmdit.Unsupported, match="limit of 299"):
        llmdit.decode_image(data, max_pixels=299)
    with pytest.raises(llmdit.InvalidArgument):
        llmdit.decode_image(data, max_pixels=0)


def test_damaged_exif_does_not_stop_a_picture(tmp_path):
    picture = Image.fromarray(smooth(12, 20))
    for exif in (b"MM", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", b"junk"):
        data = saved(picture, "JPEG", exif=b"Exif\0\0" + exif)
        assert llmdit.decode_image(data).width == 20
        (tmp_path / "a.jpg").write_bytes(data)
        assert llmdit.read_image_info(tmp_path / "a.jpg").text == []


# ---- Writing


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
