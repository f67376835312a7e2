"""Templates of prompts: the file format, the registry, and what they do to a prompt's text."""

import json
import threading

import llmdit
import pytest
from command import NOT_FOUND, TEMPLATES, UNSUPPORTED, USAGE, generate, pixels
from command import llmdit as command
from llmdit import ChatOptions, GenerateOptions, Template, TemplateRegistry, format_prompt, load_template

BLOCK = "<think>\n\n</think>\n\n"


@pytest.fixture(autouse=True)
def no_templates_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def write(tmp_path):
    def write(text, name="own.md"):
        path = tmp_path / "templates" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_a_file_with_every_field(write):
    path = write(
        "---\nname: ink wash\ndescription: >\n  Ink,\n  diluted.\ncategory: art\nadd_think_block: yes\n"
        "thinking_content: |\n  Think.\nassistant_content: ' Here: '\nmodel: z-image\ntags: [ink, 'wet, paper']\n"
        "quality:\n---\n\n  Paint: with water.\n---\nNot a fence.\n\n"
    )
    assert load_template(path) == Template(
        name="ink wash",
        description="Ink, diluted.",
        category="art",
        system_prompt="Paint: with water.\n---\nNot a fence.",
        thinking_content="Think.",
        assistant_content="Here:",
        add_think_block=True,
        metadata={"model": "z-image", "tags": "ink, wet, paper", "quality": ""},
        path=path,
    )


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("Only a body.\n", "Only a body."),
        ("", ""),
        ("--- \nno fence", "--- \nno fence"),
        ("\n---\nname: x\n---\nthe fence is not the first line", None),
        ("---\n---\nempty front matter", "empty front matter"),
        ("\ufeff---\r\nname: own\r\n---\r\nLine\r\nends.\r\n", "Line\nends."),
        ("---\nname: own\n---", ""),
        ("---\ndescription: a --- b\nname: own\n---\nbody", "body"),
    ],
)
def test_where_the_front_matter_ends(write, text, body):
    entry = load_template(write(text))
    assert entry.name == "own" and entry.add_think_block is False
    assert entry.system_prompt == (text.strip() if body is None else body)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("---\nname: x\nbody", "line 1: the front matter is not closed"),
        ("---\nname: x\nb: [1\n---\n", "line 4: no YAML"),
        ("---\nname: x\n\tb: 1\n---\n", "line 3: no YAML"),
        ("---\njust text\n---\n", "line 2: expected lines of the form"),
        ("---\n- a\n---\n", "line 2: expected lines of the form"),
        ("---\nname: x\nname: y\n---\n", "line 3: the key `name` is given twice"),
        ("---\nname: x\nb:\n  c: 1\n---\n", "`b`: expected a text or a list"),
        ("---\nname: x\nb: [[1]]\n---\n", "line 3: `b`: expected a list of texts"),
        ("---\nname: x\nadd_think_block: maybe\n---\n", "line 3: add_think_block: expected true or false, got 'maybe'"),
        ("---\nname: a/b\n---\n", "line 2: name: expected one line without a slash"),
        ("---\nname:\n---\n", "line 2: name: expected one line"),
        ("---\nname: x\n--- \n- y\n---\n", "expected one YAML document"),
        (b"fine\n\xff\n", "line 2: expected UTF-8"),
    ],
)
def test_files_that_cannot_be_taken(write, text, problem):
    with pytest.raises(llmdit.Unsupported) as caught:
        load_template(write(text))
    assert problem in str(caught.value) and "own.md" in str(caught.value)


def test_a_hostile_front_matter_ends(write):
    bomb = "---\na: &a [x,x]\n" + "".join(f"b{i}: &b{i} [*a,*a]\n" for i in range(40)) + "---\n"
    with pytest.raises(llmdit.Unsupported):
        load_template(write(bomb))
    text = "x" * 10_000
    aliases = f"---\na: &a {text}\nb: [" + "*a," * 100_000 + "]\n---\n"
    with pytest.raises(llmdit.Unsupported, match="too long a list"):
        load_template(write(aliases))
    with pytest.raises(llmdit.Unsupported):
        load_template(write("---\na: " + "[" * 20000 + "\n---\n"))
    with pytest.raises(llmdit.Unsupported, match="at most 1048576 bytes"):
        load_template(write("x" * (1 << 20) + "x"))
    with pytest.raises(llmdit.NotFound):
        load_template(write("").with_name("none.md"))


def test_a_registry_is_a_mapping(write):
    write("---\nname: b\ncategory: ink\n---\nBlack", "one.md")
    write("White", "deep/er/a.md")
    write("not markdown", "deep/note.txt")
    registry = TemplateRegistry()
    assert registry.load_directory(write("x", "c.md").parent) == 3
    assert (len(registry), list(registry), registry.list_names()) == (3, ["a", "b", "c"], ["a", "b", "c"])
    assert registry.categories == ["ink"] and registry.list_by_category("ink") == ["b"]
    assert registry["a"].system_prompt == "White" and registry.get("d") is None and "d" not in registry
    with pytest.raises(KeyError, match="there is no template"):
        registry["nothing like it"]
    assert registry.search("WHITE") == ["a"] and registry.search("ink bl") == ["b"] and registry.search("x y z") == []
    assert "3 templates" in repr(registry)
    registry["a"].system_prompt = "a copy"
    assert registry["a"].system_prompt == "White"


def test_duplicates_name_both_files(write):
    first, second = write("---\nname: same\n---\n", "a.md"), write("---\nname: same\n---\n", "b.md")
    registry = TemplateRegistry()
    registry.add(Template(name="kept"))
    with pytest.raises(llmdit.InvalidArgument) as caught:
        registry.load_directory(first.parent)
    assert str(first) in str(caught.value) and str(second) in str(caught.value) and "same" in str(caught.value)
    assert list(registry) == ["kept"]
    with pytest.raises(llmdit.InvalidArgument):
        registry.add(Template(name=""))


def test_a_missing_folder_is_an_error(tmp_path, monkeypatch):
    with pytest.raises(llmdit.NotFound, match="expected a folder of templates"):
        TemplateRegistry().load_directory(tmp_path / "none")
    with pytest.raises(llmdit.NotFound, match="expected a folder of templates"):
        format_prompt("p", template="charcoal", templates_dir=str(tmp_path / "none"))
    monkeypatch.setenv("LLMDIT_TEMPLATES", str(tmp_path / "none"))
    with pytest.raises(llmdit.NotFound, match="LLMDIT_TEMPLATES"):
        llmdit.builtin_templates_path()


def test_own_folders_lie_over_the_built_in_one(write, tmp_path):
    built_in = TemplateRegistry.standard()
    assert built_in["charcoal"].path.parent.parent == llmdit.builtin_templates_path()
    user = llmdit.user_templates_path()
    assert user == tmp_path / "config/llmdit/templates"
    user.mkdir(parents=True)
    (user / "charcoal.md").write_text("of the user")
    (user / "more.md").write_text("more")
    assert format_prompt("p", template="charcoal") == format_prompt("p", system_prompt="of the user")
    write("of the folder", "charcoal.md")
    folder = tmp_path / "templates"
    both = TemplateRegistry.standard(folder)
    assert both["charcoal"].system_prompt == "of the folder" and len(both) == len(built_in) + 1
    assert "of the folder" in format_prompt("p", template="charcoal", templates_dir=folder)


def test_a_template_is_a_name_a_path_or_a_value(write):
    path = write("---\nadd_think_block: true\n---\nPaint.")
    want = format_prompt("p", system_prompt="Paint.", force_think_block=True)
    assert format_prompt("p", template=str(path)) == want
    assert format_prompt("p", template=load_template(path)) == want
    assert format_prompt("p", prompt_template=load_template(path)) == want
    assert ChatOptions(template=load_template(path)).prompt_template.system_prompt == "Paint."
    assert GenerateOptions(template=load_template(path)).prompt_template.system_prompt == "Paint."
    with pytest.raises(llmdit.NotFound, match="did you mean 'charcoal'"):
        format_prompt("p", template="charcoall")
    with pytest.raises(llmdit.NotFound):
        format_prompt("p", template="none.md")
    with pytest.raises(TypeError):
        format_prompt("p", template=5)
    with pytest.raises(TypeError):
        GenerateOptions(prompt_template="charcoal")


def test_what_the_caller_gives_wins():
    entry = Template(name="t", system_prompt="S", thinking_content="T", assistant_content="A", add_think_block=True)
    given = {"system_prompt": "s", "thinking_content": "t", "assistant_content": "a"}
    assert format_prompt("p", template=entry, **given) == format_prompt("p", **given, force_think_block=True)
    assert format_prompt("p", template=entry, force_think_block=False) == format_prompt(
        "p", system_prompt="S", assistant_content="A"
    )
    plain = Template(name="t", system_prompt="S")
    assert BLOCK not in format_prompt("p", template=plain)
    assert format_prompt("p", template=plain, force_think_block=True).endswith(BLOCK)
    resolved = llmdit.resolve_template(ChatOptions(template=entry, system_prompt="s"))
    assert resolved == ChatOptions(
        system_prompt="s", thinking_content="T", assistant_content="A", force_think_block=True
    )


def test_the_pipeline_takes_templates(pipe, write):
    path = write("Paint in oil.")
    entry = load_template(path)
    plain = pipe("a cat", seed=1, num_inference_steps=1, system_prompt="Paint in oil.")
    for template in (entry, str(path), path):
        result = pipe("a cat", seed=1, num_inference_steps=1, template=template)
        assert result.latents.equal(plain.latents) and result.formatted_prompts == plain.formatted_prompts
    over = pipe("a cat", options=GenerateOptions(template="charcoal"), num_inference_steps=1, template=entry)
    assert over.formatted_prompts == plain.formatted_prompts
    assert pipe.encode_prompt("a cat", template=entry).formatted_prompts == plain.formatted_prompts
    assert "Template: own" in over.parameters()["parameters"]
    settings = json.loads(over.parameters()["llmdit"])
    assert settings["template"] == "own" and settings["prompt_template"]["system_prompt"] == "Paint in oil."
    warned = pipe("a cat", num_inference_steps=1, templates_dir=path.parent).warnings
    assert "templates_dir has no effect without a template" in warned
    rewriter = Template(name="r", category="rewriter", system_prompt="S")
    (warning,) = pipe("a cat", num_inference_steps=1, template=rewriter).warnings
    assert "'r' tells a language model how to rewrite prompts" in warning


def test_negative_prompts_share_the_think_block_alone(pipe):
    entry = Template(name="t", system_prompt="S", add_think_block=True)
    one = pipe("a", seed=1, num_inference_steps=1, guidance_scale=2, negative_prompt="b", template=entry)
    several = pipe(["a"], seed=1, num_inference_steps=1, guidance_scale=2, negative_prompt=["b"], template=entry)
    without = pipe("a", seed=1, num_inference_steps=1, guidance_scale=2, negative_prompt="b", system_prompt="S")
    assert one.latents.equal(several.latents) and not one.latents.equal(without.latents)
    embeds = pipe.encode_prompt("b", force_think_block=True).embeddings
    given = {"prompt_embeds": pipe.encode_prompt("a", template=entry).embeddings, "negative_prompt_embeds": embeds}
    assert pipe(seed=1, num_inference_steps=1, guidance_scale=2, **given).latents.equal(one.latents)


def test_many_threads_may_read_one_registry():
    registry, found = TemplateRegistry.standard(), []
    threads = [threading.Thread(target=lambda: found.append(registry.search("light"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and all(names == found[0] for names in found)


# The command.


def test_the_command_lists_searches_and_shows(write):
    everything = json.loads(command("templates", "--json").stdout)
    names = [entry["name"] for entry in everything["templates"]]
    assert sorted(names) == TemplateRegistry.standard().list_names()
    assert sum(everything["categories"].values()) == len(names)
    listing = command("templates", "--category", "rewriter").stdout
    assert listing.startswith("rewriter\n  ") and "charcoal" not in listing
    found = json.loads(command("templates", "CHARCOAL", "paper", "--json").stdout)["templates"]
    assert "charcoal" in [entry["name"] for entry in found]
    shown = command("templates", "show", "charcoal").stdout
    assert TemplateRegistry.standard()["charcoal"].system_prompt in shown and shown.startswith("charcoal (art)\n")
    path = write("---\ncategory: mine\n---\nOwn.")
    own = json.loads(command("templates", "--templates-dir", path.parent, "--category", "mine", "--json").stdout)
    assert own["templates"] == [
        {
            "name": "own",
            "description": "",
            "category": "mine",
            "system_prompt": "Own.",
            "thinking_content": "",
            "assistant_content": "",
            "add_think_block": False,
            "metadata": {},
            "path": str(path),
        }
    ]


def test_the_command_refuses(write):
    for arguments, code, text in (
        (["show"], USAGE, "show needs the name of a template"),
        (["show", "charcaol"], NOT_FOUND, "did you mean 'charcoal'?"),
        (["--category", "nope"], USAGE, "there is no category 'nope'; known are "),
        (["show", "charcoal", "--category", "art"], USAGE, "--category goes with a list"),
        (["--templates-dir", "/nowhere"], NOT_FOUND, "expected a folder of templates"),
        (["--templates-dir", write("---\nname: [\n---\n").parent], UNSUPPORTED, "own.md, line"),
    ):
        done = command("templates", *arguments)
        assert (done.returncode, done.stdout) == (code, "") and text in done.stderr, done.stderr
    none = command("templates", "no-template-holds-this")
    assert none.returncode == 0 and none.stdout == "" and "no template holds" in none.stderr


def test_other_commands_take_a_template(tmp_path):
    text = TemplateRegistry.standard()["charcoal"].system_prompt
    for name in ("format", "encode"):
        document = json.loads(command(name, "a cat", "--template", "charcoal", "--json").stdout)
        assert document["formatted_prompt"] == format_prompt("a cat", system_prompt=text)
    done = command("format", "a cat", "--template", "charcaol")
    assert done.returncode == NOT_FOUND and "did you mean 'charcoal'?" in done.stderr


def test_a_picture_keeps_its_template(tmp_path, write):
    path = write("Paint in oil.")
    made = generate(tmp_path, "--seed", 3, "--steps", 1, "--template", path)
    first = tmp_path / "first.png"
    (tmp_path / "picture.png").rename(first)
    path.unlink()
    again = command("generate", "--from", first, "-o", tmp_path / "again.png", "--json")
    assert again.returncode == 0 and json.loads(again.stdout)["rerun"]["identical"], again.stderr
    other = command("generate", "--from", first, "--template", "charcoal", "-o", tmp_path / "other.png", "--json")
    document = json.loads(other.stdout)
    assert document["prompt"] == made["prompt"] and document["settings"]["template"] == "charcoal"
    assert TemplateRegistry.standard()["charcoal"].system_prompt in document["formatted_prompt"]
    assert llmdit.read_picture_settings(tmp_path / "other.png").options.template == "charcoal"
    assert TEMPLATES.is_dir() and pixels(document)


@pytest.mark.parametrize("yaml", [", y]\nadda\t\n-nk_bl-nk_block: yes", "]", "name: a\n]", "}\nname: a"])
def test_front_matter_that_no_document_begins_with(write, yaml):
    """yaml-cpp makes empty documents of it without end."""
    with pytest.raises(llmdit.Unsupported, match="line [0-9]+: "):
        load_template(write(f"---\n{yaml}\n---\nbody"))
