"""The jobs as stable-diffusion.cpp does them: one call makes a whole picture, its log and progress tell the parts.

What a job does not measure is made small: no step at all for encoding and decoding, a narrow autoencoder otherwise.
peers.py builds it with as many layers as the file has, in place of the published numbers.
"""

import ctypes
import time
from pathlib import Path
from typing import Any

from .case import PROMPT, SEED, Case, Measured, Prepare, Stage

ERROR_LEVEL = 3
ENCODED, DECODING, DECODED = "get_learned_condition completed", "decoding 1 latents", "latent 1 decoded"


def encode(kind: str) -> Prepare:
    """Its own tokenizer and the encoder of a GGUF file, the last layer left out as the template says."""

    def prepare(case: Case) -> dict[str, Stage]:
        context = Context(case, transformer=case.gguf("transformer", "q4_0"), encoder=case.gguf("text_encoder", kind))
        return {"": lambda: Measured(seconds=context.picture(case.pixels, steps=0).between("start", ENCODED))}

    return prepare


def step(kind: str) -> Prepare:
    """One step, from the GGUF file that llmdit reads."""

    def prepare(case: Case) -> dict[str, Stage]:
        context = Context(case, transformer=case.gguf("transformer", kind), encoder=case.gguf("text_encoder", "q4_0"))
        return {"": lambda: Measured(seconds=context.picture(case.pixels, steps=1).between("step 0", "step 1"))}

    return prepare


def decode(scale: int) -> Prepare:
    """Latents to pixels by the autoencoder in float32."""

    def prepare(case: Case) -> dict[str, Stage]:
        vae = case.folders["float32"] / "vae"
        encoder = case.gguf("text_encoder", "q4_0")
        context = Context(case, transformer=case.gguf("transformer", "q4_0"), encoder=encoder, vae=vae)
        pixels = scale * case.pixels
        return {"": lambda: Measured(seconds=context.picture(pixels, steps=0).between(DECODING, DECODED))}

    return prepare


class Moments:
    """When what was said."""

    def __init__(self) -> None:
        self._times: dict[str, float] = {}

    def note(self, name: str) -> None:
        """The first time counts."""
        self._times.setdefault(name, time.perf_counter())

    def between(self, first: str, last: str) -> float:
        """Seconds."""
        missing = [name for name in (first, last) if name not in self._times]
        if missing:
            raise RuntimeError(f"stable-diffusion.cpp never said {', '.join(missing)}; it said {list(self._times)}")
        return self._times[last] - self._times[first]


class Context:
    """Loaded models and the clock."""

    def __init__(self, case: Case, transformer: Path, encoder: Path, vae: Path | None = None) -> None:
        import stable_diffusion_cpp.stable_diffusion_cpp as library

        self._library: Any = library
        self._moments = Moments()
        self._last_error = "nothing"
        # The library keeps these two; so must we.
        self._on_log = library.sd_log_callback(self._log)
        self._on_progress = library.sd_progress_callback(self._progress)
        library.sd_set_log_callback(self._on_log, None)
        library.sd_set_progress_callback(self._on_progress, None)
        vae = vae or case.folders["narrow"]
        params = library.sd_ctx_params_t()
        library._lib.sd_ctx_params_init(ctypes.byref(params))
        params.diffusion_model_path = str(transformer).encode()
        params.llm_path = str(encoder).encode()
        params.vae_path = str(vae / "diffusion_pytorch_model.safetensors").encode()
        params.vae_decode_only, params.free_params_immediately = True, False
        params.n_threads = case.threads
        self._context = library.new_sd_ctx(ctypes.byref(params))
        if not self._context:
            raise RuntimeError(f"stable-diffusion.cpp did not load the models and said: {self._last_error}")

    def picture(self, pixels: int, steps: int) -> Moments:
        """Makes one and throws it away."""
        library, params = self._library, self._library.sd_img_gen_params_t()
        library._lib.sd_img_gen_params_init(ctypes.byref(params))
        params.prompt, params.negative_prompt = PROMPT.encode(), b""
        params.width = params.height = pixels
        params.seed, params.batch_count = SEED, 1
        params.sample_params.guidance.txt_cfg = 1.0
        params.sample_params.sample_steps = steps
        sigmas = (ctypes.c_float * (steps + 1))(*(1.0 - index / max(steps, 1) for index in range(steps + 1)))
        params.sample_params.custom_sigmas, params.sample_params.custom_sigmas_count = sigmas, steps + 1
        self._moments = Moments()
        self._moments.note("start")
        if not library.generate_image(self._context, ctypes.byref(params)):
            raise RuntimeError(f"stable-diffusion.cpp made no picture and said: {self._last_error}")
        return self._moments

    def _log(self, level: int, text: bytes, _data: object) -> None:
        if level >= ERROR_LEVEL:
            self._last_error = text.decode(errors="replace").strip()
        for name in (ENCODED, DECODING, DECODED):
            if name.encode() in text:
                self._moments.note(name)

    def _progress(self, step: int, _steps: int, _seconds: float, _data: object) -> None:
        self._moments.note(f"step {step}")
