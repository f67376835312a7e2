"""The three networks at demo size, good starting points for them, and a fast batched forward of the transformer."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, ZImageTransformer2DModel
from torch import Tensor, nn
from transformers import Qwen3Config, Qwen3ForCausalLM

from .scenes import LABEL_SIZES
from .shapes import CANVAS
from .tokenizer import PromptTokenizer

# All row lengths (128, 192, 384, 512) are multiples of 32, so that weights can be quantised in blocks of 32.
ENCODER_WIDTH = 128
TRANSFORMER_WIDTH = 192
TRANSFORMER_LAYERS = 4
LATENT_CHANNELS = 16
LATENT_SIDE = CANVAS // 8
PATCH = "2-1"  # the class's name for patches of 2 x 2 latents and one frame

BlockForward = Callable[[nn.Module, Tensor, Tensor, Tensor | None], Tensor]


def make_vae() -> AutoencoderKL:
    """An autoencoder that starts close to linear: that is far quicker to train than the default start."""
    vae = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 16, 32, 64),
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=4,
        sample_size=CANVAS,
        use_quant_conv=False,
        use_post_quant_conv=False,
        mid_block_add_attention=True,
        force_upcast=False,
        scaling_factor=1.0,
        shift_factor=0.0,
    )
    for name, weight in vae.named_parameters():
        if name.endswith(("conv2.weight", "conv2.bias", "to_out.0.weight", "to_out.0.bias")):
            nn.init.zeros_(weight)  # residual branches begin as nothing
        elif weight.ndim == 4 and "resnets" not in name:
            nn.init.normal_(weight, std=weight[0].numel() ** -0.5)  # plain convolutions keep the signal's size
    return vae


def make_encoder(tokenizer: PromptTokenizer) -> Qwen3ForCausalLM:
    """A small Qwen3. Its last layer stays untrained: the pipeline reads the states before it."""
    config = Qwen3Config(
        vocab_size=tokenizer.rows,
        hidden_size=ENCODER_WIDTH,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        attention_bias=False,
        use_cache=True,
        eos_token_id=tokenizer.end,
        bos_token_id=tokenizer.pad,
        initializer_range=0.04,
    )
    return Qwen3ForCausalLM(config)


def make_transformer() -> ZImageTransformer2DModel:
    """A small Z-Image transformer whose gates are open and whose output is zero at the start."""
    model = ZImageTransformer2DModel(
        in_channels=LATENT_CHANNELS,
        dim=TRANSFORMER_WIDTH,
        n_layers=TRANSFORMER_LAYERS,
        n_refiner_layers=1,
        n_heads=TRANSFORMER_WIDTH // 32,
        n_kv_heads=TRANSFORMER_WIDTH // 32,
        cap_feat_dim=ENCODER_WIDTH,
        axes_dims=[8, 12, 12],
        axes_lens=[1024, 128, 128],
    )
    for block in (*model.layers, *model.noise_refiner):
        modulation = block.adaLN_modulation[0]
        nn.init.zeros_(modulation.weight)
        bias = torch.zeros(4, TRANSFORMER_WIDTH)  # attention scale and gate, feed-forward scale and gate
        bias[1] = bias[3] = 0.4
        modulation.bias.data = bias.flatten()
    final = model.all_final_layer[PATCH]
    for linear in (final.linear, final.adaLN_modulation[1]):
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
    return model


class LabelHeads(nn.Module):
    """Reads a scene's labels off one state of the encoder; used only in training."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.Linear(ENCODER_WIDTH, sum(LABEL_SIZES) + 9)

    def forward(self, state: Tensor) -> Tensor:
        return self.heads(F.rms_norm(state, (ENCODER_WIDTH,)))

    @staticmethod
    def loss(output: Tensor, classes: Tensor, geometry: Tensor) -> tuple[Tensor, float]:
        """Cross-entropy of every label plus the squared error of places; and the share of right labels."""
        total, start, right = output.new_zeros(()), 0, []
        for column, size in enumerate(LABEL_SIZES):
            logits = output[:, start : start + size]
            start += size
            known = classes[:, column] >= 0
            if known.any():
                target = classes[known, column]
                total = total + F.cross_entropy(logits[known], target) * known.float().mean()
                right.append((logits[known].argmax(-1) == target).float().mean().item())
        present = (classes[:, [4, 8, 12]] >= 0).repeat_interleave(3, 1).float()
        total = total + 4 * ((output[:, start:] - geometry).square() * present).mean()
        return total, sum(right) / max(len(right), 1)


def encode_prompts(encoder: Qwen3ForCausalLM, ids: Tensor) -> Tensor:
    """The states the pipeline feeds to the transformer: those before the last layer."""
    return encoder.model(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states[-2]


def _norm(x: Tensor, layer: nn.Module) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],), layer.weight, layer.eps)


def _rotate(x: Tensor, rope: Tensor) -> Tensor:
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * rope[0] - odd * rope[1], even * rope[1] + odd * rope[0]], -1).flatten(-2)


def block_forward(block: nn.Module, x: Tensor, rope: Tensor, time: Tensor | None) -> Tensor:
    """The numbers of ZImageTransformerBlock.forward in a form that compiles well."""
    batch, tokens, width = x.shape
    attention = block.attention
    if time is not None:
        scale_a, gate_a, scale_f, gate_f = block.adaLN_modulation[0](time)[:, None].chunk(4, dim=2)
        scale_a, gate_a, scale_f, gate_f = 1 + scale_a, gate_a.tanh(), 1 + scale_f, gate_f.tanh()

    def split(y: Tensor) -> Tensor:
        return y.view(batch, tokens, attention.heads, width // attention.heads)

    hidden = _norm(x, block.attention_norm1)
    if time is not None:
        hidden = hidden * scale_a
    query = _rotate(_norm(split(attention.to_q(hidden)), attention.norm_q), rope)
    key = _rotate(_norm(split(attention.to_k(hidden)), attention.norm_k), rope)
    value = split(attention.to_v(hidden))
    mixed = F.scaled_dot_product_attention(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2))
    mixed = _norm(attention.to_out[0](mixed.transpose(1, 2).reshape(batch, tokens, width)), block.attention_norm2)
    x = x + (mixed if time is None else gate_a * mixed)

    hidden = _norm(x, block.ffn_norm1)
    if time is not None:
        hidden = hidden * scale_f
    feed = block.feed_forward
    hidden = _norm(feed.w2(F.silu(feed.w1(hidden)) * feed.w3(hidden)), block.ffn_norm2)
    return x + (hidden if time is None else gate_f * hidden)


def transformer_forward(
    model: ZImageTransformer2DModel,
    latents: Tensor,
    time: Tensor,
    states: Tensor,
    lengths: Tensor,
    block: BlockForward = block_forward,
) -> Tensor:
    """ZImageTransformer2DModel on latents (batch, channels, height, width) whose captions share one padded length.

    The class pads each prompt by itself and places the picture behind the padded prompt, so a batch of mixed padded
    lengths would train on positions that never occur.
    """
    batch, channels, height, width = latents.shape
    padded, rows, columns = states.shape[1], height // 2, width // 2
    picture_tokens = rows * columns

    picture_ids = torch.meshgrid(
        torch.tensor([padded + 1]), torch.arange(rows), torch.arange(columns), indexing="ij"
    )  # frame, row, column
    picture_ids = torch.stack(picture_ids, -1).view(-1, 3)
    caption_ids = torch.zeros(padded, 3, dtype=torch.long)
    caption_ids[:, 0] = torch.arange(1, padded + 1)
    angles = model.rope_embedder(torch.cat([picture_ids, caption_ids]))[:, None]
    rope = torch.stack([angles.real, angles.imag]).contiguous()

    time = model.t_embedder(time * model.t_scale)
    patches = latents.view(batch, channels, rows, 2, columns, 2).permute(0, 2, 4, 3, 5, 1)
    picture = model.all_x_embedder[PATCH](patches.reshape(batch, picture_tokens, 4 * channels))
    for layer in model.noise_refiner:
        picture = block(layer, picture, rope[:, :picture_tokens].contiguous(), time)

    words = model.cap_embedder[1](_norm(states, model.cap_embedder[0]))
    words = torch.where((torch.arange(padded) < lengths[:, None])[..., None], words, model.cap_pad_token)
    for layer in model.context_refiner:
        words = block(layer, words, rope[:, picture_tokens:].contiguous(), None)

    joined = torch.cat([picture, words], 1)
    for layer in model.layers:
        joined = block(layer, joined, rope, time)
    output = model.all_final_layer[PATCH](joined[:, :picture_tokens], c=time)
    output = output.view(batch, rows, columns, 2, 2, channels).permute(0, 5, 1, 3, 2, 4)
    return output.reshape(batch, channels, height, width)
