"""Trains the tiny demo model in `examples/demo_model` from drawn pictures, on a CPU. See README.md."""
