"""A step's blocks as OpenVINO runs them: it has no Z-Image, so this is the model's arithmetic for its converter."""

from typing import TYPE_CHECKING, Any

from .case import TIME, Case, Prepare, Stage, caption_of, latents_of

if TYPE_CHECKING:
    import torch

HEAD = 128


def step(weights: str) -> Prepare:
    """The noise refiner and the main layers, captions refined already: what "llmdit, caption ready" does, and no more.

    `weights` is "float32", or "int8" for weights of 8 bits with a factor for each 128 and activations as OpenVINO
    chooses.
    """

    def prepare(case: Case) -> dict[str, Stage]:
        import openvino
        import torch

        module, inputs = blocks_of(case)
        model = openvino.convert_model(module, example_input=inputs)
        if weights == "int8":
            import nncf

            model = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)
        del module
        settings = {"INFERENCE_NUM_THREADS": case.threads, "INFERENCE_PRECISION_HINT": "f32"}
        compiled = openvino.compile_model(model, "CPU", settings)
        del model
        request = compiled.create_infer_request()
        arrays = [tensor.numpy() for tensor in inputs]
        return {"": lambda: torch.from_numpy(request.infer(arrays)[0].copy())}

    return prepare


def blocks_of(case: Case) -> "tuple[torch.nn.Module, tuple[torch.Tensor, ...]]":
    """The blocks, and the tensors that come to them in a step: image rows, caption rows, time, cosines, sines."""
    import torch
    from diffusers import ZImageTransformer2DModel

    model = ZImageTransformer2DModel.from_pretrained(
        case.folders["float32"], subfolder="transformer", dtype=torch.float32
    )
    seen: dict[str, Any] = {}

    def catch(name: str) -> Any:
        def hook(_module: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            seen.setdefault(name, (args, kwargs))

        return hook

    handles = [
        model.noise_refiner[0].register_forward_pre_hook(catch("image"), with_kwargs=True),
        model.layers[0].register_forward_pre_hook(catch("joint"), with_kwargs=True),
    ]
    outputs: list[torch.Tensor] = []
    handles.append(model.layers[-1].register_forward_hook(lambda _m, _a, out: outputs.append(out)))
    latents = list(latents_of(case.pixels).unsqueeze(2))
    model(latents, torch.tensor([TIME]), [caption_of(case)], return_dict=False)
    for handle in handles:
        handle.remove()
    (image_args, _), (joint_args, _) = seen["image"], seen["joint"]
    image, joint, time = image_args[0][0], joint_args[0][0], image_args[3]
    freqs = joint_args[2][0]
    inputs = (image, joint[image.shape[0] :], time[:1], freqs.real.contiguous(), freqs.imag.contiguous())
    return StepBlocks(model), inputs


def _step_blocks() -> type:
    import torch
    from torch.nn import functional

    def norm(x: torch.Tensor, module: Any) -> torch.Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + module.eps) * module.weight

    def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        pairs = x.unflatten(-1, (-1, 2))
        even, odd, cos, sin = pairs[..., 0], pairs[..., 1], cos.unsqueeze(1), sin.unsqueeze(1)
        return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)

    def block(layer: Any, x: torch.Tensor, time: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        scale_a, gate_a, scale_f, gate_f = layer.adaLN_modulation(time).chunk(4, -1)
        attention, h = layer.attention, norm(x, layer.attention_norm1) * (1 + scale_a)
        q, k, v = (linear(h).unflatten(-1, (-1, HEAD)) for linear in (attention.to_q, attention.to_k, attention.to_v))
        q, k = rotate(norm(q, attention.norm_q), cos, sin), rotate(norm(k, attention.norm_k), cos, sin)
        q, k, v = (t.transpose(0, 1).unsqueeze(0) for t in (q, k, v))
        mixed = functional.scaled_dot_product_attention(q, k, v)[0].transpose(0, 1).flatten(1)
        x = x + gate_a.tanh() * norm(attention.to_out[0](mixed), layer.attention_norm2)
        ffn, h = layer.feed_forward, norm(x, layer.ffn_norm1) * (1 + scale_f)
        return x + gate_f.tanh() * norm(ffn.w2(functional.silu(ffn.w1(h)) * ffn.w3(h)), layer.ffn_norm2)

    class Blocks(torch.nn.Module):
        """Rows without a batch, rotations as real numbers."""

        def __init__(self, model: Any) -> None:
            super().__init__()
            self.noise_refiner, self.layers = model.noise_refiner, model.layers

        def forward(
            self, image: torch.Tensor, caption: torch.Tensor, time: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor
        ) -> torch.Tensor:
            rows = image.shape[0]
            for layer in self.noise_refiner:
                image = block(layer, image, time, cos[:rows], sin[:rows])
            x = torch.cat((image, caption))
            for layer in self.layers:
                x = block(layer, x, time, cos, sin)
            return x

    return Blocks


def StepBlocks(model: Any) -> "torch.nn.Module":  # noqa: N802  reads as the class that it makes
    """The blocks of a transformer as one module."""
    module: torch.nn.Module = _step_blocks()(model).eval()
    return module
