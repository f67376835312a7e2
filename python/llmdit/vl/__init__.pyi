"""Types of llmdit.vl; compared with the module by tests/python/test_surface.py."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import PIL.Image
import torch
from typing_extensions import Self

from .. import ChatBackend, GeneratedText, Image, Qwen3Config, TokenInfo, Tokenizer

__all__: list[str]

_BlendMode = Literal[
    "interpolate",
    "linear",
    "adain",
    "adain_per_dim",
    "style_only",
    "graduated",
    "attention_weighted",
    "style_delta",
]
_TokenSelection = Literal["all", "image_only", "image_only_no_markers", "text_only"]
_Normalization = Literal["global", "per_dim", "hybrid"]
_OutlierMode = Literal["none", "zero", "clamp", "scale"]
_Path = str | os.PathLike[str]
_Device = str | torch.device
_DType = Literal["auto", "float32", "bfloat16", "float16"] | torch.dtype
_Picture = _Path | np.ndarray | PIL.Image.Image | torch.Tensor | Image
_Pixels = tuple[torch.Tensor, torch.Tensor]
"""pixel_values [patches, columns] and image_grid_thw [1, 3], as transformers has them."""
_Numbers = torch.Tensor | Sequence[float]

class ReferenceStatistics:
    per_dim_mean: torch.Tensor
    per_dim_std: torch.Tensor
    global_mean: float
    global_std: float
    model: str
    hidden_layer: int | None
    num_prompts: int
    num_tokens: int
    def __init__(
        self,
        *,
        per_dim_mean: torch.Tensor | None = ...,
        per_dim_std: torch.Tensor | None = ...,
        global_mean: float | None = ...,
        global_std: float | None = ...,
        model: str | None = ...,
        hidden_layer: int | None = ...,
        num_prompts: int | None = ...,
        num_tokens: int | None = ...,
    ) -> None: ...
    @staticmethod
    def compute(
        embeddings: torch.Tensor | Sequence[torch.Tensor], *, model: str = ..., hidden_layer: int | None = ...
    ) -> ReferenceStatistics: ...
    @staticmethod
    def load(path: _Path) -> ReferenceStatistics: ...
    def save(self, path: _Path) -> None: ...
    @property
    def hidden_dim(self) -> int: ...
    def check(self) -> None: ...

def statistics_prompts() -> list[str]: ...

class OutlierInfo:
    @property
    def masked_dimensions(self) -> list[int]: ...
    @property
    def ratios(self) -> list[float]: ...
    @property
    def mode(self) -> str: ...
    @property
    def threshold(self) -> float: ...
    def __getitem__(self, name: str, /) -> Any: ...

class EmbeddingStats:
    @property
    def shape(self) -> list[int]: ...
    @property
    def mean(self) -> float: ...
    @property
    def std(self) -> float: ...
    @property
    def min(self) -> float: ...
    @property
    def max(self) -> float: ...
    def __getitem__(self, name: str, /) -> Any: ...

class BlendStats:
    @property
    def vl(self) -> EmbeddingStats: ...
    @property
    def text(self) -> EmbeddingStats: ...
    def __getitem__(self, name: str, /) -> Any: ...

class BlendResult:
    @property
    def embeddings(self) -> torch.Tensor: ...
    @property
    def warnings(self) -> list[str]: ...

def scale_embeddings(embeddings: torch.Tensor, target_std: float = ...) -> torch.Tensor: ...
def normalize_per_dimension(
    embeddings: torch.Tensor,
    clip_outliers: bool = ...,
    clip_sigma: float = ...,
    stats: ReferenceStatistics | None = ...,
) -> torch.Tensor: ...
def normalize_hybrid(
    embeddings: torch.Tensor, per_dim_weight: float = ..., stats: ReferenceStatistics | None = ...
) -> torch.Tensor: ...
def mask_outlier_dimensions(
    embeddings: torch.Tensor,
    threshold: float = ...,
    mode: Literal["zero", "clamp", "scale", "none"] = ...,
    stats: ReferenceStatistics | None = ...,
) -> tuple[torch.Tensor, OutlierInfo]: ...
def get_outlier_dimensions(
    embeddings: torch.Tensor, threshold: float = ..., stats: ReferenceStatistics | None = ...
) -> list[tuple[int, float]]: ...
def blend_embeddings(vl: torch.Tensor, text: torch.Tensor, alpha: float, match_lengths: bool = ...) -> torch.Tensor: ...
def blend_interpolate(vl: torch.Tensor, text: torch.Tensor, alpha: float) -> torch.Tensor: ...
def blend_style_only(
    vl: torch.Tensor, text: torch.Tensor, alpha: float = ..., dims: Sequence[int] | None = ...
) -> torch.Tensor: ...
def blend_per_token(vl: torch.Tensor, text: torch.Tensor, alphas: _Numbers) -> torch.Tensor: ...
def create_graduated_alpha(
    count: int,
    start: float = ...,
    end: float = ...,
    curve: Literal["linear", "ease_in", "ease_out"] = ...,
) -> torch.Tensor: ...
def blend_attention_weighted(
    vl: torch.Tensor, text: torch.Tensor, alpha: float, weights: _Numbers | None = ...
) -> torch.Tensor: ...
def compute_style_delta(styled: torch.Tensor, neutral: torch.Tensor, normalize: bool = ...) -> torch.Tensor: ...
def blend_with_style_delta(
    text: torch.Tensor, delta: torch.Tensor, alpha: float = ..., scale_to_text: bool = ...
) -> torch.Tensor: ...
def blend_adain(text: torch.Tensor, vl: torch.Tensor, alpha: float = ..., per_token: bool = ...) -> torch.Tensor: ...
def blend_adain_per_dim(text: torch.Tensor, vl: torch.Tensor, alpha: float = ...) -> torch.Tensor: ...
def compute_blend_stats(vl: torch.Tensor, text: torch.Tensor) -> BlendStats: ...
def blend(
    vl: torch.Tensor,
    text: torch.Tensor,
    alpha: float = ...,
    *,
    mode: _BlendMode = ...,
    neutral: torch.Tensor | None = ...,
    attention_weights: _Numbers | None = ...,
) -> BlendResult: ...

# Qwen3-VL.

class VLImageOptions:
    patch_size: int
    temporal_patch_size: int
    merge_size: int
    min_pixels: int
    max_pixels: int
    image_mean: list[float]
    image_std: list[float]
    def __init__(
        self,
        *,
        patch_size: int | None = ...,
        temporal_patch_size: int | None = ...,
        merge_size: int | None = ...,
        min_pixels: int | None = ...,
        max_pixels: int | None = ...,
        image_mean: Sequence[float] | None = ...,
        image_std: Sequence[float] | None = ...,
    ) -> None: ...
    @staticmethod
    def from_pretrained(path: _Path) -> VLImageOptions: ...

def smart_resize(
    height: int, width: int, factor: int = ..., min_pixels: int = ..., max_pixels: int = ...
) -> tuple[int, int]: ...
def preprocess(
    image: _Picture,
    *,
    patch_size: int | None = ...,
    temporal_patch_size: int | None = ...,
    merge_size: int | None = ...,
    min_pixels: int | None = ...,
    max_pixels: int | None = ...,
    image_mean: Sequence[float] | None = ...,
    image_std: Sequence[float] | None = ...,
) -> _Pixels: ...

class Qwen3VLVisionConfig:
    @property
    def depth(self) -> int: ...
    @property
    def hidden_size(self) -> int: ...
    @property
    def intermediate_size(self) -> int: ...
    @property
    def num_heads(self) -> int: ...
    @property
    def in_channels(self) -> int: ...
    @property
    def patch_size(self) -> int: ...
    @property
    def temporal_patch_size(self) -> int: ...
    @property
    def spatial_merge_size(self) -> int: ...
    @property
    def out_hidden_size(self) -> int: ...
    @property
    def num_position_embeddings(self) -> int: ...
    @property
    def deepstack_visual_indexes(self) -> list[int]: ...
    @property
    def rope_theta(self) -> float: ...

class Qwen3VLConfig:
    @property
    def text(self) -> Qwen3Config: ...
    @property
    def vision(self) -> Qwen3VLVisionConfig: ...
    @property
    def mrope_section(self) -> list[int]: ...
    @property
    def image_token_id(self) -> int: ...
    @property
    def vision_start_token_id(self) -> int: ...
    @property
    def vision_end_token_id(self) -> int: ...

class VLExtraction:
    @property
    def embeddings(self) -> torch.Tensor: ...
    @property
    def num_tokens(self) -> int: ...
    @property
    def hidden_layer(self) -> int: ...
    @property
    def original_std(self) -> float: ...
    @property
    def scaled_std(self) -> float: ...
    @property
    def scale_factor(self) -> float: ...
    @property
    def token_selection(self) -> _TokenSelection: ...
    @property
    def normalization_mode(self) -> _Normalization: ...
    @property
    def outlier_masking(self) -> _OutlierMode: ...
    @property
    def outlier_threshold(self) -> float: ...
    @property
    def masked_dimensions(self) -> list[int] | None: ...
    @property
    def masked_dim_ratios(self) -> list[float]: ...
    @property
    def text_description(self) -> str: ...
    @property
    def system_prompt(self) -> str: ...
    @property
    def full_prompt_with_tokens(self) -> str: ...
    @property
    def input_token_ids(self) -> list[int]: ...
    @property
    def model_variant(self) -> Literal["instruct", "thinking"]: ...
    @property
    def chat_template_format(self) -> str: ...
    @property
    def from_cache(self) -> bool: ...
    @property
    def warnings(self) -> list[str]: ...

class VLEmbeddingExtractor:
    @staticmethod
    def from_pretrained(
        path: _Path,
        *,
        auto_unload: bool = ...,
        cache_size: int = ...,
        dtype: _DType | None = ...,
        quantization: str | None = ...,
        text_encoder_quantization: str | None = ...,
        dit_quantization: str | None = ...,
        vl_quantization: str | None = ...,
        device: _Device | None = ...,
        text_encoder_device: _Device | None = ...,
        dit_device: _Device | None = ...,
        vae_device: _Device | None = ...,
        cpu_offload: bool | None = ...,
        max_memory: str | None = ...,
        attention_backend: str | None = ...,
        compile: bool | None = ...,
        transformer_path: _Path | None = ...,
        text_encoder_path: _Path | None = ...,
        vae_path: _Path | None = ...,
        tokenizer_path: _Path | None = ...,
        vl_model_path: _Path | None = ...,
        vl_device: _Device | None = ...,
        vl_auto_unload: bool | None = ...,
        enable_cache: bool | None = ...,
        cache_megabytes: int | None = ...,
        cache_folder: _Path | None = ...,
        lora: _Path | Sequence[_Path] | None = ...,
    ) -> VLEmbeddingExtractor: ...
    def extract(
        self,
        image: _Picture,
        text: str | None = ...,
        *,
        statistics: ReferenceStatistics | None = ...,
        hidden_layer: int | None = ...,
        token_selection: _TokenSelection | None = ...,
        system_prompt: str | None = ...,
        force_think_block: bool | None = ...,
        scale_to_text: bool | None = ...,
        target_std: float | None = ...,
        normalization_mode: _Normalization | None = ...,
        outlier_masking: _OutlierMode | None = ...,
        outlier_threshold: float | None = ...,
        image_tokens_only: bool | None = ...,
        image_tokens_no_markers: bool | None = ...,
        text_tokens_only: bool | None = ...,
    ) -> VLExtraction: ...
    def generate(
        self,
        image: _Picture | None = ...,
        text: str | None = ...,
        *,
        system_prompt: str = ...,
        on_token: Callable[[TokenInfo], bool | None] | None = ...,
        stop_ids: Sequence[int] = ...,
        max_new_tokens: int | None = ...,
        seed: int | None = ...,
        temperature: float | None = ...,
        top_k: int | None = ...,
        top_p: float | None = ...,
        min_p: float | None = ...,
        repetition_penalty: float | None = ...,
        presence_penalty: float | None = ...,
    ) -> GeneratedText: ...
    def preprocess(self, image: _Picture) -> _Pixels: ...
    def image_features(self, pixels: _Pixels) -> tuple[torch.Tensor, list[torch.Tensor]]: ...
    def position_ids(self, input_ids: Sequence[int], pixels: _Pixels | None = ...) -> torch.Tensor: ...
    def hidden_states(
        self, input_ids: Sequence[int], pixels: _Pixels | None, layers: Sequence[int]
    ) -> list[torch.Tensor]: ...
    def format(
        self,
        image_tokens: int,
        text: str = ...,
        *,
        system_prompt: str | None = ...,
        force_think_block: bool | None = ...,
    ) -> str: ...
    @property
    def config(self) -> Qwen3VLConfig: ...
    @property
    def image_options(self) -> VLImageOptions: ...
    @property
    def tokenizer(self) -> Tokenizer: ...
    @property
    def hidden_size(self) -> int: ...
    @property
    def model_variant(self) -> Literal["instruct", "thinking"]: ...
    @property
    def stop_ids(self) -> list[int]: ...
    @property
    def unused_weights(self) -> list[str]: ...
    @property
    def path(self) -> Path: ...
    @property
    def is_loaded(self) -> bool: ...
    def unload(self) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> None: ...

class VLChatBackend(ChatBackend):
    def __init__(self, extractor: VLEmbeddingExtractor) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> None: ...
