#include "llmdit/inspect.hpp"

#include <fmt/format.h>

#include "bindings.hpp"
#include "record.hpp"

namespace llmdit::python {
namespace {

/// A line instead of all fields: a model has hundreds of tensors.
std::string file_repr(const FileInfo& info) {
  std::string text = fmt::format("<llmdit.FileInfo {}", file_kind_name(info.kind));
  if (!info.model.empty()) text += " of " + info.model;
  text += " at " + info.path.string();
  if (info.kind == FileKind::picture) {
    text += fmt::format(", {} {}x{}", image_format_name(info.picture.format), info.picture.width, info.picture.height);
  } else if (info.kind == FileKind::model_folder) {
    text += fmt::format(", {} components", info.components.size());
  } else if (!info.tensors.empty()) {
    text += fmt::format(", {} tensors", info.tensors.size());
  }
  return text + ">";
}

}  // namespace

void bind_inspect(py::module_& m) {
  py::native_enum<FileKind>(m, "FileKind", "enum.Enum", "What a file or folder is.")
      .value("weights", FileKind::weights, "a safetensors or GGUF file")
      .value("component", FileKind::component, "a folder with the weights of one model")
      .value("model_folder", FileKind::model_folder, "a diffusers folder with a model_index.json")
      .value("tokenizer", FileKind::tokenizer, "a tokenizer.json, tokenizer.model, or a folder with one")
      .value("picture", FileKind::picture, "a PNG, JPEG or WebP file")
      .finalize();

  Record<TensorInfo>(m, "TensorInfo", "A tensor of a weight file.")
      .read_only("name", &TensorInfo::name, "As it stands in the file.")
      .read_only("dtype", &TensorInfo::dtype, "The format's own word, e.g. 'BF16'.")
      .read_only("shape", &TensorInfo::shape, "Rows first, as torch has it.")
      .read_only("bytes", &TensorInfo::bytes, "Of its numbers in the file.")
      .read_only("file", &TensorInfo::file, "The file it is in: of a folder, one of its shards.")
      .read_only("becomes", &TensorInfo::becomes, "Tensors of the model that it holds, by their published names.");
  Record<ComponentInfo>(m, "ComponentInfo", "How the weights of one component would load.")
      .read_only("component", &ComponentInfo::component, "'tokenizer', 'text_encoder', 'transformer', 'vae' or 'lora'.")
      .read_only("model", &ComponentInfo::model, "Its class, e.g. 'ZImageTransformer2DModel'.")
      .read_only("sizes", &ComponentInfo::sizes, "Of the model, in words.")
      .read_only("problems", &ComponentInfo::problems, "Why it does not load; empty when it does.")
      .read_only("unused", &ComponentInfo::unused, "Tensors that have no place in the model.");
  Record<FileInfo> info(m, "FileInfo", "What a file or folder is, from headers alone.");
  info.read_only("kind", &FileInfo::kind, "A FileKind.")
      .read_only("path", &FileInfo::path, "As it was given, or the folder of a hub id.")
      .read_only("model", &FileInfo::model,
                 "Class named by the configuration or told from the tensors; '' when unknown.")
      .read_only("metadata", &FileInfo::metadata,
                 "Of weights their header's, of a model folder the classes of its parts.")
      .read_only("tensors", &FileInfo::tensors, "A TensorInfo for each, sorted by name.")
      .read_only("loads", &FileInfo::loads, "Of weights: a ComponentInfo for each component they hold.")
      .read_only("components", &FileInfo::components,
                 "Of a model folder: a FileInfo for each part, in the order of the flow.")
      .read_only("picture", &FileInfo::picture, "Of a picture file, as read_image_info tells; of other kinds empty.");
  info.cls().attr("__repr__") = py::cpp_function(&file_repr, py::name("__repr__"), py::is_method(info.cls()));
  m.def("inspect", &inspect, py::arg("path"), NoGil(),
        "What a file, a folder or a hub id in the local cache is, from headers alone. All checks of the format are "
        "made.\n"
        "Raises NotFound when it cannot be read, Unsupported when it is damaged or of no known kind.");
}

}  // namespace llmdit::python
