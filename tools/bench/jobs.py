"""What is measured."""

from dataclasses import dataclass, field

from . import bounds, diffusers_tool, llama_tool, llmdit_tool, openvino_tool, sd_tool
from .case import BEYOND_WARM, NEW_TOKENS, PROMPT_TOKENS, SHARED_PROMPTS, Prepare
from .goals import Goal

# Peers by the beginning of an entrant's name, and what each is imported as.
NEEDS = {"OpenVINO": "openvino", "stable-diffusion.cpp": "stable_diffusion_cpp", "llama.cpp": "llama_cpp"}
# Of these, the one that takes the published widths for granted.
NEEDS_WIDTHS = ("stable_diffusion_cpp",)
# Pixels of the curve over sizes, in sides of the step; the last one only once.
SIDES = (1.0, 1.5, 2.0, 3.0, 4.0)
LARGEST_SIDES = (4.0, 8.0)

FLOAT32_BOUND = "the step's operations at the best rate of float32 products"
INT8_BOUND = "the step's operations at the best rate of int8 products"
READING = "reading the file"


@dataclass(frozen=True)
class Job:
    """One piece of work and the ways to do it."""

    title: str
    entrants: dict[str, Prepare]
    baseline: str = "diffusers"
    reference: str | None = None
    """Whose result, in float32 arithmetic, the others' are compared with."""
    untimed: frozenset[str] = frozenset()
    """Ways that only give a result, once, before the others come into memory."""
    slow: frozenset[str] = frozenset()
    """Ways that take long enough to do without a run that is not counted; with "*" all."""
    fresh: bool = False
    """Each run in a new process, on files that are in memory already; peak memory is part of the result."""
    reads: str | None = None
    """For fresh jobs: the storage type whose folder is read."""
    most_rounds: int | None = None
    """For jobs that are not about time, or take minutes."""
    curve: str | None = None
    """What the stages, which are numbers then, count: each is a point."""
    goals: tuple[Goal, ...] = field(default_factory=tuple)

    def warms_up(self, entrant: str) -> bool:
        """Whether a run comes before those that count."""
        return not self.slow & {entrant, "*"}


def need_of(entrant: str) -> str | None:
    """The peer that a way runs in."""
    return next((module for name, module in NEEDS.items() if entrant.startswith(name)), None)


def _encode_job(storage: str) -> Job:
    entrants = {
        "llmdit": llmdit_tool.encode(storage),
        "diffusers": diffusers_tool.encode(storage),
        "transformers, unpadded": diffusers_tool.encode_unpadded(storage, storage),
    }
    goals = [Goal("llmdit", 9, "diffusers")]
    if storage != "float32":
        entrants["llmdit, int8"] = llmdit_tool.encode(storage, quantization="int8")
        entrants["llmdit, GGUF Q8_0"] = llmdit_tool.encode_gguf("q8_0")
        entrants["llmdit, GGUF Q8_0, int8"] = llmdit_tool.encode_gguf("q8_0", quantization="int8")
        entrants["stable-diffusion.cpp, GGUF Q8_0"] = sd_tool.encode("q8_0")
        entrants["transformers, unpadded, widened to float32"] = diffusers_tool.encode_unpadded(storage, "float32")
        goals += [
            Goal(name, 1.5, "stable-diffusion.cpp, GGUF Q8_0") for name in ("llmdit, GGUF Q8_0, int8", "llmdit, int8")
        ]
    title = f"encode a prompt of {PROMPT_TOKENS} tokens, {storage} files"
    slow = frozenset({"diffusers"})
    return Job(title, entrants, reference=list(entrants)[-1], slow=slow, goals=tuple(goals))


def _step_float32_job() -> Job:
    entrants = {
        "llmdit": llmdit_tool.step("float32", caption_ready=False),
        "llmdit, caption ready": llmdit_tool.step("float32", caption_ready=True),
        "diffusers": diffusers_tool.step("float32", "float32"),
        "matrix products alone": bounds.products_alone,
        FLOAT32_BOUND: bounds.step_at_best_rate("float32"),
        "OpenVINO, blocks alone": openvino_tool.step("float32"),
        "llmdit, int8": llmdit_tool.step("float32", caption_ready=True, quantization="int8"),
        INT8_BOUND: bounds.step_at_best_rate("int8"),
        "OpenVINO int8, blocks alone": openvino_tool.step("int8"),
    }
    goals = (
        Goal("llmdit, caption ready", 1.3, "diffusers"),
        Goal("llmdit, caption ready", 1.0, "OpenVINO, blocks alone"),
        Goal("llmdit, caption ready", 0.8, FLOAT32_BOUND),
        Goal("llmdit, int8", 1.2, "OpenVINO int8, blocks alone"),
        Goal("llmdit, int8", 0.8, INT8_BOUND),
    )
    title = "one denoising step at {pixels} x {pixels}, float32 files"
    return Job(title, entrants, reference="diffusers", goals=goals)


def _step_bfloat16_job() -> Job:
    reference = "diffusers, widened to float32"
    entrants = {
        "llmdit": llmdit_tool.step("bfloat16", caption_ready=False),
        "llmdit, caption ready": llmdit_tool.step("bfloat16", caption_ready=True),
        "llmdit, int8": llmdit_tool.step("bfloat16", caption_ready=True, quantization="int8"),
        "llmdit, int4": llmdit_tool.step("bfloat16", caption_ready=True, quantization="int4"),
        "llmdit, GGUF Q8_0": llmdit_tool.step_gguf("q8_0"),
        "llmdit, GGUF Q8_0, int8": llmdit_tool.step_gguf("q8_0", quantization="int8"),
        "llmdit, GGUF Q4_0": llmdit_tool.step_gguf("q4_0"),
        "llmdit, GGUF Q4_0, int4": llmdit_tool.step_gguf("q4_0", quantization="int4"),
        "diffusers": diffusers_tool.step("bfloat16", "bfloat16"),
        "stable-diffusion.cpp": sd_tool.step("bf16"),
        "stable-diffusion.cpp, GGUF Q8_0": sd_tool.step("q8_0"),
        "stable-diffusion.cpp, GGUF Q4_0": sd_tool.step("q4_0"),
        reference: diffusers_tool.step("bfloat16", "float32"),
    }
    goals = (
        Goal("llmdit, caption ready", 4.5, "diffusers"),
        Goal("llmdit, caption ready", distance_of="diffusers"),
        Goal("llmdit, int8", 13, "diffusers"),
        Goal("llmdit, int8", 3.5, "stable-diffusion.cpp, GGUF Q8_0"),
        Goal("llmdit, int8", distance=0.02),
        Goal("llmdit, GGUF Q8_0", 2, "stable-diffusion.cpp, GGUF Q8_0"),
        Goal("llmdit, GGUF Q8_0", distance=0.012),
        Goal("llmdit, int4", 3, "stable-diffusion.cpp, GGUF Q4_0"),
        Goal("llmdit, GGUF Q4_0, int4", 3, "stable-diffusion.cpp, GGUF Q4_0"),
    )
    slow = frozenset(name for name in entrants if not name.startswith("llmdit"))
    title = "one denoising step at {pixels} x {pixels}, bfloat16 files"
    return Job(title, entrants, reference=reference, untimed=frozenset({reference}), slow=slow, goals=goals)


def _generate_job(kind: str) -> Job:
    label = {"bf16": "bf16", "q8_0": "Q8_0", "q4_0": "Q4_0"}[kind]
    ours, theirs = f"llmdit, GGUF {label}", f"llama.cpp, GGUF {label}"
    entrants = {ours: llmdit_tool.generate_gguf(kind), theirs: llama_tool.generate(kind)}
    if kind == "bf16":
        entrants["llmdit"] = llmdit_tool.generate()
        entrants["transformers"] = diffusers_tool.generate
    else:
        quantization = {"q8_0": "int8", "q4_0": "int4"}[kind]
        entrants[f"llmdit, {quantization}"] = llmdit_tool.generate(quantization)
        # In integers, as llama.cpp does it.
        entrants[f"{ours}, {quantization}"] = llmdit_tool.generate_gguf(kind, quantization)
    entrants[READING] = bounds.weights_read(kind)
    best = ours if kind == "bf16" else list(entrants)[-2]
    goals = (Goal(best, 0.8, READING), Goal(best, 1.0, theirs))
    title = f"write {NEW_TOKENS} tokens, one stream, a GGUF file of {label}"
    return Job(title, entrants, baseline=READING, goals=goals)


def _shared_job() -> Job:
    entrants = {"llmdit": llmdit_tool.encode_shared(True), "each alone": llmdit_tool.encode_shared(False)}
    title = f"encode {SHARED_PROMPTS} prompts that share a system prompt of 200 tokens, bfloat16 files"
    goals, slow = (Goal("llmdit", 5, "each alone"),), frozenset({"*"})
    return Job(title, entrants, baseline="each alone", reference="each alone", slow=slow, goals=goals)


def _decode_job(scale: int) -> Job:
    entrants = {"llmdit": llmdit_tool.decode(scale), "diffusers": diffusers_tool.decode(scale)}
    goals = [Goal("llmdit", 1.3, "diffusers")]
    if scale < 4:
        entrants["stable-diffusion.cpp"] = sd_tool.decode(scale)
        goals.append(Goal("llmdit", 3, "stable-diffusion.cpp"))
    slow = frozenset({"*"}) if scale > 1 else frozenset({"stable-diffusion.cpp"})
    side = {1: "{pixels}", 2: "{twice}", 4: "{four_times}"}[scale]
    title = f"decode a picture of {side} x {side}, float32 files"
    return Job(title, entrants, reference="diffusers", slow=slow, goals=tuple(goals))


def _load_job(storage: str) -> Job:
    entrants = {"llmdit": llmdit_tool.load(storage), "one pass over the weights": bounds.one_pass(storage)}
    if storage == "float32":
        entrants["diffusers"] = diffusers_tool.load(storage)
    goals = (Goal("llmdit", 1, "one pass over the weights", quantity=BEYOND_WARM, slack=1.0),)
    title = f"load a pipeline of {{gigabytes:.1f}} GB, {storage} files"
    return Job(title, entrants, fresh=True, reads=storage, goals=goals)


def _memory_job() -> Job:
    entrants = {name: llmdit_tool.whole_picture(offload) for name, offload in llmdit_tool.OFFLOAD.items()}
    goals = tuple(
        Goal(name, 1, name, quantity=llmdit_tool.PEAK, over_quantity=llmdit_tool.ALLOWED) for name in entrants
    ) + tuple(Goal(name, 0.9, name, quantity=llmdit_tool.PEAK, over_quantity=llmdit_tool.PLANNED) for name in entrants)
    title = "a picture of {twice} x {twice} in one step by all layers, bfloat16 files of {gigabytes:.1f} GB of zeros"
    return Job(title, entrants, baseline="llmdit", fresh=True, reads="full", most_rounds=1, goals=goals)


def _growth_jobs() -> dict[str, Job]:
    sizes = {"llmdit": llmdit_tool.growth_size(SIDES), "diffusers": diffusers_tool.growth_size(SIDES[::2])}
    every = frozenset({"*"})
    return {
        "growth_size": Job(
            "one step of two layers, bfloat16 files, {pixels} to {four_times} pixels (diffusers in float32)",
            sizes,
            slow=every,
            curve="tokens of the picture",
        ),
        "growth_largest": Job(
            "the same up to {eight_times} pixels",
            {"llmdit": llmdit_tool.growth_size(LARGEST_SIDES)},
            slow=every,
            most_rounds=1,
            curve="tokens of the picture",
        ),
        "growth_batch": Job(
            "one step of two layers at {pixels} x {pixels}, bfloat16 files, several pictures at once",
            {"llmdit": llmdit_tool.growth_batch((1, 2, 4))},
            slow=every,
            curve="pictures",
        ),
        "growth_steps": Job(
            "a prompt to latents at {pixels} x {pixels}, model of two layers, bfloat16 files",
            {"llmdit": llmdit_tool.growth_steps((1, 2, 4, 8))},
            slow=every,
            curve="steps",
        ),
    }


JOBS: dict[str, Job] = {
    "encode": _encode_job("float32"),
    "encode_bf16": _encode_job("bfloat16"),
    "step": _step_float32_job(),
    "step_bf16": _step_bfloat16_job(),
    "decode": _decode_job(1),
    "decode_twice": _decode_job(2),
    "decode_four_times": _decode_job(4),
    "generate": _generate_job("bf16"),
    "generate_8bit": _generate_job("q8_0"),
    "generate_4bit": _generate_job("q4_0"),
    "shared": _shared_job(),
    "load": _load_job("float32"),
    "load_bf16": _load_job("bfloat16"),
    "memory": _memory_job(),
    **_growth_jobs(),
}
