/** @file
 * Arithmetic of prompt embeddings. Unless a comment says otherwise, `text` is [n, hidden], `vl` [m, hidden] of floating-point
 * numbers, what comes back is [n, hidden] with the text's type, NaN and infinity are refused, and `alpha` runs from 0 (the text, bit
 * for bit) to 1. docs/blending.md shows what each does to a picture.
 */
#ifndef LLMDIT_C_EMBEDDINGS_H_
#define LLMDIT_C_EMBEDDINGS_H_

#include "pipeline.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How embeddings are mixed. */
typedef struct llmdit_blend_options {
  uint32_t struct_size; /**< set by init */
  /** "interpolate", "linear", "adain", "adain_per_dim", "style_only", "graduated", "attention_weighted" or "style_delta". */
  const char *mode;
  double alpha;                           /**< 0 the text alone, 1 the picture alone (style_delta: the style at full strength) */
  const llmdit_tensor *neutral;           /**< style_delta: rows of a neutral picture [b, hidden] */
  const llmdit_tensor *attention_weights; /**< attention_weighted: how much each row of the text matters */
} llmdit_blend_options;

/** For other languages: `struct_size` is the size of the struct the caller knows. */
LLMDIT_CHECKED llmdit_status llmdit_blend_options_init_sized(llmdit_blend_options *options, size_t struct_size);
static inline llmdit_status llmdit_blend_options_init(llmdit_blend_options *options) {
  return llmdit_blend_options_init_sized(options, sizeof(*options));
}

/** Mixes the embeddings of a picture with those of a prompt, by any mode. `warnings` may be NULL; it gets rows that were not mixed and
 * options without effect, one a line. */
LLMDIT_CHECKED llmdit_status llmdit_blend(llmdit_tensor **blended, llmdit_text **warnings, const llmdit_tensor *vl,
                                          const llmdit_tensor *text, const llmdit_blend_options *options);
/** "linear", where unequal numbers of rows are an error unless `match_lengths`. */
LLMDIT_CHECKED llmdit_status llmdit_blend_embeddings(llmdit_tensor **blended, const llmdit_tensor *vl, const llmdit_tensor *text,
                                                     double alpha, bool match_lengths);
/** "style_only" in the columns that are listed; NULL: the last third. */
LLMDIT_CHECKED llmdit_status llmdit_blend_style_only(llmdit_tensor **blended, const llmdit_tensor *vl, const llmdit_tensor *text,
                                                     double alpha, const int64_t *columns, size_t column_count);
/** With an alpha for each row: at least min(m, n) numbers, as llmdit_create_graduated_alpha makes them. */
LLMDIT_CHECKED llmdit_status llmdit_blend_per_token(llmdit_tensor **blended, const llmdit_tensor *vl, const llmdit_tensor *text,
                                                    const llmdit_tensor *alphas);
/** Alphas [count] from `start` to `end`, cut off at 0 and 1; `curve` is "linear", "ease_in" or "ease_out". */
LLMDIT_CHECKED llmdit_status llmdit_create_graduated_alpha(llmdit_tensor **alphas, int64_t count, double start, double end,
                                                           const char *curve);
/** Adaptive instance normalisation; `per_token`: mean and deviation of each row, otherwise of all rows at once. */
LLMDIT_CHECKED llmdit_status llmdit_blend_adain(llmdit_tensor **blended, const llmdit_tensor *text, const llmdit_tensor *vl,
                                                double alpha, bool per_token);
/** What a style adds: the rows of `styled` less those of `neutral`, divided by their deviation with `normalize`. */
LLMDIT_CHECKED llmdit_status llmdit_compute_style_delta(llmdit_tensor **delta, const llmdit_tensor *styled,
                                                        const llmdit_tensor *neutral, bool normalize);
/** text + alpha * delta for any finite alpha, the delta brought to the text's deviation with `scale_to_text`. */
LLMDIT_CHECKED llmdit_status llmdit_blend_with_style_delta(llmdit_tensor **blended, const llmdit_tensor *text,
                                                           const llmdit_tensor *delta, double alpha, bool scale_to_text);

/** Embeddings as at most `max_tokens` rows; unchanged when they are no more. `mode`: "truncate", "interpolate", "pool",
 * "attention_pool", "extrapolate" (all rows back) or "segments" (as "interpolate"). */
LLMDIT_CHECKED llmdit_status llmdit_compress_embeddings(llmdit_tensor **compressed, const llmdit_tensor *embeddings,
                                                        int64_t max_tokens, const char *mode);
/** A rule of thumb for what is lost: "None (no compression needed)", "Low", "Medium", "Medium-HIGH", "HIGH" or "Unknown"; NULL for an
 * unknown mode. Never freed. */
LLMDIT_API const char *llmdit_estimate_quality_loss(int64_t tokens, int64_t max_tokens, const char *mode);

/** From what the prompts of one group have in common to what those of another have: [hidden] float32, of length 1 with `normalize`.
 * Each prompt [tokens, hidden] becomes one row by `reduction`: "mean", "max", "last" or "first". */
LLMDIT_CHECKED llmdit_status llmdit_steering_vector(llmdit_tensor **vector, const llmdit_tensor *const *positive,
                                                    size_t positive_count, const llmdit_tensor *const *negative,
                                                    size_t negative_count, const char *reduction, bool normalize);
/** embeddings + scale * vector in every row. */
LLMDIT_CHECKED llmdit_status llmdit_apply_steering(llmdit_tensor **steered, const llmdit_tensor *embeddings,
                                                   const llmdit_tensor *vector, double scale);

/** How alike two prompts are. */
typedef struct llmdit_embedding_comparison {
  uint32_t struct_size;
  double cosine_similarity;  /**< 0 where one of them is all zeros */
  double mean_squared_error; /**< over the columns */
} llmdit_embedding_comparison;

/** Compares [a, hidden] and [b, hidden] by one row of each, see llmdit_steering_vector. */
LLMDIT_CHECKED llmdit_status llmdit_compare_embeddings(llmdit_embedding_comparison *comparison, const llmdit_tensor *a,
                                                       const llmdit_tensor *b, const char *reduction);

/** What hidden states are like. */
typedef struct llmdit_layer_info {
  uint32_t struct_size;
  double mean;
  double std; /**< of all numbers, unbiased */
  double min;
  double max;
  double row_norm_mean; /**< Euclidean norm of a row */
  double row_norm_min;
  double row_norm_max;
} llmdit_layer_info;

/** `states` is [tokens, width]. */
LLMDIT_CHECKED llmdit_status llmdit_layer_statistics(llmdit_layer_info *info, const llmdit_tensor *states);
/** The columns whose root mean square is more than `threshold` times that of the median column, the largest first, and these ratios.
 * *count is the room before and the number of columns after the call; NULL for both lists only counts. More columns than room is
 * LLMDIT_INVALID_ARGUMENT, and *count says how many there are. */
LLMDIT_CHECKED llmdit_status llmdit_layer_outliers(int64_t *columns, double *ratios, size_t *count, const llmdit_tensor *states,
                                                   double threshold);

/** What the rows of a text encoder are like, column by column: the scale that other embeddings are brought to. */
typedef struct llmdit_statistics_info {
  uint32_t struct_size;
  int64_t hidden_dim;
  double global_mean;
  double global_std;
  const char *model;           /**< where the encoder came from; "" is not known */
  const int64_t *hidden_layer; /**< NULL is not known */
  int64_t num_prompts;         /**< 0 is not known */
  int64_t num_tokens;          /**< 0 is not known */
} llmdit_statistics_info;

/** Of [tokens, hidden] a prompt. `model` and `hidden_layer` say where they come from; NULL: not known. */
LLMDIT_CHECKED llmdit_status llmdit_statistics_compute(llmdit_statistics **statistics, const llmdit_tensor *const *embeddings,
                                                       size_t count, const char *model, const int64_t *hidden_layer);
/** Of a .npz or .json file. */
LLMDIT_CHECKED llmdit_status llmdit_statistics_load(llmdit_statistics **statistics, const char *path);
/** As .npz or .json, by the suffix. */
LLMDIT_CHECKED llmdit_status llmdit_statistics_save(const llmdit_statistics *statistics, const char *path);
/** The pointers in `info` live as long as the handle. */
LLMDIT_CHECKED llmdit_status llmdit_statistics_describe(llmdit_statistics_info *info, const llmdit_statistics *statistics);
/** Of each column, [hidden] float32. */
LLMDIT_CHECKED llmdit_status llmdit_statistics_mean(llmdit_tensor **mean, const llmdit_statistics *statistics);
/** Of each column, [hidden] float32. */
LLMDIT_CHECKED llmdit_status llmdit_statistics_std(llmdit_tensor **std, const llmdit_statistics *statistics);
/** Ends what llmdit_statistics_describe pointed to. */
LLMDIT_API void llmdit_statistics_free(llmdit_statistics *statistics);
/** Two dozen prompts of many kinds to compute statistics from; the list is never freed. */
LLMDIT_CHECKED llmdit_status llmdit_statistics_prompts(llmdit_texts *prompts);

/** embeddings * target_std / their deviation; NULL for `target_std`: that of Qwen3-4B's text. `warnings` may be NULL. */
LLMDIT_CHECKED llmdit_status llmdit_scale_embeddings(llmdit_tensor **scaled, llmdit_text **warnings, const llmdit_tensor *embeddings,
                                                     const double *target_std);
/** Each column with the mean and deviation of the statistics, cut at `clip_sigma` deviations; NULL: not cut. */
LLMDIT_CHECKED llmdit_status llmdit_normalize_per_dimension(llmdit_tensor **normalized, const llmdit_tensor *embeddings,
                                                            const llmdit_statistics *statistics, const double *clip_sigma);
/** That by `weight`, cut at 3 deviations, and llmdit_scale_embeddings to the statistics' global_std by the rest. `warnings` may be
 * NULL. */
LLMDIT_CHECKED llmdit_status llmdit_normalize_hybrid(llmdit_tensor **normalized, llmdit_text **warnings,
                                                     const llmdit_tensor *embeddings, const llmdit_statistics *statistics,
                                                     double weight);
/** Treats the columns whose deviation is more than `threshold` times the statistics' by `mode`: "none", "zero", "clamp" or "scale". */
LLMDIT_CHECKED llmdit_status llmdit_mask_outlier_dimensions(llmdit_tensor **masked, const llmdit_tensor *embeddings,
                                                            const llmdit_statistics *statistics, double threshold,
                                                            const char *mode);
/** These columns and their ratios, the greatest first; room and count as in llmdit_layer_outliers. */
LLMDIT_CHECKED llmdit_status llmdit_outlier_dimensions(int64_t *columns, double *ratios, size_t *count,
                                                       const llmdit_tensor *embeddings, const llmdit_statistics *statistics,
                                                       double threshold);

/** Embeddings of a safetensors file of llmdit or of llm-dit-experiments, with what made them. */
LLMDIT_CHECKED llmdit_status llmdit_encoding_load(llmdit_encoding **encoding, const char *path);
/** Writes them; without a suffix ".safetensors" is added. `sidecar`: a JSON file beside it, for one text only. `written` may be NULL;
 * it gets the file's path. */
LLMDIT_CHECKED llmdit_status llmdit_encoding_save(llmdit_text **written, const llmdit_encoding *encoding, const char *path,
                                                  bool sidecar);
/** One of embeddings [tokens, hidden_size] that the caller made, such as a blend. `prompts`: one for each, or NULL. */
LLMDIT_CHECKED llmdit_status llmdit_encoding_create(llmdit_encoding **encoding, const llmdit_tensor *const *embeddings, size_t count,
                                                    const llmdit_texts *prompts);

#ifdef __cplusplus
}
#endif

#endif /* LLMDIT_C_EMBEDDINGS_H_ */
