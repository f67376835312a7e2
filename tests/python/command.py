"""Runs of the `llmdit` command, and a value for each of its settings."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
LLMDIT = Path(os.environ.get("LLMDIT_COMMAND", ROOT / "build" / "bin" / "llmdit"))
DEMO_MODEL = ROOT / "examples" / "demo_model"
TEMPLATES = ROOT / "templates" / "z_image"

USAGE, NOT_FOUND, OUT_OF_MEMORY, UNSUPPORTED, REMOTE, INTERRUPTED = 2, 3, 4, 5, 6, 130
FAST = ["--steps", "1"]  # for tests that do not look at the picture


def environment(**extra):
    """This process's environment without what would change the command."""
    ours = {k: v for k, v in os.environ.items() if not k.startswith("LLMDIT_") and k not in ("NO_COLOR", "TERM")}
    # One thread: libtorch's spin while they wait for each other, for seconds where others want the processors too.
    return {
        **ours,
        "TERM": "xterm",
        "OMP_NUM_THREADS": "1",
        "LLMDIT_CONFIG": "",  # none but what a test names
        "LLMDIT_DEMO_MODEL": str(DEMO_MODEL),
        **extra,
    }


def llmdit(*arguments, cwd=None, env=None, text=True, **keywords):
    assert LLMDIT.exists(), f"{LLMDIT} is missing: build it first"
    return subprocess.run(
        [LLMDIT, *map(str, arguments)],
        cwd=cwd,
        env=environment(**(env or {})),
        text=text,
        timeout=300,
        stdout=keywords.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        **keywords,
    )


def generate(tmp_path, *arguments, prompt="a red circle on a white background"):
    """The document of a run with --json that has to succeed."""
    done = llmdit("generate", "-o", tmp_path / "picture.png", "--json", *arguments, "--", prompt, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def commands():
    """Those that `llmdit --help` lists, in its order."""
    lists = llmdit("--help").stdout.split("Output:")[0]
    return re.findall(r"^  ([a-z-]+) +[A-Z]", lists, re.M)


def inspected(path):
    """What `llmdit inspect` says of one file."""
    return json.loads(llmdit("inspect", path, "--json").stdout)["files"][0]


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


# One value that is not the default for every field of the option tables, as it is typed and as JSON has it.
GENERATE_SETTINGS = {
    "width": ("96", 96),
    "height": ("160", 160),
    "num_inference_steps": ("3", 3),
    "seed": ("18446744073709551615", 18446744073709551615),
    "num_images_per_prompt": ("2", 2),
    "guidance_scale": ("1.5", 1.5),
    "negative_prompt": ("a blue square", "a blue square"),
    "cfg_normalization": ("0.75", 0.75),
    "cfg_truncation": ("0.5", 0.5),
    "shift": ("2.5", 2.5),
    "sigmas": ("1,0.5,0.25", [1, 0.5, 0.25]),
    "hidden_layer": ("-3", -3),
    "layer_weights": ("-2:0.75,-3:0.25", "-3:0.25,-2:0.75"),
    "layer_spans": ("3:5=-1:1", ["3:5=-1:1"]),
    "long_prompt_mode": ("attention_pool", "attention_pool"),
    "max_text_tokens": ("64", 64),
    "system_prompt": ("Paint in oil.", "Paint in oil."),
    "thinking_content": ("A circle is round.", "A circle is round."),
    "assistant_content": ("Here it is:", "Here it is:"),
    "force_think_block": (None, True),
    "strip_quotes": (None, True),
    "clean_whitespace": (None, True),
    "template": ("charcoal", "charcoal"),
    "templates_dir": (str(TEMPLATES), str(TEMPLATES)),
    "strength": ("0.25", 0.25),
    "outpaint": ("16,0,32,0", [16, 0, 32, 0]),
    "mask_feather": ("8", 8),
    "mask_composite": (None, True),
    "vl_alpha": ("0.5", 0.5),
    "vl_blend_mode": ("linear", "linear"),
    "vl_text": ("a circle", "a circle"),
    "vl_hidden_layer": ("-3", -3),
    "vl_token_selection": ("image_only", "image_only"),
    "vl_system_prompt": ("Look.", "Look."),
    "vl_force_think_block": (None, True),
    "vl_scale_to_text": (None, False),
    "vl_target_std": ("2.5", 2.5),
    "vl_normalization_mode": ("hybrid", "hybrid"),
    "vl_outlier_masking": ("zero", "zero"),
    "vl_outlier_threshold": ("5", 5),
    "vl_statistics": ("statistics.npz", "statistics.npz"),
    "step_cache": ("0.1", 0.1),
    "vae_tiling": ("on", "on"),
    "vae_tile_size": ("128", 128),
    "vae_tile_overlap": ("32", 32),
}
# Of the settings, those that no run takes.
REFUSED_SETTINGS = {"compile"}
CACHE = tempfile.TemporaryDirectory()  # goes with the process
STYLE_LORA = DEMO_MODEL / "loras/neon.safetensors"
LOAD_SETTINGS = {
    "dtype": ("float32", "float32"),
    "quantization": ("int8", "int8"),
    "text_encoder_quantization": ("int8", "int8"),
    "dit_quantization": ("int4", "int4"),
    "vl_quantization": ("int8", "int8"),
    "device": ("cpu", "cpu"),
    "text_encoder_device": ("cpu", "cpu"),
    "dit_device": ("cpu", "cpu"),
    "vae_device": ("cpu", "cpu"),
    "cpu_offload": (None, True),
    "max_memory": ("8GB", "8GB"),
    "attention_backend": ("math", "math"),
    "transformer_path": (str(DEMO_MODEL / "transformer"), str(DEMO_MODEL / "transformer")),
    "text_encoder_path": (str(DEMO_MODEL / "text_encoder"), str(DEMO_MODEL / "text_encoder")),
    "vae_path": (str(DEMO_MODEL / "vae"), str(DEMO_MODEL / "vae")),
    "tokenizer_path": (str(DEMO_MODEL / "tokenizer"), str(DEMO_MODEL / "tokenizer")),
    "vl_model_path": (str(DEMO_MODEL / "vl_encoder"), str(DEMO_MODEL / "vl_encoder")),
    "vl_device": ("cpu", "cpu"),
    "vl_auto_unload": (None, False),
    "enable_cache": (None, True),
    "cache_size": ("7", 7),
    "cache_megabytes": ("64", 64),
    "cache_folder": (CACHE.name, CACHE.name),
    "lora": (f"{STYLE_LORA}:0.5", [f"{STYLE_LORA}:0.5"]),
}


def flag(name):
    return "--" + name.replace("_", "-")


def typed(settings, names=None):
    arguments = []
    for name, (text, _) in settings.items():
        if names is None or name in names:
            switch = flag(name) if settings[name][1] is not False else "--no-" + flag(name)[2:]
            arguments += [switch] if text is None else [flag(name), text]
    return arguments


def pixels(document):
    with Image.open(document["pictures"][0]["path"]) as picture:
        return picture.tobytes()


def copy_of_demo_model(folder):
    return Path(shutil.copytree(DEMO_MODEL, folder))
