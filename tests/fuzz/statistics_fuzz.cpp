// A statistics file of any bytes, as .npz and as .json: loaded or refused by an Error.
#include "fuzz_file.hpp"
#include "llmdit/error.hpp"
#include "llmdit/reference_statistics.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  for (const char* name : {"statistics_fuzz.npz", "statistics_fuzz.json"}) {
    const llmdit::fuzz::File file(name, data, size);
    try {
      llmdit::ReferenceStatistics::load(file.path());
    } catch (const llmdit::Error&) {
    }
  }
  return 0;
}
