// What a call costs beside the work inside it: the time of a call less the time that its result reports, through C++
// and through C in turns.
#include <llmdit.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <llmdit/llmdit.hpp>
#include <vector>

namespace {

constexpr const char* kPrompt = "a red circle left of a blue star";

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

struct Times {
  std::vector<double> calls, work;
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

void through_cpp(const llmdit::ZImagePipeline& pipe, Times& times) {
  const double start = now();
  const auto result = pipe.generate(kPrompt, {.seed = 1});
  const uint8_t first = result.images[0].pixels[0];
  times.calls.push_back(now() - start);
  times.work.push_back(result.timings.total);
  static_cast<void>(first);
}

bool through_c(const llmdit_pipeline* pipe, Times& times) {
  const double start = now();
  const uint64_t seed = 1;
  llmdit_generate_options options;
  llmdit_result* result = nullptr;
  llmdit_image* image = nullptr;
  if (llmdit_generate_options_init(&options) != LLMDIT_OK) return false;
  options.seed = &seed;
  if (llmdit_pipeline_generate(&result, pipe, kPrompt, LLMDIT_NUL_TERMINATED, &options) != LLMDIT_OK ||
      llmdit_result_image(&image, result, 0) != LLMDIT_OK || !llmdit_image_pixels(image))
    return false;
  times.calls.push_back(now() - start);
  llmdit_timings timings{.struct_size = sizeof(timings)};
  if (llmdit_result_timings(&timings, result) != LLMDIT_OK) return false;
  times.work.push_back(timings.total);
  llmdit_image_free(image);
  llmdit_result_free(result);
  return true;
}

void print(const char* language, const Times& times) {
  std::vector<double> beside;
  for (size_t i = 0; i < times.calls.size(); ++i) beside.push_back(times.calls[i] - times.work[i]);
  std::cout << language << ": a call " << median(times.calls) * 1e3 << " ms, beside the work " << median(beside) * 1e6
            << " us, " << 100 * median(beside) / median(times.work) << " %\n";
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 40;
  const auto pipe = llmdit::ZImagePipeline::load(llmdit::demo_model_path());
  llmdit_pipeline* c_pipe = nullptr;
  if (llmdit_pipeline_load(&c_pipe, nullptr, nullptr) != LLMDIT_OK) return 1;
  Times cpp, c;
  for (int i = 0; i < rounds; ++i) {
    through_cpp(pipe, cpp);
    if (!through_c(c_pipe, c)) {
      std::cerr << llmdit_last_error() << '\n';
      return 1;
    }
  }
  llmdit_pipeline_free(c_pipe);
  print("C++", cpp);
  print("C", c);
}
