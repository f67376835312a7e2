"""Pictures as Python users have them, turned into what the library takes."""

import os
from typing import TYPE_CHECKING, Any

import torch

from ._llmdit import Image, read_image

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image

_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
_WANTED = (
    "a path, a picture of Pillow, an array [height, width, 3] of uint8 or floats in 0..1, or a float tensor "
    "[3, height, width] in 0..1"
)


def as_picture(value: Any, *, is_mask: bool = False) -> Image | torch.Tensor:
    """An Image of what has 8 bits, or float pixels [channels, height, width] in 0..1.

    Alpha is laid over white; in a mask over black, so that what is transparent is kept.
    """
    background = _BLACK if is_mask else _WHITE
    if isinstance(value, (str, os.PathLike)):
        return read_image(value, background=background)
    if isinstance(value, (Image, torch.Tensor)):
        return value
    if hasattr(value, "convert") and hasattr(value, "getbands"):
        return _from_pillow(value, background)
    if hasattr(value, "__array_interface__"):
        return _from_array(value, background)
    raise TypeError(f"expected {_WANTED}, got {type(value).__name__}")


def as_image(value: Any) -> Image:
    """An Image of any picture; float pixels are rounded to 8 bits, tensors of uint8 are [3, height, width]."""
    picture = as_picture(value)
    if isinstance(picture, Image):
        return picture
    pixels = picture.detach().cpu()
    if pixels.ndim == 4 and pixels.shape[0] == 1:
        pixels = pixels[0]
    if pixels.ndim != 3 or pixels.shape[0] != 3 or pixels.numel() == 0:
        raise ValueError(f"expected {_WANTED}, got a tensor {list(pixels.shape)} of {pixels.dtype}")
    if pixels.is_floating_point():
        pixels = pixels.float()
        if not (pixels.min() >= 0 and pixels.max() <= 1):
            raise ValueError(f"expected pixels in 0..1, got {pixels.min().item()} to {pixels.max().item()}")
        pixels = (pixels * 255).round().to(torch.uint8)
    if pixels.dtype != torch.uint8:
        raise ValueError(f"expected {_WANTED}, got a tensor {list(pixels.shape)} of {pixels.dtype}")
    return Image(pixels.permute(1, 2, 0).contiguous().numpy())


def contact_sheet(images: list[Image], columns: int = 4) -> Image:
    """Pictures of one size in rows, with a thin white line between them."""
    import numpy as np

    if len(images) == 1:
        return images[0]
    gap, (height, width, _) = 4, np.asarray(images[0]).shape
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for index, image in enumerate(images):
        y, x = index // columns * (height + gap), index % columns * (width + gap)
        sheet[y : y + height, x : x + width] = image
    return Image(sheet)


def _from_pillow(picture: "PIL.Image.Image", background: tuple[int, int, int]) -> Image:
    import numpy as np
    import PIL.Image

    if picture.mode.startswith("I;16"):
        return _gray(np.rint(np.asarray(picture).astype(np.float64) / 257).astype(np.uint8))
    if picture.mode in ("I", "F"):
        raise ValueError(f"pictures of Pillow's mode {picture.mode} have no stated range; convert to L or RGB first")
    if "A" in picture.mode or "a" in picture.mode or "transparency" in picture.info:
        behind = PIL.Image.new("RGBA", picture.size, (*background, 255))
        picture = PIL.Image.alpha_composite(behind, picture.convert("RGBA"))
    return Image(np.asarray(picture.convert("RGB")))


def _from_array(value: Any, background: tuple[int, int, int]) -> Image | torch.Tensor:
    import numpy as np

    array = np.asarray(value)
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint8:
        if array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 1):
            return _gray(array.reshape(array.shape[:2]))
        if array.ndim == 3 and array.shape[2] == 4:
            import PIL.Image

            return _from_pillow(PIL.Image.fromarray(array), background)
        return Image(array)
    if array.dtype.kind == "f" and array.ndim in (2, 3):
        pixels = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
        return pixels if array.ndim == 2 else pixels.permute(2, 0, 1)
    raise ValueError(f"expected {_WANTED}, got an array {list(array.shape)} of {array.dtype}")


def _gray(array: "np.ndarray") -> Image:
    import numpy as np

    return Image(np.repeat(array[:, :, None], 3, axis=2))
