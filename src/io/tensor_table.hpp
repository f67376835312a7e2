#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "io/checkpoint.hpp"

namespace llmdit::io {

/// A model's tensor as a file has it: a tensor of its own, or one of several equal parts of the rows of a larger one.
struct TensorPart {
  std::string name;  ///< the model's name for it
  int64_t part = 0;
  int64_t parts = 1;
};

/// How files name the tensors of one kind of model.
struct TensorNaming {
  std::string_view component;              ///< "transformer", for messages
  std::vector<std::string_view> prefixes;  ///< a file may put before all of the component's names
  std::vector<std::string_view> strays;    ///< names that files are known to carry in vain
  /// The model's tensors that a file's tensor holds, from its name without prefix; none for a foreign name.
  std::function<std::vector<TensorPart>(std::string_view)> published;
};

/// Where the tensors of a model lie in weight files: each name of a file is looked at by itself, so that prefixes,
/// layouts and storage kinds may be mixed. Scales that belong to a weight go with it.
class TensorTable {
 public:
  struct Place {
    const TensorEntry* entry = nullptr;
    int64_t part = 0;
    int64_t parts = 1;
    const TensorEntry* scale = nullptr;  ///< the weight is what is stored times this: one number, or one a row
  };

  /// Throws unsupported for a kind of quantisation that is not handled (by its name), for scales without a weight, and
  /// for two tensors that claim to be the same one.
  TensorTable(Checkpoint checkpoint, const TensorNaming& naming);

  std::string_view component() const { return component_; }
  const Checkpoint& checkpoint() const { return checkpoint_; }
  /// Under the model's names.
  const std::map<std::string, Place, std::less<>>& places() const { return places_; }
  const Place* find(std::string_view name) const;
  /// Leaves out a tensor that this model has no use for, as if the files did not have it.
  void forget(const std::string& name) { places_.erase(name); }
  /// Names as they stand in the files that no rule knows; strays and other components of an all-in-one file left out.
  const std::vector<std::string>& unknown() const { return unknown_; }

  /// How the files would call the model's tensor `name`, as far as the name of another tensor tells; for messages.
  std::string name_in_file(const std::string& name) const;

  /// The first numbers of a name's shape by the part it is of; the entry's own shape for a whole tensor.
  static std::vector<int64_t> shape_of(const Place& place);

  /// Size `axis` of the tensor `name`, for telling a model's sizes. Throws unsupported when it is missing or its rank
  /// is another one.
  int64_t size(const std::string& name, size_t axis, size_t rank) const;

  /// How many of "<prefix>0.", "<prefix>1.", ... there are, counted up to the first gap.
  int64_t count_indices(std::string_view prefix) const;

 private:
  class Builder;

  std::string_view component_;
  Checkpoint checkpoint_;
  std::map<std::string, Place, std::less<>> places_;
  std::vector<std::string> unknown_;
};

/// Whether a key carries a prefix under which all-in-one files keep a component; the rest of it, nothing without one.
std::optional<std::string_view> strip_prefix(std::string_view key, const std::vector<std::string_view>& prefixes);

}  // namespace llmdit::io
