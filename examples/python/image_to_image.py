"""A picture that starts from another one, keeping more of it the lower the strength:

.venv/bin/python examples/python/image_to_image.py picture.png "a red circle on a black background"
"""

import sys

import llmdit
from PIL import Image

pipe = llmdit.ZImagePipeline.from_pretrained(llmdit.demo_model_path())
if len(sys.argv) > 1:
    image = Image.open(sys.argv[1])
else:
    image = pipe("a blue star on a white background", num_inference_steps=8, seed=1).images[0]
prompt = sys.argv[2] if len(sys.argv) > 2 else "a red circle on a black background"
for strength in (0.2, 0.4, 0.8):
    result = pipe.img2img(prompt, image=image, strength=strength, num_inference_steps=8, seed=1)
    result.images[0].save(f"image_to_image-{strength}.png")
    print(f"image_to_image-{strength}.png")
