/** @file
 * The C interface of llmdit: from prompts to pictures with Z-Image. This header includes all of it; each subject has one of its
 * own in llmdit_c/.
 *
 * - **Status**: a function that can fail returns #LLMDIT_OK or what went wrong; llmdit_last_error() then says it in words.
 *   Outputs come first in the argument list and are NULL after a failure.
 *   Every status may be #LLMDIT_INVALID_ARGUMENT (NULL, bad handles, sizes, ranges, shapes, names that are none), #LLMDIT_OUT_OF_MEMORY
 *   or #LLMDIT_INTERNAL. What reads or writes files may give #LLMDIT_NOT_FOUND (missing, no access) and #LLMDIT_UNSUPPORTED (damaged, of
 *   no known kind); what takes a cancellation or a callback, #LLMDIT_CANCELLED. More stands with a function.
 * - **Handles**: every opaque struct is made by a function of this interface, belongs to the caller, and goes back through its own
 *   `_free`, which takes NULL. A handle of another kind, or one already freed, is refused, never followed.
 * - **Pointers** that a handle gives out (pixels, texts, also those in structs that a `_describe` fills) live as long as the
 *   handle. What a call is given is read during the call and not kept, unless its comment says so.
 * - **Text** is UTF-8. Text parameters end with NUL; where a length follows, #LLMDIT_NUL_TERMINATED may stand for it.
 * - **Options** are structs that `llmdit_..._options_init` fills with the defaults and its own size. NULL for the struct means all
 *   defaults. A NULL text, or a NULL pointer to a number, means "not given", which differs from "" and 0.
 * - **Structs to fill** (`..._info`) start with struct_size, which the caller sets to sizeof before the call.
 * - **Threads**: all functions may be called from many threads at once, on the same handle too. Freeing a handle that another
 *   thread is using lets that call finish. Callbacks run on the thread that made the call.
 * - **ABI**: fields are only ever appended to structs and never change their meaning; values of enums stay. llmdit_abi_version()
 *   counts the changes that break this promise.
 */
#ifndef LLMDIT_H_
#define LLMDIT_H_

#include "llmdit_c/base.h"
#include "llmdit_c/chat.h"
#include "llmdit_c/embeddings.h"
#include "llmdit_c/encoder.h"
#include "llmdit_c/model.h"
#include "llmdit_c/options.h"
#include "llmdit_c/pipeline.h"
#include "llmdit_c/plan.h"
#include "llmdit_c/text.h"
#include "llmdit_c/values.h"
#include "llmdit_c/vl.h"

#endif /* LLMDIT_H_ */
