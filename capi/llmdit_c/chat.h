/** @file
 * Language models that answer, and prompts rewritten by them.
 */
#ifndef LLMDIT_C_CHAT_H_
#define LLMDIT_C_CHAT_H_

#include "encoder.h"
#include "vl.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A language model that answers, here or on a server. */
typedef struct llmdit_chat llmdit_chat;
/** What it answered. */
typedef struct llmdit_answer llmdit_answer;

/** The text encoder's own model, which takes no images. LLMDIT_UNSUPPORTED for an encoder that is not here. */
LLMDIT_CHECKED llmdit_status llmdit_chat_from_text_encoder(llmdit_chat **chat, const llmdit_text_encoder *encoder);
/** A vision-language model. */
LLMDIT_CHECKED llmdit_status llmdit_chat_from_vl_encoder(llmdit_chat **chat, const llmdit_vl_encoder *encoder);
/** A server that speaks OpenAI's /v1/chat/completions; of the options url, model, key and patience count, and others must not be
 * given. */
LLMDIT_CHECKED llmdit_status llmdit_chat_connect(llmdit_chat **chat, const llmdit_remote_options *remote);
/** Whether images may be sent; false for a bad handle. */
LLMDIT_API bool llmdit_chat_takes_images(const llmdit_chat *chat);

/** One question, with options->system_prompt as instructions; options->rewriter must be empty. LLMDIT_INTERNAL for a server that
 * fails. */
LLMDIT_CHECKED llmdit_status llmdit_chat_ask(llmdit_answer **answer, const llmdit_chat *chat, const char *prompt,
                                             size_t prompt_length, const llmdit_rewrite_options *options);
/** Turns a short idea, options->image or both into a prompt. `templates`: where options->rewriter is looked up; NULL: the standard
 * ones, read now. `prompt` may be NULL with an image. LLMDIT_NOT_FOUND for an unknown rewriter, LLMDIT_CANCELLED where on_token ends
 * the text before the prompt. */
LLMDIT_CHECKED llmdit_status llmdit_chat_rewrite(llmdit_answer **answer, const llmdit_chat *chat, const llmdit_templates *templates,
                                                 const char *prompt, size_t prompt_length,
                                                 const llmdit_rewrite_options *options);
/** The encoder it was made from stays. */
LLMDIT_API void llmdit_chat_free(llmdit_chat *chat);

/** Takes the thinking from a text that a model wrote: a `<think>` block or, unless `only_tags`, what reads like one. */
LLMDIT_CHECKED llmdit_status llmdit_parse_answer(llmdit_answer **answer, const char *text, size_t text_length, bool only_tags);

/** An answer and how it came about; its pointers live as long as the handle. */
typedef struct llmdit_answer_info {
  uint32_t struct_size;
  const char *prompt; /**< the answer without thinking and its tags */
  size_t prompt_length;
  const char *thinking; /**< NULL where there is none */
  size_t thinking_length;
  const char *text; /**< the whole answer */
  size_t text_length;
  const char *rewriter;      /**< the template's name; "" for own instructions */
  const char *system_prompt; /**< what the model was told */
  llmdit_finish_reason finish_reason;
  int64_t prompt_tokens; /**< 0 where a server does not tell */
  int64_t new_tokens;
  const uint64_t *seed; /**< the text comes of; NULL where a server chose it */
  const char *model;    /**< that answered; "" of llmdit_parse_answer */
} llmdit_answer_info;

/** The answer and the figures of how it was written. */
LLMDIT_CHECKED llmdit_status llmdit_answer_describe(llmdit_answer_info *info, const llmdit_answer *answer);
/** A field of an answer that is a JSON object: a text as it is, anything else as JSON. LLMDIT_NOT_FOUND where there is none of that
 * name, LLMDIT_UNSUPPORTED for an answer that is no JSON object. */
LLMDIT_CHECKED llmdit_status llmdit_answer_field(llmdit_text **value, const llmdit_answer *answer, const char *name);
/** 0 for a bad handle. */
LLMDIT_API size_t llmdit_answer_warning_count(const llmdit_answer *answer);
LLMDIT_API const char *llmdit_answer_warning(const llmdit_answer *answer, size_t index); /**< NULL out of range */
/** Ends what llmdit_answer_describe pointed to. */
LLMDIT_API void llmdit_answer_free(llmdit_answer *answer);

#ifdef __cplusplus
}
#endif

#endif /* LLMDIT_C_CHAT_H_ */
