/** @file
 * Status, versions, texts and the machine.
 */
#ifndef LLMDIT_C_BASE_H_
#define LLMDIT_C_BASE_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && defined(LLMDIT_C_BUILDING)
#define LLMDIT_API __declspec(dllexport)
#elif defined(_WIN32)
#define LLMDIT_API __declspec(dllimport)
#else
#define LLMDIT_API __attribute__((visibility("default")))
#endif
#if defined(__GNUC__)
#define LLMDIT_CHECKED LLMDIT_API __attribute__((warn_unused_result))
#else
#define LLMDIT_CHECKED LLMDIT_API
#endif
/* Enumerations are as wide as int, and any number may come for one. C++ and C23 have to be told. */
#if (defined(__cplusplus) && __cplusplus >= 201103L) || (defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202311L)
#define LLMDIT_ENUM_TYPE : int
#else
#define LLMDIT_ENUM_TYPE
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define LLMDIT_ABI_VERSION 1
/** In the place of a length: the text ends with NUL. */
#define LLMDIT_NUL_TERMINATED SIZE_MAX

/** What became of a call. */
typedef enum llmdit_status LLMDIT_ENUM_TYPE {
  LLMDIT_OK = 0,
  LLMDIT_INVALID_ARGUMENT = 1, /**< a value the caller passed: size, range, shape, kind of handle */
  LLMDIT_NOT_FOUND = 2,        /**< a file, folder or name that is missing or cannot be read or written */
  LLMDIT_UNSUPPORTED = 3,      /**< a file or model that is damaged, incompatible, or of a kind that is not handled */
  LLMDIT_OUT_OF_MEMORY = 4,
  LLMDIT_CANCELLED = 5,
  LLMDIT_INTERNAL = 6 /**< anything else; a server that failed, too */
} llmdit_status;

/** The status' name, such as "not_found", or "unknown" for a number that is none; never freed. */
LLMDIT_API const char *llmdit_status_name(llmdit_status status);

/** What the latest call on this thread that failed says of it: "[operation] what was expected, what came, what to do". It lives
 * until the next failure on this thread. */
LLMDIT_API const char *llmdit_last_error(void);

/** Such as "0.1.0"; never freed. */
LLMDIT_API const char *llmdit_version(void);
/** LLMDIT_ABI_VERSION of the library at hand. */
LLMDIT_API uint32_t llmdit_abi_version(void);
/** The libtorch that the library was built against, such as "2.13.0"; never freed. */
LLMDIT_API const char *llmdit_torch_version(void);

/** Texts that the caller lists. */
typedef struct llmdit_texts {
  const char *const *values; /**< each ends with NUL */
  size_t count;
} llmdit_texts;

/** Numbers that the caller lists. */
typedef struct llmdit_numbers {
  const double *values;
  size_t count;
} llmdit_numbers;

/** Text or bytes that the library made. */
typedef struct llmdit_text llmdit_text;

/** The text, with a NUL behind it; NULL for a bad handle. */
LLMDIT_API const char *llmdit_text_data(const llmdit_text *text);
/** Bytes before the NUL. */
LLMDIT_API size_t llmdit_text_length(const llmdit_text *text);
/** NULL is nothing to free, here and in every other `_free`. */
LLMDIT_API void llmdit_text_free(llmdit_text *text);

/** Lets one thread stop calls of others: they return #LLMDIT_CANCELLED at the next step, tile, block or token. */
typedef struct llmdit_cancellation llmdit_cancellation;

/** One that has not been requested. Calls are given it in their options. */
LLMDIT_CHECKED llmdit_status llmdit_cancellation_create(llmdit_cancellation **cancellation);
/** Stops every call that was given it, and those that will be. May be called from a callback. */
LLMDIT_CHECKED llmdit_status llmdit_cancellation_request(llmdit_cancellation *cancellation);
/** Calls that were given it go on, and can no longer be stopped. */
LLMDIT_API void llmdit_cancellation_free(llmdit_cancellation *cancellation);

/** Devices that weights can be placed on, the CPU first: names as options take them, one a line. */
LLMDIT_CHECKED llmdit_status llmdit_device_names(llmdit_text **names);

/** A device; the texts are never freed. */
typedef struct llmdit_device_info {
  uint32_t struct_size;
  const char *name;        /**< as options take it: "cpu", "cuda:0" */
  const char *description; /**< the processor's own name */
  uint64_t memory_bytes;
  const char *features; /**< instruction sets that matter here, separated by commas */
} llmdit_device_info;

LLMDIT_API size_t llmdit_device_count(void); /**< 0 after a failure */
LLMDIT_CHECKED llmdit_status llmdit_device_describe(llmdit_device_info *info, size_t index);
/** Which compilation of the products on a CPU runs here: "avx512", "avx2" or "baseline". LLMDIT_INVALID_ARGUMENT where LLMDIT_CPU
 * asks for another. */
LLMDIT_CHECKED llmdit_status llmdit_cpu_kernels(llmdit_text **name);

/** The folder of the demo model. */
LLMDIT_CHECKED llmdit_status llmdit_demo_model_path(llmdit_text **path);

#ifdef __cplusplus
}
#endif

#endif /* LLMDIT_C_BASE_H_ */
