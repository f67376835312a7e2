"""The same picture with a LoRA at several scales; unloading gives the first one back, bit for bit:

.venv/bin/python examples/python/lora_scales.py
"""

import llmdit

model = llmdit.demo_model_path()
pipe = llmdit.ZImagePipeline.from_pretrained(model)
for scale in (0.0, 0.5, 1.0):
    report = pipe.load_lora(model / "loras/neon.safetensors", scale=scale)
    pipe("a green triangle", num_inference_steps=8, seed=1).images[0].save(f"lora_scales-{scale}.png")
    print(f"lora_scales-{scale}.png: {len(report.applied)} weights changed")
    pipe.unload_loras()
