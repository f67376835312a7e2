"""Settings of rewriting and of servers: each is set in each front end and seen by the server or the model it is for."""

import json
import os
import re
import select
import shutil
import subprocess

import llmdit
import pytest
from command import DEMO_MODEL, LLMDIT, NOT_FOUND, REMOTE, USAGE, environment
from command import llmdit as run
from llmdit import Config, PromptRewriter, RuntimeConfig
from PIL import Image

pytestmark = pytest.mark.usefixtures("no_settings_of_the_machine")

SETTINGS = {s.key: s for s in llmdit.settings() if s.key.startswith(("rewriter.", "server."))}

# What a server is sent of each setting, and a value that no other setting has.
SENT = {
    "rewriter.system_prompt": ("Add detail.", lambda sent: sent["messages"][0]["content"]),
    "rewriter.enable_thinking": (False, lambda sent: sent["chat_template_kwargs"]["enable_thinking"]),
    "rewriter.max_new_tokens": (77, lambda sent: sent["max_tokens"]),
    "rewriter.seed": (12345, lambda sent: sent["seed"]),
    "rewriter.temperature": (0.25, lambda sent: sent["temperature"]),
    "rewriter.top_k": (7, lambda sent: sent["top_k"]),
    "rewriter.top_p": (0.5, lambda sent: sent["top_p"]),
    "rewriter.min_p": (0.125, lambda sent: sent["min_p"]),
    "rewriter.repetition_penalty": (1.5, lambda sent: sent["repetition_penalty"]),
    "rewriter.presence_penalty": (0.75, lambda sent: sent["presence_penalty"]),
    "rewriter.api_model": ("small", lambda sent: sent["model"]),
}
# Those that have a test of their own below.
ELSEWHERE = {
    "rewriter.rewriter": "test_a_rewriter_of_an_own_folder",
    "rewriter.use_api": "test_who_answers",
    "rewriter.api_url": "test_who_answers",
    "rewriter.vl_api_model": "test_pictures_have_a_model_of_their_own",
    "rewriter.timeout": "test_patience_with_a_server",
    "rewriter.vl_enabled": "test_pictures_are_refused_where_they_are_switched_off",
    "rewriter.preload_vl": "test_the_vision_model_is_loaded_at_once_where_asked",
    "server.host": "test_the_encoder_server_listens_where_settings_say",
    "server.port": "test_the_encoder_server_listens_where_settings_say",
}
FRONT_ENDS = ["profile", "environment", "flags", "flags of the section"]


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "in.png"
    Image.new("RGB", (8, 8)).save(path)
    return path


def toml(values):
    tables = {"server": "[server]\n", "": "[default]\n"}
    for key, value in values.items():
        table, name = ("server", key.split(".")[1]) if key.startswith("server.") else ("", key)
        tables[table] += f"{name} = {json.dumps(value)}\n"
    return "\n".join(tables.values())


def given(front_end, values, folder):
    """Arguments and variables that set `values`, by key."""
    text = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in values.items()}
    if front_end == "profile":
        (folder / "all.toml").write_text(toml(values))
        return ["--config", folder / "all.toml"], {}
    if front_end == "environment":
        return [], {SETTINGS[key].environment: value for key, value in text.items()}
    if front_end == "flags":
        return [f"--{SETTINGS[key].field.flag}={value}" for key, value in text.items()], {}
    names = {key: key.replace(".", "-").replace("_", "-") for key in values}
    return [f"--{names[key]}={value}" for key, value in text.items()], {}


def test_every_setting_has_a_test_here():
    assert SETTINGS.keys() == SENT.keys() | ELSEWHERE.keys()
    assert all(callable(globals()[name]) for name in ELSEWHERE.values())


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_a_server_is_sent_every_setting(chat, tmp_path, front_end):
    values = {"rewriter.api_url": chat.url, **{key: value for key, (value, _) in SENT.items()}}
    arguments, variables = given(front_end, values, tmp_path)
    done = run("rewrite", "a cat", "--json", *arguments, cwd=tmp_path, env=variables)
    assert done.returncode == 0, done.stderr
    assert {key: see(chat.requests[-1]) for key, (_, see) in SENT.items()} == {k: v for k, (v, _) in SENT.items()}
    document = json.loads(done.stdout)
    for key in values:
        assert document["settings"][SETTINGS[key].field.name] == values[key], key


def test_python_sends_every_setting(chat):
    values = {"rewriter.api_url": chat.url, **{key: value for key, (value, _) in SENT.items()}}
    for config in (
        RuntimeConfig(Config.parse(toml(values))),
        RuntimeConfig(Config(), **values),
        RuntimeConfig(Config(), **{key.replace(".", "_"): value for key, value in values.items()}),
    ):
        PromptRewriter.from_config(config).rewrite("a cat", **config.rewrite)
        assert {key: see(chat.requests[-1]) for key, (_, see) in SENT.items()} == {k: v for k, (v, _) in SENT.items()}
    assert RuntimeConfig(Config()).rewrite == {"rewriter": "", "enable_thinking": True, "max_new_tokens": 512}


def test_python_takes_the_settings_in_force(chat, monkeypatch):
    monkeypatch.setenv("LLMDIT_REWRITER_API_URL", chat.url)
    monkeypatch.setenv("LLMDIT_API_KEY", "secret")
    assert PromptRewriter.from_config().rewrite("a cat", system_prompt="Do.").prompt == chat.message["content"]
    assert chat.headers[-1]["Authorization"] == "Bearer secret"


def test_who_answers(chat, tmp_path):
    ask = ["rewrite", "red circle", "--system-prompt", "Do.", "--no-thinking", "--max-new-tokens", "4"]
    other = "http://127.0.0.1:9"

    def is_asked(*arguments, **values):
        before = len(chat.requests)
        (tmp_path / "c.toml").write_text(toml({key.replace("__", "."): value for key, value in values.items()}))
        done = run(*ask, "--config", "c.toml", *arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return len(chat.requests) > before

    assert is_asked(rewriter__api_url=chat.url)
    assert is_asked(rewriter__use_api=True, rewriter__api_url=chat.url)
    assert is_asked(rewriter__use_api=True, api__url=chat.url), "the encoder's, where the rewriter has none"
    assert is_asked(rewriter__use_api=True, api__url=other, rewriter__api_url=chat.url)
    assert not is_asked(api__url=chat.url)
    assert not is_asked(rewriter__use_api=False, rewriter__api_url=chat.url)
    # Flags win.
    assert is_asked("--url", chat.url, rewriter__use_api=False, rewriter__api_url=other)
    assert is_asked("--use-api", rewriter__use_api=False, rewriter__api_url=chat.url)
    assert not is_asked("--no-use-api", rewriter__api_url=chat.url)
    assert not is_asked("--url=", rewriter__api_url=chat.url)


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_a_server_without_a_url_is_refused(tmp_path, front_end):
    arguments, variables = given(front_end, {"rewriter.use_api": True}, tmp_path)
    done = run("rewrite", "a", "--system-prompt", "Do.", *arguments, cwd=tmp_path, env=variables)
    assert done.returncode == USAGE and done.stdout == ""
    assert "expected the url of a server beside rewriter.use_api" in done.stderr and "api.url" in done.stderr
    with pytest.raises(llmdit.InvalidArgument, match=r"rewriter\.use_api"):
        PromptRewriter.from_config(RuntimeConfig(Config(), rewriter_use_api=True))


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_patience_with_a_server(chat, tmp_path, front_end):
    chat.pause = 3
    arguments, variables = given(front_end, {"rewriter.api_url": chat.url, "rewriter.timeout": 0.2}, tmp_path)
    done = run("rewrite", "a", "--system-prompt", "Do.", *arguments, cwd=tmp_path, env=variables)
    assert done.returncode == REMOTE and "0.2" in done.stderr


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_pictures_have_a_model_of_their_own(chat, tmp_path, picture, front_end):
    values = {"rewriter.api_url": chat.url, "rewriter.api_model": "text", "rewriter.vl_api_model": "eyes"}
    arguments, variables = given(front_end, values, tmp_path)
    assert run("rewrite", "--image", picture, *arguments, cwd=tmp_path, env=variables).returncode == 0
    assert chat.requests[-1]["model"] == "eyes"
    del values["rewriter.vl_api_model"]
    arguments, variables = given(front_end, values, tmp_path)
    assert run("rewrite", "--image", picture, *arguments, cwd=tmp_path, env=variables).returncode == 0
    assert chat.requests[-1]["model"] == "text"


def test_pictures_may_go_to_a_server_while_texts_stay_here(chat, tmp_path, picture):
    values = {"rewriter.use_api": False, "rewriter.api_url": chat.url, "rewriter.vl_api_model": "eyes"}
    (tmp_path / "c.toml").write_text(toml(values))
    config = ["--config", "c.toml"]
    assert run("rewrite", "--image", picture, *config, cwd=tmp_path).returncode == 0
    assert chat.requests[-1]["model"] == "eyes"
    run("rewrite", "a", "--system-prompt", "Do.", "--no-thinking", "--max-new-tokens", "3", *config, cwd=tmp_path)
    assert len(chat.requests) == 1
    # A model that a flag names is asked, also about a picture.
    assert run("rewrite", "--image", picture, *config, "--url", chat.url, "--api-model", "mine", cwd=tmp_path)
    assert chat.requests[-1]["model"] == "mine"


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_pictures_are_refused_where_they_are_switched_off(chat, tmp_path, picture, front_end):
    for values in ({}, {"rewriter.api_url": chat.url}):
        arguments, variables = given(front_end, {"rewriter.vl_enabled": False, **values}, tmp_path)
        done = run("rewrite", "--image", picture, *arguments, cwd=tmp_path, env=variables)
        assert done.returncode == USAGE and "[rewriter.vl_enabled] expected no picture" in done.stderr
    assert chat.requests == []
    assert "vl_enabled" in run("rewrite", "--image", picture, "--rewriter-no-vl", cwd=tmp_path).stderr
    rewriter = PromptRewriter.from_config(RuntimeConfig(Config(), rewriter_vl_enabled=False))
    with pytest.raises(llmdit.InvalidArgument, match="vl_enabled"):
        rewriter.rewrite(image=picture)


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_the_vision_model_is_loaded_at_once_where_asked(tmp_path, front_end):
    ask = ["rewrite", "a", "--system-prompt", "Do.", "--no-thinking", "--max-new-tokens", "3", "--vl-model", tmp_path]
    assert run(*ask).returncode == 0, "which nothing needs"
    arguments, variables = given(front_end, {"rewriter.preload_vl": True}, tmp_path)
    done = run(*ask, *arguments, env=variables)
    assert done.returncode == NOT_FOUND and str(tmp_path) in done.stderr


def test_the_vision_model_of_python_is_loaded_once(tmp_path, picture):
    eyes = shutil.copytree(DEMO_MODEL / "vl_encoder", tmp_path / "eyes")
    config = RuntimeConfig(Config(), vl_model_path=str(eyes), vl_auto_unload=False, rewriter_preload_vl=True)
    rewriter = PromptRewriter.from_config(config)
    shutil.rmtree(eyes)
    options = {"seed": 1, "max_new_tokens": 12}
    assert rewriter.rewrite(image=picture, **options).new_tokens <= 12
    lazy = PromptRewriter.from_config(RuntimeConfig(Config(), vl_model_path=str(eyes)))
    with pytest.raises(llmdit.NotFound):
        lazy.rewrite(image=picture, **options)
    shutil.copytree(DEMO_MODEL / "vl_encoder", eyes)
    assert lazy.rewrite(image=picture, **options).text == rewriter.rewrite(image=picture, **options).text


@pytest.mark.parametrize("values", [{"rewriter_vl_enabled": False}, {"rewriter_api_url": "http://127.0.0.1:9"}])
def test_a_vision_model_that_nothing_asks_is_not_loaded(values):
    with pytest.raises(llmdit.InvalidArgument, match=r"\[rewriter\.preload_vl\] expected it off"):
        PromptRewriter.from_config(RuntimeConfig(Config(), rewriter_preload_vl=True, **values))


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_a_rewriter_of_an_own_folder(chat, tmp_path, front_end):
    (tmp_path / "richer.md").write_text("---\nname: richer\ndescription: a\ncategory: rewriter\n---\nAdd much.\n")
    values = {"rewriter.api_url": chat.url}
    if front_end != "flags of the section":  # the flag is called as its section
        values["rewriter.rewriter"] = "richer"
    arguments, variables = given(front_end, values, tmp_path)
    named = ["--rewriter", "richer"] if front_end == "flags of the section" else []
    folder = {"LLMDIT_TEMPLATES_DIR": str(tmp_path)}
    done = run("rewrite", "a cat", *arguments, *named, cwd=tmp_path, env={**variables, **folder})
    assert done.returncode == 0, done.stderr
    assert chat.requests[-1]["messages"][0]["content"] == "Add much."
    done = run("rewrite", "a cat", *arguments, *named, "--templates-dir", tmp_path, cwd=tmp_path, env=variables)
    assert done.returncode == 0, done.stderr
    config = RuntimeConfig(Config.parse(toml({"templates_dir": str(tmp_path), "rewriter.api_url": chat.url})))
    assert "richer" in PromptRewriter.from_config(config).rewriters


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--api-model", "m"], "--api-model has no effect without --url"),
        (["--timeout", "3"], "--timeout has no effect without --url"),
        (["--vl-api-model", "m", "--url", "http://127.0.0.1:9"], "--vl-api-model has no effect without --image"),
        (["--url", "http://127.0.0.1:9", "--no-use-api"], "--url has no effect with --no-use-api"),
        (["--timeout", "0"], "--timeout: expected 0.001 to 1000000 seconds, got 0"),
        (["--timeout", "soon"], "--timeout: expected a number, got 'soon'"),
    ],
)
def test_flags_without_effect_are_refused(arguments, message):
    done = run("rewrite", "a", "--system-prompt", "Do.", *arguments)
    assert done.returncode == USAGE and message in done.stderr


def serving(arguments, variables, folder):
    """The url of a server that is started and ended."""
    process = subprocess.Popen(
        [LLMDIT, "serve-encoder", *map(str, arguments)],
        cwd=folder,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert select.select([process.stdout], [], [], 120)[0]
        return process.stdout.readline().strip() or process.stderr.read()
    finally:
        process.terminate()
        process.communicate()


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_the_encoder_server_listens_where_settings_say(tmp_path, front_end):
    port = 20000 + os.getpid() % 20000 + FRONT_ENDS.index(front_end)
    arguments, variables = given(front_end, {"server.host": "localhost", "server.port": port}, tmp_path)
    assert serving(arguments, variables, tmp_path) == f"http://localhost:{port}"
    arguments, variables = given(front_end, {"server.host": "0.0.0.0"}, tmp_path)
    assert "expected an API key" in serving(arguments, variables, tmp_path)


def test_the_server_stands_beside_the_profiles():
    text = '[server]\nport = 99\n[a]\nextends = "default"\n[b]\n'
    for profile in ("default", "a", "b", "cpu"):
        config = Config.parse(text, profile)
        assert config.to_dict()["server"] == {"port": 99}
        assert next(entry.origin for entry in config.entries if entry.key == "server.port") == "config.toml:2:1"
    assert RuntimeConfig(Config.from_dict({"server": {"port": 7}})).server_port == 7
    for wrong, message in {
        "[default.server]\nport = 1": "1:10: [default.server]: stands beside the profiles; write [server]",
        "[default]\nserver.port = 1": "[default.server]: stands beside the profiles; write [server]",
        "[server]\nprt = 1": "2:1: [server] prt = 1: there is no such key; did you mean port?",
        "[server]\nport = 70000": "[server] port = 70000: expected 0 to 65535, got 70000",
        "server = 1": "1:1: server: expected a table, [server]",
        "[default]\nhost = 'a'": "there is no such key here; it stands in the table [server], beside the profiles",
    }.items():
        with pytest.raises(llmdit.InvalidArgument, match=re.escape(message)):
            Config.parse(wrong)


def test_config_print_takes_the_flags_of_every_command(tmp_path):
    flags = ["--url", "http://x", "--rewriter-seed", "4", "--seed", "5", "--host", "::1", "--rewriter-no-vl"]
    done = run("config", "--print", "--json", *flags)
    assert done.returncode == 0, done.stderr
    entries = {entry["key"]: entry for entry in json.loads(done.stdout)["settings"]}
    assert [entries[key]["value"] for key in ("rewriter.seed", "generation.seed")] == [4, 5]
    assert entries["rewriter.seed"]["origin"] == "flag --rewriter-seed"
    assert entries["generation.seed"]["origin"] == "flag --seed"
    assert entries["rewriter.api_url"]["value"] == "http://x" and entries["server.host"]["value"] == "::1"
    assert entries["rewriter.vl_enabled"]["value"] is False
