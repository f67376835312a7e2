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
        "templates",
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
    assert listing.returncode == 0 and listing.stdout.count("\nok ") == 10 and "all is well" in listing.stderr


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


def test_a_broken_config_and_a_server_that_is_another_are_told_with_their_cause(tmp_path):
    (tmp_path / "config.toml").write_text("[default]\ngeneration.widht = 96\n")
    found = findings(code=USAGE, env={"LLMDIT_CONFIG": str(tmp_path / "config.toml")})
    assert not found["settings"]["ok"] and "config.toml:2:" in found["settings"]["text"]
    assert "did you mean" in found["settings"]["text"] and found["demo"]["ok"]
    (tmp_path / "config.toml").write_text("[default\n")
    found = findings("--config", tmp_path / "config.toml", code=USAGE)
    assert not found["settings"]["ok"] and "config.toml:1:" in found["settings"]["text"]
    listing = llmdit("doctor", "--config", tmp_path / "config.toml")
    assert listing.returncode == USAGE and "\nFAILED settings" in listing.stdout and "report" in listing.stderr


def test_an_adapter_that_is_not_there_and_a_template_that_is_damaged(tmp_path):
    found = findings(code=NOT_FOUND, env={"LLMDIT_LORA": str(tmp_path / "none.safetensors")})
    assert not found["plan"]["ok"] and "none.safetensors" in found["plan"]["text"]
    folder = tmp_path / "llmdit" / "templates"
    folder.mkdir(parents=True)
    (folder / "mine.md").write_text("---\nname: [\n---\n")
    done = llmdit("doctor", "--json", env={"XDG_CONFIG_HOME": str(tmp_path)})
    found = {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert done.returncode != 0 and not found["templates"]["ok"] and "mine.md" in found["templates"]["text"]
