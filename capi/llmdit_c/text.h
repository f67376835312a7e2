/** @file
 * Chat text and its tokens.
 */
#ifndef LLMDIT_C_TEXT_H_
#define LLMDIT_C_TEXT_H_

#include "options.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Text to token ids and back. */
typedef struct llmdit_tokenizer llmdit_tokenizer;

/** The chat text of one prompt, as the encoder reads it; of the options those of the chat text play a role. LLMDIT_NOT_FOUND for
 * an unknown template. */
LLMDIT_CHECKED llmdit_status llmdit_format_prompt(llmdit_text **text, const char *prompt, size_t prompt_length,
                                                  const llmdit_generate_options *options);

/** A tokenizer folder or file. */
LLMDIT_CHECKED llmdit_status llmdit_tokenizer_load(llmdit_tokenizer **tokenizer, const char *path);
/** *count is the room in `ids` before and the number of ids after the call; NULL for `ids` only counts. More ids than room is
 * LLMDIT_INVALID_ARGUMENT, and *count says how many there are. */
LLMDIT_CHECKED llmdit_status llmdit_tokenizer_encode(int64_t *ids, size_t *count, const llmdit_tokenizer *tokenizer,
                                                     const char *text, size_t text_length);
/** The text of token ids, without those of the chat's form with `skip_special_tokens`. Ids without a token give nothing; negative ones
 * are LLMDIT_INVALID_ARGUMENT. */
LLMDIT_CHECKED llmdit_status llmdit_tokenizer_decode(llmdit_text **text, const llmdit_tokenizer *tokenizer, const int64_t *ids,
                                                     size_t count, bool skip_special_tokens);
/** Largest id that has a token, plus one; 0 for a bad handle. */
LLMDIT_API int64_t llmdit_tokenizer_vocab_size(const llmdit_tokenizer *tokenizer);
/** The id of an exact token; LLMDIT_NOT_FOUND when there is none. */
LLMDIT_CHECKED llmdit_status llmdit_tokenizer_token_to_id(int64_t *id, const llmdit_tokenizer *tokenizer, const char *token);
/** What the token adds to a text, in bytes that need not be whole UTF-8; LLMDIT_NOT_FOUND for ids without a token. */
LLMDIT_CHECKED llmdit_status llmdit_tokenizer_id_to_token(llmdit_text **token, const llmdit_tokenizer *tokenizer, int64_t id);
/** What it came from stays. */
LLMDIT_API void llmdit_tokenizer_free(llmdit_tokenizer *tokenizer);

/** A turn of a conversation. */
typedef struct llmdit_message {
  const char *role; /**< "system", "user" or "assistant" */
  const char *content;
  const char *thinking; /**< of an assistant; NULL: none */
} llmdit_message;

/** The exact chat text of a conversation in Qwen3's template. `enable_thinking` gives every assistant turn a think block; `is_final`
 * leaves the last turn open when its content is empty, for the model to go on. */
LLMDIT_CHECKED llmdit_status llmdit_render_conversation(llmdit_text **text, const llmdit_message *messages, size_t count,
                                                        bool enable_thinking, bool is_final);

/** What stands around prompts, by name; in the order of the names. */
typedef struct llmdit_templates llmdit_templates;

/** The built-in templates, over them those of the user's own folder, over them those of `own_folder`, which may be NULL. */
LLMDIT_CHECKED llmdit_status llmdit_templates_load(llmdit_templates **templates, const char *own_folder);
/** One Markdown file, or all below a folder, and no others. */
LLMDIT_CHECKED llmdit_status llmdit_templates_read(llmdit_templates **templates, const char *path);
LLMDIT_API size_t llmdit_templates_count(const llmdit_templates *templates); /**< 0 for a bad handle */

/** One template; its pointers live as long as the templates. */
typedef struct llmdit_template_info {
  uint32_t struct_size;
  const char *name;
  const char *description;
  const char *category; /**< such as "photography"; "" for none */
  const char *system_prompt;
  const char *thinking_content;
  const char *assistant_content;
  bool add_think_block;
  const char *path;                          /**< its file; "" when made otherwise */
  llmdit_texts metadata_keys;                /**< every other key of the file */
  llmdit_texts metadata_values;              /**< likewise; lists are joined by ", " */
} llmdit_template_info;

/** The template at `index`, from 0. */
LLMDIT_CHECKED llmdit_status llmdit_templates_describe(llmdit_template_info *info, const llmdit_templates *templates,
                                                       size_t index);
/** LLMDIT_NOT_FOUND, naming the nearest, when there is none of that name. */
LLMDIT_CHECKED llmdit_status llmdit_templates_find(size_t *index, const llmdit_templates *templates, const char *name);
/** The names of those that hold every word of `words` in name, category, description or text, one a line. */
LLMDIT_CHECKED llmdit_status llmdit_templates_search(llmdit_text **names, const llmdit_templates *templates, const char *words);
/** llmdit_format_prompt in one of these; what the options give wins over the template's parts, and they must name no template. */
LLMDIT_CHECKED llmdit_status llmdit_templates_render(llmdit_text **text, const llmdit_templates *templates, size_t index,
                                                     const char *prompt, size_t prompt_length,
                                                     const llmdit_generate_options *options);
/** Ends what llmdit_templates_describe pointed to. */
LLMDIT_API void llmdit_templates_free(llmdit_templates *templates);

#ifdef __cplusplus
}
#endif

#endif /* LLMDIT_C_TEXT_H_ */
