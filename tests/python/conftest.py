"""Tiny models on disk, the reference's pipelines, and the table of measured errors at the end of the run."""

import os
import signal
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
if "LLMDIT_TEST_GPU" not in os.environ:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # what the tests compare with are the numbers of a CPU

import llmdit
import parity
import pytest
import tiny_models
import torch
import transformers

# A shell starts what it runs in the background deaf to Ctrl-C, and so would be the commands that the tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()

# The models are too small for a second thread to pay, and on a busy machine waiting for it costs a hundredfold.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _no_grad() -> Any:
    with torch.no_grad():
        yield


@pytest.fixture
def with_gradients() -> Any:
    with torch.enable_grad():
        yield


@pytest.fixture(scope="session")
def references() -> Callable[[str], Any]:
    """The reference pipeline of a tiny model, in float32 and in memory."""
    made: dict[str, Any] = {}

    def get(name: str) -> Any:
        if name not in made:
            made[name] = tiny_models.make_pipeline(name)
        return made[name]

    return get


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory, references: Callable[[str], Any]) -> Callable[..., Path]:
    """The folder of a tiny model, saved in `dtype`; not to be written to."""
    root = tmp_path_factory.mktemp("models")

    def get(name: str, dtype: torch.dtype = torch.float32) -> Path:
        folder = root / f"{name}-{str(dtype).removeprefix('torch.')}"
        if not folder.exists():
            tiny_models.save_folder(references(name), folder, dtype)
        return folder

    return get


@pytest.fixture(scope="session")
def pipelines(folders: Callable[..., Path]) -> Callable[[str], llmdit.ZImagePipeline]:
    """Our pipeline of a tiny model, on its float32 folder."""
    loaded: dict[str, llmdit.ZImagePipeline] = {}

    def get(name: str) -> llmdit.ZImagePipeline:
        if name not in loaded:
            loaded[name] = llmdit.ZImagePipeline.from_pretrained(folders(name))
        return loaded[name]

    return get


@pytest.fixture(scope="session")
def vl_references() -> Callable[[str], Any]:
    """The reference's Qwen3-VL of tiny_vl_models.MODELS, in float32."""
    import tiny_vl_models

    made: dict[str, Any] = {}

    def get(name: str) -> Any:
        if name not in made:
            made[name] = tiny_vl_models.make_model(name)
        return made[name]

    return get


@pytest.fixture(scope="session")
def vl_folders(tmp_path_factory: pytest.TempPathFactory, vl_references: Callable[[str], Any]) -> Callable[[str], Path]:
    """The folder of a tiny Qwen3-VL; not to be written to."""
    import tiny_vl_models

    root = tmp_path_factory.mktemp("vl")

    def get(name: str) -> Path:
        folder = root / name
        return folder if folder.exists() else tiny_vl_models.save_folder(vl_references(name), name, folder)

    return get


@pytest.fixture(scope="session")
def vl_extractors(vl_folders: Callable[[str], Path]) -> Callable[[str], Any]:
    """Our extractor of a tiny Qwen3-VL."""
    from llmdit import vl

    loaded: dict[str, vl.VLEmbeddingExtractor] = {}

    def get(name: str) -> Any:
        if name not in loaded:
            loaded[name] = vl.VLEmbeddingExtractor.from_pretrained(vl_folders(name))
        return loaded[name]

    return get


@pytest.fixture(scope="session")
def pipe(pipelines: Callable[[str], llmdit.ZImagePipeline]) -> llmdit.ZImagePipeline:
    """Our pipeline of the tiny model "base", for tests that need any pipeline."""
    return pipelines("base")


@pytest.fixture(scope="session")
def instances(
    pipe: llmdit.ZImagePipeline,
    vl_extractors: Callable[[str], Any],
    folders: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, object]:
    """One of every public class, by its name."""
    from one_of_each import one_of_each

    return one_of_each(pipe, vl_extractors("base"), folders, tmp_path_factory.mktemp("each"))


@pytest.fixture(scope="module")
def base(folders: Callable[..., Path]) -> dict[str, torch.Tensor]:
    """The transformer's weights of the tiny model "base", float32."""
    from safetensors.torch import load_file

    return load_file(folders("base") / "transformer/diffusion_pytorch_model.safetensors")


@pytest.fixture(scope="module")
def lora(base: dict[str, torch.Tensor]) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """One logical LoRA of it: module -> (up, down); the three projections share `down`, so that they can be one."""
    from lora_files import MODULES, QKV, RANK

    generator = torch.Generator().manual_seed(3)
    draw = lambda *shape: torch.randn(*shape, generator=generator) * 0.2  # noqa: E731
    shared = draw(RANK, base[QKV[0] + ".weight"].shape[1])
    result = {}
    for module in MODULES:
        rows, columns = base[module + ".weight"].shape
        result[module] = (draw(rows, RANK), shared if module in QKV else draw(RANK, columns))
    return result


@pytest.fixture
def two(lora: dict[str, tuple[torch.Tensor, torch.Tensor]], tmp_path: Path) -> tuple[Path, Path, Any]:
    """The files of two LoRAs, and what is in the second."""
    from lora_files import pairs, peft, save, underscored

    other = {m: (torch.randn_like(up) * 0.1, torch.randn_like(down)) for m, (up, down) in list(lora.items())[:4]}
    kohya = pairs(other, lambda m: "lora_unet_" + underscored(m), ".lora_down.weight", ".lora_up.weight")
    return save(peft(lora), tmp_path / "one.safetensors"), save(kohya, tmp_path / "two.safetensors"), other


@pytest.fixture(scope="module")
def local(pipe: llmdit.ZImagePipeline) -> llmdit.ZImageTextEncoder:
    """The encoder that those on other machines are compared with."""
    return pipe.text_encoder


@pytest.fixture
def remote(folders: Callable[..., Path]) -> Callable[..., llmdit.RemoteTextEncoder]:
    """Connects to a server, with little patience."""

    def connect(server: Any, api: str = "heylook", **options: Any) -> llmdit.RemoteTextEncoder:
        url = server if isinstance(server, str) else server.url
        patience = {"retries": 0, "read_timeout": 5.0}
        return llmdit.RemoteTextEncoder(url, api=api, model_path=folders("base"), **{**patience, **options})

    return connect


@pytest.fixture(scope="module")
def server(local: llmdit.ZImageTextEncoder) -> Any:
    """Our own encoder server, whose key is "secret"."""
    with llmdit.EncoderServer(local, port=0, api_key="secret") as running:
        yield running


@pytest.fixture
def chat() -> Any:
    """A server of OpenAI's chat API."""
    from chat_server import ChatServer

    with ChatServer() as running:
        yield running


@pytest.fixture
def no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """None but what a test sets; the model is the demo's."""
    from command import DEMO_MODEL

    for name in [name for name in os.environ if name.startswith("LLMDIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LLMDIT_CONFIG", "")
    monkeypatch.setenv("LLMDIT_DEMO_MODEL", str(DEMO_MODEL))


@pytest.fixture
def refiners(folders: Callable[..., Path]) -> Callable[..., llmdit.ContextRefiner]:
    """A new context refiner of a tiny model."""
    from context_refiners import load

    return lambda name, **options: load(folders(name), **options)


@pytest.fixture(scope="session")
def plain_pixels(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The pixels of the command's picture of seed 7 with nothing else set."""
    import command

    return command.pixels(command.generate(tmp_path_factory.mktemp("plain"), "--seed", 7))


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a picture of 96 x 80 pixels, and a mask that is white on its right half."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("start")
    Image.new("RGB", (96, 80), (30, 160, 60)).save(folder / "in.jpg")
    mask = Image.new("RGBA", (96, 80))
    mask.paste((255, 255, 255, 255), (48, 0, 96, 80))
    mask.save(folder / "mask.png")
    return folder


@pytest.fixture
def model_copy(folders: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """A copy of a tiny model's folder that a test may damage."""
    import shutil

    def get(name: str = "base", dtype: torch.dtype = torch.float32) -> Path:
        return Path(shutil.copytree(folders(name, dtype), tmp_path / name))

    return get


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist hands what it measured to the process that prints it."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["measured"] = {check: asdict(entry) for check, entry in parity.TABLE.items()}


class MeasuredInWorkers:
    """Registered where pytest-xdist is installed, as only then there is such a hook."""

    def pytest_testnodedown(self, node: Any) -> None:
        parity.merge(getattr(node, "workeroutput", {}).get("measured", {}))


def pytest_configure(config: pytest.Config) -> None:
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(MeasuredInWorkers())


def pytest_terminal_summary(terminalreporter: Any) -> None:
    lines = parity.table_lines()
    if lines:
        terminalreporter.section("measured errors")
        for line in lines:
            terminalreporter.write_line(line)
