"""Every field of every option table, set to another value than its default in each front end, and seen at its use.

The tables drive these tests: a new field is covered by itself; where its kind alone does not tell a value that a run
accepts, the test says so.
"""

import json

import llmdit
import pytest
from command import DEMO_MODEL, GENERATE_SETTINGS, LOAD_SETTINGS, REFUSED_SETTINGS, REMOTE
from command import llmdit as run
from llmdit import Config, OptionKind, RuntimeConfig

pytestmark = pytest.mark.usefixtures("no_settings_of_the_machine")

SETTINGS = llmdit.settings()
# What a run of `generate` takes that asks no server.
GENERATE = [
    setting
    for setting in SETTINGS
    if not setting.key.startswith(("rewriter.", "api.", "server.")) and setting.field.name not in REFUSED_SETTINGS
]
KNOWN = {**LOAD_SETTINGS, **GENERATE_SETTINGS, "model": (str(DEMO_MODEL), str(DEMO_MODEL))}


def other_value(setting):
    """A value that is not the default, as Python has it."""
    field = setting.field
    if field.name in KNOWN and not setting.key.startswith("rewriter."):
        return KNOWN[field.name][1]
    numbers = {OptionKind.integer: int, OptionKind.unsigned_integer: int, OptionKind.number: float}
    if field.kind in numbers:
        low, high = max(field.minimum, -100), min(field.maximum, 100)
        return next(
            number
            for step in range(8)
            if (number := numbers[field.kind](low + (high - low) * step / 8)) != setting.default
        )
    others = {
        OptionKind.boolean: [not setting.default],
        OptionKind.choice: field.choices,
        OptionKind.text: ["other"],
        OptionKind.numbers: [[max(field.minimum, 0.0)]],
        OptionKind.texts: [["other"]],
    }
    return next(value for value in others[field.kind] if value != setting.default)


def as_toml(value):
    return json.dumps(str(value) if isinstance(value, int) and value >= 2**63 else value)


def as_text(value):
    """As a flag or, but for lists of texts, a variable has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def profile(settings):
    tables = {"[default]\n": "", "[server]\n": ""}  # the second stands beside the profiles
    for setting in settings:
        section, _, key = setting.key.rpartition(".")
        table = "[server]\n" if section == "server" else "[default]\n"
        tables[table] += f"{key if section == 'server' else setting.key} = {as_toml(other_value(setting))}\n"
    return "".join(head + lines for head, lines in tables.items())


def environment(settings):
    return {setting.environment: as_text(other_value(setting)) for setting in settings}


def flags(settings):
    return [f"--{setting.field.flag}={as_text(other_value(setting))}" for setting in settings]


FRONT_ENDS = {
    "profile": lambda folder, settings: (["--config", str(folder / "all.toml")], {}),
    "environment": lambda folder, settings: ([], environment(settings)),
    "flags": lambda folder, settings: (flags(settings), {}),
}


def by_field(document):
    """What a document of the command says of each setting."""
    return {**document["settings"], **document["load"], "model": document["model"]}


def test_no_other_value_is_the_default():
    for setting in SETTINGS:
        assert other_value(setting) != setting.default, setting.key


def test_keys_variables_and_flags_are_unique():
    for names in ([s.key for s in SETTINGS], [s.environment for s in SETTINGS]):
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_each_setting_arrives_alone(setting, monkeypatch):
    value = other_value(setting)
    at_defaults = {other.key: other.default for other in SETTINGS}

    def check(runtime):
        for other in SETTINGS:
            wanted = value if other.key == setting.key else at_defaults[other.key]
            assert getattr(runtime, other.key) == wanted, other.key
        owner = next((part for part in (runtime.load, runtime.generate) if hasattr(part, setting.field.name)), None)
        if owner is not None and setting in GENERATE:
            assert getattr(owner, setting.field.name) == value

    check(RuntimeConfig(Config.parse(profile([setting]))))
    check(RuntimeConfig(Config(), **{setting.key: value}))
    section, _, key = setting.key.rpartition(".")
    check(RuntimeConfig(Config.from_dict({section: {key: value}} if section else {key: value})))
    monkeypatch.setenv(setting.environment, as_text(value))
    check(RuntimeConfig(Config()))


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_all_settings_arrive_in_the_command(tmp_path, front_end):
    (tmp_path / "all.toml").write_text(profile(GENERATE))
    arguments, variables = FRONT_ENDS[front_end](tmp_path, GENERATE)
    done = run("generate", "a", "--dry-run", "--json", *arguments, cwd=tmp_path, env=variables)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    seen = by_field(document)
    for setting in GENERATE:
        assert seen[setting.field.name] == other_value(setting), setting.key
    word = {"profile": "all.toml:", "environment": "environment LLMDIT_", "flags": "flag --"}[front_end]
    assert all(word in document["origins"][setting.key] for setting in GENERATE), document["origins"]


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_all_settings_reach_the_picture(tmp_path, front_end):
    (tmp_path / "all.toml").write_text(profile(GENERATE))
    arguments, variables = FRONT_ENDS[front_end](tmp_path, GENERATE)
    done = run("generate", "a red circle", "--json", *arguments, cwd=tmp_path, env=variables)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    made = llmdit.read_picture_settings(tmp_path / document["pictures"][0]["path"])
    assert len(document["pictures"]) == GENERATE_SETTINGS["num_images_per_prompt"][1]
    for setting in GENERATE:
        if setting.field.name == "num_images_per_prompt":
            continue  # a picture tells what makes it alone
        if hasattr(made.options, setting.field.name) and setting.field.name != "templates_dir":  # the texts are kept
            assert getattr(made.options, setting.field.name) == other_value(setting), setting.key
        else:
            assert by_field(document)[setting.field.name] == other_value(setting), setting.key
    assert [f"{lora.path}:{lora.scale}" for lora in made.loras] == LOAD_SETTINGS["lora"][1]


BOOLEANS = [setting for setting in GENERATE if setting.field.kind is OptionKind.boolean]


def test_each_switch_has_a_form_for_off(tmp_path):
    (tmp_path / "all.toml").write_text(profile(BOOLEANS))
    off = [f"--no-{setting.field.flag}" for setting in BOOLEANS]
    done = run("generate", "a", "--dry-run", "--json", "--config", "all.toml", *off, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for setting in BOOLEANS:
        assert by_field(json.loads(done.stdout))[setting.field.name] is False, setting.key


def test_each_front_end_wins_over_the_one_below(tmp_path):
    (tmp_path / "low.toml").write_text("[default]\ngeneration.seed = 1\ngeneration.width = 16\nscheduler.shift = 2.0\n")
    variables = {"LLMDIT_WIDTH": "32", "LLMDIT_SHIFT": "2.5"}
    arguments = ["generate", "a", "--dry-run", "--json", "--config", "low.toml", "--shift", "4"]
    document = json.loads(run(*arguments, cwd=tmp_path, env=variables).stdout)
    seen = by_field(document)
    assert (seen["seed"], seen["width"], seen["shift"]) == (1, 32, 4)
    assert document["origins"]["scheduler.shift"] == "flag --shift"


def test_a_misspelt_name_is_refused_in_every_front_end(tmp_path):
    for setting in SETTINGS:
        key = setting.key.rpartition(".")[2]
        wrong = key[:-1] + ("x" if key[-1] != "x" else "y")
        with pytest.raises(llmdit.InvalidArgument, match="there is no such key"):
            section = setting.key[: -len(key)]
            Config.parse(f"[server]\n{wrong} = 1" if section == "server." else f"[default]\n{section}{wrong} = 1")
    (tmp_path / "bad.toml").write_text("[default]\ngeneration.sead = 1\n")
    assert "did you mean seed?" in run("generate", "a", "--config", "bad.toml", cwd=tmp_path).stderr
    assert "did you mean --seed?" in run("generate", "a", "--sead", "1", cwd=tmp_path).stderr
    assert "did you mean LLMDIT_SEED?" in run("generate", "a", cwd=tmp_path, env={"LLMDIT_SEAD": "1"}).stderr
    with pytest.raises(TypeError, match="did you mean 'seed'"):
        RuntimeConfig(sead=1)


def test_the_server_of_a_profile_is_asked(tmp_path):
    (tmp_path / "remote.toml").write_text('[default.api]\nurl = "http://127.0.0.1:9"\nretries = 0\n')
    for command in ("generate", "encode"):
        done = run(command, "a", "--config", "remote.toml", cwd=tmp_path)
        assert done.returncode == REMOTE and "127.0.0.1:9" in done.stderr
