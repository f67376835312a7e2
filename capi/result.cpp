#include "capi/handles.hpp"

using namespace llmdit;
using namespace llmdit::capi;

namespace {

/// An item of a handle's list of texts; NULL, with the reason as last error, where there is none.
template <class Handle, class Pick>
const char* text_at(const Handle* handle, size_t index, std::string_view operation, Pick pick) {
  return guarded_value<const char*>(nullptr, [&] {
    const auto held = borrow(handle, operation);
    const size_t count = pick.count(*held);
    check(index < count, operation, "expected an index below {}, got {}", count, index);
    return pick.item(*held, index).c_str();
  });
}

template <class Count, class Item>
struct Pick {
  Count count;
  Item item;
};

/// The picture's settings, as the command line stores them.
ImageText settings_of(const llmdit_result& result, size_t index) {
  const size_t prompt = index / static_cast<size_t>(result.options.num_images_per_prompt);
  return picture_parameters(prompt < result.prompts.size() ? result.prompts[prompt] : "", result.options, *result.value,
                            index);
}

}  // namespace

size_t llmdit_result_image_count(const llmdit_result* result) {
  return guarded_value<size_t>(0, [&] { return borrow(result, "result_image_count")->value->images.size(); });
}

llmdit_status llmdit_result_image(llmdit_image** image, const llmdit_result* result, size_t index) {
  return guarded([&] {
    const char* operation = "result_image";
    llmdit_image*& place = output(image, operation);
    const auto held = borrow(result, operation);
    const auto& images = held->value->images;
    check(index < images.size(), operation, "expected an index below {}, got {}", images.size(), index);
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
    check(index < seeds.size(), operation, "expected an index below {}, got {}", seeds.size(), index);
    place = seeds[index];
  });
}

size_t llmdit_result_warning_count(const llmdit_result* result) {
  return guarded_value<size_t>(0, [&] { return borrow(result, "result_warning_count")->value->warnings.size(); });
}

const char* llmdit_result_warning(const llmdit_result* result, size_t index) {
  return text_at(
      result, index, "result_warning",
      Pick{[](const llmdit_result& held) { return held.value->warnings.size(); },
           [](const llmdit_result& held, size_t i) -> const std::string& { return held.value->warnings[i]; }});
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

void llmdit_result_free(llmdit_result* result) { free_handle(result); }

size_t llmdit_encoding_count(const llmdit_encoding* encoding) {
  return guarded_value<size_t>(0, [&] { return borrow(encoding, "encoding_count")->value.embeddings.size(); });
}

llmdit_status llmdit_encoding_embeddings(llmdit_tensor** embeddings, const llmdit_encoding* encoding, size_t index) {
  return guarded([&] {
    const char* operation = "encoding_embeddings";
    llmdit_tensor*& place = output(embeddings, operation);
    const auto held = borrow(encoding, operation);
    const auto& all = held->value.embeddings;
    check(index < all.size(), operation, "expected an index below {}, got {}", all.size(), index);
    place = make_tensor(all[index]);
  });
}

const char* llmdit_encoding_formatted_prompt(const llmdit_encoding* encoding, size_t index) {
  return text_at(encoding, index, "encoding_formatted_prompt",
                 Pick{[](const llmdit_encoding& held) { return held.value.formatted_prompts.size(); },
                      [](const llmdit_encoding& held, size_t i) -> const std::string& {
                        return held.value.formatted_prompts[i];
                      }});
}

void llmdit_encoding_free(llmdit_encoding* encoding) { free_handle(encoding); }

size_t llmdit_lora_report_applied_count(const llmdit_lora_report* report) {
  return guarded_value<size_t>(0, [&] { return borrow(report, "lora_report_applied_count")->value.applied.size(); });
}

const char* llmdit_lora_report_applied(const llmdit_lora_report* report, size_t index) {
  return text_at(
      report, index, "lora_report_applied",
      Pick{[](const llmdit_lora_report& held) { return held.value.applied.size(); },
           [](const llmdit_lora_report& held, size_t i) -> const std::string& { return held.value.applied[i]; }});
}

size_t llmdit_lora_report_unused_count(const llmdit_lora_report* report) {
  return guarded_value<size_t>(0, [&] { return borrow(report, "lora_report_unused_count")->value.unused.size(); });
}

const char* llmdit_lora_report_unused_key(const llmdit_lora_report* report, size_t index) {
  return text_at(
      report, index, "lora_report_unused_key",
      Pick{[](const llmdit_lora_report& held) { return held.value.unused.size(); },
           [](const llmdit_lora_report& held, size_t i) -> const std::string& { return held.value.unused[i].key; }});
}

const char* llmdit_lora_report_unused_reason(const llmdit_lora_report* report, size_t index) {
  return text_at(
      report, index, "lora_report_unused_reason",
      Pick{[](const llmdit_lora_report& held) { return held.value.unused.size(); },
           [](const llmdit_lora_report& held, size_t i) -> const std::string& { return held.value.unused[i].reason; }});
}

void llmdit_lora_report_free(llmdit_lora_report* report) { free_handle(report); }
