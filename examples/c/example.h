/* What the C examples share: a failed call ends the program with the library's words. */
#include <llmdit.h>
#include <stdio.h>
#include <stdlib.h>

static void must(llmdit_status status) {
  if (status == LLMDIT_OK) return;
  fprintf(stderr, "%s\n", llmdit_last_error());
  exit(1);
}

/* Writes the result's first picture and says where it is. */
static void write_first(const llmdit_result *result, const char *path) {
  llmdit_image *image = NULL;
  must(llmdit_result_image(&image, result, 0));
  must(llmdit_image_write_png(image, path));
  llmdit_image_free(image);
  puts(path);
}
