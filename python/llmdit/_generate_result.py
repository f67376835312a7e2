"""What a call of the pipeline gives back."""

import copy
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from . import _llmdit
from ._llmdit import GenerateOptions, Timings
from ._pictures import contact_sheet

_llmdit.GenerateResult.__module__ = _llmdit.__name__  # where pickle finds it; the package's own is the one below

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image

    from .vl import VLExtraction


@dataclass(frozen=True, eq=False)
class GenerateResult:
    """Pictures, and what is to be known about how they came about."""

    images: "list[PIL.Image.Image] | np.ndarray | torch.Tensor"
    """By output_type: "pil" a list of pictures; "np" [batch, height, width, 3] and "pt" [batch, 3, height, width],
    float32 in 0..1; "latent" the final latents."""
    latents: torch.Tensor
    """[batch, channels, h, w] float32, final."""
    seeds: list[int]
    """One a picture; empty with a generator or initial latents of the caller."""
    sigmas: list[float]
    """Noise levels of the run, [steps + 1]."""
    token_counts: list[int]
    """One a prompt."""
    caption_lengths: list[int]
    """Rows the transformer was given, one a prompt."""
    compression_ratios: list[float]
    """Rows before over rows after compression; 1 for a prompt that fits."""
    formatted_prompts: list[str]
    """The exact chat texts; empty for prompt_embeds of the caller."""
    vl: "VLExtraction | None"
    """What was read of the reference picture and blended in."""
    warnings: list[str]
    """What had no effect, was compressed or is otherwise to be known, in words."""
    reused_steps: list[int]
    """Denoising steps, from 0, that step_cache kept from being run whole."""
    shift: float | None
    """Of the noise levels; None where it depends on the picture's size."""
    made_with: dict[str, str]
    """What the pictures depend on besides all options, by name: files, types, devices, libraries. Where all of it is
    equal, so are pictures, bit for bit."""
    timings: Timings
    """Seconds spent in each stage."""
    _prompts: list[str] = field(repr=False)
    _options: GenerateOptions = field(repr=False)
    _native: _llmdit.GenerateResult = field(repr=False)

    def parameters(self, index: int = 0) -> dict[str, str]:
        """The text that is stored with picture `index`: "parameters" as other tools read it, and "llmdit" as JSON.

        Raises IndexError for a picture that there is not, InvalidArgument where output_type was "latent".
        """
        if not 0 <= index < len(self):
            raise IndexError(f"expected a picture from 0 to {len(self) - 1}, got {index}")
        per_prompt = max(1, len(self) // max(1, len(self._prompts)))
        prompt = self._prompts[index // per_prompt] if self._prompts else ""
        return dict(_llmdit.picture_parameters(prompt, self._options, self._native, index))

    def save(
        self, path: str | os.PathLike[str], index: int = 0, *, quality: int | None = None, metadata: bool = True
    ) -> None:
        """Writes picture `index` as .png, .jpg, .jpeg or .webp, with its parameters unless `metadata` is off.

        quality: 1 to 100, for JPEG and WebP; WebP of 100 is lossless.

        Raises IndexError for a picture that there is not, ValueError where output_type was "latent", InvalidArgument
        for another suffix or quality, and NotFound when the file cannot be written.
        """
        if not self._native.images:
            raise ValueError("there is no picture to save: output_type was 'latent'")
        parameters = self.parameters(index)  # which tells an index that there is not
        text = parameters if metadata else None
        _llmdit.write_image(path, self._native.images[index], text=text, quality=quality)

    def __len__(self) -> int:
        return self.latents.shape[0]

    def _repr_png_(self) -> bytes | None:
        """How notebooks show it: the pictures side by side."""
        return _llmdit.encode_png(contact_sheet(self._native.images)) if self._native.images else None

    def __repr__(self) -> str:
        kind = f"{len(self)} pictures" if len(self) != 1 else "1 picture"
        picture = self._native.images[0] if self._native.images else None
        size = f" {picture.width}x{picture.height}" if picture else " as latents"
        warnings = f", warnings={_llmdit._short_repr(self.warnings)}" if self.warnings else ""
        seeds = _llmdit._short_repr(self.seeds)
        return f"<llmdit.GenerateResult {kind}{size}, seeds={seeds}, {self.timings.total:.2f} s{warnings}>"


def generate_result(
    native: _llmdit.GenerateResult, prompts: list[str], options: GenerateOptions, output_type: str
) -> GenerateResult:
    """The library's result as Python has it. The callback is let go, so that results can be kept and pickled."""
    options = copy.copy(options)
    options.on_step = None
    same = (
        "latents seeds sigmas token_counts caption_lengths compression_ratios formatted_prompts vl warnings "
        "reused_steps shift made_with timings"
    )
    return GenerateResult(
        images=_pictures(native, output_type),
        **{name: getattr(native, name) for name in same.split()},
        _prompts=prompts,
        _options=options,
        _native=native,
    )


def _pictures(native: _llmdit.GenerateResult, output_type: str) -> Any:
    if output_type == "latent":
        return native.latents
    if output_type == "pt":
        return native.pixels
    if output_type == "np":
        return native.pixels.permute(0, 2, 3, 1).cpu().numpy()
    import numpy as np
    from PIL import Image

    return [Image.fromarray(np.asarray(image)) for image in native.images]
