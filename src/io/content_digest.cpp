#include "io/content_digest.hpp"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

#include "base/check.hpp"
#include "io/sha256.hpp"

namespace llmdit::io {
namespace {

constexpr uint64_t kPieceBytes = 16 << 20;
constexpr uint64_t kSampleBytes = 4096;  // of a tensor: a page

/// A digest of the digests of pieces, so that threads share the work.
class Digest {
 public:
  explicit Digest(const Checkpoint& files, uint64_t most_bytes = std::numeric_limits<uint64_t>::max())
      : files_(files), most_bytes_(most_bytes) {}

  void describe(std::string_view text) { description_ += text; }

  void add(std::string_view name, const TensorEntry& entry, std::string_view note = {}) {
    description_ += fmt::format("{} {} [{}] {}\n", name, entry.dtype_name, fmt::join(entry.shape, ","), note);
    const at::Tensor tensor = files_.tensor(entry.name);
    const auto* bytes = static_cast<const std::byte*>(tensor.const_data_ptr());
    const uint64_t count = std::min<uint64_t>(tensor.nbytes(), most_bytes_);
    for (uint64_t at = 0; at < count; at += kPieceBytes)
      pieces_.emplace_back(bytes + at, std::min<uint64_t>(kPieceBytes, count - at));
    tensors_.push_back(tensor);
  }

  std::string hex() const {
    std::vector<std::string> digests(pieces_.size());
    at::parallel_for(0, static_cast<int64_t>(pieces_.size()), 1, [&](int64_t begin, int64_t end) {
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) digests[i] = sha256_hex(pieces_[i]);
    });
    Sha256 whole;
    whole.update(description_);
    for (const std::string& digest : digests) whole.update(digest);
    return whole.hex();
  }

 private:
  const Checkpoint& files_;
  uint64_t most_bytes_;  ///< of a tensor
  std::string description_;
  std::vector<at::Tensor> tensors_;  // keep the bytes mapped
  std::vector<std::span<const std::byte>> pieces_;
};

std::string digest_of(const TensorTable& table, Digest digest) {
  for (const auto& [name, place] : table.places()) {
    digest.add(name, *place.entry, fmt::format("{}/{}", place.part, place.parts));
    if (place.scale) digest.add(name + " scale", *place.scale);
  }
  return digest.hex();
}

}  // namespace

std::string content_digest(const Checkpoint& files) {
  Digest digest(files);
  for (const auto& [key, text] : files.metadata()) digest.describe(fmt::format("{}={}\n", key, text));
  for (const std::string& name : files.names()) digest.add(name, *files.find(name));
  return digest.hex();
}

std::string content_digest(const TensorTable& table) { return digest_of(table, Digest(table.checkpoint())); }
std::string sample_digest(const TensorTable& table) {
  return digest_of(table, Digest(table.checkpoint(), kSampleBytes));
}

}  // namespace llmdit::io
