"""Pictures of files against Pillow, damaged ones included."""

import io
import struct
import zlib

import llmdit
import numpy as np
import pytest
from image_files import ORIENTATION, difference, noise, saved, smooth
from PIL import Image, ImageOps, PngImagePlugin


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
