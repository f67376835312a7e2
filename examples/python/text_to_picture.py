"""A picture of a prompt. From the root of the repository, after `make demo`:

.venv/bin/python examples/python/text_to_picture.py "a red circle left of a blue star" picture.png [model]
"""

import sys

import llmdit

arguments = sys.argv[1:]
prompt = arguments[0] if arguments else "a red circle left of a blue star on a yellow background"
picture = arguments[1] if len(arguments) > 1 else "text_to_picture.png"
pipe = llmdit.ZImagePipeline.from_pretrained(arguments[2] if len(arguments) > 2 else llmdit.demo_model_path())
result = pipe(prompt, num_inference_steps=8, seed=1)
result.images[0].save(picture)
print(f"{picture}: {result.timings.total:.1f} s")
