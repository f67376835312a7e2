"""The `llmdit` command on a terminal, and under signals."""

import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest
from command import FAST, INTERRUPTED, LLMDIT, USAGE, environment, files_in, llmdit


class OnTerminal:
    """A run of the command whose stderr is a terminal."""

    def __init__(self, *arguments, cwd, **env):
        self.screen, terminal = pty.openpty()
        self.process = subprocess.Popen(
            [LLMDIT, *map(str, arguments)],
            cwd=cwd,
            env=environment(**env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=terminal,
        )
        os.close(terminal)
        self.shown = ""

    def read(self, until=None, seconds=120):
        """What the terminal shows up to its end, or until the text is there."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (until and until in self.shown):
            if not select.select([self.screen], [], [], 0.1)[0]:
                continue
            try:
                chunk = os.read(self.screen, 4096)
            except OSError:  # the other side is closed
                break
            if not chunk:
                break
            self.shown += chunk.decode()
        return self.shown

    def finish(self):
        self.read()
        os.close(self.screen)
        stdout, _ = self.process.communicate(timeout=120)
        return self.process.returncode, stdout.decode()


def test_a_terminal_shows_a_bar(tmp_path):
    run = OnTerminal("generate", "a", "--steps", 4, cwd=tmp_path)
    assert run.finish() == (0, "output.png\n")
    for step in range(5):
        assert f"step {step}/4" in run.shown
    assert "\x1b[32m" in run.shown
    assert re.search(r"\r\x1b\[Kllmdit: seed", run.shown), "the bar is gone before the report"


def test_the_bar_tells_which_run_it_is_of(tmp_path):
    run = OnTerminal("generate", "a", *FAST, "--seeds", "1,2", cwd=tmp_path)
    assert run.finish() == (0, "output-0001.png\noutput-0002.png\n")
    assert "run 1/2, step 1/1" in run.shown and "run 2/2, step 0/1" in run.shown


def test_no_color(tmp_path):
    run = OnTerminal("generate", "a", "--steps", 2, cwd=tmp_path, NO_COLOR="1")
    assert run.finish()[0] == 0
    assert "step 2/2" in run.shown and "\x1b[32m" not in run.shown


@pytest.mark.parametrize("arguments, env", [(["--quiet"], {}), ([], {"TERM": "dumb"})])
def test_no_bar_where_none_is_wanted(tmp_path, arguments, env):
    run = OnTerminal("generate", "a", *FAST, *arguments, cwd=tmp_path, **env)
    assert run.finish()[0] == 0
    assert "step 1/1" not in run.shown and "\x1b" not in run.shown


def test_no_bar_without_a_terminal(tmp_path):
    done = llmdit("generate", "a", *FAST, cwd=tmp_path)
    assert "\r" not in done.stderr and "\x1b" not in done.stderr and "step 1/1" not in done.stderr


def test_a_picture_is_not_poured_into_a_terminal(tmp_path):
    screen, terminal = pty.openpty()
    done = llmdit("generate", "a", "-o", "-", cwd=tmp_path, stdout=terminal)
    os.close(terminal)
    os.close(screen)
    assert done.returncode == USAGE and "terminal" in done.stderr


def test_ctrl_c_stops_after_the_step(tmp_path):
    run = OnTerminal("generate", "a", "--steps", 10000, cwd=tmp_path)
    run.read(until="step 2/10000")
    run.process.send_signal(signal.SIGINT)
    assert run.finish() == (INTERRUPTED, "")
    assert "stopping after this step" in run.shown and "llmdit: interrupted" in run.shown
    assert files_in(tmp_path) == []


def test_a_second_ctrl_c_quits_at_once(tmp_path):
    # Steps long enough that the second one finds the first still waiting for the end of its step.
    run = OnTerminal("generate", "a", "--steps", 10000, "--num-images-per-prompt", 64, cwd=tmp_path)
    run.read(until="step 0/10000")
    time.sleep(0.5)
    run.process.send_signal(signal.SIGINT)
    run.read(until="quits at once")
    run.process.send_signal(signal.SIGINT)
    assert run.finish() == (INTERRUPTED, "")
    assert files_in(tmp_path) == []


def test_an_ignored_ctrl_c_stays_ignored(tmp_path):
    process = subprocess.Popen(
        [LLMDIT, "generate", "a", "--steps", "40"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    process.stderr.readline()  # says which model it takes
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=120)[0] == b"output.png\n"
