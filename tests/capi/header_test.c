/* The header alone, as strict C99, twice. */
#include <llmdit.h>
#include <llmdit.h>

int main(void) {
  llmdit_generate_options options;
  return (int)llmdit_generate_options_init(&options);
}
