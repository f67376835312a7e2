"""A prompt that the text encoder's own language model writes, shown while it is written, through the C interface alone.
From the root of the repository, after `make demo`, whose model knows nothing but shapes:

python3 examples/ctypes/rewrite_prompt.py "yellow heart, bottom left, pink bg" [model]
"""

import ctypes
import sys
from ctypes import POINTER, byref, c_bool, c_char_p, c_int, c_int64, c_size_t, c_uint32, c_void_p

lib = ctypes.CDLL("build/lib/libllmdit_c.so")
lib.llmdit_last_error.restype = c_char_p
NUL_TERMINATED = c_size_t(-1)


class TokenInfo(ctypes.Structure):
    _fields_ = (("struct_size", c_uint32), ("step", c_int64), ("id", c_int64), ("text", c_char_p))


TokenCallback = ctypes.CFUNCTYPE(c_int, POINTER(TokenInfo), c_void_p)


class RewriteOptions(ctypes.Structure):
    _fields_ = (
        ("struct_size", c_uint32),
        ("rewriter", c_char_p),
        ("system_prompt", c_char_p),
        ("enable_thinking", c_bool),
        ("max_new_tokens", c_int64),
        *((name, c_void_p) for name in ("seed", "temperature", "top_k", "top_p", "min_p")),
        *((name, c_void_p) for name in ("repetition_penalty", "presence_penalty", "image")),
        ("on_token", TokenCallback),
        *((name, c_void_p) for name in ("on_token_payload", "cancellation")),
    )


class AnswerInfo(ctypes.Structure):
    _fields_ = (("struct_size", c_uint32), ("prompt", c_char_p), ("prompt_length", c_size_t), ("thinking", c_char_p))


def must(status: int) -> None:
    if status:
        sys.exit(lib.llmdit_last_error().decode())


@TokenCallback
def show(token: "ctypes._Pointer[TokenInfo]", payload: int) -> int:
    print(token.contents.text.decode(), end="", flush=True)
    return 0  # anything else ends the text here


model = sys.argv[2].encode() if len(sys.argv) > 2 else None
options, answer = RewriteOptions(), AnswerInfo(ctypes.sizeof(AnswerInfo))
encoder, chat, written = c_void_p(), c_void_p(), c_void_p()
must(lib.llmdit_rewrite_options_init_sized(byref(options), c_size_t(ctypes.sizeof(options))))
options.system_prompt = b"Rewrite the prompt as one full sentence."
temperature = ctypes.c_double(0)  # the likeliest words
options.temperature = ctypes.addressof(temperature)
options.enable_thinking, options.max_new_tokens, options.on_token = False, 64, show
must(lib.llmdit_text_encoder_load(byref(encoder), model, None))
must(lib.llmdit_chat_from_text_encoder(byref(chat), encoder))
must(lib.llmdit_chat_rewrite(byref(written), chat, None, sys.argv[1].encode(), NUL_TERMINATED, byref(options)))
must(lib.llmdit_answer_describe(byref(answer), written))
print("\n=>", answer.prompt.decode())
for free, handle in (("answer", written), ("chat", chat), ("text_encoder", encoder)):
    getattr(lib, f"llmdit_{free}_free")(handle)
