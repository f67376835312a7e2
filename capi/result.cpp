#include "capi/lists.hpp"

using namespace llmdit;
using namespace llmdit::capi;

namespace {

/// The picture's settings, as the command line stores them.
ImageText settings_of(const llmdit_result& result, size_t index) {
  const size_t prompt = index / static_cast<size_t>(result.options.num_images_per_prompt);
  return picture_parameters(prompt < result.prompts.size() ? result.prompts[prompt] : "", result.options, *result.value,
                            index);
}

const auto warnings_of_result = [](const llmdit_result& held) -> const auto& { return held.value->warnings; };
const auto warnings_of_report = [](const llmdit_lora_report& held) -> const auto& { return held.value.warnings; };
const auto applied = [](const llmdit_lora_report& held) -> const auto& { return held.value.applied; };
const auto unused = [](const llmdit_lora_report& held) -> const auto& { return held.value.unused; };

}  // namespace

size_t llmdit_result_image_count(const llmdit_result* result) {
  return count_of(result, "result_image_count", [](const auto& held) -> const auto& { return held.value->images; });
}

llmdit_status llmdit_result_image(llmdit_image** image, const llmdit_result* result, size_t index) {
  return guarded([&] {
    const char* operation = "result_image";
    llmdit_image*& place = output(image, operation);
    const auto held = borrow(result, operation);
    const auto& images = held->value->images;
    check_index(index, images.size(), operation);
    place =
        make_handle(llmdit_image{std::shared_ptr<const Image>(held->value, &images[index]), settings_of(*held, index)});
  });
}

llmdit_status llmdit_result_latents(llmdit_tensor** latents, const llmdit_result* result) {
  return guarded([&] {
    llmdit_tensor*& place = output(latents, "result_latents");
    place = make_tensor(borrow(result, "result_latents")->value->latents);
  });
}

llmdit_status llmdit_result_pixels(llmdit_tensor** pixels, const llmdit_result* result) {
  return guarded([&] {
    llmdit_tensor*& place = output(pixels, "result_pixels");
    const auto held = borrow(result, "result_pixels");
    check(held->value->pixels.defined(), "result_pixels",
          "the result has no float pixels; ask for output_type \"tensor\"");
    place = make_tensor(held->value->pixels);
  });
}

llmdit_status llmdit_result_seed(uint64_t* seed, const llmdit_result* result, size_t index) {
  return guarded([&] {
    const char* operation = "result_seed";
    uint64_t& place = output(seed, operation);
    const auto held = borrow(result, operation);
    const auto& seeds = held->value->seeds;
    if (seeds.empty()) throw Error(ErrorCode::not_found, "[result_seed] the pictures were not drawn from seeds");
    check_index(index, seeds.size(), operation);
    place = seeds[index];
  });
}

size_t llmdit_result_warning_count(const llmdit_result* result) {
  return count_of(result, "result_warning_count", warnings_of_result);
}

const char* llmdit_result_warning(const llmdit_result* result, size_t index) {
  return text_at(result, index, "result_warning", warnings_of_result);
}

llmdit_status llmdit_result_timings(llmdit_timings* timings, const llmdit_result* result) {
  return guarded([&] {
    const auto held = borrow(result, "result_timings");
    const Timings& seconds = held->value->timings;
    copy_struct(timings,
                llmdit_timings{.struct_size = 0,
                               .encode = seconds.encode,
                               .denoise = seconds.denoise,
                               .decode = seconds.decode,
                               .total = seconds.total},
                "result_timings");
  });
}

llmdit_status llmdit_result_describe(llmdit_result_info* info, const llmdit_result* result) {
  return guarded([&] {
    const auto held = borrow(result, "result_describe");
    const GenerateResult& value = *held->value;
    copy_struct(info,
                llmdit_result_info{.struct_size = 0,
                                   .model = value.model.c_str(),
                                   .prompt_count = value.token_counts.size(),
                                   .sigmas = value.sigmas.data(),
                                   .sigma_count = value.sigmas.size(),
                                   .step_seconds = value.timings.steps.data(),
                                   .step_count = value.timings.steps.size(),
                                   .vae_tiled = value.vae_tiled,
                                   .reused_steps = value.reused_steps.data(),
                                   .reused_step_count = value.reused_steps.size()},
                "result_describe");
  });
}

llmdit_status llmdit_result_describe_prompt(llmdit_prompt_info* info, const llmdit_result* result, size_t index) {
  return guarded([&] {
    const char* operation = "result_describe_prompt";
    const auto held = borrow(result, operation);
    const GenerateResult& value = *held->value;
    check_index(index, value.token_counts.size(), operation);
    const bool has_text = index < value.formatted_prompts.size();
    copy_struct(info,
                llmdit_prompt_info{.struct_size = 0,
                                   .token_count = value.token_counts[index],
                                   .caption_length = value.caption_lengths.at(index),
                                   .compression_ratio = value.compression_ratios.at(index),
                                   .formatted_prompt = has_text ? value.formatted_prompts[index].c_str() : nullptr},
                operation);
  });
}

void llmdit_result_free(llmdit_result* result) { free_handle(result); }

size_t llmdit_lora_report_applied_count(const llmdit_lora_report* report) {
  return count_of(report, "lora_report_applied_count", applied);
}

const char* llmdit_lora_report_applied(const llmdit_lora_report* report, size_t index) {
  return text_at(report, index, "lora_report_applied", applied);
}

size_t llmdit_lora_report_unused_count(const llmdit_lora_report* report) {
  return count_of(report, "lora_report_unused_count", unused);
}

const char* llmdit_lora_report_unused_key(const llmdit_lora_report* report, size_t index) {
  return text_at(report, index, "lora_report_unused_key", unused, &UnusedLoraKey::key);
}

const char* llmdit_lora_report_unused_reason(const llmdit_lora_report* report, size_t index) {
  return text_at(report, index, "lora_report_unused_reason", unused, &UnusedLoraKey::reason);
}

size_t llmdit_lora_report_warning_count(const llmdit_lora_report* report) {
  return count_of(report, "lora_report_warning_count", warnings_of_report);
}

const char* llmdit_lora_report_warning(const llmdit_lora_report* report, size_t index) {
  return text_at(report, index, "lora_report_warning", warnings_of_report);
}

void llmdit_lora_report_free(llmdit_lora_report* report) { free_handle(report); }
