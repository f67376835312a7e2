"""A picture of a prompt, through the C interface alone. From the root of the repository, after `make demo`:

python3 examples/ctypes/text_to_picture.py "a red circle left of a blue star" picture.png [model]
"""

import ctypes
import sys
from ctypes import POINTER, byref, c_int64, c_size_t, c_uint32, c_uint64, c_void_p, pointer, sizeof

lib = ctypes.CDLL("build/lib/libllmdit_c.so")
lib.llmdit_last_error.restype = ctypes.c_char_p
NUL_TERMINATED = c_size_t(-1)


class GenerateOptions(ctypes.Structure):  # as far as they are needed here: the rest keeps its defaults
    _fields_ = (
        ("struct_size", c_uint32),
        ("width", POINTER(c_int64)),
        ("height", POINTER(c_int64)),
        ("num_inference_steps", c_int64),
        ("seed", POINTER(c_uint64)),
    )


def must(status: int) -> None:
    if status:
        sys.exit(lib.llmdit_last_error().decode())


arguments = sys.argv[1:]
prompt = arguments[0] if arguments else "a red circle left of a blue star on a yellow background"
picture = arguments[1] if len(arguments) > 1 else "text_to_picture_ctypes.png"
model = arguments[2].encode() if len(arguments) > 2 else None
options, pipeline, result, image = GenerateOptions(), c_void_p(), c_void_p(), c_void_p()
must(lib.llmdit_generate_options_init_sized(byref(options), c_size_t(sizeof(options))))
options.num_inference_steps, options.seed = 8, pointer(c_uint64(1))
must(lib.llmdit_pipeline_load(byref(pipeline), model, None))
must(lib.llmdit_pipeline_generate(byref(result), pipeline, prompt.encode(), NUL_TERMINATED, byref(options)))
must(lib.llmdit_result_image(byref(image), result, c_size_t(0)))
must(lib.llmdit_image_write_png(image, picture.encode()))
print(picture)
for free, handle in (("image", image), ("result", result), ("pipeline", pipeline)):
    getattr(lib, f"llmdit_{free}_free")(handle)
