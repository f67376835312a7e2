#include "io/hub_cache.hpp"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "io/text_file.hpp"

namespace llmdit::io {
namespace {

namespace fs = std::filesystem;

struct HubId {
  std::string organisation, name, revision;
};

bool is_id_part(std::string_view text) {
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  return !text.empty() && text.front() != '.' && text.find_first_not_of(allowed) == text.npos;
}

std::optional<HubId> parse_id(std::string text) {
  HubId id{.organisation = {}, .name = {}, .revision = "main"};
  if (const size_t at = text.find('@'); at != text.npos) {
    id.revision = text.substr(at + 1);
    text.resize(at);
  }
  const size_t slash = text.find('/');
  if (slash == text.npos) return std::nullopt;
  id.organisation = text.substr(0, slash);
  id.name = text.substr(slash + 1);
  // A revision may be a branch with slashes in its name; it must not lead out of the cache.
  const bool safe = !id.revision.empty() && id.revision.front() != '/' && id.revision.find("..") == std::string::npos;
  if (!is_id_part(id.organisation) || !is_id_part(id.name) || !safe) return std::nullopt;
  return id;
}

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  if (!value || !*value) return std::nullopt;
  return value;
}

/// "~" and "$NAME" at the start of a value are meant to be replaced.
fs::path expanded(const std::string& value) {
  if (value.starts_with("~")) return fs::path(environment("HOME").value_or("") + value.substr(1));
  if (!value.starts_with("$")) return value;
  const size_t slash = std::min(value.find('/'), value.size());
  std::string name = value.substr(1, slash - 1);
  if (name.starts_with("{") && name.ends_with("}")) name = name.substr(1, name.size() - 2);
  return fs::path(environment(name.c_str()).value_or(value.substr(0, slash)) + value.substr(slash));
}

bool is_commit(std::string_view revision) {
  return revision.size() == 40 && revision.find_first_not_of("0123456789abcdef") == revision.npos;
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

}  // namespace

fs::path hub_cache_folder() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const auto value = environment(name)) return expanded(*value);
  }
  if (const auto home = environment("HF_HOME")) return expanded(*home) / "hub";
  if (const auto cache = environment("XDG_CACHE_HOME")) return expanded(*cache) / "huggingface" / "hub";
  return expanded("~/.cache/huggingface/hub");
}

fs::path resolve_model_path(const fs::path& path) {
  std::error_code error;
  if (fs::exists(path, error)) return path;
  if (!error) error = std::make_error_code(std::errc::no_such_file_or_directory);
  const auto id = parse_id(path.string());
  if (!id) {
    fail(ErrorCode::not_found, "model",
         "cannot read {}: {}; expected a file or folder, or a hub id such as organisation/name; a model folder has a "
         "model_index.json",
         printable_path(path), error.message());
  }
  const fs::path repository = hub_cache_folder() / fmt::format("models--{}--{}", id->organisation, id->name);
  std::string commit = id->revision;
  if (!is_commit(commit)) {
    const fs::path ref = repository / "refs" / id->revision;
    if (!is_there(ref)) {
      fail(ErrorCode::not_found, "model",
           "found no file or folder {}, and no revision {} of it in the hub cache ({}); get it by `hf download {}/{}`",
           printable_path(path), printable(id->revision), printable_path(ref), id->organisation, id->name);
    }
    commit = read_text_file(ref);
    while (!commit.empty() && std::isspace(static_cast<unsigned char>(commit.back()))) commit.pop_back();
  }
  const fs::path snapshot = repository / "snapshots" / commit;
  if (!is_commit(commit) || !is_there(snapshot)) {
    fail(ErrorCode::not_found, "model",
         "expected the snapshot {} in the hub cache, found none; get it again by `hf "
         "download {}/{}`",
         printable_path(snapshot), id->organisation, id->name);
  }
  return snapshot;
}

}  // namespace llmdit::io
