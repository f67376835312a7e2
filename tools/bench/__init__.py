"""llmdit and diffusers side by side on the same random-weight models: speed, memory, distance to float32."""
