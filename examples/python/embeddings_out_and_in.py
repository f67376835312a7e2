"""The language model's output as a tensor: taken out, mixed, and given back in place of a prompt:

.venv/bin/python examples/python/embeddings_out_and_in.py
"""

import llmdit
import torch

pipe = llmdit.ZImagePipeline.from_pretrained(llmdit.demo_model_path())
prompts = ["a red circle on a white background", "a red circle on a black background"]
day, night = pipe.encode_prompt(prompts).embeddings  # each [tokens, hidden_size]
for share in (0.0, 0.5, 1.0):
    result = pipe(prompt_embeds=[torch.lerp(day, night, share)], num_inference_steps=8, seed=1)
    result.images[0].save(f"embeddings_out_and_in-{share}.png")
    print(f"embeddings_out_and_in-{share}.png")
