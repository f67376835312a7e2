"""What `llmdit completion` writes: completion as bash does it, a manual that man reads, every flag in all of them."""

import re
import shutil
import subprocess

import pytest
from command import USAGE, llmdit

COMMANDS = re.findall(r"^  ([a-z-]+) +[A-Z]", llmdit("--help").stdout.split("Commands:")[1].split("\n\n")[0], re.M)


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
        line.split()[0] in (".TH", ".SH", ".B", ".PP", ".TP", ".nf", ".fi")
        for line in scripts["man"].splitlines()
        if line.startswith(".")
    )


def test_an_unknown_shell():
    done = llmdit("completion", "fisch")
    assert done.returncode == USAGE and "did you mean fish?" in done.stderr
    assert llmdit("completion").returncode == USAGE
