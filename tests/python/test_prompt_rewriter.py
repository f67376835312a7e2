"""Rewriting prompts: what is taken from an answer, and models here and behind OpenAI's chat API."""

import base64
import io
import json
import threading
import time

import llmdit
import pytest
from command import DEMO_MODEL, USAGE
from command import llmdit as run
from PIL import Image

LONG = "A lone red circle on a white canvas, painted in thick oil, lit from the left."


@pytest.fixture
def templates(tmp_path):
    """A folder of one rewriter and one template of another kind."""
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "richer.md").write_text(
        "---\nname: richer\ndescription: More words\ncategory: rewriter\n---\nAdd detail.\n"
    )
    (folder / "oil.md").write_text("---\nname: oil\ndescription: Oil\ncategory: styles\n---\nPaint in oil.\n")
    registry = llmdit.TemplateRegistry()
    registry.load_directory(folder)
    return registry


def remote(chat, templates=None, **options):
    backend = llmdit.RemoteChatBackend(chat.url, **{"retries": 0, **options})
    return llmdit.PromptRewriter(backend, templates)


@pytest.mark.parametrize(
    ("text", "prompt", "thinking"),
    [
        ("a cat", "a cat", None),
        ("  a cat \n", "a cat", None),
        ("", "", None),
        ("<think>\nhm\n</think>\n\na cat", "a cat", "hm"),
        ("<think></think>a cat", "a cat", None),
        ("<think>\n\n</think>\n\na cat", "a cat", None),
        ("a <think>x</think> cat", "a cat", "x"),
        ("<think>one</think>a <think>two</think>\n cat", "a cat", "one"),
        # Not closed: thinking to the end of the text.
        ("<think>\nthe user wants", "", "the user wants"),
        ("a cat\n<think>but why", "a cat", "but why"),
        ("<think>one</think>a cat <think>two", "a cat", "one"),
        # Opened in the prompt, as some templates do.
        ("hm, a cat\n</think>\n\na cat", "a cat", "hm, a cat"),
        ("hm</think>a <think>x</think>cat", "a cat", "hm"),
        # Stray tags are never part of a prompt.
        ("<think>a</think>b</think>", "b", "a"),
        ("<think>a<think>b</think>c", "c", "ab"),
        ("a </think>", "", "a"),
        # JSON is taken from the end, and stays as it is.
        ('Here it is:\n{"prompt": "a cat"}', '{"prompt": "a cat"}', "Here it is:"),
        ('{"prompt": "a cat"}', '{"prompt": "a cat"}', None),
        ('so {x} gives {"a": {"b": [1, 2]}}', '{"a": {"b": [1, 2]}}', "so {x} gives"),
        ("so {not json}", "so {not json}", None),
        ('so {"a": 1} and more', 'so {"a": 1} and more', None),
        ('<think>x</think>so {"a": 1}', 'so {"a": 1}', "x"),
        # A first paragraph that thinks aloud.
        (f"Okay, a circle.\n\n{LONG}", LONG, "Okay, a circle."),
        (f"The user wants a circle.\n\n{LONG}\n\nMore.", f"{LONG}\n\nMore.", "The user wants a circle."),
        ("Okay, a circle.\n\nshort", "Okay, a circle.\n\nshort", None),
        (f"Okay.\n\nNow {LONG}", f"Okay.\n\nNow {LONG}", None),
        (f"Okay.\n\nLet me see. {LONG}", f"Okay.\n\nLet me see. {LONG}", None),
        (f"A circle.\n\n{LONG}", f"A circle.\n\n{LONG}", None),
        (f"Okay, {LONG}", f"Okay, {LONG}", None),
    ],
)
def test_what_an_answer_holds(text, prompt, thinking):
    answer = llmdit.parse_answer(text)
    assert (answer.prompt, answer.thinking) == (prompt, thinking)


def test_pictures_are_told_of_by_tags_only():
    for text in ('so {"a": 1}', f"Okay, a circle.\n\n{LONG}"):
        assert llmdit.parse_answer(text, only_tags=True).prompt == text
    assert llmdit.parse_answer("<think>x</think>y", only_tags=True).thinking == "x"


def test_braces_without_end():
    text = '{"a":' * 20000 + "}"
    started = time.monotonic()
    assert llmdit.parse_answer(text).prompt == text
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("listens", [True, False])
def test_a_server(chat, templates, streams, listens):
    chat.streams = streams
    chat.message = {"content": "<think>\nhm: ü\n</think>\n\nein Kätzchen 🐈"}
    pieces = []
    result = remote(chat, templates).rewrite("a cat", rewriter="richer", on_token=pieces.append if listens else None)
    assert (result.prompt, result.thinking, result.text) == ("ein Kätzchen 🐈", "hm: ü", chat.message["content"])
    assert (result.rewriter, result.system_prompt, result.model) == ("richer", "Add detail.", "qwen-8b")
    assert (result.finish_reason, result.prompt_tokens, result.new_tokens) == ("stop", 12, 5)
    assert result.seed is None and result.warnings == []
    request = chat.requests[-1]
    assert request["messages"] == [
        {"role": "system", "content": "Add detail."},
        {"role": "user", "content": "a cat"},
    ]
    # What was not given is the server's choice.
    assert set(request) - {"stream"} == {"model", "messages", "max_tokens"}
    assert (request["model"], request["max_tokens"]) == ("qwen", 512)
    if listens:
        assert "".join(piece.text for piece in pieces) == result.text and all(piece.id == -1 for piece in pieces)


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
@pytest.mark.parametrize("listens", [True, False])
def test_reasoning_that_a_server_keeps_apart(chat, templates, name, listens):
    chat.message = {"content": "a cat", name: "hm"}
    result = remote(chat, templates).rewrite("x", rewriter="richer", on_token=(lambda t: None) if listens else None)
    assert (result.prompt, result.thinking) == ("a cat", "hm")


def test_zero_is_a_value(chat, templates):
    given = {
        "temperature": 0.0,
        "top_p": 0.0,
        "top_k": 0,
        "min_p": 0.0,
        "presence_penalty": 0.0,
        "repetition_penalty": 1.0,
        "seed": 0,
    }
    result = remote(chat, templates, model="mine", api_key="secret").rewrite(
        "x", system_prompt="Do.", enable_thinking=False, max_new_tokens=7, **given
    )
    request = chat.requests[-1]
    assert {name: request[name] for name in given} == given
    assert request["max_tokens"] == 7 and request["model"] == "mine"
    assert request["chat_template_kwargs"] == {"enable_thinking": False}
    assert chat.headers[-1]["Authorization"] == "Bearer secret"
    assert result.seed == 0


def test_own_instructions_win_unless_blank(chat, templates):
    rewriter = remote(chat, templates)
    assert rewriter.rewriters == ["richer"]
    own = rewriter.rewrite("x", rewriter="richer", system_prompt="  Do this.\n")
    assert (own.system_prompt, own.rewriter) == ("Do this.", "")
    blank = rewriter.rewrite("x", rewriter="richer", system_prompt=" \n")
    assert (blank.system_prompt, blank.rewriter) == ("Add detail.", "richer")


def test_a_picture_goes_as_a_data_url(chat, templates):
    picture = Image.new("RGB", (5, 3), (200, 10, 20))
    result = remote(chat, templates).rewrite(image=picture)
    content = chat.requests[-1]["messages"][1]["content"]
    assert [part["type"] for part in content] == ["image_url"]
    head, data = content[0]["image_url"]["url"].split(",")
    assert head == "data:image/png;base64"
    sent = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
    assert sent.size == (5, 3) and sent.tobytes() == picture.tobytes()
    assert "Describe" in result.system_prompt
    remote(chat, templates).rewrite("more blue", image=picture, rewriter="richer")
    system, user = chat.requests[-1]["messages"]
    assert system["content"] == "Add detail." and user["content"][1] == {"type": "text", "text": "more blue"}


def test_the_url_may_name_the_version(chat, templates):
    rewriter = llmdit.PromptRewriter(llmdit.RemoteChatBackend(chat.url + "/v1", retries=0), templates)
    assert rewriter.rewrite("x", rewriter="richer").prompt


@pytest.mark.parametrize(
    ("body", "status", "match"),
    [
        (b"no json", 200, "JSON"),
        (b"[]", 200, "JSON object"),
        (b"{}", 200, "choices"),
        (b'{"choices": []}', 200, "choices"),
        (b'{"choices": [{"message": {"content": null}}]}', 200, "prompt"),
        (b'{"choices": ["x"]}', 200, "prompt"),
        (b'{"choices": [{"message": {"content": "x"}, "finish_reason": "content_filter"}]}', 200, "withheld"),
        (b'{"error": {"message": "no such model"}}', 404, "no such model"),
        (b'{"error": {"message": "too hot"}}', 200, "too hot"),
        (b"\xff\xfe", 200, "JSON"),
    ],
)
@pytest.mark.parametrize("listens", [True, False])
def test_answers_that_are_none(chat, templates, body, status, match, listens):
    chat.body, chat.status = body, status
    with pytest.raises(llmdit.Error, match=match):
        remote(chat, templates).rewrite("x", rewriter="richer", on_token=(lambda t: None) if listens else None)


def test_a_stream_that_breaks_off_with_an_error(chat, templates):
    chat.pieces = lambda: ['data: {"choices": [{"delta": {"content": "a"}}]}', 'data: {"error": {"message": "gone"}}']
    with pytest.raises(llmdit.RemoteError, match="gone"):
        remote(chat, templates).rewrite("x", rewriter="richer", on_token=lambda token: None)


def test_servers_of_many_models_and_of_none(chat, templates):
    chat.models = ["a", "b"]
    with pytest.raises(llmdit.RemoteError, match="2: a, b"):
        remote(chat, templates).rewrite("x", rewriter="richer")
    chat.models = []
    with pytest.raises(llmdit.RemoteError, match="name the model"):
        remote(chat, templates).rewrite("x", rewriter="richer")


def test_patience(chat, templates):
    chat.pause = 1.0
    for backend in ({"timeout": 0.3}, {"read_timeout": 0.3}):
        with pytest.raises(llmdit.RemoteError) as raised:
            remote(chat, templates, **backend).rewrite("x", rewriter="richer")
        assert raised.value.status == 504


def test_a_stream_that_breaks_off(chat, templates):
    chat.pieces = lambda: ['data: {"choices": [{"delta": {"content": "half a pro"}}]}']
    with pytest.raises(llmdit.RemoteError, match="before its answer was whole"):
        remote(chat, templates).rewrite("x", rewriter="richer")


def test_a_callback_ends_a_stream(chat, templates):
    chat.message = {"content": "one two three four five"}
    result = remote(chat, templates).rewrite("x", rewriter="richer", on_token=lambda token: token.step == 1)
    assert (result.prompt, result.finish_reason) == ("one tw", "request")

    def fails(token):
        raise KeyError(token.text)

    with pytest.raises(KeyError, match="one"):
        remote(chat, templates).rewrite("x", rewriter="richer", on_token=fails)


def test_texts_that_end_too_early(chat, templates):
    chat.finish_reason = "length"
    result = remote(chat, templates).rewrite("x", rewriter="richer", max_new_tokens=9)
    assert result.prompt and "9 tokens" in result.warnings[0]
    chat.message = {"content": "<think>\nwell, the user"}
    with pytest.raises(llmdit.InvalidArgument, match="raise max_new_tokens or turn thinking off"):
        remote(chat, templates).rewrite("x", rewriter="richer")


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"prompt": ""}, llmdit.InvalidArgument, "neither"),
        ({"prompt": " \n"}, llmdit.InvalidArgument, "neither"),
        ({"prompt": "x", "rewriter": None}, llmdit.InvalidArgument, "richer"),
        ({"prompt": "x", "rewriter": "richr"}, llmdit.NotFound, "richer"),
        ({"prompt": "x", "rewriter": "oil"}, llmdit.InvalidArgument, "styles"),
        ({"prompt": "x", "temperature": -1}, llmdit.InvalidArgument, "temperature"),
        ({"prompt": "x", "max_new_tokens": 0}, llmdit.InvalidArgument, "max_new_tokens"),
        ({"prompt": "x", "image": 5}, TypeError, "path"),
        ({"prompt": "x", "on_token": 5}, TypeError, "on_token"),
        ({"prompt": "x", "temprature": 1}, TypeError, "temperature"),
        ({"prompt": 5}, TypeError, None),
    ],
)
def test_requests_that_make_no_sense(chat, templates, arguments, error, match):
    with pytest.raises(error, match=match):
        remote(chat, templates).rewrite(**{"rewriter": "richer", **arguments})
    assert chat.requests == []


def test_the_text_encoder_s_own_model(pipe, templates):
    rewriter = llmdit.PromptRewriter(pipe.text_encoder, templates)
    options = {"rewriter": "richer", "seed": 5, "max_new_tokens": 12}
    for thinking, sampling in ((True, {}), (False, {"temperature": 0.7, "top_p": 0.8})):
        text = llmdit.format_prompt("a cat", system_prompt="Add detail.", force_think_block=not thinking)
        want = pipe.text_encoder.generate(text, seed=5, max_new_tokens=12, **sampling)
        got = rewriter.rewrite("a cat", enable_thinking=thinking, **options)
        assert (got.text, got.seed, got.new_tokens, got.prompt_tokens) == (
            want.text,
            5,
            len(want.token_ids),
            want.prompt_tokens,
        )
    with pytest.raises(llmdit.InvalidArgument, match="reads text only"):
        rewriter.rewrite("x", rewriter="richer", image=Image.new("RGB", (4, 4)))


def test_a_thinking_model_s_text_begins_inside_its_think_block(model_copy, templates):
    folder = model_copy()
    (folder / "tokenizer/chat_template.jinja").write_text("{{ '<|im_start|>assistant\\n<think>\\n' }}")
    encoder = llmdit.ZImageTextEncoder.from_pretrained(folder, subfolder="text_encoder")
    opened = llmdit.format_prompt("a cat", system_prompt="Add detail.", force_think_block=False) + "<think>\n"
    want = encoder.generate(opened, seed=5, max_new_tokens=12)
    for thinking in (True, False):  # in which it has no say
        ids = []
        with pytest.raises(llmdit.InvalidArgument, match="thinking to their end"):
            llmdit.PromptRewriter(encoder, templates).rewrite(
                "a cat",
                rewriter="richer",
                seed=5,
                max_new_tokens=12,
                enable_thinking=thinking,
                on_token=lambda token, ids=ids: ids.append(token.id),
            )
        assert ids == want.token_ids


def test_many_at_once(chat, templates):
    rewriter = remote(chat, templates)
    results = [None] * 6

    def work(i):
        results[i] = rewriter.rewrite(f"{i}", rewriter="richer", on_token=(lambda t: None) if i % 2 else None)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({result.prompt for result in results}) == 1


def test_the_command_with_a_server(chat, tmp_path):
    chat.message = {"content": "<think>hm</think>a red circle"}
    done = run("rewrite", "circle", "--system-prompt", "Do.", "--url", chat.url, env={"LLMDIT_API_KEY": "k"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "a red circle\n", "")
    assert chat.headers[-1]["Authorization"] == "Bearer k"
    Image.new("RGB", (4, 4)).save(tmp_path / "in.png")
    done = run("rewrite", "--image", "in.png", "--url", chat.url, "--json", "--temperature", "0", cwd=tmp_path)
    document = json.loads(done.stdout)
    assert document["rewritten_prompt"] == "a red circle" and document["thinking"] == "hm"
    assert document["settings"]["temperature"] == 0 and document["settings"]["top_p"] is None
    assert chat.requests[-1]["temperature"] == 0
    assert "top_p" not in chat.requests[-1]


def test_the_command_with_the_demo_model():
    arguments = [
        "rewrite",
        "a circle",
        "--system-prompt",
        "Do.",
        "--no-thinking",
        "--max-new-tokens",
        "6",
        "--seed",
        "1",
    ]
    done = run(*arguments, "--json", "--model-path", DEMO_MODEL)
    again = run(*arguments, "--json", "--model-path", DEMO_MODEL)
    assert done.returncode == again.returncode == 0 and done.stdout == again.stdout
    assert json.loads(done.stdout)["seed"] == 1
    notes = [
        "rewrite",
        "yellow heart, bottom left, pink bg",
        "--system-prompt",
        "Rewrite the prompt as one full sentence.",
    ]
    done = run(*notes, "--no-thinking", "--temperature", "0", "--model-path", DEMO_MODEL)
    assert done.stdout == "a yellow heart in the bottom left corner on a pink background\n"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["x"], USAGE),  # neither a rewriter nor instructions
        ([], USAGE),
        (["x", "--system-prompt", "Do.", "--api-model", "m"], USAGE),
        (["x", "--system-prompt", "Do.", "--temperature", "-1"], USAGE),
        (["x", "--system-prompt", "Do.", "--url", "ftp://x"], USAGE),
        (["--image", "none.png", "--url", "http://127.0.0.1:1"], 3),
        (["x", "--rewriter", "no such one"], 3),
        (["x", "--system-prompt", "Do.", "--url", "http://127.0.0.1:1", "--timeout", "0.5"], 6),
    ],
)
def test_commands_that_cannot_run(arguments, code, tmp_path):
    done = run("rewrite", *arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
