"""A picture of a prompt, through the C interface alone. From the root of the repository, after `make demo`:

python3 examples/ctypes/text_to_picture.py "a red circle left of a blue star" picture.png
"""

import ctypes
import sys

lib = ctypes.CDLL("build/lib/libllmdit_c.so")
lib.llmdit_last_error.restype = ctypes.c_char_p
NUL_TERMINATED = ctypes.c_size_t(-1)


def must(status: int) -> None:
    if status:
        sys.exit(lib.llmdit_last_error().decode())


prompt = sys.argv[1] if len(sys.argv) > 1 else "a red circle left of a blue star on a yellow background"
picture = sys.argv[2] if len(sys.argv) > 2 else "text_to_picture_ctypes.png"
pipeline, result, image = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
must(lib.llmdit_pipeline_load(ctypes.byref(pipeline), None, None))
must(lib.llmdit_pipeline_generate(ctypes.byref(result), pipeline, prompt.encode(), NUL_TERMINATED, None))
must(lib.llmdit_result_image(ctypes.byref(image), result, ctypes.c_size_t(0)))
must(lib.llmdit_image_write(image, picture.encode()))
print(picture)
for free, handle in (("image", image), ("result", result), ("pipeline", pipeline)):
    getattr(lib, f"llmdit_{free}_free")(handle)
