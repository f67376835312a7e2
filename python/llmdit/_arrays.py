"""Arrays of NumPy and of whatever else speaks DLPack, taken as tensors over the same memory."""

import functools
from collections.abc import Callable
from typing import Any

import torch

from . import _llmdit

# What takes tensors: functions of the module, and methods by class.
_FUNCTIONS = (
    "apply_guidance apply_steering attention_forward blend blend_adain blend_adain_per_dim "
    "blend_attention_weighted blend_embeddings blend_interpolate blend_per_token blend_style_only "
    "blend_with_style_delta compare_embeddings compress_embeddings compute_blend_stats compute_style_delta "
    "euler_step layer_statistics mask_outlier_dimensions normalize_hybrid normalize_per_dimension "
    "sampling_probabilities scale_embeddings scale_noise steering_vector"
).split()
_METHODS = {
    "AutoencoderKL": ("decode", "encode", "preview", "scale", "unscale"),
    "ContextRefiner": ("__call__",),
    "VLEmbeddingExtractor": ("hidden_states", "image_features", "position_ids"),
    "ZImageTextEncoder": ("hidden_states",),
    "ZImageTransformer": ("__call__", "condition"),
}


def as_tensors(value: Any) -> Any:
    """A tensor over an array's memory, also for each item of a list or tuple; anything else as it is."""
    if type(value) is torch.Tensor:
        return value
    if isinstance(value, (list, tuple)) and any(_is_array(item) for item in value):
        return type(value)(as_tensors(item) for item in value)
    return _as_tensor(value) if _is_array(value) else value


def as_rows(value: Any) -> Any:
    """The rows of prompts, one tensor a prompt: of an EncodingOutput, a list, or those of a single prompt."""
    if isinstance(value, _llmdit.EncodingOutput):
        return value.embeddings
    tensors = as_tensors(value)
    return [tensors] if isinstance(tensors, torch.Tensor) and tensors.dim() == 2 else tensors


def _is_array(value: Any) -> bool:
    # Numbers of NumPy have an array interface, too, and stay numbers.
    return hasattr(value, "__dlpack__") and not isinstance(value, torch.Tensor) and getattr(value, "ndim", 1) > 0


def _as_tensor(array: Any) -> torch.Tensor:
    try:
        if all(stride >= 0 for stride in getattr(array, "strides", ())):  # torch has no others, and ends the process
            return torch.from_dlpack(array)
    except BufferError:  # not to be written to
        pass
    import numpy as np

    return torch.from_numpy(np.array(array))


def _with_tensors(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **keywords: Any) -> Any:
        return function(*map(as_tensors, args), **{name: as_tensors(value) for name, value in keywords.items()})

    return call


def _take_arrays() -> None:
    """Lets everything that takes tensors take arrays as well."""
    for name in _FUNCTIONS:
        setattr(_llmdit, name, _with_tensors(getattr(_llmdit, name)))
    for name, methods in _METHODS.items():
        cls = getattr(_llmdit, name)
        for method in methods:
            setattr(cls, method, _with_tensors(getattr(cls, method)))


_take_arrays()
