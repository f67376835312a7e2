"""`llmdit doctor`: what it looks at, and that it finds what is wrong."""

import json
import re

from command import DEMO_MODEL, NOT_FOUND, REMOTE, UNSUPPORTED, USAGE, copy_of_demo_model, llmdit


def findings(*arguments, code=0, **keywords):
    done = llmdit("doctor", "--json", *arguments, **keywords)
    assert done.returncode == code, done.stderr
    return {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}


def test_a_good_machine():
    found = findings(env={"HF_TOKEN": "hf_secret", "LLMDIT_WIDTH": "96"})
    assert all(finding["ok"] for finding in found.values()), found
    assert list(found) == [
        "version",
        "system",
        "memory",
        "devices",
        "environment",
        "settings",
        "model",
        "plan",
        "encoder",
        "demo",
    ]
    assert "hf_secret" not in found["environment"]["text"] and "HF_TOKEN=(hidden)" in found["environment"]["text"]
    assert "generation.width = 96 by environment LLMDIT_WIDTH" in found["settings"]["text"]
    assert str(DEMO_MODEL / "vae") in found["model"]["text"]
    assert re.match(r"peak \S+ MB in \w+, of \S+ GB that can be taken on the CPU: fits", found["plan"]["text"])
    assert "a red circle on white, 128 x 128" in found["demo"]["text"]
    listing = llmdit("doctor")
    assert listing.returncode == 0 and listing.stdout.count("\nok ") == 9 and "all is well" in listing.stderr


def test_what_is_wrong_is_found_and_the_rest_is_still_looked_at(tmp_path):
    found = findings(code=USAGE, env={"LLMDIT_WIDHT": "96"})
    assert not found["settings"]["ok"] and "did you mean LLMDIT_WIDTH?" in found["settings"]["text"]
    assert found["demo"]["ok"]
    found = findings("--model-path", "nowhere", code=NOT_FOUND, cwd=tmp_path)
    assert not found["model"]["ok"] and found["demo"]["ok"]
    found = findings(code=REMOTE, env={"LLMDIT_API_URL": "http://127.0.0.1:9", "LLMDIT_API_RETRIES": "0"})
    assert not found["encoder"]["ok"] and "127.0.0.1:9" in found["encoder"]["text"] and found["demo"]["ok"]
    model = copy_of_demo_model(tmp_path / "model")
    weights = model / "vae/diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert not findings("--model-path", model, code=UNSUPPORTED)["model"]["ok"]
    assert not findings(code=NOT_FOUND, env={"LLMDIT_DEMO_MODEL": "nowhere"})["demo"]["ok"]
