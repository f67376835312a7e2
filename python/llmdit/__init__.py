"""Z-Image, from prompt to picture, on libtorch.

    pipe = llmdit.ZImagePipeline.from_pretrained(path)
    pipe("a cat", width=512, height=512, seed=42).save("cat.png")

Every part of the pipeline is usable alone, with tensors in and out: `pipe.tokenizer`, `pipe.text_encoder`,
`pipe.transformer`, `pipe.scheduler`, `pipe.vae`.
"""

import torch  # loads the libtorch that the extension module is linked against

try:
    from . import _llmdit
except ImportError as error:
    raise ImportError(
        f"the compiled part of llmdit does not load beside torch {torch.__version__}: it was built against another "
        f"libtorch, or its own library is missing; build it again against this torch ({error})"
    ) from error

from ._llmdit import (
    SEQ_MULTI_OF,
    AutoencoderKL,
    AutoencoderKLConfig,
    Cancelled,
    ChatOptions,
    Conditioning,
    Conversation,
    DeviceInfo,
    EncodingOutput,
    Error,
    FileInfo,
    FileKind,
    FlowMatchScheduler,
    GenerateOptions,
    GuidanceOptions,
    Image,
    InvalidArgument,
    LatentDistribution,
    LoadOptions,
    Message,
    NotFound,
    OptionField,
    OptionKind,
    OutOfMemory,
    PngInfo,
    Qwen3Config,
    Role,
    SchedulerConfig,
    StepInfo,
    TensorInfo,
    TimeShiftType,
    Timings,
    Tokenizer,
    Unsupported,
    ZImageTextEncoder,
    ZImageTransformer,
    ZImageTransformerConfig,
    __version__,
    apply_guidance,
    available_devices,
    calculate_mu,
    clean_content,
    demo_model_path,
    encode_png,
    euler_step,
    format_prompt,
    guidance_scale_at,
    inspect,
    make_conversation,
    make_noise,
    max_caption_len,
    read_png_info,
    render,
    shift_sigma,
    strip_quotes,
    torch_version,
    write_png,
)
from .pipeline import GenerateResult, ZImagePipeline

__all__ = [
    "SEQ_MULTI_OF",
    "AutoencoderKL",
    "AutoencoderKLConfig",
    "Cancelled",
    "ChatOptions",
    "Conditioning",
    "Conversation",
    "DeviceInfo",
    "EncodingOutput",
    "Error",
    "FileInfo",
    "FileKind",
    "FlowMatchScheduler",
    "GenerateOptions",
    "GenerateResult",
    "GuidanceOptions",
    "Image",
    "InvalidArgument",
    "LatentDistribution",
    "LoadOptions",
    "Message",
    "NotFound",
    "OptionField",
    "OptionKind",
    "OutOfMemory",
    "PngInfo",
    "Qwen3Config",
    "Role",
    "SchedulerConfig",
    "StepInfo",
    "TensorInfo",
    "TimeShiftType",
    "Timings",
    "Tokenizer",
    "Unsupported",
    "ZImagePipeline",
    "ZImageTextEncoder",
    "ZImageTransformer",
    "ZImageTransformerConfig",
    "__version__",
    "apply_guidance",
    "available_devices",
    "calculate_mu",
    "clean_content",
    "demo_model_path",
    "encode_png",
    "euler_step",
    "format_prompt",
    "guidance_scale_at",
    "inspect",
    "make_conversation",
    "make_noise",
    "max_caption_len",
    "read_png_info",
    "render",
    "shift_sigma",
    "strip_quotes",
    "torch_version",
    "write_png",
]

# What users see in reprs, tracebacks and pickles is the package, not the extension module.
for _name in __all__:
    _object = getattr(_llmdit, _name, None)
    if isinstance(_object, type):
        _object.__module__ = __name__
del _name, _object
