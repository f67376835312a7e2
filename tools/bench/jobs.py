"""What is measured."""

from dataclasses import dataclass

from . import diffusers_tool, llmdit_tool
from .case import PROMPT_TOKENS, Prepare


@dataclass(frozen=True)
class Job:
    """One piece of work and the ways to do it."""

    title: str
    entrants: dict[str, Prepare]
    baseline: str = "diffusers"
    reference: str | None = None
    """Whose result, in float32 arithmetic, the others' are compared with."""
    fresh: bool = False
    """Each run in a new process, on files that are in memory already; peak memory is part of the result."""
    reads: str | None = None
    """For fresh jobs: the storage type whose folder is read."""


def _encode_job(storage: str) -> Job:
    entrants = {
        "llmdit": llmdit_tool.encode(storage),
        "diffusers": diffusers_tool.encode(storage),
        "transformers, unpadded": diffusers_tool.encode_unpadded(storage, storage),
    }
    if storage != "float32":
        entrants["transformers, unpadded, widened to float32"] = diffusers_tool.encode_unpadded(storage, "float32")
    return Job(f"encode a prompt of {PROMPT_TOKENS} tokens, {storage} files", entrants, reference=list(entrants)[-1])


def _step_job(storage: str) -> Job:
    entrants = {
        "llmdit": llmdit_tool.step(storage, caption_ready=False),
        "llmdit, caption ready": llmdit_tool.step(storage, caption_ready=True),
        "diffusers": diffusers_tool.step(storage, storage),
    }
    if storage == "float32":
        entrants["matrix products alone"] = diffusers_tool.products_alone
        reference = "diffusers"
    else:
        entrants["llmdit, int8"] = llmdit_tool.step(storage, caption_ready=True, quantization="int8")
        entrants["llmdit, int4"] = llmdit_tool.step(storage, caption_ready=True, quantization="int4")
        reference = "diffusers, widened to float32"
        entrants[reference] = diffusers_tool.step(storage, "float32")
    return Job(f"one denoising step at {{pixels}} x {{pixels}}, {storage} files", entrants, reference=reference)


def _decode_job(scale: int) -> Job:
    entrants = {"llmdit": llmdit_tool.decode(scale), "diffusers": diffusers_tool.decode(scale)}
    side = "{pixels}" if scale == 1 else "{twice}"
    return Job(f"decode a picture of {side} x {side}, float32 files", entrants, reference="diffusers")


def _load_job(storage: str) -> Job:
    entrants = {"llmdit": llmdit_tool.load(storage), "diffusers": diffusers_tool.load(storage)}
    return Job(f"load a pipeline of {{gigabytes:.1f}} GB, {storage} files", entrants, fresh=True, reads=storage)


JOBS: dict[str, Job] = {
    "encode": _encode_job("float32"),
    "encode_bf16": _encode_job("bfloat16"),
    "step": _step_job("float32"),
    "step_bf16": _step_job("bfloat16"),
    "decode": _decode_job(1),
    "decode_twice": _decode_job(2),
    "load": _load_job("float32"),
    "load_bf16": _load_job("bfloat16"),
}
