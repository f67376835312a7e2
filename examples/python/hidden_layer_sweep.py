"""What the transformer makes of the language model's hidden layers, from the last but one backwards:

.venv/bin/python examples/python/hidden_layer_sweep.py
"""

import llmdit

pipe = llmdit.ZImagePipeline.from_pretrained(llmdit.demo_model_path())
for layer in (-2, -3, -4):
    result = pipe("a purple heart", num_inference_steps=8, seed=1, hidden_layer=layer)
    result.images[0].save(f"hidden_layer_sweep{layer}.png")
    print(f"hidden_layer_sweep{layer}.png")
