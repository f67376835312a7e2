#include "io/checkpoint.hpp"

#include <algorithm>
#include <set>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "io/json.hpp"
#include "io/path_kind.hpp"

namespace llmdit::io {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view file_suffix = ".safetensors";
/// Those of diffusers, then those of transformers.
constexpr std::string_view stems[] = {"diffusion_pytorch_model", "model"};
constexpr std::string_view index_suffix = ".safetensors.index.json";

/// What an index.json says: shard of each tensor.
using WeightMap = std::map<std::string, fs::path>;

[[noreturn]] void fail_checkpoint(const fs::path& path, std::string_view problem) {
  fail(ErrorCode::unsupported, "checkpoint", "{}: {}", printable_path(path), problem);
}

/// The index's folder may hold links that lead anywhere, but the index itself must not lead out of it.
bool stays_in_folder(const fs::path& path) {
  return path.has_filename() && !path.has_root_path() && std::find(path.begin(), path.end(), "..") == path.end();
}

WeightMap read_index(const fs::path& path) {
  const JsonObject weight_map = JsonObject::read(path).object("weight_map");
  WeightMap result;
  for (const auto& [name, value] : weight_map.value().items()) {
    const fs::path shard = path_from_utf8(weight_map.get<std::string>(name));
    if (!stays_in_folder(shard)) {
      fail_checkpoint(path, fmt::format("weight_map key \"{}\": expected a file in the index's folder, found \"{}\"",
                                        printable(name), printable_path(shard)));
    }
    result.emplace(name, shard.lexically_normal());
  }
  return result;
}

bool names_only(const fs::path& index, const fs::path& file) {
  const WeightMap map = read_index(index);
  return std::all_of(map.begin(), map.end(), [&](const auto& entry) { return entry.second == file.filename(); });
}

/// Files such as `<stem>.fp16.safetensors`, or the index of their shards in both spellings that are in use.
std::vector<fs::path> find_variants(const fs::path& folder, std::string_view stem) {
  const std::string prefix = std::string(stem) + ".";
  const std::string index_prefix = std::string(stem) + ".safetensors.index.";
  std::vector<fs::path> result;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = printable_path(entry.path().filename());
    const bool is_variant = name.starts_with(prefix) && (name.ends_with(file_suffix) || name.ends_with(index_suffix));
    const bool is_index_variant = name.starts_with(index_prefix) && name.ends_with(".json");
    const bool is_shard = name.find("-of-") != name.npos;
    if ((is_variant || is_index_variant) && !is_shard && is_file(entry.path())) result.push_back(entry.path());
  }
  std::sort(result.begin(), result.end());
  return result;
}

/// Safetensors and GGUF files of any name.
std::vector<fs::path> find_weight_files(const fs::path& folder) {
  std::vector<fs::path> result;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const fs::path extension = entry.path().extension();
    if ((extension == file_suffix || extension == ".gguf") && is_file(entry.path())) result.push_back(entry.path());
  }
  std::sort(result.begin(), result.end());
  return result;
}

std::string list_names(const std::vector<fs::path>& files) {
  std::string result;
  for (const auto& file : files) result += (result.empty() ? "" : ", ") + printable_path(file.filename());
  return result;
}

/// The file or index in `folder` that Checkpoint::open's rule picks.
fs::path choose_file(const fs::path& folder) {
  std::error_code error;
  fs::directory_iterator(folder, error);  // a folder that may not be read is not an empty one
  if (error) fail(ErrorCode::not_found, "checkpoint", "cannot read {}: {}", printable_path(folder), error.message());

  std::vector<fs::path> looked_for;
  for (const std::string_view stem : stems) {
    const fs::path file = folder / (std::string(stem) += file_suffix);
    const fs::path index = folder / (std::string(stem) += index_suffix);
    looked_for.insert(looked_for.end(), {file, index});
    const bool has_file = is_file(file), has_index = is_file(index);
    if (has_file && has_index && !names_only(index, file)) {
      fail_checkpoint(folder,
                      fmt::format("{} and {} stand side by side and are different weights; remove one, or name one "
                                  "of them instead of the folder",
                                  printable_path(file.filename()), printable_path(index.filename())));
    }
    if (has_file || has_index) return has_index ? index : file;
  }
  for (const std::string_view stem : stems) {
    const auto variants = find_variants(folder, stem);
    if (variants.size() > 1) {
      fail_checkpoint(folder, fmt::format("holds several variants ({}); name one of them instead of the folder",
                                          list_names(variants)));
    }
    if (!variants.empty()) return variants.front();
  }
  const auto others = find_weight_files(folder);
  if (others.size() > 1) {
    fail_checkpoint(folder, fmt::format("holds several weight files ({}); name one of them instead of the folder",
                                        list_names(others)));
  }
  if (!others.empty()) return others.front();
  fail(ErrorCode::not_found, "checkpoint", "{}: expected one of {}, found none", printable_path(folder),
       list_names(looked_for));
}

}  // namespace

Checkpoint Checkpoint::open(const fs::path& path) {
  const fs::path chosen = is_folder(path) ? choose_file(path) : path;
  Checkpoint result;
  result.path_ = path;
  if (chosen.extension() != ".json") {
    result.add_file(chosen);
    return result;
  }

  const WeightMap weight_map = read_index(chosen);
  std::set<fs::path> shards;
  for (const auto& entry : weight_map) shards.insert(entry.second);
  for (const fs::path& shard : shards) {
    const fs::path file = chosen.parent_path() / shard;
    if (!is_file(file)) {
      fail(ErrorCode::not_found, "checkpoint", "{} names the shard {}, which is missing; get it again",
           printable_path(chosen), printable_path(file));
    }
    result.add_file(file);
  }
  for (const auto& [name, shard] : weight_map) {
    const WeightFile& file = *result.files_[std::distance(shards.begin(), shards.find(shard))];
    if (!file.find(name)) {
      fail_checkpoint(chosen, fmt::format("says that tensor \"{}\" is in {}, which does not hold it", printable(name),
                                          printable_path(file.path())));
    }
  }
  return result;
}

void Checkpoint::add_file(const fs::path& path) {
  files_.push_back(WeightFile::open(path));
  for (const TensorEntry& entry : files_.back()->entries()) {
    const auto [found, is_new] = file_index_.emplace(entry.name, files_.size() - 1);
    if (!is_new) {
      fail_checkpoint(path_, fmt::format("tensor \"{}\" stands in both {} and {}", printable(entry.name),
                                         printable_path(files_[found->second]->path()), printable_path(path)));
    }
  }
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> result;
  result.reserve(file_index_.size());
  for (const auto& entry : file_index_) result.push_back(entry.first);
  return result;
}

bool Checkpoint::contains(std::string_view name) const { return file_index_.find(name) != file_index_.end(); }

const TensorEntry* Checkpoint::find(std::string_view name) const {
  const auto found = file_index_.find(name);
  return found == file_index_.end() ? nullptr : files_[found->second]->find(name);
}

const fs::path& Checkpoint::file_of(std::string_view name) const {
  const auto found = file_index_.find(name);
  return found == file_index_.end() ? path_ : files_[found->second]->path();
}

at::Tensor Checkpoint::tensor(std::string_view name) const {
  const auto found = file_index_.find(name);
  if (found == file_index_.end()) {
    fail_checkpoint(path_, fmt::format("expected a tensor \"{}\", found none of that name", printable(name)));
  }
  const WeightFile& file = *files_[found->second];
  return file.tensor(*file.find(name));
}

void Checkpoint::give_back(std::string_view name) const {
  const auto found = file_index_.find(name);
  if (found == file_index_.end()) return;
  const WeightFile& file = *files_[found->second];
  file.give_back(*file.find(name));
}

void Checkpoint::give_back() const {
  for (const auto& file : files_) {
    for (const TensorEntry& entry : file->entries()) file->give_back(entry);
  }
}

std::vector<fs::path> Checkpoint::files() const {
  std::vector<fs::path> result;
  for (const auto& file : files_) result.push_back(file->path());
  return result;
}

std::map<std::string, std::string> Checkpoint::metadata() const {
  std::map<std::string, std::string> result;
  for (const auto& file : files_) result.insert(file->metadata().begin(), file->metadata().end());
  return result;
}

}  // namespace llmdit::io
