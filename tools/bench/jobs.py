"""What is measured."""

from dataclasses import dataclass, field

from . import diffusers_tool, llmdit_tool, openvino_tool
from .case import NEW_TOKENS, PROMPT_TOKENS, SHARED_PROMPTS, Prepare


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
    needs: dict[str, str] = field(default_factory=dict)
    """Ways that run in a peer, and what it is imported as: left out, by name, where it is not installed."""
    goals: dict[str, str] = field(default_factory=dict)
    """What a way should reach, in words."""


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
        entrants["OpenVINO, blocks alone"] = openvino_tool.step("float32")
        entrants["OpenVINO int8, blocks alone"] = openvino_tool.step("int8")
        goals = {"llmdit, caption ready": "1.3 x diffusers, 1.0 x OpenVINO"}
        reference = "diffusers"
    else:
        entrants["llmdit, int8"] = llmdit_tool.step(storage, caption_ready=True, quantization="int8")
        entrants["llmdit, int4"] = llmdit_tool.step(storage, caption_ready=True, quantization="int4")
        entrants["llmdit, GGUF Q8_0"] = llmdit_tool.step_gguf("q8_0")
        entrants["llmdit, GGUF Q4_0, int4"] = llmdit_tool.step_gguf("q4_0", quantization="int4")
        goals = {"llmdit, caption ready": "4.5 x diffusers", "llmdit, int8": "13 x diffusers"}
        reference = "diffusers, widened to float32"
        entrants[reference] = diffusers_tool.step(storage, "float32")
    needs = {name: "openvino" for name in entrants if name.startswith("OpenVINO")}
    title = f"one denoising step at {{pixels}} x {{pixels}}, {storage} files"
    return Job(title, entrants, reference=reference, needs=needs, goals=goals)


def _generate_job() -> Job:
    entrants = {
        "llmdit": llmdit_tool.generate(),
        "llmdit, int8": llmdit_tool.generate("int8"),
        "llmdit, int4": llmdit_tool.generate("int4"),
        "transformers": diffusers_tool.generate,
        "reading the bf16 weights": diffusers_tool.weights_read,
    }
    title = f"write {NEW_TOKENS} tokens, one stream, bfloat16 files"
    return Job(title, entrants, baseline="reading the bf16 weights", goals={"llmdit": "0.8 x reading"})


def _shared_job() -> Job:
    entrants = {"llmdit": llmdit_tool.encode_shared(True), "each alone": llmdit_tool.encode_shared(False)}
    title = f"encode {SHARED_PROMPTS} prompts that share a system prompt of 200 tokens, bfloat16 files"
    return Job(title, entrants, baseline="each alone", reference="each alone", goals={"llmdit": "5 x each alone"})


def _decode_job(scale: int) -> Job:
    entrants = {"llmdit": llmdit_tool.decode(scale), "diffusers": diffusers_tool.decode(scale)}
    side = {1: "{pixels}", 2: "{twice}", 4: "{four_times}"}[scale]
    title, goals = f"decode a picture of {side} x {side}, float32 files", {"llmdit": "1.3 x diffusers"}
    return Job(title, entrants, reference="diffusers", goals=goals)


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
    "decode_four_times": _decode_job(4),
    "generate": _generate_job(),
    "shared": _shared_job(),
    "load": _load_job("float32"),
    "load_bf16": _load_job("bfloat16"),
}
