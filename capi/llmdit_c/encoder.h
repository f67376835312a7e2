/** @file
 * Text encoders, here and on servers, and the language model inside of them.
 */
#ifndef LLMDIT_C_ENCODER_H_
#define LLMDIT_C_ENCODER_H_

#include "pipeline.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What turns chat text into prompt embeddings. */
typedef struct llmdit_text_encoder llmdit_text_encoder;

/** The encoder of a model of any form, whose other parts need not be there. `path` as in llmdit_pipeline_load. */
LLMDIT_CHECKED llmdit_status llmdit_text_encoder_load(llmdit_text_encoder **encoder, const char *path,
                                                      const llmdit_load_options *options);
/** One that asks the server of `remote`. `path`: the model whose tokenizer and sizes are known here, so that answers can be checked
 * against them; its encoder's weights need not be there; NULL: none. LLMDIT_INTERNAL for a server that fails, here and at each
 * text. `load` and `cancellation` may be NULL. */
LLMDIT_CHECKED llmdit_status llmdit_text_encoder_connect(llmdit_text_encoder **encoder, const llmdit_remote_options *remote,
                                                         const char *path, const llmdit_load_options *load,
                                                         const llmdit_cancellation *cancellation);
/** `encoder` behind the cache that cache_size, cache_megabytes and cache_folder ask for. NULL for `encoder`: what lies in the folder
 * is all there is, and other texts are LLMDIT_NOT_FOUND. */
LLMDIT_CHECKED llmdit_status llmdit_text_encoder_with_cache(llmdit_text_encoder **cached, const llmdit_text_encoder *encoder,
                                                            const llmdit_load_options *options);
/** A pipeline with this encoder in the place of the model's own, which need not be there; NULL: without any, for prompt_embeds
 * alone. The handle of the encoder may be freed. */
LLMDIT_CHECKED llmdit_status llmdit_pipeline_load_with_encoder(llmdit_pipeline **pipeline, const char *path,
                                                               const llmdit_load_options *options,
                                                               const llmdit_text_encoder *encoder);
/** What encodes a pipeline's prompts, with its weights as they are now; LLMDIT_NOT_FOUND where it has none. */
LLMDIT_CHECKED llmdit_status llmdit_pipeline_text_encoder(llmdit_text_encoder **encoder, const llmdit_pipeline *pipeline);

/** Encodes chat texts as they stand; see llmdit_format_prompt. Of the options hidden_layer, layer_weights, layer_spans and
 * cancellation play a role. */
LLMDIT_CHECKED llmdit_status llmdit_text_encoder_encode(llmdit_encoding **encoding, const llmdit_text_encoder *encoder,
                                                        const llmdit_texts *texts, const llmdit_generate_options *options);
/** Width of the embeddings; 0 where it shows only with the first ones, and for a bad handle. */
LLMDIT_API int64_t llmdit_text_encoder_hidden_size(const llmdit_text_encoder *encoder);
/** A digest of all that embeddings depend on besides text and options; empty where it is not known, as of most servers. Reads all
 * weights when it is first asked for. */
LLMDIT_CHECKED llmdit_status llmdit_text_encoder_fingerprint(llmdit_text **fingerprint, const llmdit_text_encoder *encoder);
/** LLMDIT_UNSUPPORTED for encoders that are not here. So it is with the next two. */
LLMDIT_CHECKED llmdit_status llmdit_text_encoder_tokenizer(llmdit_tokenizer **tokenizer, const llmdit_text_encoder *encoder);
/** Hidden states [tokens, hidden_size] of each of `layers` (0 the embeddings, k after block k, -1 after the final norm) from one
 * pass. `states` has room for `layer_count` handles, all NULL after a failure. */
LLMDIT_CHECKED llmdit_status llmdit_text_encoder_hidden_states(llmdit_tensor **states, const llmdit_text_encoder *encoder,
                                                               const int64_t *ids, size_t id_count, const int64_t *layers,
                                                               size_t layer_count, const llmdit_cancellation *cancellation);

/** Text that a language model wrote. */
typedef struct llmdit_generated_text llmdit_generated_text;

/** Why a text ends. */
typedef enum llmdit_finish_reason LLMDIT_ENUM_TYPE {
  LLMDIT_FINISH_STOP = 0,   /**< the model ended it */
  LLMDIT_FINISH_LENGTH = 1, /**< max_new_tokens were written */
  LLMDIT_FINISH_REQUEST = 2 /**< the callback ended it */
} llmdit_finish_reason;

/** Lets the encoder's model go on with chat text, which llmdit_format_prompt makes. */
LLMDIT_CHECKED llmdit_status llmdit_text_encoder_generate(llmdit_generated_text **generated, const llmdit_text_encoder *encoder,
                                                          const char *text, size_t text_length,
                                                          const llmdit_text_options *options);

/** A text and how it came about; its pointers live as long as the handle. */
typedef struct llmdit_generated_text_info {
  uint32_t struct_size;
  const char *text; /**< without special tokens; `<think>` is none */
  size_t text_length;
  const int64_t *token_ids; /**< what was written, without the token that ended it */
  size_t token_count;
  int64_t prompt_tokens;
  llmdit_finish_reason finish_reason;
  const int64_t *stop_id; /**< the token that ended it; NULL where none did */
  uint64_t seed;
  double prompt_seconds; /**< until the first token */
  double seconds;        /**< of all */
} llmdit_generated_text_info;

/** The text and the figures of how it was written. */
LLMDIT_CHECKED llmdit_status llmdit_generated_text_describe(llmdit_generated_text_info *info,
                                                            const llmdit_generated_text *generated);
/** Ends what llmdit_generated_text_describe pointed to. */
LLMDIT_API void llmdit_generated_text_free(llmdit_generated_text *generated);

/** What a cache of embeddings has done. */
typedef struct llmdit_cache_info {
  uint32_t struct_size;
  uint64_t hits;      /**< from memory or from files */
  uint64_t file_hits; /**< of these, from files */
  uint64_t misses;
  uint64_t evictions;   /**< from memory */
  uint64_t damaged;     /**< files that could not be read; each is a miss */
  int64_t current_size; /**< entries in memory */
  int64_t max_size;
  uint64_t current_bytes;
  uint64_t max_bytes;
} llmdit_cache_info;

/** LLMDIT_NOT_FOUND for an encoder without a cache; likewise the next. */
LLMDIT_CHECKED llmdit_status llmdit_text_encoder_cache_describe(llmdit_cache_info *info, const llmdit_text_encoder *encoder);
/** Empties the memory and sets the counts back; files stay. */
LLMDIT_CHECKED llmdit_status llmdit_text_encoder_clear_cache(const llmdit_text_encoder *encoder);

/** How two encoders' embeddings of one text differ. */
typedef struct llmdit_encoder_difference {
  uint32_t struct_size;
  int64_t expected_rows, expected_width;
  int64_t rows, width;
  double cosine;         /**< mean over the rows; 0 where the shapes differ, as for the next three */
  double lowest_cosine;  /**< of any row */
  double max_error;      /**< largest absolute difference */
  double relative_error; /**< norm of the difference over that of the expected embeddings */
  bool agrees;           /**< pictures made from them are the same to the eye */
  bool has_nearest_layer; /**< another layer of the expected encoder is nearer than the one asked for */
  int64_t nearest_layer;  /**< which */
} llmdit_encoder_difference;

/** Compares another encoder with one that is here, on one chat text. Of the options those of llmdit_text_encoder_encode count. */
LLMDIT_CHECKED llmdit_status llmdit_text_encoder_compare(llmdit_encoder_difference *difference, const llmdit_text_encoder *expected,
                                                         const llmdit_text_encoder *other, const char *text, size_t text_length,
                                                         const llmdit_generate_options *options);
/** Frees the weights for good, in all that share them, a pipeline included, which then draws from embeddings alone; calls that need them
 * are LLMDIT_INVALID_ARGUMENT from then on. LLMDIT_UNSUPPORTED for an encoder that is not loaded here. */
LLMDIT_CHECKED llmdit_status llmdit_text_encoder_unload(llmdit_text_encoder *encoder);
/** The weights go with the last handle and pipeline that shares them. */
LLMDIT_API void llmdit_text_encoder_free(llmdit_text_encoder *encoder);

/** An encoder that others reach over HTTP. */
typedef struct llmdit_encoder_server llmdit_encoder_server;

/** Where and for whom it listens. */
typedef struct llmdit_server_options {
  uint32_t struct_size; /**< set by init */
  const char *host;     /**< address to listen on; one that other machines reach needs an api_key */
  int64_t port;         /**< 0: any free one */
  const char *api_key;  /**< that clients have to send as a bearer token; "": none */
  int64_t max_text;     /**< bytes of a text */
  int64_t max_tokens;   /**< tokens of a text */
} llmdit_server_options;

/** For other languages: `struct_size` is the size of the struct the caller knows. */
LLMDIT_CHECKED llmdit_status llmdit_server_options_init_sized(llmdit_server_options *options, size_t struct_size);
static inline llmdit_status llmdit_server_options_init(llmdit_server_options *options) {
  return llmdit_server_options_init_sized(options, sizeof(*options));
}

/** Serves an encoder that is here from now on, on threads of its own, without TLS. LLMDIT_NOT_FOUND for a port that is taken. The
 * encoder's handle may be freed. */
LLMDIT_CHECKED llmdit_status llmdit_encoder_server_start(llmdit_encoder_server **server, const llmdit_text_encoder *encoder,
                                                         const llmdit_server_options *options);
/** "http://HOST:PORT"; NULL for a bad handle. */
LLMDIT_API const char *llmdit_encoder_server_url(const llmdit_encoder_server *server);
/** Ends it; the handle stays. */
LLMDIT_CHECKED llmdit_status llmdit_encoder_server_stop(llmdit_encoder_server *server);
/** Stops it first, and what is being encoded. */
LLMDIT_API void llmdit_encoder_server_free(llmdit_encoder_server *server);

#ifdef __cplusplus
}
#endif

#endif /* LLMDIT_C_ENCODER_H_ */
