"""Several pictures in one run of `llmdit generate`: prompts, seeds, wildcards, names of files, dry runs and events."""

import json
import signal
import subprocess
import time

import pytest
from command import (
    FAST,
    INTERRUPTED,
    LLMDIT,
    NOT_FOUND,
    REMOTE,
    UNSUPPORTED,
    USAGE,
    environment,
    files_in,
    generate,
    llmdit,
    pixels,
)
from PIL import Image


def dry_run(tmp_path, *arguments, **keywords):
    done = llmdit("generate", "--dry-run", "--json", *arguments, cwd=tmp_path, **keywords)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_prompts_times_seeds_are_the_runs(tmp_path):
    (tmp_path / "prompts.txt").write_text("a red circle\n\n  \na blue star\r\n")
    arguments = ["--prompts", "prompts.txt", "--seeds", "3,5-6", *FAST, "--json", "-o", "{index}-{seed}.png"]
    done = llmdit("generate", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    runs = json.loads(done.stdout)["runs"]
    assert [(run["prompt"], run["pictures"][0]["seed"]) for run in runs] == [
        (prompt, seed) for prompt in ("a red circle", "a blue star") for seed in (3, 5, 6)
    ]
    assert [run["settings"]["seed"] for run in runs] == [3, 5, 6] * 2
    assert files_in(tmp_path) == sorted(
        ["prompts.txt", *(f"{i + 1:04}-{seed}.png" for i, seed in enumerate([3, 5, 6] * 2))]
    )
    alone = generate(tmp_path, *FAST, "--seed", 5, prompt="a blue star")
    assert pixels(alone) == pixels(runs[4] | {"pictures": [{"path": tmp_path / "0005-5.png"}]})


def test_paths_of_a_batch_are_told_one_a_line(tmp_path):
    done = llmdit("generate", "--prompts", "-", *FAST, "-o", "x/{prompt}.png", cwd=tmp_path, input="A cat!\nein Bär\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "x/a-cat.png\nx/ein-bär.png\n"
    done = llmdit("generate", "a", "--seeds", "1,2", *FAST, cwd=tmp_path)
    assert done.stdout == "output-0001.png\noutput-0002.png\n"


def test_a_replaced_file_is_told(tmp_path):
    llmdit("generate", "a", "--seeds", "1", *FAST, "-o", "{seed}.png", cwd=tmp_path)
    done = llmdit("generate", "a", "--seeds", "1,2", *FAST, "-o", "{seed}.png", cwd=tmp_path)
    assert done.stderr.count("replaced the file") == 1 and "replaced the file 1.png" in done.stderr


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["a", "--seeds", "1,,2"], "--seeds: expected seeds and ranges"),
        (["a", "--seeds", "5-2"], "a range that rises"),
        (["a", "--seeds", "-1"], "--seeds"),
        (["a", "--seeds", "0-18446744073709551615"], "at most 100000 seeds"),
        (["a", "--seeds", "1", "--num-images-per-prompt", "2"], "--num-images-per-prompt has no place"),
        (["a", "-o", "{sed}.png"], "{sed} is none of {index}, {seed} and {prompt}, did you mean seed?"),
        (["a", "-o", "{seed.png"], "expected a }"),
        (["a", "--seeds", "1,1", "-o", "{seed}.png"], "the name of several pictures; put {index} into it"),
        (["a", "--seeds", "1,2", "-o", "-"], "takes one picture"),
        (["a", "--prompts", "p.txt"], "give one prompt or --prompts"),
        (["--prompts", "empty.txt"], "expected a prompt on a line"),
        (["{a", "--expand"], "expected a }"),
        (["__loop__", "--expand", "--wildcards", "."], "names itself"),
        (["__empty__", "--expand", "--wildcards", "."], "has no lines"),
        (["a", "--wildcards", "."], "--wildcards has no effect without --expand"),
        (["{0|1|2|3|4|5|6|7|8|9}" * 5, "--expand"], "at most 10000 prompts"),
        (["a", "--progress", "loud"], "--progress"),
    ],
)
def test_bad_batches(tmp_path, arguments, message):
    (tmp_path / "p.txt").write_text("a\n")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "loop.txt").write_text("a\n__loop__\n")
    done = llmdit("generate", *arguments, cwd=tmp_path)
    assert done.returncode == USAGE and message in done.stderr, done.stderr
    assert files_in(tmp_path) == ["empty.txt", "loop.txt", "p.txt"]


def test_the_largest_seed_ends_a_range(tmp_path):
    runs = dry_run(tmp_path, "a", "--seeds", f"{2**64 - 2}-{2**64 - 1}")["runs"]
    assert [run["seed"] for run in runs] == [2**64 - 2, 2**64 - 1]


def test_wildcards_expand_when_asked(tmp_path):
    lists = tmp_path / "wildcards"
    lists.mkdir()
    (lists / "shape.txt").write_text("# shapes\ncircle\n\n{big|small} __kind__\n")
    (lists / "kind.txt").write_text("star\n")
    text = "a {red|} __shape__ {as it is} a__b"

    def prompts(*arguments):
        return [run["prompt"] for run in dry_run(tmp_path, text, *arguments)["runs"]]

    shapes = ["circle", "big star", "small star"]
    assert prompts("--expand") == [f"a {c} {shape} {{as it is}} a__b" for c in ("red", "") for shape in shapes]
    assert prompts() == [text]
    missing = llmdit("generate", "__shap__", "--expand", cwd=tmp_path)
    assert missing.returncode == NOT_FOUND and "[wildcards] expected shap.txt in the folder wildcards" in missing.stderr
    assert "did you mean shape?" in missing.stderr
    (lists / "utf16.txt").write_bytes("a".encode("utf-16"))
    other = llmdit("generate", "__utf16__", "--expand", cwd=tmp_path)
    assert other.returncode == UNSUPPORTED and "[wildcards] expected a text in UTF-8" in other.stderr


def test_what_a_backslash_precedes_is_no_alternative(tmp_path):
    def prompts(text):
        return [run["prompt"] for run in dry_run(tmp_path, text, "--expand")["runs"]]

    assert prompts(r"a \{red|blue\} {cat|dog}") == ["a {red|blue} cat", "a {red|blue} dog"]
    assert prompts(r"{a\|b|c\}d} e") == ["a|b e", "c}d e"]
    assert prompts(r"\__shape__ _\_shape__") == ["__shape__ __shape__"]
    assert prompts(r"a \\ b \(c\) \{") == [r"a \ b \(c\) {"]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_lists_as_editors_write_them(tmp_path, mark, end):
    lines = [b"# two prompts", b"a cat", b"", b"\\# is a sharp", b"  # no comment", b"a dog"]
    (tmp_path / "prompts.txt").write_bytes(mark + end.join(lines))
    expected = ["a cat", "# is a sharp", "  # no comment", "a dog"]
    assert [run["prompt"] for run in dry_run(tmp_path, "--prompts", "prompts.txt")["runs"]] == expected
    (tmp_path / "wildcards").mkdir()
    (tmp_path / "wildcards" / "thing.txt").write_bytes(mark + end.join(lines))
    assert [run["prompt"] for run in dry_run(tmp_path, "__thing__", "--expand")["runs"]] == expected
    (tmp_path / "one.txt").write_bytes(mark + b"# a prompt" + end)
    assert dry_run(tmp_path, "--prompt-file", "one.txt")["runs"][0]["prompt"] == "# a prompt"


def test_expand_without_a_prompt_is_refused(tmp_path):
    assert llmdit("generate", "a", *FAST, "-o", "a.png", cwd=tmp_path).returncode == 0
    done = llmdit("generate", "--from", "a.png", "--expand", "-o", "b.png", cwd=tmp_path)
    assert done.returncode == USAGE and "--expand has no effect without a prompt" in done.stderr


def test_a_dry_run_tells_everything_and_does_nothing(tmp_path):
    document = dry_run(
        tmp_path, "a red circle", "--seed", 3, "--steps", 4, "-o", "new/{seed}.png", "--system-prompt", "x"
    )
    assert document["dry_run"] is True
    (run,) = document["runs"]
    assert (run["seed"], run["pictures"], run["token_count"] > 5) == (3, ["new/3.png"], True)
    assert "a red circle" in run["formatted_prompt"] and "x" in run["formatted_prompt"]
    assert document["settings"]["num_inference_steps"] == 4
    assert document["origins"]["generation.num_inference_steps"] == "flag --steps"
    assert document["parts"].keys() == {"tokenizer", "text_encoder", "transformer", "vae", "scheduler"}
    assert files_in(tmp_path) == []
    text = llmdit("generate", "a", "--dry-run", "--steps", 4, cwd=tmp_path).stdout
    assert "generation.num_inference_steps = 4    flag --steps" in text and "output.png" in text
    assert llmdit("generate", "a", "--dry-run", "--model-path", "nowhere", cwd=tmp_path).returncode == NOT_FOUND
    (tmp_path / "file").touch()
    assert llmdit("generate", "a", "--dry-run", "-o", "file/a.png", cwd=tmp_path).returncode == NOT_FOUND


def test_events_are_json_lines(tmp_path):
    arguments = ["a", "--steps", 2, "--seeds", "1,2", "--progress", "json", "--strength", "0.5"]
    done = llmdit("generate", *arguments, cwd=tmp_path)
    assert done.returncode == 0
    events = [json.loads(line) for line in done.stderr.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds.count("run") == 2 and kinds.count("step") == 4 and kinds.count("picture") == 2
    assert any(event["event"] == "warning" and "strength" in event["text"] for event in events)
    assert [event["path"] for event in events if event["event"] == "picture"] == done.stdout.split()
    of_runs = [event for event in events if event["event"] in ("run", "step", "picture")]
    assert [(event["run"], event["runs"], event["seed"]) for event in of_runs] == [(1, 2, 1)] * 4 + [(2, 2, 2)] * 4
    refused = llmdit("generate", "a", "--progress", "json", "--width", "100", cwd=tmp_path)
    assert json.loads(refused.stderr.splitlines()[-1])["event"] == "error"


def test_ctrl_c_keeps_what_is_finished(tmp_path):
    process = subprocess.Popen(
        [LLMDIT, "generate", "a", "--seeds", "1-1000", "-o", "{seed}.png", "--progress", "json"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout.readline() == "1.png\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    told = ["1.png", *process.communicate(timeout=120)[0].split()]
    assert process.returncode == INTERRUPTED
    assert sorted(told) == files_in(tmp_path) and len(told) < 1000


def interrupted_json(folder, event, *arguments):
    """The document of a run that is interrupted at the first event of this kind."""
    process = subprocess.Popen(
        [LLMDIT, "generate", "a", *arguments, "--progress", "json", "--json"],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stderr:
        if json.loads(line)["event"] == event:
            break
    process.send_signal(signal.SIGINT)
    document = json.loads(process.communicate(timeout=120)[0])
    assert process.returncode == INTERRUPTED
    return document


def test_json_of_an_interrupted_run_holds_what_is_finished(tmp_path):
    document = interrupted_json(tmp_path, "picture", "--seeds", "1-1000", "-o", "{seed}.png")
    assert document["interrupted"] is True and document["planned_runs"] == 1000 and document["error"] == "interrupted"
    paths = [picture["path"] for run in document["runs"] for picture in run["pictures"]]
    assert sorted(paths) == files_in(tmp_path) and 0 < len(paths) < 1000
    whole = generate(tmp_path, *FAST)
    assert whole["interrupted"] is False


def test_json_of_a_run_that_is_interrupted_before_its_end(tmp_path):
    document = interrupted_json(tmp_path, "step", "--steps", "10000")
    assert document == {"interrupted": True, "error": "interrupted", "planned_runs": 1, "runs": []}


def test_an_interrupted_row_keeps_its_finished_columns(tmp_path):
    values = ",".join(map(str, range(1, 1000)))
    for seconds in (1, 3, 9):  # nothing tells that a column is done, and machines differ
        process = subprocess.Popen(
            [LLMDIT, "sweep", "a", "--over", f"seed={values}", "--json", "-o", "row.png", "--steps", "1"],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        process.stderr.readline()  # says which model it takes
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=120)
        assert process.returncode == INTERRUPTED, stderr
        if stdout:
            break
    document = json.loads(stdout)
    assert document["interrupted"] is True and 0 < len(document["columns"]) < 999
    with Image.open(tmp_path / "row.png") as row:
        assert row.width == 132 * len(document["columns"]) - 4


def test_a_seed_beside_seeds_and_a_key_without_a_server(tmp_path):
    for arguments, word in (
        (["--seeds", "2", "--seed", "9"], "--seed or --seeds"),
        (["--encoder-api-key", "k"], "--encoder-api-key has no effect without --encoder-url"),
    ):
        done = llmdit("generate", "a", *arguments, "-o", "a.png", cwd=tmp_path)
        assert done.returncode == USAGE and word in done.stderr


def test_a_row_is_encoded_where_settings_say(tmp_path):
    done = llmdit("sweep", "a", "--over", "seed=1,2", "--steps", 1, "--encoder-url", "http://127.0.0.1:1", cwd=tmp_path)
    assert done.returncode == REMOTE and "127.0.0.1:1" in done.stderr
