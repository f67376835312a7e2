"""The pipeline as Python users know it: pictures of Pillow, NumPy or torch, and diffusers' spellings of arguments."""

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from . import _llmdit
from ._llmdit import (
    AutoencoderKL,
    ChatOptions,
    EncodingOutput,
    FlowMatchScheduler,
    GenerateOptions,
    LoadOptions,
    Lora,
    LoraReport,
    RuntimeConfig,
    Template,
    TextEncoder,
    Timings,
    Tokenizer,
    ZImageTextEncoder,
    ZImageTransformer,
    resolve_template,
)
from ._signature import reject_unknown, with_options

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image

    from .vl import VLEmbeddingExtractor, VLExtraction

# What the library makes for each kind of picture.
_OUTPUT_TYPES = {"pil": "image", "np": "tensor", "pt": "tensor", "latent": "latent"}
_DEFAULT_OUTPUT = {"image": "pil", "tensor": "pt", "latent": "latent"}
# What of the chat options a negative prompt shares with the prompt: how its text is read, not what stands around it.
_NEGATIVE_CHAT = ("force_think_block", "strip_quotes", "clean_whitespace")
_TEMPLATE = ("template", "templates_dir", "prompt_template")

_LAYERS = ("hidden_layer", "layer_weights")  # layer_spans are those of the prompt's own tokens


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
    timings: Timings
    _prompts: list[str] = field(repr=False)
    _options: GenerateOptions = field(repr=False)
    _native: _llmdit.GenerateResult = field(repr=False)

    def parameters(self, index: int = 0) -> dict[str, str]:
        """The text that is stored with picture `index`: "parameters" as other tools read it, and "llmdit" as JSON."""
        per_prompt = max(1, len(self) // max(1, len(self._prompts)))
        prompt = self._prompts[index // per_prompt] if self._prompts else ""
        return dict(_llmdit.picture_parameters(prompt, self._options, self._native, index))

    def save(
        self, path: str | os.PathLike[str], index: int = 0, *, quality: int | None = None, metadata: bool = True
    ) -> None:
        """Writes picture `index` as .png, .jpg, .jpeg or .webp, with its parameters unless `metadata` is off.

        quality: 1 to 100, for JPEG and WebP; WebP of 100 is lossless.
        """
        if not self._native.images:
            raise ValueError("there is no picture to save: output_type was 'latent'")
        text = self.parameters(index) if metadata else None
        _llmdit.write_image(path, self._native.images[index], text=text, quality=quality)

    def __len__(self) -> int:
        return self.latents.shape[0]

    def __repr__(self) -> str:
        kind = f"{len(self)} pictures" if len(self) != 1 else "1 picture"
        picture = self._native.images[0] if self._native.images else None
        size = f" {picture.width}x{picture.height}" if picture else " as latents"
        warnings = f", warnings={self.warnings!r}" if self.warnings else ""
        return f"<llmdit.GenerateResult {kind}{size}, seeds={self.seeds}, {self.timings.total:.2f} s{warnings}>"


def _by_component(options: dict[str, Any]) -> dict[str, Any]:
    """quantization={"transformer": "int8", ...} as the options of the components."""
    kinds = options.get("quantization")
    if not isinstance(kinds, Mapping):
        return options
    names = {
        "text_encoder": "text_encoder_quantization",
        "transformer": "dit_quantization",
        "dit": "dit_quantization",
        "vl": "vl_quantization",
    }
    options = {name: value for name, value in options.items() if name != "quantization"}
    for part, kind in kinds.items():
        if part not in names:
            raise ValueError(f"quantization: expected text_encoder, transformer or vl, got {part!r}")
        options[names[part]] = kind
    return options


class ZImagePipeline:
    """Z-Image from prompt to picture. One pipeline serves many threads.

    pipe = ZImagePipeline.from_pretrained(path)
    result = pipe("a cat", width=512, height=512, seed=42)
    result.images[0].show()
    """

    __slots__ = ("_native", "_tiled_vae")

    def __init__(self, native: _llmdit.ZImagePipeline, tiled_vae: bool = False) -> None:
        self._native = native
        self._tiled_vae = tiled_vae

    @classmethod
    @with_options(LoadOptions)
    def from_pretrained(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        text_encoder: TextEncoder | str | None = None,
        tiled_vae: bool = False,
        **options: Any,
    ) -> "ZImagePipeline":
        """Loads a diffusers folder, a folder of single files as ComfyUI has them, an all-in-one or transformer file, or
        a hub id in the local cache; the `_path` options put other files in the place of single parts, or name them all.

        Weights are mapped, not read; dtype and device may be torch's own objects. tiled_vae: the autoencoder works tile
        by tile in every call that does not say otherwise with vae_tiling. quantization: one kind for all, or a dict by
        component: {"text_encoder": "int8", "transformer": "int4"}. text_encoder: another encoder in the place of
        the model's own, which need not be there then; "none" loads none, for pictures from prompt_embeds.
        """
        if isinstance(text_encoder, str) and text_encoder != "none":
            raise ValueError(f"text_encoder is an encoder or 'none', not {text_encoder!r}; a path is text_encoder_path")
        encoder = None if isinstance(text_encoder, str) else text_encoder
        options = _by_component(options)
        native = _llmdit.ZImagePipeline.from_pretrained(
            path, own_encoder=text_encoder is None, text_encoder=encoder, **options
        )
        return cls(native, tiled_vae)

    @classmethod
    def from_config(cls, config: RuntimeConfig | None = None) -> "ZImagePipeline":
        """Loads the model that settings name, by default those in force here; without a name, the demo model.

        Calls take the rest: pipe(prompt, options=config.generate).
        """
        config = RuntimeConfig() if config is None else config
        options = {field.name: getattr(config.load, field.name) for field in LoadOptions.fields()}
        return cls.from_pretrained(config.model_path or _llmdit.demo_model_path(), **options)

    def load_lora(
        self,
        path: "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]",
        scale: float | Sequence[float] = 1.0,
        *,
        text_encoder: bool = False,
        strict: bool = False,
    ) -> LoraReport:
        """Fuses one LoRA file, or several, into the weights, on top of those that are there.

        scale: strength, one for all or one a file; 0 changes nothing, negative turns the effect round.
        text_encoder: apply the keys for the text encoder as well, which are only listed otherwise.
        strict: a key without use is an error. A file of which nothing matches always is.
        """
        paths = [path] if isinstance(path, (str, os.PathLike)) else list(path)
        # Numbers of numpy and of torch, too, are no sequences.
        scales = [float(s) for s in scale] if isinstance(scale, Sequence) else [float(scale)] * len(paths)
        if len(scales) != len(paths):
            raise ValueError(f"expected one scale, or one for each of {len(paths)} files, got {len(scales)}")
        loras = [Lora(path=Path(p), scale=s, text_encoder=text_encoder) for p, s in zip(paths, scales, strict=True)]
        return self._native.load_loras(loras, strict)

    def unload_loras(self) -> None:
        """Takes all LoRAs off: the weights are again those of the files, bit for bit."""
        self._native.unload_loras()

    @property
    def loras(self) -> list[Lora]:
        """The LoRAs that are loaded."""
        return self._native.loras

    @with_options(GenerateOptions)
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        *,
        output_type: str | None = None,
        options: GenerateOptions | None = None,
        **keywords: Any,
    ) -> GenerateResult:
        """Makes pictures of a prompt, or of each of several prompts in one batch.

        output_type says what `images` of the result is: "pil" (the default), "np", "pt" or "latent". `options` is a
        GenerateOptions to start from. None always means "not given". As in diffusers, `generator` and `negative_prompt`
        may be lists and `cfg_normalization` may be True.
        """
        reject_unknown(keywords, ZImagePipeline.__call__)
        prompts = _as_prompts(prompt)
        settings = GenerateOptions() if options is None else copy.copy(options)
        output_type = output_type or _DEFAULT_OUTPUT[settings.output_type]
        if output_type not in _OUTPUT_TYPES:
            raise ValueError(f"output_type is one of {', '.join(_OUTPUT_TYPES)}, not {output_type!r}")
        settings.output_type = _OUTPUT_TYPES[output_type]
        self._apply(settings, keywords, len(prompts))
        result = self._native.generate(prompts, settings)
        return GenerateResult(
            images=_pictures(result, output_type),
            latents=result.latents,
            seeds=result.seeds,
            sigmas=result.sigmas,
            token_counts=result.token_counts,
            caption_lengths=result.caption_lengths,
            compression_ratios=result.compression_ratios,
            formatted_prompts=result.formatted_prompts,
            vl=result.vl,
            warnings=result.warnings,
            timings=result.timings,
            _prompts=prompts,
            _options=settings,
            _native=result,
        )

    @with_options(GenerateOptions)
    def img2img(
        self,
        prompt: str | Sequence[str] | None = None,
        image: Any = None,
        *,
        output_type: str | None = None,
        options: GenerateOptions | None = None,
        **keywords: Any,
    ) -> GenerateResult:
        """Makes pictures of a prompt that start from `image`, and keep more of it the lower `strength` is.

        The size is the image's, down to a multiple of size_multiple, where none is given. Alpha is laid over white.
        Other arguments are those of calling the pipeline.
        """
        reject_unknown(keywords, ZImagePipeline.img2img)
        if image is None and (options is None or options.image is None):
            raise TypeError("img2img needs an image to start from")
        return self(prompt, image=image, output_type=output_type, options=options, **keywords)

    @with_options(GenerateOptions)
    def inpaint(
        self,
        prompt: str | Sequence[str] | None = None,
        image: Any = None,
        mask_image: Any = None,
        *,
        output_type: str | None = None,
        options: GenerateOptions | None = None,
        **keywords: Any,
    ) -> GenerateResult:
        """Paints `image` anew where `mask_image` is white, and in what `outpaint` adds around it.

        One of the two has to be given. Alpha of a mask is laid over black. Other arguments are those of img2img.
        """
        reject_unknown(keywords, ZImagePipeline.inpaint)
        given = {"image": image, "mask_image": mask_image, "outpaint": keywords.pop("outpaint", None)}
        told = {name for name in given if given[name] is not None or (options and getattr(options, name))}
        if "image" not in told or len(told) == 1:
            raise TypeError("inpaint needs an image, and a mask_image or outpaint")
        return self(prompt, **given, output_type=output_type, options=options, **keywords)

    def encode_prompt(
        self,
        prompt: str | Sequence[str],
        *,
        hidden_layer: int | None = None,
        layer_weights: dict[int, float] | str | None = None,
        layer_spans: str | Sequence[str] | None = None,
        **chat: Any,
    ) -> EncodingOutput:
        """The text side alone: renders each prompt and encodes it, however long it is: nothing is compressed.

        layer_weights: a mix of layers instead of one, {-2: 0.7, -5: 0.3}. layer_spans: mixes of some tokens, such as
        "3:12=-5:1" for tokens 3 to 11. Other keywords are the attributes of ChatOptions.
        """
        return self._native.encode_prompt(
            _as_prompts(prompt), hidden_layer=hidden_layer, layer_weights=layer_weights, layer_spans=layer_spans, **chat
        )

    @property
    def text_encoder(self) -> ZImageTextEncoder:
        """The model's own; raises Unsupported where the pipeline was loaded without it."""
        return self._native.text_encoder

    @property
    def encoder(self) -> TextEncoder | None:
        """What encodes prompts: the model's own encoder or the one that was passed; None without any."""
        return self._native.encoder

    @property
    def tokenizer(self) -> Tokenizer:
        return self._native.text_encoder.tokenizer

    @property
    def transformer(self) -> ZImageTransformer:
        return self._native.transformer

    @property
    def vae(self) -> AutoencoderKL:
        return self._native.vae

    @property
    def scheduler(self) -> FlowMatchScheduler:
        return self._native.scheduler

    @property
    def vl_encoder(self) -> "VLEmbeddingExtractor":
        """The Qwen3-VL model that reads reference pictures; loaded when it has not been used yet."""
        return self._native.vl_encoder

    @property
    def path(self) -> Path:
        """The folder the pipeline was loaded from."""
        return self._native.path

    @property
    def size_multiple(self) -> int:
        """Sides of a picture are multiples of this many pixels."""
        return self._native.size_multiple

    def __repr__(self) -> str:
        parts = (self.encoder, self.transformer, self.vae, self.scheduler)
        return f"<llmdit.ZImagePipeline from {self.path}" + "".join(f"\n  {part!r}" for part in parts) + ">"

    def _apply(self, settings: GenerateOptions, keywords: dict[str, Any], prompt_count: int) -> None:
        """Sets what was given, in the library's spelling or in diffusers' wider one."""
        if isinstance(keywords.get("cfg_normalization"), bool):
            keywords["cfg_normalization"] = float(keywords["cfg_normalization"])
        if isinstance(keywords.get("template"), Template):
            keywords["prompt_template"] = keywords.pop("template")
            settings.template = ""
        negatives = _pop_list(keywords, "negative_prompt")
        generators = _pop_list(keywords, "generator")
        for name, value in keywords.items():
            if value is not None:
                setattr(settings, name, value)
        if negatives is not None and settings.guidance_scale == 0:
            settings.negative_prompt = negatives[0]  # which the result says has no effect
        elif negatives is not None and settings.negative_prompt_embeds is not None:
            raise ValueError("give negative_prompt or negative_prompt_embeds, not both")
        elif negatives is not None and len(set(negatives)) == 1 and len(negatives) in (1, prompt_count):
            settings.negative_prompt = negatives[0]
        elif negatives is not None:
            chat = ChatOptions(**{name: getattr(settings, name) for name in (*_NEGATIVE_CHAT, *_TEMPLATE)})
            chat = {name: getattr(resolve_template(chat), name) for name in _NEGATIVE_CHAT}
            layers = {name: getattr(settings, name) for name in _LAYERS}
            encoded = self.encode_prompt(negatives, **layers, **chat)
            settings.negative_prompt_embeds = encoded.embeddings
        if self._tiled_vae and settings.vae_tiling == "auto" and keywords.get("vae_tiling") is None:
            settings.vae_tiling = "on"
        if generators is not None:
            batch = (prompt_count or len(settings.prompt_embeds or [])) * settings.num_images_per_prompt
            if len(generators) != batch:
                raise ValueError(f"expected one generator for each of {batch} pictures, got {len(generators)}")
            settings.generator = generators


def _as_prompts(prompt: str | Sequence[str] | None) -> list[str]:
    if prompt is None:
        return []
    prompts = list(prompt) if isinstance(prompt, (list, tuple)) else [prompt]
    for item in prompts:
        if not isinstance(item, str):
            raise TypeError(f"prompt is a string or a list of strings, got {item!r} of type {type(item).__name__}")
    return prompts


def _pop_list(keywords: dict[str, Any], name: str) -> list[Any] | None:
    return list(keywords.pop(name)) if isinstance(keywords.get(name), (list, tuple)) else None


def _pictures(result: _llmdit.GenerateResult, output_type: str) -> Any:
    if output_type == "latent":
        return result.latents
    if output_type == "pt":
        return result.pixels
    if output_type == "np":
        return result.pixels.permute(0, 2, 3, 1).cpu().contiguous().numpy()
    import numpy as np
    from PIL import Image

    return [Image.fromarray(np.asarray(image)) for image in result.images]
