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

#endif
