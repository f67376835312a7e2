"""Conditioning on pictures: embeddings of a picture, brought to the text encoder's scale and mixed with a prompt's.

`vl` are rows [m, hidden] of a vision-language model, `text` rows [n, hidden] of the text encoder. Functions that move
the text towards the picture's rows take `vl` first; those that restyle the text (`blend_adain`,
`blend_adain_per_dim`, `blend_with_style_delta`) take `text` first. All take both by keyword. The result is [n, hidden]
with the text's dtype on the text's device; rows of the text that the picture has no row for stay as they are.
"""

from .._llmdit import (
    BlendResult,
    BlendStats,
    EmbeddingStats,
    OutlierInfo,
    ReferenceStatistics,
    blend,
    blend_adain,
    blend_adain_per_dim,
    blend_attention_weighted,
    blend_embeddings,
    blend_interpolate,
    blend_per_token,
    blend_style_only,
    blend_with_style_delta,
    compute_blend_stats,
    compute_style_delta,
    create_graduated_alpha,
    get_outlier_dimensions,
    mask_outlier_dimensions,
    normalize_hybrid,
    normalize_per_dimension,
    scale_embeddings,
    statistics_prompts,
)

__all__ = [
    "BlendResult",
    "BlendStats",
    "EmbeddingStats",
    "OutlierInfo",
    "ReferenceStatistics",
    "blend",
    "blend_adain",
    "blend_adain_per_dim",
    "blend_attention_weighted",
    "blend_embeddings",
    "blend_interpolate",
    "blend_per_token",
    "blend_style_only",
    "blend_with_style_delta",
    "compute_blend_stats",
    "compute_style_delta",
    "create_graduated_alpha",
    "get_outlier_dimensions",
    "mask_outlier_dimensions",
    "normalize_hybrid",
    "normalize_per_dimension",
    "scale_embeddings",
    "statistics_prompts",
]
