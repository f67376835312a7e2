"""The pipeline as Python users know it: pictures of Pillow, NumPy or torch, and diffusers' spellings of arguments."""

import contextlib
import copy
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _llmdit
from ._generate_result import GenerateResult, generate_result
from ._llmdit import (
    AutoencoderKL,
    ChatOptions,
    EncodingOutput,
    FlowMatchScheduler,
    GenerateOptions,
    LoadOptions,
    Lora,
    LoraReport,
    RemoteTextEncoder,
    RuntimeConfig,
    Template,
    TextEncoder,
    Tokenizer,
    ZImageTextEncoder,
    ZImageTransformer,
    resolve_template,
)
from ._progress import progress_bar
from ._signature import reject_unknown, with_options

if TYPE_CHECKING:
    from .vl import VLEmbeddingExtractor

# What the library makes for each kind of picture.
_OUTPUT_TYPES = {"pil": "image", "np": "tensor", "pt": "tensor", "latent": "latent"}
_DEFAULT_OUTPUT = {"image": "pil", "tensor": "pt", "latent": "latent"}
# What of the chat options a negative prompt shares with the prompt: how its text is read, not what stands around it.
_NEGATIVE_CHAT = ("force_think_block", "strip_quotes", "clean_whitespace")
_TEMPLATE = ("template", "templates_dir", "prompt_template")

# What diffusers' pipelines have, and what it is here.
_ELSEWHERE = {
    "to": "from_pretrained(..., device=...)",
    "enable_model_cpu_offload": "from_pretrained(..., cpu_offload=True)",
    "enable_sequential_cpu_offload": "from_pretrained(..., max_memory=...)",
    "enable_vae_tiling": "from_pretrained(..., tiled_vae=True)",
    "load_lora_weights": "load_lora",
    "unload_lora_weights": "unload_loras",
    "fuse_lora": "load_lora, which fuses",
    "set_adapters": "load_lora with a list of files and of scales",
    "set_progress_bar_config": "progress=True of a call",
    "save_pretrained": "llmdit.convert_weights",
}

_LAYERS = ("hidden_layer", "layer_weights")  # layer_spans are those of the prompt's own tokens


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


def _remote_encoder(config: RuntimeConfig, model: "str | os.PathLike[str]") -> RemoteTextEncoder | None:
    """The encoder that settings place on a server; None: the model's own is meant."""
    if not config.api_url:
        return None
    names = ("model", "layer_ids", "folder", "connect_timeout", "read_timeout", "timeout", "retries")
    key = os.environ.get("LLMDIT_ENCODER_API_KEY") or os.environ.get("LLMDIT_API_KEY") or ""
    given = {name: getattr(config, f"api_{name}") for name in names}
    return RemoteTextEncoder(config.api_url, api=config.encoder_api, api_key=key, model_path=model, **given)


def _origin(message: str, config: RuntimeConfig) -> str:
    """What gave the option its value that an error's "[name]" speaks of; "" where no option or its default does."""
    name = message.partition("]")[0].removeprefix("[")
    origins = [config.origins[s.key] for s in _llmdit.settings() if name in (s.field.name, s.key)]
    return f"; set by {origins[0]}" if origins and origins[0] != "built-in" else ""


class ZImagePipeline:
    """Z-Image from prompt to picture. One pipeline serves many threads.

        pipe = ZImagePipeline.from_pretrained(path)
        result = pipe("a cat", width=512, height=512, seed=42)
        result.images[0].show()

    Used as a context manager, or by close(), it lets go of its weights at once; what is asked of it then raises
    InvalidArgument. It is not pickled: a process loads its own, which costs no memory twice, as weights are mapped from
    the file.
    """

    __slots__ = ("_open", "_tiled_vae")

    def __init__(self, native: _llmdit.ZImagePipeline, tiled_vae: bool = False) -> None:
        self._open: _llmdit.ZImagePipeline | None = native
        self._tiled_vae = tiled_vae

    @property
    def _native(self) -> _llmdit.ZImagePipeline:
        if self._open is None:
            raise _llmdit.InvalidArgument("[ZImagePipeline] the pipeline is closed; load it again")
        return self._open

    def close(self) -> None:
        """Lets go of the weights; what is asked of the pipeline afterwards raises InvalidArgument.

        Calls that run on other threads end as they began. Parts that were taken out, such as `vae`, keep what is
        theirs.
        """
        self._open = None

    def __enter__(self) -> "ZImagePipeline":
        _ = self._native  # a pipeline that is closed cannot be entered
        return self

    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        hint = f"; here it is {_ELSEWHERE[name]}" if name in _ELSEWHERE else ""
        raise AttributeError(f"'ZImagePipeline' object has no attribute '{name}'{hint}")

    def __reduce__(self) -> Any:
        raise TypeError(
            "llmdit.ZImagePipeline is not copied or pickled; it serves many threads as it is, and each process loads "
            "its own by ZImagePipeline.from_pretrained"
        )

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

        Weights are mapped, not read; dtype and device may be torch's own objects.

        tiled_vae: the autoencoder works tile by tile in every call that does not say otherwise with vae_tiling.
        quantization: one kind for all, or by component: {"text_encoder": "int8", "transformer": "int4"}.
        text_encoder: another encoder in the place of the model's own, which need not be there then; "none" loads none,
            for pictures from prompt_embeds.

        Raises NotFound for a missing part, Unsupported for one that is damaged or does not fit the others, and
        InvalidArgument for an option that cannot be.
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

        Prompts are encoded by the server of `api.url` where there is one, whose key is LLMDIT_ENCODER_API_KEY or
        LLMDIT_API_KEY. Calls take the rest: pipe(prompt, options=config.generate).

        Raises what from_pretrained raises, with what gave a setting that is at fault, and RemoteError for a server that
        fails.
        """
        config = RuntimeConfig() if config is None else config
        options = {field.name: getattr(config.load, field.name) for field in LoadOptions.fields()}
        model = config.model_path or _llmdit.demo_model_path()
        try:
            return cls.from_pretrained(model, text_encoder=_remote_encoder(config, model), **options)
        except _llmdit.Error as error:
            error.args = (f"{error}{_origin(str(error), config)}",)
            raise

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

        Raises NotFound for a file that is missing, Unsupported for one that is damaged or of another model, and
        InvalidArgument for scales that are not finite or not as many as files; then nothing has changed.
        """
        paths = [path] if isinstance(path, (str, os.PathLike)) else path
        if not isinstance(paths, Sequence) or not all(isinstance(p, (str, os.PathLike)) for p in paths):
            raise TypeError(f"path takes a path or a sequence of them, got {path!r} of type {type(path).__name__}")
        # Numbers of numpy and of torch, too, are no sequences.
        scales = list(scale) if isinstance(scale, Sequence) and not isinstance(scale, str) else [scale] * len(paths)
        if not all(hasattr(s, "__float__") for s in scales):
            raise TypeError(f"scale takes a number or a sequence of them, got {scale!r} of type {type(scale).__name__}")
        if len(scales) != len(paths):
            raise ValueError(f"expected one scale, or one for each of {len(paths)} files, got {len(scales)}")
        loras = [
            Lora(path=Path(p), scale=float(s), text_encoder=text_encoder) for p, s in zip(paths, scales, strict=True)
        ]
        return self._native.load_loras(loras, strict)

    def unload_loras(self) -> None:
        """Takes all LoRAs off: the weights are again those of the files, bit for bit.

        Raises InvalidArgument when the pipeline is closed.
        """
        self._native.unload_loras()

    @property
    def loras(self) -> list[Lora]:
        """The LoRAs that are loaded, in their order, each a Lora with path and scale."""
        return self._native.loras

    @with_options(GenerateOptions)
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        *,
        output_type: str | None = None,
        options: GenerateOptions | None = None,
        progress: bool = False,
        **keywords: Any,
    ) -> GenerateResult:
        """Makes pictures of a prompt, or of each of several prompts in one batch.

        output_type says what `images` of the result is: "pil" (the default), "np", "pt" or "latent". `options` is a
        GenerateOptions to start from. `progress` shows a bar of the steps by tqdm, in a terminal and in a notebook.
        None always means "not given". As in diffusers, `generator` and `negative_prompt` may be lists and
        `cfg_normalization` may be True. Tensors may be given as arrays, whose memory is used as it is.

        Raises TypeError and InvalidArgument, a ValueError, for arguments that cannot be; Cancelled where on_step
        returns True; OutOfMemory; KeyboardInterrupt after the step during which Ctrl-C was pressed; and whatever
        on_step raises.
        """
        reject_unknown(keywords, ZImagePipeline.__call__)
        prompts = _as_prompts(prompt)
        if not isinstance(options, GenerateOptions | None):
            raise TypeError(f"options takes a GenerateOptions, got {options!r} of type {type(options).__name__}")
        settings = GenerateOptions() if options is None else copy.copy(options)
        output_type = output_type or _DEFAULT_OUTPUT[settings.output_type]
        if output_type not in _OUTPUT_TYPES:
            guess = _llmdit._nearest_name(str(output_type), list(_OUTPUT_TYPES))
            hint = f"; did you mean {guess!r}?" if guess else ""
            raise ValueError(f"output_type is one of {', '.join(_OUTPUT_TYPES)}, not {output_type!r}{hint}")
        settings.output_type = _OUTPUT_TYPES[output_type]
        self._apply(settings, keywords, len(prompts))
        with progress_bar(settings) if progress else contextlib.nullcontext(settings) as running:
            result = self._native.generate(prompts, running)
        return generate_result(result, prompts, settings, output_type)

    @with_options(GenerateOptions)
    def img2img(
        self,
        prompt: str | Sequence[str] | None = None,
        image: Any = None,
        *,
        output_type: str | None = None,
        options: GenerateOptions | None = None,
        progress: bool = False,
        **keywords: Any,
    ) -> GenerateResult:
        """Makes pictures of a prompt that start from `image`, and keep more of it the lower `strength` is.

        The size is the image's, down to a multiple of size_multiple, where none is given. Alpha is laid over white.
        Other arguments are those of calling the pipeline.

        Raises TypeError without an image, and what a call raises.
        """
        reject_unknown(keywords, ZImagePipeline.img2img)
        if image is None and (options is None or options.image is None):
            raise TypeError("img2img needs an image to start from")
        return self(prompt, image=image, output_type=output_type, options=options, progress=progress, **keywords)

    @with_options(GenerateOptions)
    def inpaint(
        self,
        prompt: str | Sequence[str] | None = None,
        image: Any = None,
        mask_image: Any = None,
        *,
        output_type: str | None = None,
        options: GenerateOptions | None = None,
        progress: bool = False,
        **keywords: Any,
    ) -> GenerateResult:
        """Paints `image` anew where `mask_image` is white, and in what `outpaint` adds around it.

        One of the two has to be given. Alpha of a mask is laid over black. Other arguments are those of img2img.

        Raises TypeError without an image or without both mask_image and outpaint, and what a call raises.
        """
        reject_unknown(keywords, ZImagePipeline.inpaint)
        given = {"image": image, "mask_image": mask_image, "outpaint": keywords.pop("outpaint", None)}
        told = {name for name in given if given[name] is not None or (options and getattr(options, name))}
        if "image" not in told or len(told) == 1:
            raise TypeError("inpaint needs an image, and a mask_image or outpaint")
        return self(prompt, **given, output_type=output_type, options=options, progress=progress, **keywords)

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

        layer_weights: a mix of layers instead of one, {-2: 0.7, -5: 0.3}.
        layer_spans: mixes of some tokens, such as "3:12=-5:1" for tokens 3 to 11.
        Other keywords are the attributes of ChatOptions.

        Raises InvalidArgument for a layer or span out of range, a text past the encoder's limit or a closed pipeline;
        NotFound for a template that is not there; RemoteError for a server that fails.
        """
        return self._native.encode_prompt(
            _as_prompts(prompt), hidden_layer=hidden_layer, layer_weights=layer_weights, layer_spans=layer_spans, **chat
        )

    @property
    def text_encoder(self) -> ZImageTextEncoder:
        """The model's own encoder of texts. Raises Unsupported where the pipeline was loaded without it."""
        return self._native.text_encoder

    @property
    def encoder(self) -> TextEncoder | None:
        """What encodes prompts: the model's own encoder or the one that was passed; None without any."""
        return self._native.encoder

    @property
    def tokenizer(self) -> Tokenizer:
        """Text to token ids and back. Raises Unsupported where the pipeline was loaded without its text encoder."""
        return self._native.text_encoder.tokenizer

    @property
    def transformer(self) -> ZImageTransformer:
        """The diffusion transformer, LoRAs included; latents and embeddings in, a prediction out."""
        return self._native.transformer

    @property
    def vae(self) -> AutoencoderKL:
        """The autoencoder between pixels and latents."""
        return self._native.vae

    @property
    def scheduler(self) -> FlowMatchScheduler:
        """Makes the noise levels of a run."""
        return self._native.scheduler

    @property
    def vl_encoder(self) -> "VLEmbeddingExtractor":
        """The Qwen3-VL model that reads reference pictures; loaded when it has not been used yet.

        Raises NotFound where there is none, Unsupported for one that does not fit.
        """
        return self._native.vl_encoder

    @property
    def path(self) -> Path:
        """The folder or file the pipeline was loaded from."""
        return self._native.path

    @property
    def size_multiple(self) -> int:
        """Sides of a picture are multiples of this many pixels."""
        return self._native.size_multiple

    def __repr__(self) -> str:
        if self._open is None:
            return "<llmdit.ZImagePipeline closed>"
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
    prompts: list[Any] = list(prompt) if isinstance(prompt, (list, tuple)) else [prompt]
    for item in prompts:
        if not isinstance(item, str):
            raise TypeError(f"prompt is a string or a list of strings, got {item!r} of type {type(item).__name__}")
    return prompts


def _pop_list(keywords: dict[str, Any], name: str) -> list[Any] | None:
    return list(keywords.pop(name)) if isinstance(keywords.get(name), (list, tuple)) else None
