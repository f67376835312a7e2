"""Arrays of NumPy and of whatever else speaks DLPack, taken as tensors over the same memory."""

from typing import Any

import torch

from . import _llmdit


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
