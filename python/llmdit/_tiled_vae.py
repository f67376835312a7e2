"""An autoencoder that always works tile by tile."""

from typing import Any

import torch

from ._llmdit import AutoencoderKL, AutoencoderKLConfig, LatentDistribution


class TiledVAEDecoder:
    """Wraps an autoencoder so that it takes pictures of any size in the memory of one tile.

    vae = TiledVAEDecoder(pipe.vae)
    pixels = vae.decode(vae.unscale(latents))
    """

    __slots__ = {
        "vae": "The AutoencoderKL that works.",
        "tile_size": "Side of a tile in pixels.",
        "tile_overlap": "Pixels that neighbours share.",
    }

    def __init__(self, vae: AutoencoderKL, tile_size: int = 512, tile_overlap: int = 64) -> None:
        """Raises InvalidArgument for tiles that do not reach beyond their overlap."""
        vae.is_tiled(1 << 20, 1 << 20, tiled=True, tile_size=tile_size, tile_overlap=tile_overlap)  # checks the tiles
        self.vae = vae
        self.tile_size = tile_size
        self.tile_overlap = tile_overlap

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [batch, latent_channels, h, w] to pixels [batch, 3, height, width], as AutoencoderKL.decode.

        Raises InvalidArgument for another shape or a closed autoencoder, OutOfMemory.
        """
        return self.vae.decode(latents, tiled=True, tile_size=self.tile_size, tile_overlap=self.tile_overlap)

    def encode(self, pixels: torch.Tensor) -> LatentDistribution:
        """Pixels [batch, 3, height, width] in -1..1 to latents, as AutoencoderKL.encode.

        Raises InvalidArgument for another shape or a closed autoencoder, Unsupported where it has no encoder.
        """
        return self.vae.encode(pixels, tiled=True, tile_size=self.tile_size, tile_overlap=self.tile_overlap)

    def unscale(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [batch, channels, h, w] from the denoiser's scale to the autoencoder's."""
        return self.vae.unscale(latents)

    def scale(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [batch, channels, h, w] from the autoencoder's scale to the denoiser's."""
        return self.vae.scale(latents)

    @property
    def config(self) -> AutoencoderKLConfig:
        """The autoencoder's configuration."""
        return self.vae.config

    def close(self) -> None:
        """As AutoencoderKL.close: frees the weights at once, wherever else they are used."""
        self.vae.close()

    def __enter__(self) -> "TiledVAEDecoder":
        return self

    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> None:
        self.close()

    def __reduce__(self) -> Any:
        raise TypeError(
            "llmdit.TiledVAEDecoder is not copied or pickled; make one in each process, of an autoencoder that is "
            "loaded there"
        )

    def __repr__(self) -> str:
        return f"<llmdit.TiledVAEDecoder {self.tile_size} pixels, overlap {self.tile_overlap}, of {self.vae!r}>"
