"""Every public class shows what it is: names, counts, shapes; no addresses, and no more than a screen takes."""

import re

import llmdit
import pytest
import torch
from llmdit import vl
from one_of_each import ABSTRACT, classes

SMALL = {"num_inference_steps": 1, "width": 32, "height": 32, "seed": 1}


@pytest.mark.parametrize("name", [name for name in classes() if name not in ABSTRACT])
def test_every_repr_is_worth_reading(name, instances):
    text = repr(instances[name])
    assert name.removeprefix("vl.") in text
    assert not re.search(r"0x[0-9a-f]{6}|object at|tensor\(", text), text
    assert len(text) < 3000, text
    if name != "ZImagePipeline":
        assert "\n" not in text, text
    assert text != f"<llmdit.{name}>"  # which says nothing


def test_lists_and_texts_are_cut_short(pipe):
    options = llmdit.GenerateOptions(sigmas=[0.5] * 50, system_prompt="long " * 100, latents=torch.zeros(1, 16, 64, 64))
    text = repr(options)
    assert "0.5, 0.5, ... 50 in all]" in text and "<torch.float32 [1, 16, 64, 64]>" in text and len(text) < 300
    assert text.count("long") < 20
    many = llmdit.Template(name="own", metadata={f"key {i}": "value " * 50 for i in range(100)})
    assert "100 in all}" in repr(many) and len(repr(many)) < 1200
    result = pipe(["a cat"] * 20, **SMALL)
    assert len(repr(result)) < 200 and "20 pictures" in repr(result) and "8, ... 20 in all]" in repr(result)


def test_callables_and_generators_are_named():
    def watch(info):
        return False

    class Watcher:
        def step(self, info):
            return False

    generator = torch.Generator().manual_seed(7)
    text = repr(llmdit.GenerateOptions(on_step=watch, generator=generator))
    assert "watch>" in text and "<torch.Generator on cpu, seed 7>" in text and "0x" not in text
    assert "0x" not in repr(llmdit.GenerateOptions(on_step=Watcher().step))


def test_files_are_told_in_a_line(folders, tmp_path):
    folder = folders("base")
    assert repr(llmdit.inspect(folder)) == (
        f"<llmdit.FileInfo model_folder of ZImagePipeline at {folder}, "
        f"{len(llmdit.inspect(folder).components)} components>"
    )
    weights = llmdit.inspect(folder / "vae/diffusion_pytorch_model.safetensors")
    assert repr(weights).endswith(f"{len(weights.tensors)} tensors>")
    llmdit.write_png(tmp_path / "a.png", llmdit.Image(torch.zeros(3, 5, 3, dtype=torch.uint8).numpy()))
    assert repr(llmdit.inspect(tmp_path / "a.png")) == f"<llmdit.FileInfo picture at {tmp_path / 'a.png'}, png 5x3>"


def test_what_is_asked_is_named(pipe, vl_extractors):
    assert repr(llmdit.RemoteChatBackend("http://localhost:1", "m")) == (
        "<llmdit.RemoteChatBackend at http://localhost:1, model m>"
    )
    assert "layers" in repr(llmdit.LocalChatBackend(pipe.text_encoder))
    assert "instruct" in repr(vl.VLChatBackend(vl_extractors("base")))
    assert repr(llmdit.settings()[0]) == "<Setting model_path, LLMDIT_MODEL, default ''>"
