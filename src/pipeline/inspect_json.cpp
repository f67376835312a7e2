#include <map>
#include <nlohmann/json.hpp>

#include "llmdit/compatibility.hpp"
#include "llmdit/inspect.hpp"

namespace llmdit {
namespace {

using Json = nlohmann::ordered_json;

Json to_object(const FileInfo& info, bool with_tensors) {
  Json out = {{"path", info.path.string()}, {"kind", file_kind_name(info.kind)}};
  if (!info.model.empty()) out["model"] = info.model;
  if (!info.metadata.empty()) out["metadata"] = info.metadata;
  for (const auto& [dtype, summary] : summarize(info.tensors)) {
    out["dtypes"][dtype] = {{"tensors", summary.tensors}, {"elements", summary.elements}, {"bytes", summary.bytes}};
  }
  if (info.kind == FileKind::picture) {
    out["format"] = image_format_name(info.picture.format);
    out["width"] = info.picture.width;
    out["height"] = info.picture.height;
    out["color"] = info.picture.color;
    out["bit_depth"] = info.picture.bit_depth;
    out["has_alpha"] = info.picture.has_alpha;
    out["orientation"] = info.picture.orientation;
    out["text"] = Json::array();
    for (const auto& [keyword, text] : info.picture.text) out["text"].push_back({{"keyword", keyword}, {"text", text}});
  }
  for (const ComponentInfo& load : info.loads) {
    out["loads"].push_back({{"component", load.component},
                            {"model", load.model},
                            {"sizes", load.sizes},
                            {"problems", load.problems},
                            {"unused", load.unused}});
  }
  for (const FileInfo& component : info.components) out["components"].push_back(to_object(component, with_tensors));
  if (!with_tensors) return out;
  for (const TensorInfo& tensor : info.tensors) {
    out["tensors"].push_back({{"name", tensor.name},
                              {"dtype", tensor.dtype},
                              {"shape", tensor.shape},
                              {"bytes", tensor.bytes},
                              {"becomes", tensor.becomes},
                              {"file", tensor.file.string()}});
  }
  return out;
}

std::string dump(const Json& value) {
  return value.dump(/*indent=*/-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace

std::map<std::string, DTypeSummary> summarize(const std::vector<TensorInfo>& tensors) {
  std::map<std::string, DTypeSummary> summary;
  for (const TensorInfo& tensor : tensors) {
    DTypeSummary& entry = summary[tensor.dtype];
    uint64_t elements = 1;
    for (const int64_t side : tensor.shape) elements *= static_cast<uint64_t>(side);
    entry.tensors += 1;
    entry.elements += elements;
    entry.bytes += tensor.bytes;
  }
  return summary;
}

std::string to_json(const FileInfo& info, bool with_tensors) { return dump(to_object(info, with_tensors)); }

std::string to_json(const CompatibilityReport& report) {
  Json differences = Json::object();
  for (const auto& [name, difference] : report.config_diff)
    differences[name] = {{"reference", difference.reference}, {"actual", difference.actual}};
  return dump({{"compatible", report.compatible},
               {"model_name", report.model_name},
               {"hidden_size", report.hidden_size},
               {"num_hidden_layers", report.num_hidden_layers},
               {"max_position_embeddings", report.max_position_embeddings},
               {"errors", report.errors},
               {"warnings", report.warnings},
               {"config_diff", differences}});
}

}  // namespace llmdit
