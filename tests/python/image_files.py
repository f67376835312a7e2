"""Pictures for the tests of files, and how two are compared."""

import io

import numpy as np

# Tags of EXIF.
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
