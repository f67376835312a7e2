"""Settings from TOML profiles and the environment: what is read, what is refused and how, and which of several wins."""

import json
import re

import llmdit
import pytest
from command import NOT_FOUND, ROOT, USAGE
from command import llmdit as run
from llmdit import Config, RuntimeConfig


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch):
    import os

    for name in [name for name in os.environ if name.startswith("LLMDIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LLMDIT_CONFIG", "")


def problems(text):
    with pytest.raises(llmdit.InvalidArgument) as caught:
        Config.parse(text)
    return str(caught.value)


def test_a_profile_is_read_with_what_it_extends():
    text = """
        [default]
        model_path = "models/z"
        [default.generation]
        width = 96
        num_inference_steps = 5
        [quick]
        extends = "default"
        generation.num_inference_steps = 0x2
        scheduler.sigmas = [1, 0.5]
        [alone]
        generation.height = 32
    """
    assert Config.parse(text, "quick").to_dict() == {
        "model_path": "models/z",
        "generation": {"width": 96, "num_inference_steps": 2},
        "scheduler": {"sigmas": [1.0, 0.5]},
    }
    assert Config.parse(text, "alone").to_dict() == {"generation": {"height": 32}}
    origins = {entry.key: entry.origin for entry in Config.parse(text, "quick").entries}
    assert origins["generation.width"] == "config.toml:5:9 (profile default)"
    assert origins["generation.num_inference_steps"] == "config.toml:9:20 (profile quick)"


def test_built_in_profiles_need_no_file_and_build_on_the_file_s_default():
    assert Config.parse("", "default").to_dict() == {}
    low_vram = RuntimeConfig(Config.parse("[default]\nscheduler.shift = 2.5", "low_vram"))
    assert (low_vram.device, low_vram.text_encoder_device, low_vram.quantization) == ("cuda", "cpu", "int8")
    assert (low_vram.vae_tiling, low_vram.shift) == ("on", 2.5)
    assert low_vram.origins["pipeline.device"] == "profile low_vram"
    assert RuntimeConfig(Config.parse("", "rtx4090")).dtype == "bfloat16"
    assert RuntimeConfig(Config.parse("", "cpu")).device == "cpu"
    assert RuntimeConfig(Config.parse('[default]\nmodel_path = "other"', "demo")).model_path == ""
    assert Config.parse('[cpu]\npipeline.device = "cuda:1"', "cpu").to_dict() == {"pipeline": {"device": "cuda:1"}}


REFUSED = {
    "misspelt key": (
        "[default.generation]\nwidht = 5",
        "2:1: [default.generation] widht = 5: there is no such key; did you mean width?",
    ),
    "key of another section": (
        "[default.generation]\nshift = 3.0",
        "2:1: [default.generation] shift = 3.0: there is no such key here; it stands in the section scheduler",
    ),
    "misspelt key of another section": (
        "[default.generation]\nvae_tilling = true",
        "did you mean vae_tiling, in the section pipeline?",
    ),
    "misspelt section": (
        "[default.genration]\nwidth = 5",
        "1:10: [default.genration]: there is no such section; did you mean generation?",
    ),
    "unknown section": ("[default.nonsense]\nwidth = 5", "there is no such section; known are"),
    "section without a profile": ("[generation]\nwidth = 5", "write [default.generation]"),
    "setting without a profile": ("width = 5", "1:1: width: settings stand in a profile; put it under [default]"),
    "wrong type": ('[default]\ngeneration.width = "wide"', "expected a whole number, got 'wide'"),
    "a fraction": ("[default]\ngeneration.width = 96.5", "expected a whole number"),
    "out of bounds": ("[default]\ngeneration.num_inference_steps = 0", "expected 1 to 10000, got 0"),
    "not a number": ("[default]\nscheduler.shift = nan", "expected 1e-06 to 1000000"),
    "unknown choice": (
        '[default]\nencoder.torch_dtype = "bflot16"',
        "expected one of auto, float32, bfloat16, float16, got 'bflot16'",
    ),
    "a date": ("[default]\ngeneration.width = 1979-05-27", "expected a value, got a date or time"),
    "a table": ("[default.generation.width]\nx = 1", "expected a value, got a table"),
    "mixed list": ('[default]\nscheduler.sigmas = [1, "a"]', "expected a value, got a list of other things"),
    "key twice": ("[default]\na = 1\na = 2", "3:5: "),
    "no TOML": ("[default\nwidth", "config.toml:1:9"),
    # U+00A1 to U+0499 were undefined behaviour in toml++ 3.3.
    "a letter outside of strings": ("[default]\nsigma\u024c = 1", "config.toml:2:"),
    "unknown base": (
        '[default]\nextends = "defualt"\n',
        "2:1: [default] extends: there is no profile 'defualt'; did you mean default?",
    ),
    "base of another type": ("[default]\nextends = 3", "expected the name of a profile"),
    "extends itself": ('[default]\nextends = "default"', "profiles extend each other: default, default"),
    "cycle": ('[a]\nextends = "b"\n[b]\nextends = "a"', "profiles extend each other: a, b, a"),
    "one setting by two names": (
        "[default.pipeline]\nvae_tile_size = 256\n[default.pytorch]\ntile_size = 512",
        "pipeline.vae_tile_size is given twice: '512' here and '256' at config.toml:2:1",
    ),
    "scales that fit no paths": ('[default.lora]\npaths = ["a", "b"]\nscales = [1]', "for each of 2 lora.paths, got 1"),
    "scales without paths": ("[default.lora]\nscales = [1]", "expected lora.paths beside lora.scales"),
    "retired key": ("[default.encoder]\ntrust_remote_code = true", "no code out of a model is ever run"),
    "old switch of another type": ("[default.pytorch]\ntiled_vae = 1", "expected true or false, got '1'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_mistakes_are_refused_with_place_and_advice(case):
    text, message = REFUSED[case]
    assert message in problems(text)


def test_all_mistakes_of_a_file_are_told_at_once(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text("[default]\ngeneration.widht = 5\nscheduler.shift = -1\n[other.genration]\n[cpu]\nextends = 'x'\n")
    report = llmdit.check_config(path)
    assert report.profiles == ["cpu", "default", "other"]
    assert [(remark.line, remark.column) for remark in report.errors] == [(2, 12), (3, 11), (4, 8), (6, 1)]
    assert str(report.errors[0]).startswith(f"{path}:2:12: ")
    with pytest.raises(llmdit.InvalidArgument) as caught:
        Config.from_toml(path)
    assert str(caught.value).count(f"{path}:") == 4
    with pytest.raises(llmdit.NotFound):
        Config.from_toml(tmp_path / "nowhere.toml")
    with pytest.raises(llmdit.InvalidArgument, match="there is no profile 'cup'; did you mean cpu?"):
        Config.parse("", "cup")


OLDER = {
    "encoder.quantization = '8bit'": ("text_encoder_quantization", "int8"),
    "encoder.load_in_8bit = true": ("text_encoder_quantization", "int8"),
    "encoder.cpu_offload = true": ("cpu_offload", True),
    "pipeline.enable_model_cpu_offload = true": ("cpu_offload", True),
    "pipeline.enable_sequential_cpu_offload = false": ("cpu_offload", False),
    "optimization.flash_attn = true": ("attention_backend", "flash_attn_2"),
    "optimization.flash_attn = false": ("attention_backend", "auto"),
    "encoder.load_in_4bit = true": ("text_encoder_quantization", "int4"),
    "encoder.load_in_4bit = false": ("text_encoder_quantization", None),
    "pipeline.torch_dtype = 'bfloat16'": ("dtype", "bfloat16"),
    "generation.enable_thinking = true": ("force_think_block", True),
    "pytorch.tiled_vae = true": ("vae_tiling", "on"),
    "pytorch.tiled_vae = false": ("vae_tiling", "off"),
    "pytorch.tile_size = 256": ("vae_tile_size", 256),
    "pytorch.tile_overlap = 16": ("vae_tile_overlap", 16),
    "lora.paths = ['a', 'b']\nlora.scales = [0.5, -1]": ("lora", ["a:0.5", "b:-1"]),
    "lora.paths = ['a:te']\nlora.scales = [0.5]": ("lora", ["a:0.5:te"]),
    "encoder.device = 'cpu'": ("text_encoder_device", "cpu"),
    "templates_dir = 'own'": ("templates_dir", "own"),
    "generation.default_template = 'charcoal'": ("template", "charcoal"),
    "pytorch.long_prompt_mode = 'pool'": ("long_prompt_mode", "pool"),
    "pytorch.embedding_cache = true": ("enable_cache", True),
    "pytorch.cache_size = 7": ("cache_size", 7),
    "vl.default_alpha = 0.5": ("vl_alpha", 0.5),
    "vl.default_hidden_layer = -4": ("vl_hidden_layer", -4),
    "rewriter.max_tokens = 7": ("max_new_tokens", 7),
}


@pytest.mark.parametrize("text", OLDER)
def test_older_keys_work(text):
    name, value = OLDER[text]
    assert getattr(RuntimeConfig(Config.parse("[default]\n" + text)), name) == value


def test_older_names_are_noted(tmp_path):
    path = tmp_path / "old.toml"
    path.write_text("[default.pytorch]\ntile_size = 256\n")
    (note,) = llmdit.check_config(path).notes
    assert (note.line, note.text) == (2, "[default.pytorch] tile_size: an older name of pipeline.vae_tile_size")


def test_zero_and_empty_are_values():
    config = Config.parse(
        '[default]\ngeneration.seed = 0\ngeneration.system_prompt = ""\nscheduler.sigmas = []\nlora.paths = []'
    )
    assert config.to_dict() == {
        "generation": {"seed": 0, "system_prompt": ""},
        "scheduler": {"sigmas": []},
        "lora": {"paths": []},
    }
    runtime = RuntimeConfig(config)
    assert runtime.generate.seed == 0 and RuntimeConfig(Config()).generate.seed is None


def test_dicts_are_read_and_written_and_stay_as_they_are():
    values = {
        "model_path": "m",
        "generation": {"width": 96, "seed": 2**64 - 1, "height": None},
        "lora": {"paths": ["a"]},
    }
    config = Config.from_dict(values)
    assert values["generation"]["height"] is None and len(values["generation"]) == 3
    del values["generation"]["height"]
    assert config.to_dict() == values
    assert "generation.width" in config and config["generation.width"] == 96 and len(config) == 4
    with pytest.raises(KeyError):
        config["generation.height"]
    for wrong, message in [
        ({"generation": {"widht": 5}}, "generation.widht = 5: there is no such key; did you mean width"),
        ({"genration": {"width": 5}}, "did you mean generation"),
        ({"generation": {"width": 0}}, "generation.width = 0: expected 1 to 65536 pixels, got 0"),
    ]:
        with pytest.raises(llmdit.InvalidArgument, match=re.escape(message)):
            Config.from_dict(wrong)
    with pytest.raises(TypeError):
        Config.from_dict({"generation": {"width": object()}})


def test_what_wins(monkeypatch):
    config = Config.parse("[default]\ngeneration.width = 32\ngeneration.height = 32\nscheduler.shift = 1.5")
    monkeypatch.setenv("LLMDIT_HEIGHT", "48")
    monkeypatch.setenv("LLMDIT_WIDTH", "48")
    runtime = RuntimeConfig(config, width=64)
    assert (runtime.width, runtime.height, runtime.shift, runtime.num_inference_steps) == (64, 48, 1.5, 9)
    origins = runtime.origins
    assert origins["generation.width"] == "argument width"
    assert origins["generation.height"] == "environment LLMDIT_HEIGHT"
    assert origins["scheduler.shift"].startswith("config.toml:4:11")
    assert origins["generation.num_inference_steps"] == "built-in"
    assert RuntimeConfig(config, environment=False).height == 32
    assert config.to_dict()["generation"] == {"width": 32, "height": 32}, "the profile stays as it was"
    with pytest.raises(TypeError, match="did you mean 'width'"):
        RuntimeConfig(config, widht=3)
    with pytest.raises(AttributeError, match="widht"):
        getattr(runtime, "widht")  # noqa: B009


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("LLMDIT_WIDHT", "5", "environment LLMDIT_WIDHT: there is no such variable; did you mean LLMDIT_WIDTH?"),
        ("LLMDIT_STEPS", "5", "LLMDIT_STEPS: there is no such variable; did you mean LLMDIT_NUM_INFERENCE_STEPS?"),
        ("LLMDIT_MODEL_PATH", "x", "LLMDIT_MODEL_PATH: there is no such variable; did you mean LLMDIT_MODEL?"),
        ("LLMDIT_ENCODER_URL", "x", "LLMDIT_ENCODER_URL: there is no such variable; did you mean LLMDIT_API_URL?"),
        ("LLMDIT_TORCH_DTYPE", "x", "LLMDIT_TORCH_DTYPE: there is no such variable; did you mean LLMDIT_DTYPE?"),
        ("LLMDIT_WIDTH", "wide", "environment LLMDIT_WIDTH: expected a whole number, got 'wide'"),
        ("LLMDIT_WIDTH", "", "environment LLMDIT_WIDTH: expected a whole number, got ''"),
        ("LLMDIT_SHIFT", "0", "environment LLMDIT_SHIFT: expected 1e-06 to 1000000, got 0"),
        ("LLMDIT_STRIP_QUOTES", "maybe", "environment LLMDIT_STRIP_QUOTES: expected true or false (also on,"),
    ],
)
def test_mistakes_in_the_environment(monkeypatch, name, value, message):
    monkeypatch.setenv(name, value)
    with pytest.raises(llmdit.InvalidArgument, match=re.escape(message)):
        llmdit.environment_config()


def test_variables_of_others_are_let_be(monkeypatch):
    monkeypatch.setenv("LLMDIT_WRAPPER_SCRIPT_HOME", "/opt")
    monkeypatch.setenv("LLMDIT_LORA", "a:0.5;b,c")
    monkeypatch.setenv("LLMDIT_SIGMAS", "1,0.5")
    monkeypatch.setenv("LLMDIT_STRIP_QUOTES", "off")
    assert llmdit.environment_config().to_dict() == {
        "generation": {"strip_quotes": False},
        "lora": {"paths": ["a:0.5", "b,c"]},
        "scheduler": {"sigmas": [1.0, 0.5]},
    }


def test_every_variable_that_the_sources_read_is_known():
    read = set()
    for path in [*(ROOT / "src").rglob("*.cpp"), *(ROOT / "examples/cli").glob("*.cpp")]:
        read |= set(re.findall(r'"(LLMDIT_[A-Z_]+)"', path.read_text(encoding="utf-8")))
    known = {setting.environment for setting in llmdit.settings()}
    sources = (ROOT / "src/config/sources.cpp").read_text(encoding="utf-8")
    assert all(name in known or f'"{name}"' in sources for name in read), read


def test_files_are_found_as_xdg_says(tmp_path, monkeypatch):
    monkeypatch.delenv("LLMDIT_CONFIG")
    for place in ("home/.config", "own", "site/a", "site/b"):
        folder = tmp_path / place / "llmdit"
        folder.mkdir(parents=True)
        (folder / "config.toml").write_text(f'[default]\nmodel_path = "{place}"\n[p]\nmodel_path = "p of {place}"\n')
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", f"{tmp_path}/none:{tmp_path}/site/a:{tmp_path}/site/b")
    assert llmdit.find_config() == tmp_path / "own/llmdit/config.toml"
    assert RuntimeConfig().model_path == "own"
    monkeypatch.setenv("LLMDIT_PROFILE", "p")
    assert RuntimeConfig().model_path == "p of own"
    assert llmdit.load_config(profile="default").to_dict() == {"model_path": "own"}
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert llmdit.load_config()["model_path"] == "p of home/.config"
    monkeypatch.setenv("HOME", str(tmp_path / "empty"))
    assert llmdit.load_config()["model_path"] == "p of site/a"
    monkeypatch.setenv("LLMDIT_CONFIG", str(tmp_path / "site/b/llmdit/config.toml"))
    assert llmdit.load_config()["model_path"] == "p of site/b"
    monkeypatch.setenv("LLMDIT_CONFIG", "")
    assert llmdit.find_config() is None
    monkeypatch.setenv("XDG_CONFIG_DIRS", "site/a")  # relative ones count for nothing
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LLMDIT_CONFIG")
    assert llmdit.find_config() is None


def test_a_profile_that_a_variable_names_wrongly_is_told_with_it(tmp_path, monkeypatch):
    file = tmp_path / "config.toml"
    file.write_text("[default]\n[own]\nextends = 'default'\n")
    monkeypatch.setenv("LLMDIT_PROFILE", "cup")
    told = "[config] environment LLMDIT_PROFILE: there is no profile 'cup'; did you mean cpu?"
    for load in (lambda: llmdit.load_config(file), llmdit.load_config, RuntimeConfig):
        with pytest.raises(llmdit.InvalidArgument) as caught:
            load()
        assert str(caught.value) == told
    assert told in run("config", "--print", env={"LLMDIT_PROFILE": "cup"}).stderr
    with pytest.raises(llmdit.InvalidArgument, match=r"^\[config\] there is no profile 'cup'"):
        llmdit.load_config(file, profile="cup")  # which is the caller's own
    assert llmdit.load_config(file, profile="own").to_dict() == {}
    file.write_text("[default]\nwidht = 5\n")
    with pytest.raises(llmdit.InvalidArgument, match=rf"^\[config\] {file}:2:1: "):  # the file is at fault
        llmdit.load_config(file)
    monkeypatch.setenv("LLMDIT_PROFILE", "")
    assert llmdit.load_config(None).to_dict() == {}


def test_a_pipeline_from_settings(monkeypatch):
    monkeypatch.setenv("LLMDIT_DEMO_MODEL", str(ROOT / "examples/demo_model"))
    config = RuntimeConfig(Config.parse("", "demo"), seed=3, num_inference_steps=1, dtype="float32")
    result = llmdit.ZImagePipeline.from_config(config)("a red circle", options=config.generate)
    assert result.seeds == [3] and len(result.timings.steps) == 1


def test_the_committed_example_is_the_one_that_is_written():
    assert (ROOT / "config.toml.example").read_text(encoding="utf-8") == llmdit.config_example()
    assert run("config", "--example").stdout == llmdit.config_example()


def test_the_table_of_the_docs_is_the_one_of_the_options(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from tools import settings_table

    assert settings_table.PAGE.read_text(encoding="utf-8") == settings_table.page()


def test_the_example_holds_each_setting_and_its_defaults(tmp_path):
    example = llmdit.config_example()
    assert llmdit.Config.parse(example).to_dict() == {}
    set_all = re.sub(r"^# (\w+ = )", r"\1", example, flags=re.M)
    config = Config.parse(set_all)
    for setting in llmdit.settings():
        assert f"\n# {setting.key.split('.')[-1]} =" in example
        assert (setting.key in config) == (setting.default is not None), setting.key
        if setting.default is not None:
            assert config[setting.key] == setting.default


def test_the_command_prints_what_is_in_force(tmp_path):
    (tmp_path / "c.toml").write_text("[p]\ngeneration.width = 96\ngeneration.height = 96\n")
    arguments = ["config", "--print", "--config", "c.toml", "--profile", "p", "--height", "32", "--no-strip-quotes"]
    done = run(*arguments, "--json", cwd=tmp_path, env={"LLMDIT_WIDTH": "64", "LLMDIT_HEIGHT": "64"})
    assert done.returncode == 0, done.stderr
    settings = {entry["key"]: entry for entry in json.loads(done.stdout)["settings"]}
    assert [settings[f"generation.{side}"]["value"] for side in ("width", "height")] == [64, 32]
    assert settings["generation.width"]["origin"] == "environment LLMDIT_WIDTH"
    assert settings["generation.height"]["origin"] == "flag --height"
    assert settings["generation.strip_quotes"]["origin"] == "flag --strip-quotes"
    assert settings["generation.seed"] == {
        "key": "generation.seed",
        "value": None,
        "origin": "built-in",
        "environment": "LLMDIT_SEED",
        "flag": "--seed",
    }
    table = run(*arguments, cwd=tmp_path).stdout
    assert re.search(r"^generation.width +96 +c.toml:2:12 \(profile p\)$", table, re.M)
    assert len(table.splitlines()) == len(llmdit.settings())


def test_the_command_checks_files(tmp_path):
    (tmp_path / "bad.toml").write_text("[default]\ngeneration.widht = 5\nscheduler.shift = -1\n")
    (tmp_path / "old.toml").write_text("[default]\npytorch.tile_size = 256\n")
    done = run("config", "--check", "bad.toml", cwd=tmp_path)
    assert done.returncode == USAGE and done.stdout.count("bad.toml:") == 2 and "2 mistakes" in done.stderr
    done = run("config", "--check", "old.toml", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout == "" and "an older name of pipeline.vae_tile_size" in done.stderr
    assert done.stderr.endswith("no mistakes in 1 profile\n")
    (tmp_path / "one.toml").write_text("[default]\nscheduler.shift = -1\n")
    assert run("config", "--check", "one.toml", cwd=tmp_path).stderr.endswith(": 1 mistake\n")
    assert json.loads(run("config", "--check", "bad.toml", "--json", cwd=tmp_path).stdout)["errors"][1]["line"] == 3
    assert run("config", "--check", "nowhere.toml", cwd=tmp_path).returncode == NOT_FOUND
    assert "expected one of --print" in run("config").stderr


def test_commands_take_the_file_and_refuse_a_bad_one(tmp_path):
    (tmp_path / "bad.toml").write_text("[default]\ngeneration.widht = 5\n")
    for command in (["generate", "a"], ["encode", "a"], ["format", "a"]):
        done = run(*command, "--config", "bad.toml", cwd=tmp_path)
        assert done.returncode == USAGE and "did you mean width?" in done.stderr
        done = run(*command, cwd=tmp_path, env={"LLMDIT_WIDHT": "3"})
        assert done.returncode == USAGE and "did you mean LLMDIT_WIDTH?" in done.stderr
        assert run(*command, "--profile", "low_vrm", cwd=tmp_path).returncode == USAGE
