"""Types of the package. tests/python/test_surface.py compares every name and parameter here with the module itself."""

import enum
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, overload

import numpy as np
import PIL.Image
import torch
from typing_extensions import Buffer, Self

from . import vl as vl
from .vl import VLExtraction as _VLExtraction

__all__: list[str]
__version__: str
"""Of the library, as in its CHANGELOG."""
torch_version: str
"""Of the libtorch that is in use."""
SEQ_MULTI_OF: int
"""Rows of picture and caption are padded to a multiple of this; the pads are attended to."""
MAX_TEXT_SEQ_LEN: int
"""The longest caption of the published Z-Image-Turbo in tokens; that of a loaded model is max_caption_len(config)."""

_Path = str | os.PathLike[str]
_Device = str | torch.device
_DType = Literal["auto", "float32", "bfloat16", "float16"] | torch.dtype
_LayerWeights = Mapping[int, float] | str
_OutputType = Literal["pil", "np", "pt", "latent"]
_ImageText = Mapping[str, str] | Sequence[tuple[str, str]]
_Picture = np.ndarray | PIL.Image.Image  # or an Image of ours
_Source = _Path | np.ndarray | PIL.Image.Image | torch.Tensor  # or an Image of ours

# Errors.

class Error(RuntimeError):
    code: ClassVar[str]

class InvalidArgument(Error, ValueError): ...
class NotFound(Error, FileNotFoundError): ...
class Unsupported(Error, NotImplementedError): ...
class OutOfMemory(Error, MemoryError): ...
class Cancelled(Error): ...

class RemoteError(Error):
    """A server could not be reached, or did something wrong."""

    status: int
    """The HTTP status; 0 where no whole answer came or where what it holds is wrong, 504 after a timeout."""

# Devices and options.

class DeviceInfo:
    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def memory_bytes(self) -> int: ...
    @property
    def features(self) -> list[str]: ...

def available_devices() -> list[DeviceInfo]: ...
def cpu_kernels() -> str: ...

class StorageSupport:
    @property
    def kind(self) -> str: ...
    @property
    def product(self) -> str: ...

def storage_support(device: str = ...) -> list[StorageSupport]: ...

# Attention.

def get_available_backends(device: str = ...) -> list[str]: ...
def setup_attention_backend(backend: str = ..., device: str = ...) -> str: ...
def load_operator_library(path: _Path) -> None: ...
def attention_forward(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = ...,
    *,
    is_causal: bool = ...,
    scale: float | None = ...,
    backend: str = ...,
) -> torch.Tensor: ...

class OptionKind(enum.Enum):
    boolean = ...
    integer = ...
    unsigned_integer = ...
    number = ...
    text = ...
    choice = ...
    numbers = ...
    texts = ...

class OptionField:
    @property
    def name(self) -> str: ...
    @property
    def section(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def flag(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def help(self) -> str: ...
    @property
    def kind(self) -> OptionKind: ...
    @property
    def optional(self) -> bool: ...
    @property
    def minimum(self) -> float: ...
    @property
    def maximum(self) -> float: ...
    @property
    def choices(self) -> list[str]: ...

class LoadOptions:
    dtype: str
    quantization: str
    text_encoder_quantization: str | None
    dit_quantization: str | None
    vl_quantization: str | None
    device: str
    text_encoder_device: str | None
    dit_device: str | None
    vae_device: str | None
    cpu_offload: bool
    max_memory: str | None
    attention_backend: str
    compile: bool
    transformer_path: str | None
    text_encoder_path: str | None
    vae_path: str | None
    tokenizer_path: str | None
    vl_model_path: str | None
    vl_device: str | None
    vl_auto_unload: bool
    enable_cache: bool
    cache_size: int
    cache_megabytes: int
    cache_folder: str | None
    lora: list[str]
    def __init__(
        self,
        *,
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
        cache_size: int | None = ...,
        cache_megabytes: int | None = ...,
        cache_folder: _Path | None = ...,
        lora: _Path | Sequence[_Path] | None = ...,
    ) -> None: ...
    @staticmethod
    def fields() -> list[OptionField]: ...

class GenerateOptions:
    width: int | None
    height: int | None
    num_inference_steps: int
    seed: int | None
    num_images_per_prompt: int
    guidance_scale: float
    negative_prompt: str
    cfg_normalization: float
    cfg_truncation: float
    shift: float | None
    sigmas: list[float]
    hidden_layer: int
    layer_weights: str
    layer_spans: list[str]
    long_prompt_mode: str
    max_text_tokens: int | None
    system_prompt: str
    thinking_content: str
    assistant_content: str
    force_think_block: bool | None
    strip_quotes: bool
    clean_whitespace: bool
    template: str
    templates_dir: str
    strength: float | None
    outpaint: list[float]
    mask_feather: int
    mask_composite: bool
    vl_alpha: float
    vl_blend_mode: str
    vl_text: str
    vl_hidden_layer: int
    vl_token_selection: str
    vl_system_prompt: str
    vl_force_think_block: bool | None
    vl_scale_to_text: bool
    vl_target_std: float | None
    vl_normalization_mode: str
    vl_outlier_masking: str
    vl_outlier_threshold: float
    vl_statistics: str
    step_cache: float
    vae_tiling: str
    vae_tile_size: int
    vae_tile_overlap: int
    output_type: str
    generator: torch.Generator | list[torch.Generator] | None
    image: Image | torch.Tensor | None
    latents: torch.Tensor | None
    mask_image: Image | torch.Tensor | None
    negative_prompt_embeds: list[torch.Tensor] | None
    on_step: Callable[[StepInfo], bool | None] | None
    prompt_embeds: list[torch.Tensor] | None
    prompt_template: Template | None
    vl_image: Image | None
    def __init__(
        self,
        *,
        width: int | None = ...,
        height: int | None = ...,
        num_inference_steps: int | None = ...,
        seed: int | None = ...,
        num_images_per_prompt: int | None = ...,
        guidance_scale: float | None = ...,
        negative_prompt: str | None = ...,
        cfg_normalization: float | None = ...,
        cfg_truncation: float | None = ...,
        shift: float | None = ...,
        sigmas: Sequence[float] | None = ...,
        hidden_layer: int | None = ...,
        layer_weights: _LayerWeights | None = ...,
        layer_spans: str | Sequence[str] | None = ...,
        long_prompt_mode: _LongPromptMode | None = ...,
        max_text_tokens: int | None = ...,
        system_prompt: str | None = ...,
        thinking_content: str | None = ...,
        assistant_content: str | None = ...,
        force_think_block: bool | None = ...,
        strip_quotes: bool | None = ...,
        clean_whitespace: bool | None = ...,
        template: _Path | Template | None = ...,
        templates_dir: _Path | None = ...,
        strength: float | None = ...,
        outpaint: Sequence[float] | None = ...,
        mask_feather: int | None = ...,
        mask_composite: bool | None = ...,
        vl_alpha: float | None = ...,
        vl_blend_mode: vl._BlendMode | None = ...,
        vl_text: str | None = ...,
        vl_hidden_layer: int | None = ...,
        vl_token_selection: vl._TokenSelection | None = ...,
        vl_system_prompt: str | None = ...,
        vl_force_think_block: bool | None = ...,
        vl_scale_to_text: bool | None = ...,
        vl_target_std: float | None = ...,
        vl_normalization_mode: vl._Normalization | None = ...,
        vl_outlier_masking: vl._OutlierMode | None = ...,
        vl_outlier_threshold: float | None = ...,
        vl_statistics: _Path | None = ...,
        step_cache: float | None = ...,
        vae_tiling: Literal["auto", "on", "off"] | None = ...,
        vae_tile_size: int | None = ...,
        vae_tile_overlap: int | None = ...,
        output_type: Literal["image", "tensor", "latent"] | None = ...,
        generator: torch.Generator | Sequence[torch.Generator] | None = ...,
        image: _Source | Image | None = ...,
        latents: torch.Tensor | None = ...,
        mask_image: _Source | Image | None = ...,
        negative_prompt_embeds: EncodingOutput | torch.Tensor | Sequence[torch.Tensor] | None = ...,
        on_step: Callable[[StepInfo], bool | None] | None = ...,
        prompt_embeds: EncodingOutput | torch.Tensor | Sequence[torch.Tensor] | None = ...,
        prompt_template: Template | None = ...,
        vl_image: _Source | Image | None = ...,
    ) -> None: ...
    def __copy__(self) -> Self: ...
    @staticmethod
    def fields() -> list[OptionField]: ...
    @staticmethod
    def runtime_fields() -> dict[str, str]: ...

# Settings from files and the environment.

class Setting:
    @property
    def key(self) -> str: ...
    @property
    def environment(self) -> str: ...
    @property
    def field(self) -> OptionField: ...
    @property
    def default(self) -> Any: ...

class ConfigEntry:
    @property
    def key(self) -> str: ...
    @property
    def value(self) -> Any: ...
    @property
    def origin(self) -> str: ...

class ConfigRemark:
    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...
    @property
    def text(self) -> str: ...

class ConfigReport:
    @property
    def profiles(self) -> list[str]: ...
    @property
    def errors(self) -> list[ConfigRemark]: ...
    @property
    def notes(self) -> list[ConfigRemark]: ...

class Config:
    def __init__(self) -> None: ...
    @staticmethod
    def from_toml(path: _Path, profile: str = ...) -> Config: ...
    @staticmethod
    def parse(text: str, profile: str = ..., name: str = ...) -> Config: ...
    @staticmethod
    def from_dict(values: dict[str, Any]) -> Config: ...
    def to_dict(self) -> dict[str, Any]: ...
    @property
    def entries(self) -> list[ConfigEntry]: ...
    def overlay(self, other: Config) -> None: ...
    def __contains__(self, key: str) -> bool: ...
    def __getitem__(self, key: str) -> Any: ...
    def __len__(self) -> int: ...

class RuntimeConfig:
    def __init__(self, config: Config | None = ..., environment: bool = ..., **settings: Any) -> None: ...
    @property
    def model_path(self) -> str: ...
    @property
    def load(self) -> LoadOptions: ...
    @property
    def generate(self) -> GenerateOptions: ...
    @property
    def rewrite(self) -> dict[str, Any]: ...
    @property
    def config(self) -> Config: ...
    @property
    def origins(self) -> dict[str, str]: ...
    def __getattr__(self, name: str) -> Any: ...

def settings() -> list[Setting]: ...
def load_config(path: _Path | None = ..., profile: str | None = ...) -> Config: ...
def find_config() -> Path | None: ...
def environment_config() -> Config: ...
def check_config(path: _Path) -> ConfigReport: ...
def config_example() -> str: ...

# Pictures and files.

class Image(Buffer):
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    def __init__(self, array: np.ndarray | PIL.Image.Image) -> None: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

class ImageFormat(enum.Enum):
    png = ...
    jpeg = ...
    webp = ...

def decode_image(data: Buffer, *, background: tuple[int, int, int] = ..., max_pixels: int = ...) -> Image: ...
def resize_image(image: _Picture | Image, width: int, height: int) -> Image: ...
def read_image(path: _Path, *, background: tuple[int, int, int] = ..., max_pixels: int = ...) -> Image: ...
def encode_image(
    image: Image | _Picture,
    format: ImageFormat | str,
    *,
    text: _ImageText | None = ...,
    quality: int | None = ...,
) -> bytes: ...
def write_image(
    path: _Path, image: Image | _Picture, *, text: _ImageText | None = ..., quality: int | None = ...
) -> None: ...
def encode_png(image: Image | _Picture, *, text: _ImageText | None = ...) -> bytes: ...
def write_png(path: _Path, image: Image | _Picture, *, text: _ImageText | None = ...) -> None: ...

class ImageInfo:
    @property
    def format(self) -> ImageFormat: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def color(self) -> str: ...
    @property
    def bit_depth(self) -> int: ...
    @property
    def has_alpha(self) -> bool: ...
    @property
    def orientation(self) -> int: ...
    @property
    def text(self) -> list[tuple[str, str]]: ...

def read_image_info(path: _Path) -> ImageInfo: ...

class FileKind(enum.Enum):
    weights = ...
    component = ...
    model_folder = ...
    tokenizer = ...
    picture = ...

class TensorInfo:
    @property
    def name(self) -> str: ...
    @property
    def dtype(self) -> str: ...
    @property
    def shape(self) -> list[int]: ...
    @property
    def bytes(self) -> int: ...
    @property
    def file(self) -> Path: ...
    @property
    def becomes(self) -> list[str]: ...

class ComponentInfo:
    @property
    def component(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def sizes(self) -> str: ...
    @property
    def problems(self) -> list[str]: ...
    @property
    def unused(self) -> list[str]: ...

class FileInfo:
    @property
    def kind(self) -> FileKind: ...
    @property
    def path(self) -> Path: ...
    @property
    def model(self) -> str: ...
    @property
    def metadata(self) -> dict[str, str]: ...
    @property
    def tensors(self) -> list[TensorInfo]: ...
    @property
    def loads(self) -> list[ComponentInfo]: ...
    @property
    def components(self) -> list[FileInfo]: ...
    @property
    def picture(self) -> ImageInfo: ...

def inspect(path: _Path) -> FileInfo: ...

class ConvertReport:
    @property
    def component(self) -> str: ...
    @property
    def tensors(self) -> int: ...
    @property
    def quantized(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def warnings(self) -> list[str]: ...

def convert_weights(
    input: _Path,
    output: _Path,
    *,
    layout: str | None = ...,
    dtype: _DType | None = ...,
    quantization: str | None = ...,
) -> ConvertReport: ...
def demo_model_path() -> Path: ...

# Memory and work, before anything is loaded.

class ComponentPlan:
    @property
    def name(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def file_bytes(self) -> int: ...
    @property
    def mapped_bytes(self) -> int: ...
    @property
    def copied_bytes(self) -> int: ...
    @property
    def streamed_bytes(self) -> int: ...
    @property
    def parameters(self) -> int: ...

class StagePlan:
    @property
    def name(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def weight_bytes(self) -> int: ...
    @property
    def activation_bytes(self) -> int: ...
    @property
    def peak_bytes(self) -> int: ...
    @property
    def flops(self) -> float: ...
    @property
    def seconds(self) -> float | None: ...

class MemoryPlan:
    @property
    def components(self) -> list[ComponentPlan]: ...
    @property
    def stages(self) -> list[StagePlan]: ...
    @property
    def process_bytes(self) -> int: ...
    @property
    def peak_bytes(self) -> int: ...
    @property
    def available_bytes(self) -> int: ...
    @property
    def fits(self) -> bool: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def token_counts(self) -> list[int]: ...
    @property
    def flops_per_second(self) -> float | None: ...
    @property
    def warnings(self) -> list[str]: ...

def plan(
    path: _Path,
    prompts: list[str] = ...,
    *,
    measure_speed: bool = ...,
    load: LoadOptions | None = ...,
    generate: GenerateOptions | None = ...,
    **keywords: Any,
) -> MemoryPlan: ...

# Templates of prompts.

class Template:
    name: str
    description: str
    category: str
    system_prompt: str
    thinking_content: str
    assistant_content: str
    add_think_block: bool
    metadata: dict[str, str]
    path: Path
    def __init__(
        self,
        *,
        name: str | None = ...,
        description: str | None = ...,
        category: str | None = ...,
        system_prompt: str | None = ...,
        thinking_content: str | None = ...,
        assistant_content: str | None = ...,
        add_think_block: bool | None = ...,
        metadata: Mapping[str, str] | None = ...,
        path: _Path | None = ...,
    ) -> None: ...

class TemplateRegistry:
    def __init__(self) -> None: ...
    @staticmethod
    def standard(own_folder: _Path = ...) -> TemplateRegistry: ...
    def add(self, template: Template) -> None: ...
    def load_file(self, path: _Path) -> None: ...
    def load_directory(self, folder: _Path) -> int: ...
    def overlay(self, other: TemplateRegistry) -> None: ...
    def get(self, name: str) -> Template | None: ...
    def list_names(self) -> list[str]: ...
    def list_by_category(self, category: str) -> list[str]: ...
    @property
    def categories(self) -> list[str]: ...
    def search(self, words: str) -> list[str]: ...
    def __getitem__(self, name: str) -> Template: ...
    def __contains__(self, name: str) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...

def load_template(path: _Path) -> Template: ...
def builtin_templates_path() -> Path: ...
def user_templates_path() -> Path: ...

# Chat text.

class Role(enum.Enum):
    system = ...
    user = ...
    assistant = ...

class Message:
    role: Role
    content: str
    thinking: str
    def __init__(self, role: Role | str, content: str = ..., *, thinking: str = ...) -> None: ...

class Conversation:
    messages: list[Message]
    enable_thinking: bool
    is_final: bool
    def __init__(
        self,
        *,
        messages: Sequence[Message] | None = ...,
        enable_thinking: bool | None = ...,
        is_final: bool | None = ...,
    ) -> None: ...
    def render(self) -> str: ...

class ChatOptions:
    system_prompt: str
    thinking_content: str
    assistant_content: str
    force_think_block: bool | None
    strip_quotes: bool
    clean_whitespace: bool
    template: str
    templates_dir: str
    prompt_template: Template | None
    def __init__(
        self,
        *,
        system_prompt: str | None = ...,
        thinking_content: str | None = ...,
        assistant_content: str | None = ...,
        force_think_block: bool | None = ...,
        strip_quotes: bool | None = ...,
        clean_whitespace: bool | None = ...,
        template: _Path | Template | None = ...,
        templates_dir: _Path | None = ...,
        prompt_template: Template | None = ...,
    ) -> None: ...

def make_conversation(
    prompt: str,
    *,
    system_prompt: str | None = ...,
    thinking_content: str | None = ...,
    assistant_content: str | None = ...,
    force_think_block: bool | None = ...,
    strip_quotes: bool | None = ...,
    clean_whitespace: bool | None = ...,
    template: _Path | Template | None = ...,
    templates_dir: _Path | None = ...,
    prompt_template: Template | None = ...,
) -> Conversation: ...
def render(conversation: Conversation) -> str: ...
def format_prompt(
    prompt: str,
    *,
    system_prompt: str | None = ...,
    thinking_content: str | None = ...,
    assistant_content: str | None = ...,
    force_think_block: bool | None = ...,
    strip_quotes: bool | None = ...,
    clean_whitespace: bool | None = ...,
    template: _Path | Template | None = ...,
    templates_dir: _Path | None = ...,
    prompt_template: Template | None = ...,
) -> str: ...

class Qwen3Formatter:
    def format(self, conversation: Conversation) -> str: ...
    def format_prompt(
        self,
        prompt: str,
        *,
        system_prompt: str | None = ...,
        thinking_content: str | None = ...,
        assistant_content: str | None = ...,
        force_think_block: bool | None = ...,
        strip_quotes: bool | None = ...,
        clean_whitespace: bool | None = ...,
        template: _Path | Template | None = ...,
        templates_dir: _Path | None = ...,
        prompt_template: Template | None = ...,
    ) -> str: ...

def resolve_template(options: ChatOptions) -> ChatOptions: ...
def clean_content(text: str) -> str: ...
def strip_quotes(text: str) -> str: ...

# Tokenizer and text encoder.

class Tokenizer:
    @staticmethod
    def from_pretrained(path: _Path) -> Tokenizer: ...
    def encode(self, text: str | bytes) -> list[int]: ...
    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool = ...) -> str: ...
    def token_to_id(self, token: str) -> int | None: ...
    def id_to_token(self, id: int) -> bytes | None: ...
    @property
    def vocab_size(self) -> int: ...
    @property
    def path(self) -> Path: ...
    def __len__(self) -> int: ...

class EncodingOutput:
    @property
    def embeddings(self) -> list[torch.Tensor]: ...
    @property
    def token_counts(self) -> list[int]: ...
    @property
    def formatted_prompts(self) -> list[str]: ...
    @property
    def prompts(self) -> list[str]: ...
    @property
    def metadata(self) -> dict[str, str]: ...
    @property
    def warnings(self) -> list[str]: ...

class TextEncoder:
    """What turns chat text into prompt embeddings, here or on another machine."""

    def encode(
        self,
        texts: str | Sequence[str],
        *,
        hidden_layer: int | None = ...,
        layer_weights: _LayerWeights | None = ...,
        layer_spans: str | Sequence[str] | None = ...,
    ) -> EncodingOutput: ...
    @property
    def hidden_size(self) -> int: ...
    def fingerprint(self) -> str: ...

class EmbeddingCacheStats:
    @property
    def hits(self) -> int: ...
    @property
    def file_hits(self) -> int: ...
    @property
    def misses(self) -> int: ...
    @property
    def evictions(self) -> int: ...
    @property
    def damaged(self) -> int: ...
    @property
    def current_size(self) -> int: ...
    @property
    def max_size(self) -> int: ...
    @property
    def current_bytes(self) -> int: ...
    @property
    def max_bytes(self) -> int: ...
    @property
    def hit_rate(self) -> float: ...

class EmbeddingCache:
    def __init__(self, max_entries: int = ..., *, max_bytes: int = ..., folder: _Path | None = ...) -> None: ...
    def get(self, key: str) -> EncodingOutput | None: ...
    def put(self, key: str, output: EncodingOutput) -> None: ...
    def stats(self) -> EmbeddingCacheStats: ...
    def clear(self) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> None: ...
    def __len__(self) -> int: ...

class CachedTextEncoder(TextEncoder):
    def __init__(self, encoder: TextEncoder | None, cache: EmbeddingCache) -> None: ...
    @property
    def cache(self) -> EmbeddingCache: ...
    def cache_stats(self) -> EmbeddingCacheStats: ...
    def clear_cache(self) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> None: ...

class RemoteTextEncoder(TextEncoder):
    def __init__(
        self,
        url: str,
        *,
        api: Literal["llmdit", "heylook", "sglang", "vllm-file"] = ...,
        model: str = ...,
        api_key: str = ...,
        model_path: _Path | None = ...,
        tokenizer: Tokenizer | None = ...,
        hidden_size: int | None = ...,
        num_hidden_layers: int | None = ...,
        layer_ids: Sequence[float] = ...,
        folder: _Path | None = ...,
        connect_timeout: float = ...,
        read_timeout: float = ...,
        timeout: float = ...,
        retries: int = ...,
    ) -> None: ...
    @property
    def url(self) -> str: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> None: ...

class EncoderDifference:
    @property
    def expected_shape(self) -> list[int]: ...
    @property
    def shape(self) -> list[int]: ...
    @property
    def cosine(self) -> float: ...
    @property
    def lowest_cosine(self) -> float: ...
    @property
    def max_error(self) -> float: ...
    @property
    def relative_error(self) -> float: ...
    @property
    def nearest_layer(self) -> int | None: ...
    @property
    def agrees(self) -> bool: ...

def compare_encoders(
    expected: ZImageTextEncoder, other: TextEncoder, text: str, *, hidden_layer: int | None = ...
) -> EncoderDifference: ...

class EncoderServer:
    def __init__(self, encoder: ZImageTextEncoder, *, host: str = ..., port: int = ..., api_key: str = ...) -> None: ...
    @property
    def port(self) -> int: ...
    @property
    def url(self) -> str: ...
    def stop(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> None: ...

TransformersBackend: type[ZImageTextEncoder]
APIBackend: type[RemoteTextEncoder]

def save_embeddings(
    path: _Path, output: EncodingOutput | torch.Tensor | Sequence[torch.Tensor], *, sidecar: bool = ...
) -> Path: ...
def load_embeddings(path: _Path) -> EncodingOutput: ...

class Qwen3Config:
    @property
    def vocab_size(self) -> int: ...
    @property
    def hidden_size(self) -> int: ...
    @property
    def intermediate_size(self) -> int: ...
    @property
    def num_hidden_layers(self) -> int: ...
    @property
    def num_attention_heads(self) -> int: ...
    @property
    def num_key_value_heads(self) -> int: ...
    @property
    def head_dim(self) -> int: ...
    @property
    def max_position_embeddings(self) -> int: ...
    @property
    def rms_norm_eps(self) -> float: ...
    @property
    def rope_theta(self) -> float: ...
    @property
    def tie_word_embeddings(self) -> bool: ...

class TokenInfo:
    @property
    def step(self) -> int: ...
    @property
    def id(self) -> int: ...
    @property
    def text(self) -> str: ...

class GeneratedText:
    @property
    def text(self) -> str: ...
    @property
    def token_ids(self) -> list[int]: ...
    @property
    def prompt_tokens(self) -> int: ...
    @property
    def stop_id(self) -> int | None: ...
    @property
    def seed(self) -> int: ...
    @property
    def prompt_seconds(self) -> float: ...
    @property
    def seconds(self) -> float: ...
    @property
    def finish_reason(self) -> str: ...

def sampling_probabilities(
    logits: torch.Tensor,
    *,
    prompt_ids: Sequence[int] = ...,
    generated_ids: Sequence[int] = ...,
    temperature: float | None = ...,
    top_k: int | None = ...,
    top_p: float | None = ...,
    min_p: float | None = ...,
    repetition_penalty: float | None = ...,
    presence_penalty: float | None = ...,
) -> torch.Tensor: ...

class ZImageTextEncoder(TextEncoder):
    @staticmethod
    def from_pretrained(
        path: _Path,
        *,
        subfolder: _Path | None = ...,
        config_path: _Path | None = ...,
        tokenizer_path: _Path | None = ...,
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
        vl_model_path: _Path | None = ...,
        vl_device: _Device | None = ...,
        vl_auto_unload: bool | None = ...,
        enable_cache: bool | None = ...,
        cache_size: int | None = ...,
        cache_megabytes: int | None = ...,
        cache_folder: _Path | None = ...,
        lora: _Path | Sequence[_Path] | None = ...,
    ) -> ZImageTextEncoder: ...
    def encode_blended(self, texts: str | Sequence[str], layer_weights: Mapping[int, float]) -> EncodingOutput: ...
    @overload
    def hidden_states(self, input_ids: torch.Tensor | Sequence[int], layer: int) -> torch.Tensor: ...
    @overload
    def hidden_states(
        self, input_ids: torch.Tensor | Sequence[int], layer: Sequence[int] | Literal["all"]
    ) -> list[torch.Tensor]: ...
    def generate(
        self,
        text: str,
        *,
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
    @property
    def stop_ids(self) -> list[int]: ...
    def state_dict(self) -> dict[str, torch.Tensor]: ...
    @property
    def config(self) -> Qwen3Config: ...
    @property
    def cache(self) -> EmbeddingCache | None: ...
    def cache_stats(self) -> EmbeddingCacheStats: ...
    def clear_cache(self) -> None: ...
    @property
    def tokenizer(self) -> Tokenizer: ...
    @property
    def unused_weights(self) -> list[str]: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> None: ...

class OutlierDimension:
    @property
    def dim(self) -> int: ...
    @property
    def magnitude(self) -> float: ...
    @property
    def ratio(self) -> float: ...

class LayerStatistics:
    @property
    def mean(self) -> float: ...
    @property
    def std(self) -> float: ...
    @property
    def min(self) -> float: ...
    @property
    def max(self) -> float: ...
    @property
    def row_norm_mean(self) -> float: ...
    @property
    def row_norm_min(self) -> float: ...
    @property
    def row_norm_max(self) -> float: ...
    @property
    def outliers(self) -> list[OutlierDimension]: ...

def layer_statistics(states: torch.Tensor, outlier_threshold: float = ...) -> LayerStatistics: ...

class ConfigDifference:
    @property
    def reference(self) -> float: ...
    @property
    def actual(self) -> float: ...

class CompatibilityReport:
    @property
    def compatible(self) -> bool: ...
    @property
    def model_name(self) -> str: ...
    @property
    def hidden_size(self) -> int: ...
    @property
    def num_hidden_layers(self) -> int: ...
    @property
    def max_position_embeddings(self) -> int: ...
    @property
    def errors(self) -> list[str]: ...
    @property
    def warnings(self) -> list[str]: ...
    @property
    def config_diff(self) -> dict[str, ConfigDifference]: ...

def check_compatibility(encoder: _Path, transformer: _Path | None = ...) -> CompatibilityReport: ...

# Long prompts.

class LongPromptMode(enum.Enum):
    truncate = ...
    interpolate = ...
    pool = ...
    attention_pool = ...
    extrapolate = ...
    segments = ...

_LongPromptMode = (
    Literal["truncate", "interpolate", "pool", "attention_pool", "extrapolate", "segments"] | LongPromptMode
)

def compress_embeddings(embeds: torch.Tensor, max_len: int = ..., mode: _LongPromptMode = ...) -> torch.Tensor: ...
def estimate_quality_loss(tokens: int, max_len: int, mode: _LongPromptMode) -> str: ...

# Writing and rewriting.

class ChatBackend:
    @property
    def takes_images(self) -> bool: ...
    def ask(
        self,
        prompt: str = ...,
        *,
        image: Any = ...,
        on_token: Callable[[TokenInfo], bool | None] | None = ...,
        rewriter: str | None = ...,
        system_prompt: str | None = ...,
        enable_thinking: bool | None = ...,
        max_new_tokens: int | None = ...,
        seed: int | None = ...,
        temperature: float | None = ...,
        top_k: int | None = ...,
        top_p: float | None = ...,
        min_p: float | None = ...,
        repetition_penalty: float | None = ...,
        presence_penalty: float | None = ...,
    ) -> RewrittenPrompt: ...

class LocalChatBackend(ChatBackend):
    def __init__(self, text_encoder: ZImageTextEncoder) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> None: ...

class RemoteChatBackend(ChatBackend):
    def __init__(
        self,
        url: str,
        model: str = ...,
        *,
        api_key: str = ...,
        connect_timeout: float = ...,
        read_timeout: float = ...,
        timeout: float = ...,
        retries: int = ...,
    ) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> None: ...

class ParsedAnswer:
    @property
    def prompt(self) -> str: ...
    @property
    def thinking(self) -> str | None: ...

def parse_answer(text: str, *, only_tags: bool = ...) -> ParsedAnswer: ...

class RewrittenPrompt:
    @property
    def prompt(self) -> str: ...
    @property
    def thinking(self) -> str | None: ...
    @property
    def text(self) -> str: ...
    @property
    def rewriter(self) -> str: ...
    @property
    def system_prompt(self) -> str: ...
    @property
    def finish_reason(self) -> str: ...
    @property
    def prompt_tokens(self) -> int: ...
    @property
    def new_tokens(self) -> int: ...
    @property
    def seed(self) -> int | None: ...
    @property
    def model(self) -> str: ...
    @property
    def warnings(self) -> list[str]: ...

class PromptRewriter:
    def __init__(self, backend: ZImageTextEncoder | ChatBackend, templates: TemplateRegistry | None = ...) -> None: ...
    @staticmethod
    def from_config(config: RuntimeConfig | None = ...) -> PromptRewriter: ...
    def rewrite(
        self,
        prompt: str = ...,
        *,
        image: Any = ...,
        on_token: Callable[[TokenInfo], bool | None] | None = ...,
        rewriter: str | None = ...,
        system_prompt: str | None = ...,
        enable_thinking: bool | None = ...,
        max_new_tokens: int | None = ...,
        seed: int | None = ...,
        temperature: float | None = ...,
        top_k: int | None = ...,
        top_p: float | None = ...,
        min_p: float | None = ...,
        repetition_penalty: float | None = ...,
        presence_penalty: float | None = ...,
    ) -> RewrittenPrompt: ...
    @property
    def rewriters(self) -> list[str]: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> None: ...

# Scheduler and guidance.

class TimeShiftType(enum.Enum):
    exponential = ...
    linear = ...

class SchedulerConfig:
    num_train_timesteps: int
    shift: float
    use_dynamic_shifting: bool
    base_shift: float
    max_shift: float
    base_image_seq_len: int
    max_image_seq_len: int
    time_shift_type: TimeShiftType
    def __init__(
        self,
        *,
        num_train_timesteps: int | None = ...,
        shift: float | None = ...,
        use_dynamic_shifting: bool | None = ...,
        base_shift: float | None = ...,
        max_shift: float | None = ...,
        base_image_seq_len: int | None = ...,
        max_image_seq_len: int | None = ...,
        time_shift_type: TimeShiftType | None = ...,
    ) -> None: ...

class FlowMatchScheduler:
    def __init__(
        self,
        *,
        num_train_timesteps: int | None = ...,
        shift: float | None = ...,
        use_dynamic_shifting: bool | None = ...,
        base_shift: float | None = ...,
        max_shift: float | None = ...,
        base_image_seq_len: int | None = ...,
        max_image_seq_len: int | None = ...,
        time_shift_type: TimeShiftType | None = ...,
    ) -> None: ...
    @staticmethod
    def from_pretrained(path: _Path, *, subfolder: _Path | None = ...) -> FlowMatchScheduler: ...
    def make_sigmas(
        self,
        num_inference_steps: int,
        *,
        shift: float | None = ...,
        sigmas: Sequence[float] | None = ...,
        image_seq_len: int | None = ...,
    ) -> torch.Tensor: ...
    @property
    def config(self) -> SchedulerConfig: ...

def shift_sigma(sigma: float, *, shift: float) -> float: ...
def calculate_mu(config: SchedulerConfig, *, image_seq_len: int) -> float: ...
def euler_step(latents: torch.Tensor, *, velocity: torch.Tensor, sigma: float, sigma_next: float) -> torch.Tensor: ...
def scale_noise(latents: torch.Tensor, *, noise: torch.Tensor, sigma: float) -> torch.Tensor: ...
def make_noise(shape: Sequence[int], *, seed: int) -> torch.Tensor: ...

class GuidanceOptions:
    scale: float
    normalization: float
    truncation: float
    def __init__(
        self, *, scale: float | None = ..., normalization: float | None = ..., truncation: float | None = ...
    ) -> None: ...

def guidance_scale_at(options: GuidanceOptions, *, t: float) -> float: ...
def apply_guidance(
    positive: torch.Tensor, *, negative: torch.Tensor, scale: float, normalization: float
) -> torch.Tensor: ...

# Transformer and autoencoder.

class ZImageTransformerConfig:
    @property
    def patch_size(self) -> int: ...
    @property
    def f_patch_size(self) -> int: ...
    @property
    def in_channels(self) -> int: ...
    @property
    def dim(self) -> int: ...
    @property
    def n_layers(self) -> int: ...
    @property
    def n_refiner_layers(self) -> int: ...
    @property
    def n_heads(self) -> int: ...
    @property
    def cap_feat_dim(self) -> int: ...
    @property
    def norm_eps(self) -> float: ...
    @property
    def qk_norm(self) -> bool: ...
    @property
    def rope_theta(self) -> float: ...
    @property
    def t_scale(self) -> float: ...
    @property
    def axes_dims(self) -> list[int]: ...
    @property
    def axes_lens(self) -> list[int]: ...

class Conditioning:
    @property
    def captions(self) -> list[torch.Tensor]: ...

def max_caption_len(config: ZImageTransformerConfig) -> int: ...

class ZImageTransformer:
    @staticmethod
    def from_pretrained(
        path: _Path,
        *,
        subfolder: _Path | None = ...,
        config_path: _Path | None = ...,
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
        cache_size: int | None = ...,
        cache_megabytes: int | None = ...,
        cache_folder: _Path | None = ...,
        lora: _Path | Sequence[_Path] | None = ...,
    ) -> ZImageTransformer: ...
    @overload
    def __call__(
        self,
        latents: torch.Tensor,
        t: torch.Tensor | float | Sequence[float],
        prompt_embeds: torch.Tensor | Sequence[torch.Tensor] | Conditioning,
    ) -> torch.Tensor: ...
    @overload
    def __call__(
        self,
        latents: Sequence[torch.Tensor],
        t: torch.Tensor | float | Sequence[float],
        prompt_embeds: torch.Tensor | Sequence[torch.Tensor] | Conditioning,
    ) -> list[torch.Tensor]: ...
    def condition(
        self, prompt_embeds: torch.Tensor | Sequence[torch.Tensor], *, extrapolate: bool = ...
    ) -> Conditioning: ...
    def state_dict(self) -> dict[str, torch.Tensor]: ...
    @property
    def config(self) -> ZImageTransformerConfig: ...
    @property
    def max_caption_len(self) -> int: ...
    @property
    def unused_weights(self) -> list[str]: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> None: ...

class ContextRefinerConfig:
    @property
    def dim(self) -> int: ...
    @property
    def n_layers(self) -> int: ...
    @property
    def n_heads(self) -> int: ...
    @property
    def n_kv_heads(self) -> int: ...
    @property
    def norm_eps(self) -> float: ...
    @property
    def qk_norm(self) -> bool: ...
    @property
    def ffn_hidden(self) -> int: ...
    @property
    def rope_theta(self) -> float: ...
    @property
    def max_seq_len(self) -> int: ...
    @property
    def axes_dims(self) -> list[int] | None: ...
    @property
    def legacy_rope(self) -> bool: ...

class ContextRefiner:
    def __init__(
        self,
        dim: int = ...,
        n_layers: int = ...,
        n_heads: int = ...,
        n_kv_heads: int | None = ...,
        norm_eps: float = ...,
        qk_norm: bool = ...,
        ffn_hidden: int | None = ...,
        rope_theta: float = ...,
        max_seq_len: int = ...,
        *,
        axes_dims: Sequence[int] | None = ...,
        legacy_rope: bool = ...,
        seed: int = ...,
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
        cache_size: int | None = ...,
        cache_megabytes: int | None = ...,
        cache_folder: _Path | None = ...,
        lora: _Path | Sequence[_Path] | None = ...,
    ) -> None: ...
    @staticmethod
    def from_pretrained(
        path: _Path,
        *,
        subfolder: _Path | None = ...,
        config_path: _Path | None = ...,
        legacy_rope: bool = ...,
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
        cache_size: int | None = ...,
        cache_megabytes: int | None = ...,
        cache_folder: _Path | None = ...,
        lora: _Path | Sequence[_Path] | None = ...,
    ) -> ContextRefiner: ...
    @overload
    def __call__(
        self,
        x: torch.Tensor,
        attention_mask: torch.Tensor | None = ...,
        position_ids: torch.Tensor | None = ...,
    ) -> torch.Tensor: ...
    @overload
    def __call__(
        self,
        x: Sequence[torch.Tensor],
        attention_mask: None = ...,
        position_ids: Sequence[torch.Tensor] | None = ...,
    ) -> list[torch.Tensor]: ...
    def parameters(self) -> list[torch.Tensor]: ...
    def named_parameters(self) -> list[tuple[str, torch.Tensor]]: ...
    def get_num_params(self, trainable_only: bool = ...) -> int: ...
    def state_dict(self) -> dict[str, torch.Tensor]: ...
    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None: ...
    def enable_gradient_checkpointing(self, enable: bool = ...) -> None: ...
    @property
    def is_gradient_checkpointing(self) -> bool: ...
    @property
    def config(self) -> ContextRefinerConfig: ...

class AutoencoderKLConfig:
    @property
    def in_channels(self) -> int: ...
    @property
    def out_channels(self) -> int: ...
    @property
    def latent_channels(self) -> int: ...
    @property
    def layers_per_block(self) -> int: ...
    @property
    def norm_num_groups(self) -> int: ...
    @property
    def sample_size(self) -> int: ...
    @property
    def block_out_channels(self) -> list[int]: ...
    @property
    def scaling_factor(self) -> float: ...
    @property
    def shift_factor(self) -> float: ...
    @property
    def mid_block_add_attention(self) -> bool: ...
    @property
    def vae_scale_factor(self) -> int: ...

class LatentDistribution:
    @property
    def mean(self) -> torch.Tensor: ...
    @property
    def logvar(self) -> torch.Tensor: ...

class AutoencoderKL:
    @staticmethod
    def from_pretrained(
        path: _Path,
        *,
        subfolder: _Path | None = ...,
        config_path: _Path | None = ...,
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
        cache_size: int | None = ...,
        cache_megabytes: int | None = ...,
        cache_folder: _Path | None = ...,
        lora: _Path | Sequence[_Path] | None = ...,
    ) -> AutoencoderKL: ...
    def decode(
        self, latents: torch.Tensor, *, tiled: bool | None = ..., tile_size: int = ..., tile_overlap: int = ...
    ) -> torch.Tensor: ...
    def encode(
        self, pixels: torch.Tensor, *, tiled: bool | None = ..., tile_size: int = ..., tile_overlap: int = ...
    ) -> LatentDistribution: ...
    def is_tiled(
        self, height: int, width: int, *, tiled: bool | None = ..., tile_size: int = ..., tile_overlap: int = ...
    ) -> bool: ...
    def preview(self, latents: torch.Tensor, scale: int = ...) -> Image: ...
    def unscale(self, latents: torch.Tensor) -> torch.Tensor: ...
    def scale(self, latents: torch.Tensor) -> torch.Tensor: ...
    @property
    def config(self) -> AutoencoderKLConfig: ...
    @property
    def has_encoder(self) -> bool: ...
    @property
    def unused_weights(self) -> list[str]: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> None: ...

class TiledVAEDecoder:
    vae: AutoencoderKL
    tile_size: int
    tile_overlap: int
    def __init__(self, vae: AutoencoderKL, tile_size: int = ..., tile_overlap: int = ...) -> None: ...
    def decode(self, latents: torch.Tensor) -> torch.Tensor: ...
    def encode(self, pixels: torch.Tensor) -> LatentDistribution: ...
    def unscale(self, latents: torch.Tensor) -> torch.Tensor: ...
    def scale(self, latents: torch.Tensor) -> torch.Tensor: ...
    @property
    def config(self) -> AutoencoderKLConfig: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> None: ...

# The pipeline.

class StepInfo:
    @property
    def step(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def sigma(self) -> float: ...
    @property
    def latents(self) -> torch.Tensor: ...

class Timings:
    @property
    def encode(self) -> float: ...
    @property
    def denoise(self) -> float: ...
    @property
    def decode(self) -> float: ...
    @property
    def total(self) -> float: ...
    @property
    def steps(self) -> list[float]: ...

class GenerateResult:
    images: Any
    latents: torch.Tensor
    seeds: list[int]
    sigmas: list[float]
    token_counts: list[int]
    caption_lengths: list[int]
    compression_ratios: list[float]
    formatted_prompts: list[str]
    vl: _VLExtraction | None
    warnings: list[str]
    reused_steps: list[int]
    shift: float | None
    made_with: dict[str, str]
    timings: Timings
    def parameters(self, index: int = ...) -> dict[str, str]: ...
    def save(self, path: _Path, index: int = ..., *, quality: int | None = ..., metadata: bool = ...) -> None: ...
    def __len__(self) -> int: ...

class Lora:
    path: Path
    scale: float
    text_encoder: bool
    def __init__(
        self, *, path: _Path | None = ..., scale: float | None = ..., text_encoder: bool | None = ...
    ) -> None: ...

class UnusedLoraKey:
    @property
    def file(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def reason(self) -> str: ...

class LoraReport:
    @property
    def applied(self) -> list[str]: ...
    @property
    def unused(self) -> list[UnusedLoraKey]: ...
    @property
    def warnings(self) -> list[str]: ...

def parse_lora(text: str) -> Lora: ...

class PictureSettings:
    @property
    def prompt(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def loras(self) -> list[Lora]: ...
    @property
    def options(self) -> GenerateOptions: ...
    @property
    def unrecorded(self) -> list[str]: ...
    @property
    def load(self) -> LoadOptions | None: ...
    @property
    def made_with(self) -> dict[str, str]: ...

def read_picture_settings(picture: _Path) -> PictureSettings: ...

class ZImagePipeline:
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> None: ...
    @classmethod
    def from_pretrained(
        cls,
        path: _Path | None = ...,
        *,
        text_encoder: TextEncoder | Literal["none"] | None = ...,
        tiled_vae: bool = ...,
        dtype: _DType | None = ...,
        quantization: str | Mapping[str, str] | None = ...,
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
        cache_size: int | None = ...,
        cache_megabytes: int | None = ...,
        cache_folder: _Path | None = ...,
        lora: _Path | Sequence[_Path] | None = ...,
    ) -> Self: ...
    @classmethod
    def from_config(cls, config: RuntimeConfig | None = ...) -> Self: ...
    def load_lora(
        self,
        path: _Path | Sequence[_Path],
        scale: float | Sequence[float] = ...,
        *,
        text_encoder: bool = ...,
        strict: bool = ...,
    ) -> LoraReport: ...
    def unload_loras(self) -> None: ...
    @property
    def loras(self) -> list[Lora]: ...
    def __call__(
        self,
        prompt: str | Sequence[str] | None = ...,
        *,
        output_type: _OutputType | None = ...,
        options: GenerateOptions | None = ...,
        progress: bool = ...,
        width: int | None = ...,
        height: int | None = ...,
        num_inference_steps: int | None = ...,
        seed: int | None = ...,
        num_images_per_prompt: int | None = ...,
        guidance_scale: float | None = ...,
        negative_prompt: str | Sequence[str] | None = ...,
        cfg_normalization: float | bool | None = ...,
        cfg_truncation: float | None = ...,
        shift: float | None = ...,
        sigmas: Sequence[float] | None = ...,
        hidden_layer: int | None = ...,
        layer_weights: _LayerWeights | None = ...,
        layer_spans: str | Sequence[str] | None = ...,
        long_prompt_mode: _LongPromptMode | None = ...,
        max_text_tokens: int | None = ...,
        system_prompt: str | None = ...,
        thinking_content: str | None = ...,
        assistant_content: str | None = ...,
        force_think_block: bool | None = ...,
        strip_quotes: bool | None = ...,
        clean_whitespace: bool | None = ...,
        template: _Path | Template | None = ...,
        templates_dir: _Path | None = ...,
        strength: float | None = ...,
        outpaint: Sequence[float] | None = ...,
        mask_feather: int | None = ...,
        mask_composite: bool | None = ...,
        vl_alpha: float | None = ...,
        vl_blend_mode: vl._BlendMode | None = ...,
        vl_text: str | None = ...,
        vl_hidden_layer: int | None = ...,
        vl_token_selection: vl._TokenSelection | None = ...,
        vl_system_prompt: str | None = ...,
        vl_force_think_block: bool | None = ...,
        vl_scale_to_text: bool | None = ...,
        vl_target_std: float | None = ...,
        vl_normalization_mode: vl._Normalization | None = ...,
        vl_outlier_masking: vl._OutlierMode | None = ...,
        vl_outlier_threshold: float | None = ...,
        vl_statistics: _Path | None = ...,
        step_cache: float | None = ...,
        vae_tiling: Literal["auto", "on", "off"] | None = ...,
        vae_tile_size: int | None = ...,
        vae_tile_overlap: int | None = ...,
        generator: torch.Generator | Sequence[torch.Generator] | None = ...,
        image: _Source | Image | None = ...,
        latents: torch.Tensor | None = ...,
        mask_image: _Source | Image | None = ...,
        negative_prompt_embeds: EncodingOutput | torch.Tensor | Sequence[torch.Tensor] | None = ...,
        on_step: Callable[[StepInfo], bool | None] | None = ...,
        prompt_embeds: EncodingOutput | torch.Tensor | Sequence[torch.Tensor] | None = ...,
        prompt_template: Template | None = ...,
        vl_image: _Source | Image | None = ...,
    ) -> GenerateResult: ...
    def img2img(
        self,
        prompt: str | Sequence[str] | None = ...,
        image: _Source | Image | None = ...,
        *,
        output_type: _OutputType | None = ...,
        options: GenerateOptions | None = ...,
        progress: bool = ...,
        width: int | None = ...,
        height: int | None = ...,
        num_inference_steps: int | None = ...,
        seed: int | None = ...,
        num_images_per_prompt: int | None = ...,
        guidance_scale: float | None = ...,
        negative_prompt: str | Sequence[str] | None = ...,
        cfg_normalization: float | bool | None = ...,
        cfg_truncation: float | None = ...,
        shift: float | None = ...,
        sigmas: Sequence[float] | None = ...,
        hidden_layer: int | None = ...,
        layer_weights: _LayerWeights | None = ...,
        layer_spans: str | Sequence[str] | None = ...,
        long_prompt_mode: _LongPromptMode | None = ...,
        max_text_tokens: int | None = ...,
        system_prompt: str | None = ...,
        thinking_content: str | None = ...,
        assistant_content: str | None = ...,
        force_think_block: bool | None = ...,
        strip_quotes: bool | None = ...,
        clean_whitespace: bool | None = ...,
        template: _Path | Template | None = ...,
        templates_dir: _Path | None = ...,
        strength: float | None = ...,
        outpaint: Sequence[float] | None = ...,
        mask_feather: int | None = ...,
        mask_composite: bool | None = ...,
        vl_alpha: float | None = ...,
        vl_blend_mode: vl._BlendMode | None = ...,
        vl_text: str | None = ...,
        vl_hidden_layer: int | None = ...,
        vl_token_selection: vl._TokenSelection | None = ...,
        vl_system_prompt: str | None = ...,
        vl_force_think_block: bool | None = ...,
        vl_scale_to_text: bool | None = ...,
        vl_target_std: float | None = ...,
        vl_normalization_mode: vl._Normalization | None = ...,
        vl_outlier_masking: vl._OutlierMode | None = ...,
        vl_outlier_threshold: float | None = ...,
        vl_statistics: _Path | None = ...,
        step_cache: float | None = ...,
        vae_tiling: Literal["auto", "on", "off"] | None = ...,
        vae_tile_size: int | None = ...,
        vae_tile_overlap: int | None = ...,
        generator: torch.Generator | Sequence[torch.Generator] | None = ...,
        latents: torch.Tensor | None = ...,
        mask_image: _Source | Image | None = ...,
        negative_prompt_embeds: EncodingOutput | torch.Tensor | Sequence[torch.Tensor] | None = ...,
        on_step: Callable[[StepInfo], bool | None] | None = ...,
        prompt_embeds: EncodingOutput | torch.Tensor | Sequence[torch.Tensor] | None = ...,
        prompt_template: Template | None = ...,
        vl_image: _Source | Image | None = ...,
    ) -> GenerateResult: ...
    def inpaint(
        self,
        prompt: str | Sequence[str] | None = ...,
        image: _Source | Image | None = ...,
        mask_image: _Source | Image | None = ...,
        *,
        output_type: _OutputType | None = ...,
        options: GenerateOptions | None = ...,
        progress: bool = ...,
        width: int | None = ...,
        height: int | None = ...,
        num_inference_steps: int | None = ...,
        seed: int | None = ...,
        num_images_per_prompt: int | None = ...,
        guidance_scale: float | None = ...,
        negative_prompt: str | Sequence[str] | None = ...,
        cfg_normalization: float | bool | None = ...,
        cfg_truncation: float | None = ...,
        shift: float | None = ...,
        sigmas: Sequence[float] | None = ...,
        hidden_layer: int | None = ...,
        layer_weights: _LayerWeights | None = ...,
        layer_spans: str | Sequence[str] | None = ...,
        long_prompt_mode: _LongPromptMode | None = ...,
        max_text_tokens: int | None = ...,
        system_prompt: str | None = ...,
        thinking_content: str | None = ...,
        assistant_content: str | None = ...,
        force_think_block: bool | None = ...,
        strip_quotes: bool | None = ...,
        clean_whitespace: bool | None = ...,
        template: _Path | Template | None = ...,
        templates_dir: _Path | None = ...,
        strength: float | None = ...,
        outpaint: Sequence[float] | None = ...,
        mask_feather: int | None = ...,
        mask_composite: bool | None = ...,
        vl_alpha: float | None = ...,
        vl_blend_mode: vl._BlendMode | None = ...,
        vl_text: str | None = ...,
        vl_hidden_layer: int | None = ...,
        vl_token_selection: vl._TokenSelection | None = ...,
        vl_system_prompt: str | None = ...,
        vl_force_think_block: bool | None = ...,
        vl_scale_to_text: bool | None = ...,
        vl_target_std: float | None = ...,
        vl_normalization_mode: vl._Normalization | None = ...,
        vl_outlier_masking: vl._OutlierMode | None = ...,
        vl_outlier_threshold: float | None = ...,
        vl_statistics: _Path | None = ...,
        step_cache: float | None = ...,
        vae_tiling: Literal["auto", "on", "off"] | None = ...,
        vae_tile_size: int | None = ...,
        vae_tile_overlap: int | None = ...,
        generator: torch.Generator | Sequence[torch.Generator] | None = ...,
        latents: torch.Tensor | None = ...,
        negative_prompt_embeds: EncodingOutput | torch.Tensor | Sequence[torch.Tensor] | None = ...,
        on_step: Callable[[StepInfo], bool | None] | None = ...,
        prompt_embeds: EncodingOutput | torch.Tensor | Sequence[torch.Tensor] | None = ...,
        prompt_template: Template | None = ...,
        vl_image: _Source | Image | None = ...,
    ) -> GenerateResult: ...
    def encode_prompt(
        self,
        prompt: str | Sequence[str],
        *,
        hidden_layer: int | None = ...,
        layer_weights: _LayerWeights | None = ...,
        layer_spans: str | Sequence[str] | None = ...,
        system_prompt: str | None = ...,
        thinking_content: str | None = ...,
        assistant_content: str | None = ...,
        force_think_block: bool | None = ...,
        strip_quotes: bool | None = ...,
        clean_whitespace: bool | None = ...,
        template: _Path | Template | None = ...,
        templates_dir: _Path | None = ...,
        prompt_template: Template | None = ...,
    ) -> EncodingOutput: ...
    @property
    def text_encoder(self) -> ZImageTextEncoder: ...
    @property
    def encoder(self) -> TextEncoder | None: ...
    @property
    def tokenizer(self) -> Tokenizer: ...
    @property
    def transformer(self) -> ZImageTransformer: ...
    @property
    def vae(self) -> AutoencoderKL: ...
    @property
    def scheduler(self) -> FlowMatchScheduler: ...
    @property
    def vl_encoder(self) -> vl.VLEmbeddingExtractor: ...
    @property
    def path(self) -> Path: ...
    @property
    def size_multiple(self) -> int: ...

# Directions between embeddings.

_RowReduction = Literal["mean", "max", "last", "first"]

class EmbeddingComparison:
    @property
    def cosine_similarity(self) -> float: ...
    @property
    def mean_squared_error(self) -> float: ...

def compare_embeddings(a: torch.Tensor, b: torch.Tensor, *, reduction: _RowReduction = ...) -> EmbeddingComparison: ...
def steering_vector(
    positive: torch.Tensor | Sequence[torch.Tensor],
    negative: torch.Tensor | Sequence[torch.Tensor],
    *,
    reduction: _RowReduction = ...,
    normalize: bool = ...,
) -> torch.Tensor: ...
def apply_steering(embeddings: torch.Tensor, vector: torch.Tensor, scale: float = ...) -> torch.Tensor: ...
