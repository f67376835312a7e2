#include "llmdit/tokenizer.hpp"

#include <variant>

#include "base/check.hpp"
#include "base/translate.hpp"
#include "io/encoding.hpp"
#include "text/byte_level_tokenizer.hpp"
#include "text/sentencepiece_tokenizer.hpp"
#include "text/utf8.hpp"

namespace llmdit {

struct Tokenizer::Impl {
  std::filesystem::path path;
  std::variant<text::ByteLevelTokenizer, text::SentencePieceTokenizer> model;
};

namespace {

std::filesystem::path find_tokenizer_file(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return path;
  for (const char* name : {"tokenizer.json", "tokenizer.model"}) {
    if (std::filesystem::exists(path / name, error)) return path / name;
  }
  fail(ErrorCode::not_found, "tokenizer", "expected tokenizer.json or tokenizer.model in \"{}\", got neither; {}",
       io::printable_path(path), "a vocab.json with merges.txt alone is not read");
}

}  // namespace

Tokenizer::Tokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

Tokenizer Tokenizer::load(const std::filesystem::path& path) {
  return translate_errors("tokenizer", [&] {
    const std::filesystem::path file = find_tokenizer_file(path);
    if (file.extension() == ".model") {
      return Tokenizer(std::make_shared<const Impl>(Impl{file, text::SentencePieceTokenizer::load(file)}));
    }
    return Tokenizer(std::make_shared<const Impl>(Impl{file, text::ByteLevelTokenizer::load(file)}));
  });
}

std::vector<int64_t> Tokenizer::encode(std::string_view text) const {
  return translate_errors("tokenizer", [&] {
    check(text.size() < UINT32_MAX / 4, "tokenizer", "expected at most {} bytes of text, got {}; encode it in parts",
          UINT32_MAX / 4 - 1, text.size());
    const std::optional<std::string> repaired = text::replace_invalid_utf8(text);
    return std::visit([&](const auto& model) { return model.encode(repaired ? *repaired : text); }, impl_->model);
  });
}

std::string Tokenizer::decode(std::span<const int64_t> ids, bool skip_special_tokens) const {
  return translate_errors("tokenizer", [&] {
    for (size_t i = 0; i < ids.size(); ++i) {
      check(ids[i] >= 0, "tokenizer", "expected token ids of at least 0, got {} at position {}", ids[i], i);
    }
    return std::visit([&](const auto& model) { return model.decode(ids, skip_special_tokens); }, impl_->model);
  });
}

std::optional<int64_t> Tokenizer::token_to_id(std::string_view token) const {
  return std::visit([&](const auto& model) { return model.token_to_id(token); }, impl_->model);
}

std::optional<std::string> Tokenizer::id_to_token(int64_t id) const {
  return std::visit([&](const auto& model) { return model.id_to_token(id); }, impl_->model);
}

int64_t Tokenizer::vocab_size() const {
  return std::visit([](const auto& model) { return model.vocab_size(); }, impl_->model);
}

const std::filesystem::path& Tokenizer::path() const { return impl_->path; }

}  // namespace llmdit
