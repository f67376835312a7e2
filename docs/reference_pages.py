"""The reference, a page for each subject and language: which headers and names stand where."""

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Subject:
    """Names are separated by blanks; those of llmdit.vl begin with "vl."."""

    name: str
    title: str
    cpp: str = ""
    c: str = ""
    python: str = ""


SUBJECTS = (
    Subject(
        "pipeline",
        "From prompt to picture",
        cpp="z_image_pipeline generate_options demo_model",
        c="pipeline",
        python="ZImagePipeline GenerateOptions GenerateResult StepInfo Timings demo_model_path",
    ),
    Subject(
        "loading",
        "Loading, and what it would take",
        cpp="load_options model_sources memory_plan",
        c="plan",
        python="LoadOptions plan MemoryPlan ComponentPlan StagePlan",
    ),
    Subject(
        "devices",
        "Devices and attention",
        cpp="device attention",
        python="available_devices DeviceInfo storage_support StorageSupport cpu_kernels get_available_backends "
        "setup_attention_backend attention_forward load_operator_library",
    ),
    Subject(
        "chat",
        "Chat text, templates and tokens",
        cpp="chat prompt_template tokenizer",
        c="text",
        python="format_prompt make_conversation render ChatOptions Conversation Message Role Qwen3Formatter "
        "resolve_template clean_content strip_quotes Template TemplateRegistry load_template "
        "builtin_templates_path user_templates_path Tokenizer",
    ),
    Subject(
        "text-encoding",
        "Text encoding",
        cpp="text_encoder layer_weights layer_statistics compatibility embedding_file embedding_cache",
        c="encoder",
        python="TextEncoder ZImageTextEncoder TransformersBackend EncodingOutput Qwen3Config layer_statistics "
        "LayerStatistics OutlierDimension check_compatibility CompatibilityReport ConfigDifference "
        "save_embeddings load_embeddings EmbeddingCache EmbeddingCacheStats CachedTextEncoder",
    ),
    Subject(
        "remote",
        "Encoders on other machines",
        cpp="remote remote_text_encoder encoder_server",
        python="RemoteTextEncoder APIBackend compare_encoders EncoderDifference EncoderServer",
    ),
    Subject(
        "conditioning",
        "Conditioning: what is done to embeddings",
        cpp="compress blend normalize reference_statistics steering",
        c="embeddings",
        python="compress_embeddings estimate_quality_loss LongPromptMode MAX_TEXT_SEQ_LEN steering_vector "
        "apply_steering compare_embeddings EmbeddingComparison vl.blend vl.BlendResult vl.blend_embeddings "
        "vl.blend_interpolate vl.blend_style_only vl.blend_per_token vl.blend_attention_weighted "
        "vl.create_graduated_alpha vl.blend_adain vl.blend_adain_per_dim vl.compute_style_delta "
        "vl.blend_with_style_delta vl.compute_blend_stats vl.BlendStats vl.EmbeddingStats "
        "vl.scale_embeddings vl.normalize_per_dimension vl.normalize_hybrid vl.mask_outlier_dimensions "
        "vl.OutlierInfo vl.get_outlier_dimensions vl.ReferenceStatistics vl.statistics_prompts",
    ),
    Subject(
        "vision",
        "Reference pictures",
        cpp="vl_encoder vl_chat_backend vl_image qwen3_vl",
        c="vl",
        python="vl.VLEmbeddingExtractor vl.VLExtraction vl.VLChatBackend vl.VLImageOptions vl.preprocess "
        "vl.smart_resize vl.Qwen3VLConfig vl.Qwen3VLVisionConfig",
    ),
    Subject(
        "rewriting",
        "Writing and rewriting",
        cpp="prompt_rewriter chat_backend text_generation token_sampling",
        c="chat",
        python="PromptRewriter RewrittenPrompt ChatBackend LocalChatBackend RemoteChatBackend parse_answer "
        "ParsedAnswer GeneratedText TokenInfo sampling_probabilities",
    ),
    Subject(
        "denoising",
        "Transformer, schedule and autoencoder",
        cpp="z_image_transformer scheduler guidance context_refiner autoencoder_kl",
        python="ZImageTransformer ZImageTransformerConfig Conditioning max_caption_len SEQ_MULTI_OF "
        "FlowMatchScheduler SchedulerConfig TimeShiftType calculate_mu shift_sigma make_noise scale_noise "
        "euler_step GuidanceOptions guidance_scale_at apply_guidance ContextRefiner ContextRefinerConfig "
        "AutoencoderKL AutoencoderKLConfig LatentDistribution TiledVAEDecoder",
    ),
    Subject(
        "lora",
        "LoRA and weight files",
        cpp="lora inspect convert",
        c="model",
        python="Lora LoraReport UnusedLoraKey parse_lora inspect FileInfo FileKind ComponentInfo TensorInfo "
        "convert_weights ConvertReport",
    ),
    Subject(
        "images",
        "Images and tensors",
        cpp="image",
        c="values",
        python="Image ImageFormat ImageInfo read_image decode_image resize_image write_image encode_image "
        "write_png encode_png read_image_info read_picture_settings PictureSettings",
    ),
    Subject(
        "settings",
        "Options and settings",
        cpp="options config",
        c="options",
        python="OptionField OptionKind RuntimeConfig Config ConfigEntry load_config find_config environment_config "
        "settings Setting check_config ConfigReport ConfigRemark config_example",
    ),
    Subject(
        "errors",
        "Errors and versions",
        cpp="error version",
        c="base",
        python="Error InvalidArgument NotFound Unsupported OutOfMemory Cancelled RemoteError __version__ torch_version",
    ),
)

_INTRO = {
    "cpp": "``#include <llmdit/llmdit.hpp>`` has all of it, and each header can be included alone. Errors are "
    "exceptions of type ``llmdit::Error``. Classes that hold weights are immutable after loading: calls are const, "
    "many threads share one.",
    "c": "``#include <llmdit.h>`` includes all headers; link with ``-lllmdit_c``. What holds for every function, who "
    "owns what, and what may be relied on, stands in :doc:`/languages`.",
    "python": "``import llmdit`` is all of it; names of ``llmdit.vl`` stand with their subjects. Tensors may be given "
    "as arrays of NumPy or of whatever else speaks DLPack. What may be raised, and when, stands in :doc:`/python`.",
}
_MADE_BY_CALLS = ("ZImagePipeline", "GenerateResult")
_LANGUAGES = {"cpp": "C++", "c": "C", "python": "Python"}


def write_pages(folder: Path, headers: dict[str, set[str]], names: dict[str, object]) -> None:
    """Writes the pages below `folder`. headers: those there are of "cpp" and "c"; names: the Python ones.

    Raises RuntimeError unless each stands on one page.
    """
    for language, there in (("cpp", headers["cpp"]), ("c", headers["c"]), ("python", set(names))):
        told = [name for subject in SUBJECTS for name in getattr(subject, language).split()]
        if sorted(told) != sorted(there):
            wrong = sorted(set(told) ^ there) or sorted({name for name in told if told.count(name) > 1})
            raise RuntimeError(f"docs/reference_pages.py: expected each {language} name on one page, not {wrong}")
        pages = [subject for subject in SUBJECTS if getattr(subject, language)]
        toctree = "".join(f"   {language}/{subject.name}\n" for subject in pages)
        intro = f"{_heading(_LANGUAGES[language], '=')}{_INTRO[language]}\n\n.. toctree::\n   :maxdepth: 1\n\n{toctree}"
        _write(folder / f"{language}.rst", intro)
        for subject in pages:
            body = _python_body(subject, names) if language == "python" else _header_body(subject, language)
            _write(folder / language / f"{subject.name}.rst", _heading(subject.title, "=") + body)


def _header_body(subject: Subject, language: str) -> str:
    place, suffix = ("llmdit", "hpp") if language == "cpp" else ("llmdit_c", "h")
    return "\n".join(
        _heading(f"{place}/{name}.{suffix}", "-") + f".. doxygenfile:: {name}.{suffix}\n   :project: {language}\n"
        for name in getattr(subject, language).split()
    )


def _python_body(subject: Subject, names: dict[str, object]) -> str:
    return "\n".join(_python_entry(name, names[name]) for name in subject.python.split())


def _python_entry(name: str, thing: object) -> str:
    if not callable(thing):
        return f".. py:data:: llmdit.{name}\n   :type: {type(thing).__name__}\n   :value: {thing!r}\n"
    if not isinstance(thing, type):
        return f".. autofunction:: llmdit.{name}\n"
    own_name = thing.__name__
    if own_name != name.rpartition(".")[2]:
        return f".. py:data:: llmdit.{name}\n\n   :py:class:`llmdit.{own_name}` by its usual name.\n"
    kind = "autoexception" if issubclass(thing, Exception) else "autoclass"
    options = [":members:", ":undoc-members:"]
    if any(base.__module__.startswith("llmdit") or issubclass(base, Exception) for base in thing.__bases__):
        options.append(":show-inheritance:")
    name += "()" if name in _MADE_BY_CALLS else ""
    return f".. {kind}:: llmdit.{name}\n" + "".join(f"   {option}\n" for option in options)


def _heading(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n\n"


def _write(path: Path, text: str) -> None:
    """Leaves a page as it is that has not changed, which Sphinx then does not read again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def header_names(folder: Path, apart: set[str]) -> set[str]:
    """The headers of a folder without their suffix."""
    return {re.sub(r"\.h(pp)?$", "", path.name) for path in folder.iterdir() if path.name not in apart}
