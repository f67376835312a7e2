"""Text by llama.cpp from the same GGUF file that llmdit reads, token by token."""

import ctypes
import json
from typing import Any

from .case import NEW_TOKENS, Case, Prepare, Stage

CONTEXT = 64
# The files hold no tokenizer, which llama.cpp can do without if told so.
NO_VOCABULARY = {b"tokenizer.ggml.model": b"no_vocab"}


def generate(kind: str) -> Prepare:
    """Greedy, one stream, from a prompt of one token."""

    def prepare(case: Case) -> dict[str, Stage]:
        import llama_cpp
        import numpy as np

        context, vocabulary = _open(llama_cpp, case, kind)

        def write() -> None:
            llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
            token = (llama_cpp.llama_token * 1)(64)
            for _ in range(NEW_TOKENS):
                if llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(token, 1)):
                    raise RuntimeError("llama.cpp did not decode")
                token[0] = int(np.argmax(np.ctypeslib.as_array(llama_cpp.llama_get_logits(context), (vocabulary,))))

        return {"": write}

    return prepare


def _open(library: Any, case: Case, kind: str) -> tuple[Any, int]:
    """A context, and how many tokens the vocabulary has."""
    path = case.gguf("text_encoder", kind)
    config = json.loads((case.folders["bfloat16"] / "text_encoder/config.json").read_text(encoding="utf-8"))
    library.llama_backend_init()
    library.llama_log_set(_silence(library), ctypes.c_void_p(0))
    params = library.llama_model_default_params()
    overrides = (library.llama_model_kv_override * (len(NO_VOCABULARY) + 2))()  # the last one, empty, ends the list
    for override, (key, value) in zip(overrides, NO_VOCABULARY.items()):
        override.tag, override.key, override.value.val_str = library.LLAMA_KV_OVERRIDE_TYPE_STR, key, value
    size = overrides[len(NO_VOCABULARY)]
    size.tag, size.key, size.value.val_i64 = (
        library.LLAMA_KV_OVERRIDE_TYPE_INT,
        b"qwen3.vocab_size",
        config["vocab_size"],
    )
    params.kv_overrides = overrides
    model = library.llama_model_load_from_file(str(path).encode(), params)
    if not model:
        raise RuntimeError(f"llama.cpp did not load {path.name}")
    settings = library.llama_context_default_params()
    settings.n_ctx, settings.n_threads, settings.n_threads_batch = CONTEXT, case.threads, case.threads
    context = library.llama_init_from_model(model, settings)
    if not context:
        raise RuntimeError("llama.cpp made no context")
    return context, config["vocab_size"]


_KEPT: list[Any] = []


def _silence(library: Any) -> Any:
    """A callback that swallows what the library says; kept, since the library calls it for ever."""
    _KEPT.append(library.llama_log_callback(lambda _level, _text, _data: None))
    return _KEPT[-1]
