#include "nn/weights.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <set>

#include "base/check.hpp"
#include "io/encoding.hpp"
#include "nn/quantize.hpp"

namespace llmdit::nn {
namespace {

using Place = io::TensorTable::Place;

/// The types numbers of weights may have: floats, 8-bit floats, and integers that a scale makes numbers of.
bool is_handled(const io::TensorEntry& entry) {
  if (entry.block) return true;
  if (!entry.dtype) return false;
  switch (*entry.dtype) {
    case at::kFloat:
    case at::kDouble:
    case at::kBFloat16:
    case at::kHalf:
    case at::kFloat8_e4m3fn:
    case at::kFloat8_e5m2:
    case at::kChar:
      return true;
    default:
      return false;
  }
}

/// The sizes that are not 1; a file may have a vector as a matrix of one row, or a matrix as a 1 x 1 convolution.
std::vector<int64_t> essential(at::IntArrayRef shape) {
  std::vector<int64_t> result;
  std::ranges::copy_if(shape, std::back_inserter(result), [](int64_t size) { return size != 1; });
  return result;
}

/// The type of the largest tensor: files of 16-bit matrices often keep small tensors in float32, and these must not
/// make the activations around them so.
at::ScalarType told_type(const io::TensorTable& table) {
  const io::TensorEntry* largest = nullptr;
  for (const auto& [name, place] : table.places()) {
    if (!largest || place.entry->bytes > largest->bytes) largest = place.entry;
  }
  if (!largest) return at::kFloat;
  return largest->dtype.value_or(at::kByte);  // blocks are narrower than any float
}

}  // namespace

KeptBytes& KeptBytes::operator+=(const KeptBytes& other) {
  file += other.file;
  mapped += other.mapped;
  copied += other.copied;
  numbers += other.numbers;
  return *this;
}

WeightStore::WeightStore(io::TensorTable table, Placement placement)
    : WeightStore(std::move(table), placement, Purpose::load) {}

WeightStore::WeightStore(io::TensorTable table, Placement placement, WeightPatches patches)
    : WeightStore(std::move(table), placement, Purpose::load) {
  patches_ = std::move(patches);
}

WeightStore::WeightStore(io::TensorTable table, Placement placement, Purpose purpose)
    : table_(std::move(table)), placement_(placement), purpose_(purpose) {
  compute_ = placement_.compute(placement_.storage.value_or(told_type(table_)));
  choose_streamed();
}

WeightStore::WeightStore(const WeightStore& base, WeightPatches patches)
    : table_(base.table_),
      placement_(base.placement_),
      purpose_(Purpose::load),
      compute_(base.compute_),
      patches_(std::move(patches)) {
  for (const auto& [name, stored] : base.given_) {
    if (!patches_.contains(name) && !base.patches_.contains(name)) shared_.emplace(name, stored);
  }
}

WeightStore WeightStore::for_inspection(io::TensorTable table, Placement placement) {
  return WeightStore(std::move(table), placement, Purpose::inspection);
}

void WeightStore::report(const std::string& name, std::string text) {
  if (purpose_ == Purpose::load) fail(ErrorCode::unsupported, "weights", std::string_view(text));
  problems_.push_back({name, std::move(text)});
}

std::optional<std::string> WeightStore::problem_of(const std::string& name, at::IntArrayRef shape) const {
  const Place* place = table_.find(name);
  if (!place) {
    return fmt::format(
        "expected a tensor '{}' of the {} in {}, found none; is this the right model, and is it "
        "whole?",
        table_.name_in_file(name), table_.component(), io::printable_path(table_.checkpoint().path()));
  }
  const std::string file = io::printable_path(table_.checkpoint().file_of(place->entry->name));
  const auto found = io::TensorTable::shape_of(*place);
  if (essential(found) != essential(shape)) {
    return fmt::format("expected '{}' in {} to be [{}] by its configuration, found [{}]",
                       io::printable(place->entry->name), file, fmt::join(shape, ", "), fmt::join(found, ", "));
  }
  if (!is_handled(*place->entry)) {
    return fmt::format("expected '{}' in {} to be F32, BF16, F16, F8, I8 or GGUF blocks, found {}", name, file,
                       io::printable(place->entry->dtype_name, 40));
  }
  if (place->entry->dtype == at::kChar && !place->scale)
    return fmt::format("expected a scale beside the I8 tensor '{}' in {}, found none", name, file);
  return std::nullopt;
}

const Place* WeightStore::find_place(const std::string& name, at::IntArrayRef shape) {
  if (auto problem = problem_of(name, shape)) {
    report(name, std::move(*problem));
    return nullptr;
  }
  return table_.find(name);
}

/// As it lies in the file, in the model's shape.
StoredTensor WeightStore::read(const std::string& name, const Place& place, at::IntArrayRef shape) const {
  const io::TensorEntry& entry = *place.entry;
  StoredTensor stored{.data = table_.checkpoint().tensor(entry.name), .block = entry.block, .shape = shape.vec()};
  // The model's: a file may have sizes of 1 before them.
  const int64_t rows = shape.empty() ? 1 : shape[0] * place.parts;
  if (stored.block) {
    const int64_t columns = rows == 0 ? 0 : c10::multiply_integers(entry.shape) / rows;
    if (columns % kernels::block_format(*stored.block).weights != 0) {  // blocks run across rows
      StoredTensor flat{.data = stored.data.unsqueeze(0), .block = stored.block, .shape = entry.shape};
      flat.shape.insert(flat.shape.begin(), 1);
      stored.data = flat.widen(at::kFloat).view(entry.shape);
      stored.block.reset();
    } else {
      stored.data = stored.data.view({rows, -1});
    }
  }
  if (place.scale) {
    const at::Tensor scale = table_.checkpoint().tensor(place.scale->name).to(at::kFloat).flatten();
    if (scale.numel() != 1 && scale.numel() != rows) {
      fail(ErrorCode::unsupported, "weights",
           "expected the scale of '{}' to be one number, or one for each of {} rows, "
           "found {}; scales of groups are not handled",
           name, rows, scale.numel());
    }
    stored.scale = scale;
  }
  if (place.parts > 1) {
    const int64_t part_rows = rows / place.parts;
    stored.data = stored.data.narrow(0, place.part * part_rows, part_rows);
    if (stored.scale.defined() && stored.scale.numel() > 1)
      stored.scale = stored.scale.narrow(0, place.part * part_rows, part_rows);
  }
  if (!stored.block) stored.data = stored.data.reshape(shape);
  return stored;
}

WeightStore::Treatment WeightStore::treatment(const std::string& name, const StoredTensor& stored) const {
  Treatment result{.type = placement_.storage.value_or(stored.is_plain() ? stored.data.scalar_type() : at::kBFloat16)};
  if (result.type == at::kDouble) result.type = at::kFloat;  // nothing computes in double
  result.is_meant = placement_.quantization != Quantization::none && is_block_matrix(name, stored.shape);
  result.quantizes = result.is_meant && is_worth_quantizing(stored, placement_.quantization);
  // Where quantised weights are asked for, the type is for the others. A table of words in blocks would be widened as a
  // whole on a GPU for each word that is written.
  const bool is_table = stored.block && !placement_.device.is_cpu() && !is_block_matrix(name, stored.shape);
  const bool is_kept = (result.is_meant || !placement_.storage) && !is_table;
  result.stays_quantized = !stored.is_plain() && !result.quantizes && is_kept;
  return result;
}

/// In the type and on the device of the component, adapters included. What is not kept as it lies in the file goes
/// through float32 and is rounded once.
StoredTensor WeightStore::convert(const std::string& name, StoredTensor stored) const {
  const auto found = patches_.find(name);
  const WeightPatch* patch = found == patches_.end() ? nullptr : found->second.get();
  const Treatment way = treatment(name, stored);
  // Quantising the sum again would lose most of a small change.
  const auto beside = (way.stays_quantized || way.quantizes) && patch ? patch->low_rank() : std::nullopt;
  const bool is_merged = patch && !beside;
  if (!way.stays_quantized || is_merged) {
    const at::Tensor changed = is_merged ? patch->merge(stored.widen(at::kFloat)) : at::Tensor();
    if (way.quantizes && !is_merged) {
      stored = quantize(stored.widen(at::kFloat), placement_.quantization, placement_.device);
    } else {
      stored = {.data = is_merged ? changed.to(way.type) : stored.widen(way.type), .shape = stored.shape};
    }
  }
  // The file's own few bits are multiplied in integers where these are asked for.
  if (placement_.quantization == Quantization::int8 && stored.data.scalar_type() == at::kChar && stored.scale.defined())
    stored.as_integers = way.is_meant;
  if (stored.block) stored.as_integers = way.is_meant;
  if (beside) stored.adapter = LowRank{beside->up, beside->down};
  return stored.on(placement_.device);
}

StoredTensor WeightStore::fetch(const std::string& name, at::IntArrayRef shape) const {
  if (auto problem = problem_of(name, shape)) fail(ErrorCode::unsupported, "weights", std::string_view(*problem));
  const Place& place = *table_.find(name);
  const StoredTensor in_file = read(name, place, shape);
  StoredTensor kept = convert(name, in_file);
  // Of a copy the original need not stay in memory, too.
  if (kept.data.const_data_ptr() != in_file.data.const_data_ptr()) table_.checkpoint().give_back(place.entry->name);
  return kept;
}

StoredTensor WeightStore::peek(const std::string& name, at::IntArrayRef shape) { return fetch(name, shape); }

StoredTensor WeightStore::get(const std::string& name, at::IntArrayRef shape) {
  if (const auto shared = shared_.find(name); shared != shared_.end()) return given_[name] = shared->second;
  if (purpose_ == Purpose::inspection) {
    if (find_place(name, shape)) kept_[name] = predict(name, shape);
    const auto nothing = at::empty(shape, at::TensorOptions().device(at::kMeta).dtype(compute_));
    return given_[name] = {.data = nothing, .shape = shape.vec()};
  }
  return given_[name] = fetch(name, shape);
}

/// The tensor itself where it is what is asked for.
at::Tensor WeightStore::computed(const std::string& name, const StoredTensor& stored, at::MemoryFormat format) const {
  if (stored.is_plain() && stored.data.scalar_type() == compute_ && stored.data.is_contiguous(format))
    return stored.data;
  // Through the storage type, so that a norm is as exact as a matrix of the same checkpoint, and no more.
  at::Tensor result = stored.widen(compute_).contiguous(format);
  if (const Place* place = table_.find(name)) table_.checkpoint().give_back(place->entry->name);
  return result;
}

at::Tensor WeightStore::fetch_compute(const std::string& name, at::IntArrayRef shape, at::MemoryFormat format) const {
  return computed(name, fetch(name, shape), format);
}

at::Tensor WeightStore::get_compute(const std::string& name, at::IntArrayRef shape, at::MemoryFormat format) {
  const StoredTensor stored = get(name, shape);
  if (purpose_ == Purpose::inspection) {
    if (kept_.contains(name)) kept_[name] = predict_compute(name, shape, format);
    return stored.data;
  }
  const at::Tensor result = computed(name, stored, format);
  if (!result.is_same(stored.data)) given_[name] = {.data = result, .shape = shape.vec()};
  return result;
}

void WeightStore::give_back(std::string_view prefix) const {
  if (prefix.empty()) return table_.checkpoint().give_back();
  for (auto place = table_.places().lower_bound(prefix);
       place != table_.places().end() && place->first.starts_with(prefix); ++place)
    table_.checkpoint().give_back(place->second.entry->name);
}

std::map<std::string, std::vector<int64_t>> WeightStore::shapes() const {
  std::map<std::string, std::vector<int64_t>> result;
  for (const auto& [name, stored] : given_) result.emplace(name, stored.shape);
  return result;
}

std::map<std::string, at::Tensor> WeightStore::state_dict() const {
  std::map<std::string, at::Tensor> result;
  for (const auto& [name, stored] : given_)
    result.emplace(name, stored.is_plain() ? stored.data : stored.widen(at::kFloat));
  return result;
}

std::vector<std::string> WeightStore::unused() const {
  std::set<std::string> names(table_.unknown().begin(), table_.unknown().end());
  std::set<std::string> used;
  for (const auto& [name, place] : table_.places()) (given_.contains(name) ? used : names).insert(place.entry->name);
  for (const std::string& name : used) names.erase(name);
  return {names.begin(), names.end()};
}

Weights Weights::scope(std::string_view part) const {
  Weights scope = *this;
  scope.prefix_ = full_name(part) + ".";
  return scope;
}

bool Weights::has(std::string_view name) const { return store_->table().find(full_name(name)) != nullptr; }

Weights Weights::passing() const {
  Weights passing = *this;
  passing.recorder_ = nullptr;
  return passing;
}

StoredTensor Weights::get(std::string_view name, at::IntArrayRef shape) const {
  return recorder_ ? recorder_->get(full_name(name), shape) : store_->fetch(full_name(name), shape);
}

at::Tensor Weights::get_compute(std::string_view name, at::IntArrayRef shape, at::MemoryFormat format) const {
  return recorder_ ? recorder_->get_compute(full_name(name), shape, format)
                   : store_->fetch_compute(full_name(name), shape, format);
}

std::string Weights::full_name(std::string_view name) const { return prefix_ + std::string(name); }

}  // namespace llmdit::nn
