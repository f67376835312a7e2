"""What the machine allows: products at its best rate, weights read once."""

import json
import time
import warnings
from functools import partial
from typing import TYPE_CHECKING

from .case import BEYOND_WARM, NEW_TOKENS, PROMPT_TOKENS, Case, Measured, Prepare, Stage, random_tensor, tokens_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    Sized = tuple[tuple[int, int, int], Callable[[], torch.Tensor]]

# Rows, inner size and columns of the products whose best rate counts: those of a step, and square ones.
PRODUCTS = ((288, 3840, 10240), (1024, 3840, 3840), (1024, 3840, 10240), (2048, 2048, 2048))
QUICK_PRODUCTS = ((32, 256, 256),)
REPEATS = 3
Size = tuple[int, int, int]


def products_alone(case: Case) -> dict[str, Stage]:
    """The matrix products of the step in float32, by libtorch, and nothing else."""
    import torch
    from safetensors.torch import load_file

    rows = _rows(case)
    products = []
    for file in sorted((case.folders["float32"] / "transformer").glob("*.safetensors")):
        for name, weight in load_file(file).items():
            part = name.split(".")[0]
            if part in rows and weight.dim() == 2:
                count = 1 if "adaLN" in name else rows[part]
                products.append((random_tensor(count, weight.shape[1]), weight))

    def multiply() -> None:
        for x, weight in products:
            torch.nn.functional.linear(x, weight)

    return {"": multiply}


def step_at_best_rate(kind: str) -> Prepare:
    """The time that a step's multiplications and additions take at the best rate of products of that type.

    The captions are ready. `kind` is "float32", which is what 16 bits come to where the processor has no arithmetic for
    them, or "int8".
    """

    def prepare(case: Case) -> dict[str, Stage]:
        sizes = PRODUCTS if case.wide else QUICK_PRODUCTS
        products = _float_products(sizes) if kind == "float32" else _int8_products(sizes)
        flops = step_flops(case)

        def run() -> Measured:
            rate = max(_rate(size, product) for size, product in products)
            return Measured(seconds=flops / rate, figures={"best rate": (rate / 1e9, "GFLOP/s")})

        return {"": run}

    return prepare


def step_flops(case: Case) -> float:
    """Of the noise refiner and the main layers: a multiplication and an addition count as two."""
    config = json.loads((case.folders["float32"] / "transformer/config.json").read_text(encoding="utf-8"))
    dim, rows = config["dim"], _rows(case)
    hidden = int(dim / 3 * 8)
    layers = {"noise_refiner": config["n_refiner_layers"], "layers": config["n_layers"]}
    products = sum(count * rows[part] * 2 * (4 * dim * dim + 3 * dim * hidden) for part, count in layers.items())
    attention = sum(count * 4 * rows[part] ** 2 * dim for part, count in layers.items())
    return float(products + attention)


def _rows(case: Case) -> dict[str, int]:
    """What each part of the transformer works on; both sequences are padded to multiples of 32."""
    image, caption = (-(-count // 32) * 32 for count in (tokens_of(case.pixels), PROMPT_TOKENS))
    return {"noise_refiner": image, "context_refiner": caption, "layers": image + caption}


def _float_products(sizes: tuple[Size, ...]) -> "list[Sized]":
    import torch

    return [(size, partial(torch.nn.functional.linear, *_operands(size))) for size in sizes]


def _int8_products(sizes: tuple[Size, ...]) -> "list[Sized]":
    """By FBGEMM, which rounds the activations itself, and by libtorch's product of integers where that has a kernel."""
    import torch

    has_kernel = torch.backends.cpu.get_cpu_capability().startswith("AVX512")  # without one it takes minutes
    found: list[Sized] = []
    for size in sizes:
        x, weight = _operands(size)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # this torch still has it, and says that a later one may not
            packed = torch.ops.quantized.linear_prepack(torch.quantize_per_tensor(weight, 0.03, 0, torch.qint8), None)
        integers = [tensor.clamp(-3, 3).mul(40).to(torch.int8) for tensor in (x, weight.T.contiguous())]
        found.append((size, partial(torch.ops.quantized.linear_dynamic, x, packed, reduce_range=True)))
        if has_kernel:
            found.append((size, partial(torch._int_mm, *integers)))
    return found


def _operands(size: Size) -> "tuple[torch.Tensor, torch.Tensor]":
    rows, inner, columns = size
    return random_tensor(rows, inner), random_tensor(columns, inner)


def _rate(size: Size, product: "Callable[[], torch.Tensor]") -> float:
    """Operations a second, of the best of a few."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        product()
        times.append(time.perf_counter() - start)
    return 2.0 * size[0] * size[1] * size[2] / min(times)


def weights_read(kind: str) -> Prepare:
    """A file of the encoder read from memory once a token and nothing else: the bound of one stream of text."""

    def prepare(case: Case) -> dict[str, Stage]:
        weights = _words(case, kind)
        gigabytes = NEW_TOKENS * weights.nbytes / 1e9

        def read() -> Measured:
            start = time.perf_counter()
            for _ in range(NEW_TOKENS):
                weights.sum()
            seconds = time.perf_counter() - start
            return Measured(seconds=seconds, figures={"rate": (gigabytes / seconds, "GB/s")})

        return {"": read}

    return prepare


def _words(case: Case, kind: str) -> "torch.Tensor":
    """The file as integers of 8 bytes, in memory."""
    import torch

    path = case.gguf("text_encoder", kind)
    return torch.from_file(str(path), size=path.stat().st_size // 8, dtype=torch.int64).clone()


def one_pass(storage: str) -> Prepare:
    """The matrices that encoding and a step use, read once from files that are in memory already."""

    def prepare(case: Case) -> dict[str, Stage]:
        import torch
        from safetensors import safe_open

        def read() -> None:
            for part in ("text_encoder", "transformer"):
                for path in sorted((case.folders[storage] / part).glob("*.safetensors")):
                    with safe_open(path, "pt") as file:
                        for name in file.keys():
                            tensor = file.get_tensor(name)
                            if tensor.dim() == 2 and "embed_tokens" not in name:
                                words = tensor.flatten()[: tensor.numel() // 4 * 4]
                                words.view(torch.int64).sum()

        return {BEYOND_WARM: read}

    return prepare
