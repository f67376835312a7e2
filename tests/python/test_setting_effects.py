"""Every setting of a profile changes what it is for: a picture, a file, what a server is asked, or what is refused.

test_settings.py proves that each arrives in the option structs by name; here it is seen at work. A setting that is
added to a table needs its case in this file, a flag that is added to a command its test.
"""

import json
import re
import shutil
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import llmdit
import numpy as np
import pytest
import test_rewriter_settings
import torch
from command import DEMO_MODEL, ROOT, STYLE_LORA, USAGE, commands, copy_of_demo_model
from command import llmdit as run
from encoder_servers import Heylook, serving
from llmdit import Config, RuntimeConfig
from reference import draw
from test_memory import resident

SETTINGS = {setting.key: setting for setting in llmdit.settings()}
BASE = {
    "pipeline.device": "cpu",
    "generation.seed": 7,
    "generation.num_inference_steps": 1,
    "generation.width": 64,
    "generation.height": 64,
}
PROMPT = 'a "red"   circle on a white background'
PICTURE = np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3)
MASK = np.zeros((64, 64), dtype=np.uint8)
MASK[16:48, 16:48] = 255

GUIDED = {"generation.guidance_scale": 2.0, "generation.num_inference_steps": 2}
TILED = {"pipeline.vae_tiling": "on", "pipeline.vae_tile_size": 96, "generation.width": 128, "generation.height": 128}
MEASURED = {"vl.statistics": "statistics.npz"}
IMAGE = {"image": PICTURE}
MASKED = {"image": PICTURE, "mask_image": MASK}
SEEN = {"vl_image": PICTURE}


@dataclass
class Case:
    """A value that has to make another outcome than the default, among these settings and arguments of the call."""

    value: Any
    beside: dict[str, Any] = field(default_factory=dict)
    call: dict[str, Any] = field(default_factory=dict)
    sees: Callable[[Any, Any], Any] = lambda pipe, result: result.images
    refused: str = ""
    """What the error of the value says, where that is its effect."""


def nowhere(call: dict[str, Any] | None = None) -> Case:
    """A path that is looked at."""
    return Case("/nowhere/at/all", call=call or {}, refused="/nowhere/at/all")


def absent(name: str, call: dict[str, Any] | None = None) -> Case:
    """A device that is looked for, under the option's own name."""
    return Case("cuda:77", call=call or {}, refused=f"[{name}] expected auto, cpu")


def cached(pipe: Any, _: Any) -> Any:
    pipe.encode_prompt(["a", "b"])
    stats = pipe.text_encoder.cache_stats()
    return (stats.misses, stats.current_size)


def keeps_files(*_: Any) -> bool:
    kept = Path("kept").exists()
    shutil.rmtree("kept", ignore_errors=True)
    return kept


def dtypes(pipe: Any, _: Any) -> set[str]:
    return {str(weight.dtype) for weight in pipe.transformer.state_dict().values()}


CASES = {
    "model_path": nowhere(),
    "encoder.torch_dtype": Case("float16", sees=dtypes),
    "pipeline.quantization": Case("int8"),
    "encoder.quantization": Case("int8"),
    "pipeline.dit_quantization": Case("int4"),
    "vl.quantization": Case("int8", call=SEEN),
    "pipeline.device": absent("device"),
    "encoder.device": absent("text_encoder_device"),
    "pipeline.dit_device": absent("dit_device"),
    "pipeline.vae_device": absent("vae_device"),
    "vl.device": absent("vl_device", SEEN),
    "optimization.max_memory": Case("1KB", refused="[max_memory]"),
    "optimization.compile": Case(True, refused="[compile]"),
    "pytorch.attention_backend": Case("xformers", refused="[attention_backend]"),
    "pipeline.transformer_path": nowhere(),
    "encoder.text_encoder_path": nowhere(),
    "pipeline.vae_path": nowhere(),
    "encoder.tokenizer_path": nowhere(),
    "vl.model_path": nowhere(SEEN),
    "vl.auto_unload": Case(False, call=SEEN, sees=lambda pipe, _: pipe.vl_encoder.is_loaded),
    "pytorch.enable_cache": Case(True, sees=cached),
    "pytorch.cache_size": Case(1, {"pytorch.enable_cache": True}, sees=cached),
    "pytorch.cache_megabytes": Case(0, {"pytorch.enable_cache": True}, sees=cached),
    "pytorch.cache_folder": Case("kept", sees=keeps_files),
    "lora.paths": Case([f"{STYLE_LORA}:0.5"]),
    "generation.width": Case(96),
    "generation.height": Case(96),
    "generation.num_inference_steps": Case(2),
    "generation.seed": Case(8),
    "generation.num_images_per_prompt": Case(2),
    "generation.guidance_scale": Case(1.5),
    "generation.negative_prompt": Case("a blue square", GUIDED),
    "generation.cfg_normalization": Case(0.25, GUIDED),
    "generation.cfg_truncation": Case(0.0, GUIDED),
    "scheduler.shift": Case(1.0, {"generation.num_inference_steps": 2}),
    "scheduler.sigmas": Case([0.5]),
    "encoder.hidden_layer": Case(-3),
    "encoder.layer_weights": Case("-2:0.5,-3:0.5"),
    "encoder.layer_spans": Case(["3:5=-1:1"]),
    "pipeline.long_prompt_mode": Case("truncate", {"pipeline.max_text_tokens": 8}),
    "pipeline.max_text_tokens": Case(8),
    "generation.system_prompt": Case("Paint in oil."),
    "generation.thinking_content": Case("A circle is round."),
    "generation.assistant_content": Case("Here it is:"),
    "generation.force_think_block": Case(True),
    "generation.strip_quotes": Case(True),
    "generation.clean_whitespace": Case(True),
    "generation.template": Case("charcoal"),
    "generation.templates_dir": Case("templates", {"generation.template": "charcoal"}),
    "generation.strength": Case(0.25, {"generation.num_inference_steps": 4}, IMAGE),
    "generation.outpaint": Case([16.0, 0.0, 0.0, 0.0], call=IMAGE),
    "generation.mask_feather": Case(8, call=MASKED),
    "generation.mask_composite": Case(True, call=MASKED),
    "vl.alpha": Case(0.75, call=SEEN),
    "vl.blend_mode": Case("adain", call=SEEN),
    "vl.text": Case("a circle", call=SEEN),
    "vl.hidden_layer": Case(-3, call=SEEN),
    "vl.token_selection": Case("image_only", call=SEEN),
    "vl.system_prompt": Case("Look.", call=SEEN),
    "vl.force_think_block": Case(False, call=SEEN),
    "vl.scale_to_text": Case(False, call=SEEN),
    "vl.target_std": Case(2.5, call=SEEN),
    "vl.normalization_mode": Case("per_dim", MEASURED, SEEN),
    "vl.outlier_masking": Case("zero", {**MEASURED, "vl.outlier_threshold": 0.5}, SEEN),
    "vl.outlier_threshold": Case(0.5, {**MEASURED, "vl.outlier_masking": "zero"}, SEEN),
    "vl.statistics": Case("nowhere.npz", call=SEEN, beside={"vl.normalization_mode": "hybrid"}, refused="nowhere.npz"),
    "optimization.step_cache": Case(0.9, {"generation.num_inference_steps": 4}),
    "pipeline.vae_tiling": Case("on", {**TILED, "pipeline.vae_tiling": "off"}),
    "pipeline.vae_tile_size": Case(80, TILED),
    "pipeline.vae_tile_overlap": Case(0, {**TILED, "pipeline.vae_tile_size": 64, "pipeline.vae_tile_overlap": 32}),
}
# What a server is asked for, and how long.
OF_SERVERS = {
    "optimization.cpu_offload": "test_models_take_turns",
    "api.url": "test_the_server_of_a_profile_is_asked_for_its_model",
    "api.encoder_api": "test_the_server_of_a_profile_is_asked_for_its_model",
    "api.model": "test_the_server_of_a_profile_is_asked_for_its_model",
    "api.layer_ids": "test_what_the_kind_of_server_has_no_use_for",
    "api.folder": "test_what_the_kind_of_server_has_no_use_for",
    "api.connect_timeout": "test_patience_with_a_server_that_does_not_connect",
    "api.read_timeout": "test_patience_with_a_server_that_does_not_answer",
    "api.timeout": "test_patience_with_a_server_that_does_not_answer",
    "api.retries": "test_a_busy_server_is_asked_as_often_as_settings_say",
}


def profile(values: dict[str, Any]) -> RuntimeConfig:
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return RuntimeConfig(Config.parse("\n".join(["[default]", *lines])))


@pytest.fixture(autouse=True)
def _a_folder_of_its_own(no_settings_of_the_machine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/charcoal.md").write_text("---\nname: charcoal\ndescription: a\n---\nOnly in blue.\n")
    llmdit.vl.ReferenceStatistics.compute(draw(1, 64, 128)).save(tmp_path / "statistics.npz")


def outcome(case: Case, values: dict[str, Any]) -> Any:
    """What comes of a picture with these settings; the text of an error."""
    config = profile(values)
    try:
        pipe = llmdit.ZImagePipeline.from_config(config)
        result = pipe(PROMPT, options=config.generate, output_type="pt", **case.call)
    except llmdit.Error as error:
        return str(error)
    return case.sees(pipe, result)


def is_same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    return type(one) is type(other) and one == other


PLAIN: dict[Any, Any] = {}


def plain_outcome(case: Case, values: dict[str, Any]) -> Any:
    """What comes without the setting, which many cases share."""
    key = (json.dumps(values, sort_keys=True), tuple(case.call), case.sees)
    if key not in PLAIN:
        PLAIN[key] = outcome(case, values)
        assert is_same(PLAIN[key], outcome(case, values)), "what differs from run to run proves nothing"
    return PLAIN[key]


def test_every_setting_has_a_case():
    elsewhere = test_rewriter_settings.SENT.keys() | test_rewriter_settings.ELSEWHERE.keys()
    assert SETTINGS.keys() == CASES.keys() | OF_SERVERS.keys() | elsewhere
    assert all(callable(globals()[name]) for name in OF_SERVERS.values())


@pytest.mark.parametrize("key", CASES)
def test_a_setting_has_its_effect(key: str):
    case = CASES[key]
    plain = {**BASE, **case.beside}
    changed = {**plain, key: case.value}
    assert plain.get(key, SETTINGS[key].default) != case.value
    got = outcome(case, changed)
    if case.refused:
        assert isinstance(got, str) and case.refused in got, got
        if f"[{SETTINGS[key].field.name}]" in got and not case.call:  # told where the model is loaded from settings
            assert f"set by config.toml:{list(changed).index(key) + 2}:" in got
    else:
        want = plain_outcome(case, plain)
        assert not isinstance(got, str) and not isinstance(want, str), (got, want)
        assert not is_same(got, want)


def test_models_take_turns(tmp_path: Path):
    model = copy_of_demo_model(tmp_path / "model")
    size = next((model / "transformer").glob("*.safetensors")).stat().st_size
    shares = {}
    for offload in (True, False):  # what has been read stays for a while
        config = profile({**BASE, "model_path": str(model), "optimization.cpu_offload": offload})
        pipe = llmdit.ZImagePipeline.from_config(config)
        pipe("a", options=config.generate)
        shares[offload] = resident(model)["transformer"] / size
    assert shares[True] < 0.2 and shares[False] > 0.5


def remote(server: Any, **values: Any) -> llmdit.ZImagePipeline:
    settings = {f"api.{name}": value for name, value in values.items()}
    url = server if isinstance(server, str) else server.url
    return llmdit.ZImagePipeline.from_config(profile({**BASE, "api.url": url, **settings}))


def test_the_server_of_a_profile_is_asked_for_its_model():
    demo = llmdit.ZImagePipeline.from_pretrained(DEMO_MODEL)
    with serving(Heylook(demo.text_encoder)) as server:
        remote(server, encoder_api="heylook", model="eyes").encode_prompt("a cat")
        path, document, _ = server.requests[-1]
        assert path == "/v1/hidden_states" and document["model"] == "eyes"
        with pytest.raises(llmdit.Error):
            remote(server).encode_prompt("a cat")
        assert server.requests[-1][0] == "/v1/encoder", "our own kind of server is asked otherwise"


@pytest.mark.parametrize("name, value", [("layer_ids", [3.0]), ("folder", "here")])
def test_what_the_kind_of_server_has_no_use_for(name: str, value: Any):
    with pytest.raises(llmdit.InvalidArgument, match=f"expected (a )?{name}"):
        remote("http://127.0.0.1:9", **{name: value})


@pytest.mark.parametrize("name", ["read_timeout", "timeout"])
def test_patience_with_a_server_that_does_not_answer(name: str):
    with serving(lambda *_: time.sleep(3) or {}) as server:
        started = time.monotonic()
        with pytest.raises(llmdit.RemoteError) as refused:
            remote(server, encoder_api="heylook", retries=0, **{name: 0.2}).encode_prompt("a cat")
        assert refused.value.status == 504 and time.monotonic() - started < 2.5


def test_patience_with_a_server_that_does_not_connect():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:  # who are not let in
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        started = time.monotonic()
        with pytest.raises(llmdit.RemoteError):
            remote(url, encoder_api="heylook", retries=0, connect_timeout=0.2).encode_prompt("a cat")
        assert 0.15 < time.monotonic() - started < 5
        for one in waiting:
            one.close()


@pytest.mark.parametrize("retries", [0, 1])
def test_a_busy_server_is_asked_as_often_as_settings_say(retries: int):
    with serving(lambda *_: (503, {"error": "busy"})) as server:
        with pytest.raises(llmdit.RemoteError):
            remote(server, encoder_api="heylook", retries=retries).encode_prompt("a cat")
        assert len(server.requests) == 1 + retries


# --- flags


def test_every_flag_of_a_table_arrives(tmp_path: Path):
    """All flags at once, each under a name that no other setting has."""
    import test_settings

    settings = list(SETTINGS.values())
    names = {
        s.key: "rewriter-" + s.key.split(".")[1].replace("_", "-") if s.key.startswith("rewriter.") else s.field.flag
        for s in settings
    }
    names["rewriter.rewriter"] = "rewriter"
    flags = [f"--{names[s.key]}={test_settings.as_text(test_settings.other_value(s))}" for s in settings]
    done = run("config", "--print", "--json", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for entry in json.loads(done.stdout)["settings"]:
        assert entry["value"] == test_settings.other_value(SETTINGS[entry["key"]]), entry
        assert entry["origin"].startswith("flag --"), entry


def test_every_flag_of_every_command_is_in_a_test():
    tables = {f"--{s.field.flag}" for s in SETTINGS.values()}  # which the tests above are made from
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests/python").glob("test_*.py"))
    tested = set(re.findall(r'"(--[a-z-]+)["=]', tests))
    untested = {
        f"{command} {flag}"
        for command in commands()
        for flag in re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", run(command, "--help-all").stdout, re.M)
        if flag not in tables | tested
    }
    assert not untested


def test_flags_of_converting(tmp_path: Path):
    convert = ["convert", DEMO_MODEL / "transformer", "out.safetensors"]
    assert run(*convert, cwd=tmp_path).returncode == 0
    plain = (tmp_path / "out.safetensors").read_bytes()
    refused = run(*convert, "--layout", "original", cwd=tmp_path)
    assert refused.returncode == USAGE and "--force replaces it" in refused.stderr
    assert run(*convert, "--layout", "original", "--force", cwd=tmp_path).returncode == 0
    original = (tmp_path / "out.safetensors").read_bytes()
    assert b"attention.qkv.weight" in original and b"attention.qkv.weight" not in plain


def test_negative_embeddings_lead_away(tmp_path: Path):
    for name in ("cat", "blue", "red"):
        assert run("encode", name, "-o", f"{name}.safetensors", cwd=tmp_path).returncode == 0
    made = {}
    for name in ("blue", "red"):
        files = ["--embeddings", "cat.safetensors", "--negative-embeddings", f"{name}.safetensors"]
        fast = ["--guidance-scale", "2", "--steps", "2", "--seed", "1", "-o", f"{name}.png"]
        done = run("generate", *files, *fast, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        made[name] = llmdit.read_image(tmp_path / f"{name}.png")
    assert not np.array_equal(np.asarray(made["blue"]), np.asarray(made["red"]))


def test_a_plan_tells_the_time_where_asked():
    plain, measured = (json.loads(run("plan", "--json", *more).stdout)["stages"] for more in ([], ["--speed"]))
    assert all(stage["seconds"] is None for stage in plain) and all(stage["seconds"] > 0 for stage in measured)


def test_an_open_encoder_server_has_a_key(tmp_path: Path):
    open_to_all = ["--host", "0.0.0.0", "--port", "0"]
    assert "expected an API key" in test_rewriter_settings.serving(open_to_all, {}, tmp_path)
    url = test_rewriter_settings.serving([*open_to_all, "--api-key", "secret"], {}, tmp_path)
    assert url.startswith("http://")
