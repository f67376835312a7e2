#include "capi/lists.hpp"
#include "capi/read.hpp"

using namespace llmdit;
using namespace llmdit::capi;

namespace {

const auto metadata = [](const llmdit_encoding& held) -> const auto& { return held.value.metadata; };
const auto encoding_warnings = [](const llmdit_encoding& held) -> const auto& { return held.value.warnings; };

}  // namespace

size_t llmdit_encoding_count(const llmdit_encoding* encoding) {
  return count_of(encoding, "encoding_count", [](const auto& held) -> const auto& { return held.value.embeddings; });
}

llmdit_status llmdit_encoding_embeddings(llmdit_tensor** embeddings, const llmdit_encoding* encoding, size_t index) {
  return guarded([&] {
    const char* operation = "encoding_embeddings";
    llmdit_tensor*& place = output(embeddings, operation);
    const auto held = borrow(encoding, operation);
    const auto& all = held->value.embeddings;
    check_index(index, all.size(), operation);
    place = make_tensor(all[index]);
  });
}

int64_t llmdit_encoding_token_count(const llmdit_encoding* encoding, size_t index) {
  return guarded_value<int64_t>(0, [&] {
    const auto held = borrow(encoding, "encoding_token_count");
    check_index(index, held->value.token_counts.size(), "encoding_token_count");
    return held->value.token_counts[index];
  });
}

const char* llmdit_encoding_formatted_prompt(const llmdit_encoding* encoding, size_t index) {
  return text_at(encoding, index, "encoding_formatted_prompt",
                 [](const llmdit_encoding& held) -> const auto& { return held.value.formatted_prompts; });
}

const char* llmdit_encoding_prompt(const llmdit_encoding* encoding, size_t index) {
  return text_at(encoding, index, "encoding_prompt",
                 [](const llmdit_encoding& held) -> const auto& { return held.value.prompts; });
}

size_t llmdit_encoding_metadata_count(const llmdit_encoding* encoding) {
  return count_of(encoding, "encoding_metadata_count", metadata);
}

const char* llmdit_encoding_metadata_key(const llmdit_encoding* encoding, size_t index) {
  return text_at(encoding, index, "encoding_metadata_key", metadata,
                 [](const auto& entry) -> const std::string& { return entry.first; });
}

const char* llmdit_encoding_metadata_value(const llmdit_encoding* encoding, size_t index) {
  return text_at(encoding, index, "encoding_metadata_value", metadata,
                 [](const auto& entry) -> const std::string& { return entry.second; });
}

size_t llmdit_encoding_warning_count(const llmdit_encoding* encoding) {
  return count_of(encoding, "encoding_warning_count", encoding_warnings);
}

const char* llmdit_encoding_warning(const llmdit_encoding* encoding, size_t index) {
  return text_at(encoding, index, "encoding_warning", encoding_warnings);
}

llmdit_status llmdit_encoding_load(llmdit_encoding** encoding, const char* path) {
  return guarded([&] {
    llmdit_encoding*& place = output(encoding, "encoding_load");
    place = make_handle(llmdit_encoding{load_embeddings(read_path(path, "encoding_load"))});
  });
}

llmdit_status llmdit_encoding_save(llmdit_text** written, const llmdit_encoding* encoding, const char* path,
                                   bool sidecar) {
  return guarded([&] {
    const char* operation = "encoding_save";
    if (written) *written = nullptr;
    const auto held = borrow(encoding, operation);
    const SaveEmbeddingsOptions options{.sidecar = read_bool(sidecar, "sidecar")};
    const std::filesystem::path file = save_embeddings(read_path(path, operation), held->value, options);
    if (written) *written = make_text(file.string());
  });
}

llmdit_status llmdit_encoding_create(llmdit_encoding** encoding, const llmdit_tensor* const* embeddings, size_t count,
                                     const llmdit_texts* prompts) {
  return guarded([&] {
    const char* operation = "encoding_create";
    llmdit_encoding*& place = output(encoding, operation);
    EncodingOutput made{.embeddings = read_tensors(embeddings, count, operation)};
    check(count > 0, operation, "expected embeddings, got none");
    for (const at::Tensor& rows : made.embeddings) {
      check(rows.dim() == 2, operation, "expected embeddings [tokens, hidden_size], got {} dimensions", rows.dim());
      made.token_counts.push_back(rows.size(0));
    }
    if (prompts) made.prompts = read_texts(*prompts, operation);
    check(!prompts || made.prompts.size() == count, operation, "expected {} prompts, got {}", count,
          made.prompts.size());
    place = make_handle(llmdit_encoding{std::move(made)});
  });
}

void llmdit_encoding_free(llmdit_encoding* encoding) { free_handle(encoding); }
