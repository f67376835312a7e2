// A configuration file of any bytes: read, or refused by an Error; what is read is in bounds.
#include <cstdint>
#include <string_view>

#include "llmdit/config.hpp"
#include "llmdit/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const llmdit::ConfigReport report = llmdit::check_config_text(text);
  try {
    const llmdit::RuntimeConfig settings = llmdit::runtime_config(llmdit::Config::parse(text));
    llmdit::check_options(settings.load);
    llmdit::check_options(settings.generate);
    if (!report.errors.empty()) __builtin_trap();
  } catch (const llmdit::Error&) {
    if (report.errors.empty()) __builtin_trap();
  }
  return 0;
}
