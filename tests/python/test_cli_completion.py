"""What `llmdit completion` writes: completion as the shells do it, a manual that man reads, every flag in all of it."""

import os
import pty
import re
import select
import shutil
import subprocess
import time

import pytest
from command import ROOT, USAGE, commands, llmdit

COMMANDS = commands()


@pytest.fixture(scope="module")
def scripts():
    return {kind: llmdit("completion", kind).stdout for kind in ("bash", "zsh", "fish", "man")}


def completed(tmp_path, scripts, *words):
    """What bash offers for the last of the words."""
    (tmp_path / "llmdit.bash").write_text(scripts["bash"])
    quoted = " ".join(f"'{word}'" for word in words)
    script = f"""
        source llmdit.bash
        COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}
        _llmdit
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "--norc", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_bash_completes_commands_flags_values_and_files(tmp_path, scripts):
    (tmp_path / "picture.png").touch()
    assert set(completed(tmp_path, scripts, "llmdit", "")) == {*COMMANDS, "--help", "--version"}
    assert completed(tmp_path, scripts, "llmdit", "gen") == ["generate"]
    assert completed(tmp_path, scripts, "llmdit", "generate", "--guid") == ["--guidance-scale"]
    assert completed(tmp_path, scripts, "llmdit", "generate", "--no-strip") == ["--no-strip-quotes"]
    assert completed(tmp_path, scripts, "llmdit", "generate", "--torch-dtype", "b") == ["bfloat16"]
    assert completed(tmp_path, scripts, "llmdit", "generate", "--progress", "") == ["auto", "json", "none"]
    assert completed(tmp_path, scripts, "llmdit", "generate", "--image", "pic") == ["picture.png"]
    assert completed(tmp_path, scripts, "llmdit", "inspect", "pic") == ["picture.png"]
    assert completed(tmp_path, scripts, "llmdit", "generate", "--steps", "") == []
    assert completed(tmp_path, scripts, "llmdit", "generate", "pic") == []


def test_bash_completes_paths_and_names(tmp_path, scripts):
    (tmp_path / "style.safetensors").touch()
    (tmp_path / "styles").mkdir()

    def offered(*words):
        return completed(tmp_path, scripts, "llmdit", *words)

    for flag in ("--lora", "--model-path", "--vae-path", "--vl-model", "--text-encoder-path", "--config", "--from"):
        assert sorted(offered("generate", flag, "sty")) == ["style.safetensors", "styles"], flag
    for flag in ("--cache-folder", "--templates-dir", "--wildcards"):
        assert offered("generate", flag, "sty") == ["styles"], flag
    assert set(offered("generate", "--profile", "")) == {"default", "rtx4090", "low_vram", "cpu", "demo"}
    assert offered("generate", "--template", "charc") == ["charcoal"]
    (tmp_path / "mine.md").touch()
    assert "mine.md" in offered("generate", "--template", "mi")
    assert "expand-to-caption" in offered("rewrite", "--rewriter", "") and "charcoal" not in offered(
        "rewrite", "--rewriter", ""
    )
    assert {"auto", "cpu"} <= set(offered("generate", "--vae-device", ""))


def test_profiles_of_ones_own_file_are_offered(tmp_path):
    (tmp_path / "config.toml").write_text("[default]\n[night]\ngeneration.width = 96\n")
    own = llmdit("completion", "bash", env={"LLMDIT_CONFIG": str(tmp_path / "config.toml")}).stdout
    assert "night" in completed(tmp_path, {"bash": own}, "llmdit", "plan", "--profile", "")


def typed_in_zsh(tmp_path, scripts, line):
    """What a zsh's line has become after "line", a tab and the return key: it completes only where somebody types."""
    functions = tmp_path / "functions"
    functions.mkdir(exist_ok=True)
    (functions / "_llmdit").write_text(scripts["zsh"])
    (tmp_path / ".zshrc").write_text(
        f"fpath=({functions} $fpath); autoload -Uz compinit; compinit -u; llmdit() {{ print -rl -- ran $@ }}; PS1=ready"
    )
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(tmp_path)
        os.execvpe("zsh", ["zsh", "-i"], {"PATH": os.environ["PATH"], "ZDOTDIR": str(tmp_path), "TERM": "dumb"})

    def read_until(text, seconds=60):
        seen, end = "", time.monotonic() + seconds
        while text not in seen and time.monotonic() < end:
            if select.select([terminal], [], [], 0.1)[0]:
                seen += os.read(terminal, 65536).decode(errors="replace")
        assert text in seen, seen
        return seen

    read_until("ready")
    os.write(terminal, f"llmdit {line}\t\r".encode())
    words = read_until("ready").replace("\r", "").split("ran\n")[-1].split("\n")
    os.write(terminal, b"exit\r")
    os.waitpid(process, 0)
    os.close(terminal)
    return [word for word in words if word and "ready" not in word]


@pytest.mark.skipif(not shutil.which("zsh"), reason="no zsh here")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("gen", ["generate"]),
        ("generate --guid", ["generate", "--guidance-scale"]),
        ("generate --no-strip", ["generate", "--no-strip-quotes"]),
        ("generate --torch-dtype b", ["generate", "--torch-dtype", "bfloat16"]),
        ("generate --image pic", ["generate", "--image", "picture.png"]),
        ("inspect pic", ["inspect", "picture.png"]),
        ("generate --lora pic", ["generate", "--lora", "picture.png"]),
        ("generate --cache-folder fold", ["generate", "--cache-folder", "folder"]),
        ("generate --template charc", ["generate", "--template", "charcoal"]),
        ("generate --template zzm", ["generate", "--template", "zzmine.md"]),
        ("generate --profile low", ["generate", "--profile", "low_vram"]),
    ],
)
def test_zsh_completes(tmp_path, scripts, line, words):
    (tmp_path / ("zzmine.md" if "--template" in line else "picture.png")).touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.txt").touch()
    assert typed_in_zsh(tmp_path, scripts, line) == words


@pytest.mark.skipif(not shutil.which("fish"), reason="no fish here")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("gen", {"generate"}),
        ("generate --guid", {"--guidance-scale"}),
        ("generate --no-strip", {"--no-strip-quotes"}),
        ("generate --torch-dtype b", {"bfloat16"}),
        ("generate --progress ", {"auto", "json", "none"}),
        ("generate --image pic", {"picture.png"}),
        ("inspect pic", {"picture.png"}),
        ("generate pic", set()),
        ("generate --lora pic", {"picture.png"}),
        ("generate --cache-folder fold", {"folder/"}),
        ("generate --template charc", {"charcoal"}),
        ("generate --profile low", {"low_vram"}),
        ("rewrite --rewriter expand-to", {"expand-to-caption"}),
    ],
)
def test_fish_completes(tmp_path, scripts, line, offered):
    (tmp_path / "picture.png").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.txt").touch()
    (tmp_path / "script").write_text(scripts["fish"])
    command = f"source script; complete -C 'llmdit {line}'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", command],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERM": "dumb"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert {entry.split("\t")[0] for entry in done.stdout.splitlines()} == offered, done.stderr


def test_every_flag_is_in_every_script(scripts):
    for command in COMMANDS:
        shown = set(re.findall(r"(?<!\S)--(?:\[no-\])?([a-z-]+)", llmdit(command, "--help-all").stdout))
        for flag in shown - {"no"}:
            assert re.search(rf"--{flag}\b", scripts["bash"]), (command, flag)
            assert re.search(rf"'--{flag}\[", scripts["zsh"]), (command, flag)
            assert re.search(rf" -l {flag}\b", scripts["fish"]), (command, flag)
            assert "\\-\\-" + flag.replace("-", "\\-") in scripts["man"], (command, flag)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_are_well_formed(tmp_path, scripts, shell):
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    (tmp_path / "script").write_text(scripts[shell])
    done = subprocess.run([shell, "-n", "script"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_manual_has_a_part_for_each_command(tmp_path, scripts):
    for command in COMMANDS:
        assert f"\n.SH {command.upper()}\n" in scripts["man"]
    assert all(
        line.split()[0] in (".TH", ".SH", ".B", ".I", ".PP", ".TP", ".nf", ".fi")
        for line in scripts["man"].splitlines()
        if line.startswith(".")
    )


def test_the_manual_tells_variables_files_and_exit_codes(scripts):
    manual = scripts["man"].replace("\\-", "-")
    codes = dict(re.findall(r"^\.B (\d+)\n(.*)$", manual.split(".SH EXIT STATUS")[1], re.M))
    assert codes["2"] == "usage" and set(codes) == {"0", "1", "2", "3", "4", "5", "6", "130"}
    overview = re.sub(r"\s+", " ", llmdit("--help").stdout)
    assert all(f"{code} {meaning}" in overview for code, meaning in codes.items())
    variables = set(re.findall(r"^\.B ([A-Z_, ]+)$", manual.split(".SH ENVIRONMENT")[1].split(".SH FILES")[0], re.M))
    # Those of the settings, and those that the library knows besides.
    of_settings = set(re.findall(r"\| `(LLMDIT_[A-Z_]+)` \|", (ROOT / "docs" / "settings.md").read_text()))
    others = re.search(r"other_variables\[\] = \{(.*?)\}", (ROOT / "src/config/sources.cpp").read_text(), re.S)[1]
    assert of_settings | set(re.findall(r'"([A-Z_]+)"', others)) <= variables
    assert "~/.config/llmdit/config.toml" in manual.split(".SH FILES")[1]


def test_an_unknown_shell():
    done = llmdit("completion", "fisch")
    assert done.returncode == USAGE and "did you mean fish?" in done.stderr
    assert llmdit("completion").returncode == USAGE
