/* What the C tests share: a failed expectation says where and ends the program. */
#ifndef LLMDIT_TESTS_CHECK_H_
#define LLMDIT_TESTS_CHECK_H_

#include <llmdit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(condition)                                                                     \
  do {                                                                                        \
    if (!(condition)) {                                                                       \
      fprintf(stderr, "%s:%d: expected %s\n  last error: %s\n", __FILE__, __LINE__, #condition, \
              llmdit_last_error());                                                           \
      exit(1);                                                                                \
    }                                                                                         \
  } while (0)

#define EXPECT_OK(call) EXPECT((call) == LLMDIT_OK)

/* The call fails with `status`, and its message holds `text`. */
#define EXPECT_ERROR(call, status, text)                  \
  do {                                                    \
    EXPECT((call) == (status));                           \
    EXPECT(strstr(llmdit_last_error(), (text)) != NULL);  \
  } while (0)

/* Handles that every function has to refuse: none, one of another kind, one that was freed. */
static inline const void *bad_handle(int which) {
  static llmdit_image *freed;
  static llmdit_cancellation *other;
  static const uint8_t pixels[3];
  if (freed == NULL) {
    EXPECT_OK(llmdit_image_from_pixels(&freed, pixels, 1, 1));
    llmdit_image_free(freed);
    EXPECT_OK(llmdit_cancellation_create(&other));
  }
  return which == 0 ? NULL : which == 1 ? (const void *)other : (const void *)freed;
}

/* The expression, which uses a `handle` of that type, is INVALID_ARGUMENT, or for accessors nothing, with each of them. */
#define EXPECT_REFUSED(type, call)                         \
  do {                                                     \
    for (int which = 0; which < 3; ++which) {              \
      type *handle = (type *)(uintptr_t)bad_handle(which); \
      EXPECT((call) == LLMDIT_INVALID_ARGUMENT);           \
    }                                                      \
  } while (0)
#define EXPECT_NOTHING(type, call)                         \
  do {                                                     \
    for (int which = 0; which < 3; ++which) {              \
      type *handle = (type *)(uintptr_t)bad_handle(which); \
      EXPECT(!(call));                                     \
    }                                                      \
  } while (0)

#endif
