"""What the measured models are made of."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

DTYPES = ("float32", "bfloat16")


@dataclass(frozen=True)
class Sizes:
    """The widths are Z-Image's and Qwen3-4B's own; only layers are left out (published: 30, 2 and 36)."""

    layers: int = 4
    refiner_layers: int = 2
    encoder_layers: int = 6
    heads: int = 30
    cap_feat_dim: int = 2560
    encoder_heads: tuple[int, int] = (32, 8)
    encoder_intermediate: int = 9728
    vocabulary: int = 151936
    vae_channels: tuple[int, ...] = (128, 256, 512, 512)
    vae_layers: int = 2
    vae_groups: int = 32

    @property
    def name(self) -> str:
        """A folder name that tells models apart."""
        dim = self.transformer["dim"]
        return f"dim{dim}-layers{self.layers}-refiners{self.refiner_layers}-encoder{self.encoder_layers}"

    def folders(self, work: Path) -> dict[str, Path]:
        """Where the model of each storage type is, or will be, and the models of single jobs, all of them in bf16:

        "growth" has one layer of each kind, "full" all of the published ones, "narrow" is an autoencoder alone.
        """
        own = {name: work / self.name / name for name in (*DTYPES, "narrow")}
        return own | {"growth": work / self.growth.name / "bfloat16", "full": work / self.full.name / "zeros"}

    @property
    def growth(self) -> "Sizes":
        """Of curves: as few layers as there can be, and a vocabulary that the demo model's tokenizer fits."""
        return replace(self, layers=1, refiner_layers=1, encoder_layers=2, vocabulary=1024)

    @property
    def full(self) -> "Sizes":
        """As published."""
        return self if self == QUICK else replace(self, layers=30, refiner_layers=2, encoder_layers=36)

    @property
    def narrow_vae(self) -> dict[str, Any]:
        """An autoencoder of a quarter of the width."""
        return self.vae | {"block_out_channels": [32, 64, 128, 128]}

    @property
    def wide(self) -> bool:
        """Whether the widths are the published ones."""
        return self.heads == Sizes.heads and self.cap_feat_dim == Sizes.cap_feat_dim

    @property
    def transformer(self) -> dict[str, Any]:
        """Arguments of diffusers' ZImageTransformer2DModel."""
        axes = [32, 48, 48]
        return {
            "dim": self.heads * sum(axes),
            "n_heads": self.heads,
            "n_kv_heads": self.heads,
            "n_layers": self.layers,
            "n_refiner_layers": self.refiner_layers,
            "axes_dims": axes,
            "axes_lens": [1536, 512, 512],
            "cap_feat_dim": self.cap_feat_dim,
        }

    @property
    def text_encoder(self) -> dict[str, Any]:
        """Arguments of transformers' Qwen3Config."""
        return {
            "vocab_size": self.vocabulary,
            "hidden_size": self.cap_feat_dim,
            "intermediate_size": self.encoder_intermediate,
            "num_hidden_layers": self.encoder_layers,
            "num_attention_heads": self.encoder_heads[0],
            "num_key_value_heads": self.encoder_heads[1],
            "head_dim": 128,
            "max_position_embeddings": 40960,
            "tie_word_embeddings": True,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
        }

    @property
    def vae(self) -> dict[str, Any]:
        """Arguments of diffusers' AutoencoderKL."""
        return {
            "block_out_channels": list(self.vae_channels),
            "down_block_types": ["DownEncoderBlock2D"] * len(self.vae_channels),
            "up_block_types": ["UpDecoderBlock2D"] * len(self.vae_channels),
            "layers_per_block": self.vae_layers,
            "norm_num_groups": self.vae_groups,
            "latent_channels": 16,
            "use_quant_conv": False,
            "use_post_quant_conv": False,
            "sample_size": 1024,
            "scaling_factor": 0.3611,
            "shift_factor": 0.1159,
        }

    def as_dict(self) -> dict[str, Any]:
        """For the record of a run."""
        return asdict(self)


# For a smoke run: every path is taken, no figure means anything.
QUICK = Sizes(
    layers=1,
    refiner_layers=1,
    encoder_layers=2,
    heads=2,
    cap_feat_dim=256,
    encoder_heads=(4, 2),
    encoder_intermediate=512,
    vocabulary=1024,
    vae_channels=(32, 32, 64, 64),
    vae_layers=1,
    vae_groups=8,
)
