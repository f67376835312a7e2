// A JSON file of any bytes: taken for a tokenizer and for each kind of configuration, or refused by an Error.
#include "fuzz_file.hpp"
#include "llmdit/autoencoder_kl.hpp"
#include "llmdit/error.hpp"
#include "llmdit/scheduler.hpp"
#include "llmdit/text_encoder.hpp"
#include "llmdit/tokenizer.hpp"
#include "llmdit/z_image_transformer.hpp"

namespace {

template <class Load>
void try_to(Load load) {
  try {
    load();
  } catch (const llmdit::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const llmdit::fuzz::File file("json_fuzz.json", data, size);
  const auto& path = file.path();
  try_to([&] { llmdit::Tokenizer::load(path).encode("A red fox, 12 \xc3\xa9t\xc3\xa9s <x>"); });
  try_to([&] { llmdit::ZImageTransformerConfig::load(path); });
  try_to([&] { llmdit::Qwen3Config::load(path); });
  try_to([&] { llmdit::AutoencoderKLConfig::load(path); });
  try_to([&] { llmdit::FlowMatchScheduler::load(path); });
  return 0;
}
