"""The demo's vision-language model: Qwen3-VL at demo size, its start from the text encoder, a fast batched forward."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import Qwen3ForCausalLM, Qwen3VLConfig, Qwen3VLForConditionalGeneration

from .models import ENCODER_WIDTH
from .shapes import CANVAS
from .tokenizer import PromptTokenizer
from .vl_texts import IMAGE_TOKENS

STATES_LAYER = -6  # the hidden states that condition pictures
LANGUAGE_LAYERS = 10
STATES_LAYERS = (
    LANGUAGE_LAYERS + 1 + STATES_LAYER
)  # how many layers make them: 5, of which 3 take in deepstack features
PATCH, MERGE, FRAMES = 16, 2, 2
SIDE = CANVAS // PATCH  # patches along one side
VISION_WIDTH, VISION_HEADS, VISION_DEPTH = 128, 4, 4
# The encoder's states are a hundred times its embeddings, which drowns what later layers add. Its copy is turned down.
QUIET = 16


def make_vl(tokenizer: PromptTokenizer) -> Qwen3VLForConditionalGeneration:
    """The model with random weights."""
    token = tokenizer.tokenizer.token_to_id
    text = {
        "vocab_size": tokenizer.rows,
        "hidden_size": ENCODER_WIDTH,
        "intermediate_size": 384,
        "num_hidden_layers": LANGUAGE_LAYERS,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "max_position_embeddings": 4096,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,  # the text encoder's
            "mrope_section": [6, 5, 5],
            "mrope_interleaved": True,
        },
        "bos_token_id": tokenizer.pad,
        "eos_token_id": tokenizer.end,
        "initializer_range": 0.04,
    }
    vision = {
        "depth": VISION_DEPTH,
        "hidden_size": VISION_WIDTH,
        "intermediate_size": 4 * VISION_WIDTH,
        "num_heads": VISION_HEADS,
        "patch_size": PATCH,
        "temporal_patch_size": FRAMES,
        "spatial_merge_size": MERGE,
        "out_hidden_size": ENCODER_WIDTH,
        "num_position_embeddings": SIDE * SIDE,
        "deepstack_visual_indexes": [0, 1, 2],
        "initializer_range": 0.04,
    }
    config = Qwen3VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
    )
    return Qwen3VLForConditionalGeneration(config)


@torch.no_grad()
def start_from_encoder(model: Qwen3VLForConditionalGeneration, encoder: Qwen3ForCausalLM) -> None:
    """Gives the first layers the text encoder's weights (all that it uses), and the vision tower a sensible start."""
    language = model.model.language_model
    language.embed_tokens.weight.copy_(encoder.model.embed_tokens.weight)
    used = len(encoder.model.layers) - 1
    for index, layer in enumerate(language.layers):
        if index < used:
            layer.load_state_dict(encoder.model.layers[index].state_dict())
            layer.self_attn.o_proj.weight /= QUIET
            layer.mlp.down_proj.weight /= QUIET
        else:  # begins as nothing
            nn.init.zeros_(layer.self_attn.o_proj.weight)
            nn.init.zeros_(layer.mlp.down_proj.weight)
    visual = model.model.visual
    for block in visual.blocks:
        nn.init.zeros_(block.attn.proj.weight)
        nn.init.zeros_(block.mlp.linear_fc2.weight)
    patch = visual.patch_embed.proj.weight
    nn.init.normal_(patch, std=patch[0].numel() ** -0.5)
    for merger in visual.deepstack_merger_list:
        nn.init.normal_(merger.linear_fc2.weight, std=0.1)


def to_patches(pictures: Tensor, frames: int = FRAMES) -> Tensor:
    """Pictures (n, 128, 128, 3) of 0..255 as the image processor's rows (n, 64, 1536) in -1..1, by blocks of 2 x 2."""
    blocks = SIDE // MERGE
    rows = pictures.view(-1, blocks, MERGE, PATCH, blocks, MERGE, PATCH, 3).permute(0, 1, 4, 2, 5, 7, 3, 6)
    rows = rows.reshape(len(pictures), SIDE * SIDE, 3, 1, PATCH, PATCH).float()
    return ((rows - 127.5) / 127.5).expand(-1, -1, -1, frames, -1, -1).reshape(len(pictures), SIDE * SIDE, -1)


def patch_places() -> Tensor:
    """(64, 2): row and column of each patch, in the order of `to_patches`."""
    axis = torch.arange(SIDE)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1)
    return grid.view(SIDE // MERGE, MERGE, SIDE // MERGE, MERGE, 2).transpose(1, 2).reshape(-1, 2)


@dataclass
class Vision:
    """What the tower gives: states of patches (n, 64, width), image tokens (n, 16, 128), three more sets of these."""

    patches: Tensor
    tokens: Tensor
    deepstack: list[Tensor]


def _attention(block: nn.Module, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    batch, length, width = x.shape
    query, key, value = block.attn.qkv(x).view(batch, length, 3, VISION_HEADS, -1).permute(2, 0, 3, 1, 4)

    def turn(y: Tensor) -> Tensor:
        first, second = y.chunk(2, -1)
        return y * cosine + torch.cat([-second, first], -1) * sine

    mixed = F.scaled_dot_product_attention(turn(query), turn(key), value)
    return block.attn.proj(mixed.transpose(1, 2).reshape(batch, length, width))


def vision_forward(model: Qwen3VLForConditionalGeneration, pictures: Tensor, merged: bool = True) -> Vision:
    """The numbers of Qwen3VLVisionModel.forward for a batch of 128 x 128 pictures; not merged: the patches alone."""
    visual, places = model.model.visual, patch_places()
    count = len(pictures)
    patch = visual.patch_embed.proj
    both = patch.weight.sum(2).flatten(1)  # the two frames are one picture
    x = F.linear(to_patches(pictures, frames=1), both, patch.bias)
    x = x + visual.pos_embed.weight[places[:, 0] * SIDE + places[:, 1]]
    angles = (places[:, :, None] * visual.rotary_pos_emb.inv_freq).flatten(1).repeat(1, 2)
    cosine, sine = angles.cos(), angles.sin()
    deepstack = []
    for index, block in enumerate(visual.blocks):
        x = x + _attention(block, block.norm1(x), cosine, sine)
        x = x + block.mlp(block.norm2(x))
        if merged and index in visual.deepstack_visual_indexes:
            merger = visual.deepstack_merger_list[visual.deepstack_visual_indexes.index(index)]
            deepstack.append(merger(x).view(count, IMAGE_TOKENS, -1))
    tokens = visual.merger(x).view(count, IMAGE_TOKENS, -1) if merged else x.new_zeros(0)
    return Vision(x, tokens, deepstack)


def positions(ids: Tensor, image_token: int) -> Tensor:
    """(3, batch, length): the three position rows of chats with at most one 128 x 128 picture, as get_rope_index."""
    blocks = SIDE // MERGE
    image = ids == image_token
    place = image.long().cumsum(1) - 1  # of an image token among its picture's
    start = image.long().argmax(1, keepdim=True)
    index = torch.arange(ids.shape[1])
    behind = (place >= 0) & ~image
    text = torch.where(behind, index - IMAGE_TOKENS + blocks, index)  # a picture counts as its longer side
    rows = (start + 0 * place, start + place // blocks, start + place % blocks)
    return torch.stack([torch.where(image, row, text) for row in rows])


def rms_norm(x: Tensor, layer: nn.Module) -> Tensor:
    """RMS norm with a layer's weight."""
    return F.rms_norm(x, (x.shape[-1],), layer.weight, layer.variance_epsilon)


def layer_forward(layer: nn.Module, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """The numbers of Qwen3VLTextDecoderLayer.forward."""
    batch, length, width = x.shape
    attention, feed = layer.self_attn, layer.mlp

    def split(y: Tensor) -> Tensor:
        return y.view(batch, length, -1, attention.head_dim).transpose(1, 2)

    def turn(y: Tensor) -> Tensor:
        first, second = y.chunk(2, -1)
        return y * cosine + torch.cat([-second, first], -1) * sine

    hidden = rms_norm(x, layer.input_layernorm)
    query = turn(rms_norm(split(attention.q_proj(hidden)), attention.q_norm))
    key = turn(rms_norm(split(attention.k_proj(hidden)), attention.k_norm))
    value = split(attention.v_proj(hidden))
    key, value = (y.repeat_interleave(attention.num_key_value_groups, 1) for y in (key, value))
    mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    x = x + attention.o_proj(mixed.transpose(1, 2).reshape(batch, length, width))
    hidden = rms_norm(x, layer.post_attention_layernorm)
    return x + feed.down_proj(F.silu(feed.gate_proj(hidden)) * feed.up_proj(hidden))


def states_forward(model: Qwen3VLForConditionalGeneration, ids: Tensor, vision: Vision | None = None) -> Tensor:
    """Conditioning states (batch, length, 128), not scaled, of chats padded on the right.

    The first chats of the batch are those with pictures.
    """
    language = model.model.language_model
    x, image = language.embed_tokens(ids), (ids == model.config.image_token_id)[..., None]
    cosine, sine = rotations(model, ids)
    if vision is not None:
        x = x.masked_scatter(image, vision.tokens)
    for index, layer in enumerate(language.layers[:STATES_LAYERS]):
        x = layer_forward(layer, x, cosine, sine)
        if vision is not None and index < len(vision.deepstack):
            x = x + torch.zeros_like(x).masked_scatter(image, vision.deepstack[index])
    return x


def speech_forward(model: Qwen3VLForConditionalGeneration, ids: Tensor, states: Tensor) -> Tensor:
    """States before the head, from conditioning states."""
    language = model.model.language_model
    cosine, sine = rotations(model, ids)
    for layer in language.layers[STATES_LAYERS:]:
        states = layer_forward(layer, states, cosine, sine)
    return rms_norm(states, language.norm)


def rotations(model: Qwen3VLForConditionalGeneration, ids: Tensor) -> list[Tensor]:
    """Cosine and sine of the rotary positions, (batch, 1, length, 32) each."""
    places = positions(ids, model.config.image_token_id)
    return [y[:, None] for y in model.model.language_model.rotary_emb(model.lm_head.weight, places)]
