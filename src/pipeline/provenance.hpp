#pragma once

#include <map>
#include <mutex>
#include <string>

#include "llmdit/load_options.hpp"
#include "llmdit/model_sources.hpp"

namespace llmdit {

/// Names of what pictures depend on, and what it is.
using MadeWith = std::map<std::string, std::string>;

/// What a pipeline's pictures depend on besides adapters and the options of a call: files, types, devices, libraries.
/// Looked up when it is first asked for.
class Provenance {
 public:
  /// `has_own_encoder`: the model's own text encoder is loaded.
  Provenance(ModelSources sources, const LoadOptions& options, bool has_own_encoder)
      : sources_(std::move(sources)), options_(options), has_own_encoder_(has_own_encoder) {}

  const MadeWith& parts() const;

  /// Of the model that reads reference pictures.
  const MadeWith& vl_encoder() const;

 private:
  ModelSources sources_;
  LoadOptions options_;
  bool has_own_encoder_;
  mutable std::once_flag parts_found_, vl_encoder_found_;
  mutable MadeWith parts_, vl_encoder_;
};

}  // namespace llmdit
