"""What becomes of a prompt that is longer than the transformer takes, by each way to make it fit:

.venv/bin/python examples/python/long_prompt_modes.py
"""

import llmdit

PROMPT = (
    "a red circle on a white background. The circle is in the middle and it is large. It is drawn in a flat style "
    "with clean edges. Nothing else is in the picture, and the background is plain."
)
pipe = llmdit.ZImagePipeline.from_pretrained(llmdit.demo_model_path())
for mode in ("truncate", "interpolate", "pool", "attention_pool", "segments"):
    # The models' own limits are longer than a screen of text.
    result = pipe(PROMPT, num_inference_steps=8, seed=1, long_prompt_mode=mode, max_text_tokens=32)
    picture = f"long_prompt_modes-{mode}.png"
    result.images[0].save(picture)
    print(f"{result.token_counts[0]} tokens became {result.caption_lengths[0]}: {picture}")
