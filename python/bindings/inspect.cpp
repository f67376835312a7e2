#include "llmdit/inspect.hpp"

#include "bindings.hpp"
#include "record.hpp"

namespace llmdit::python {

void bind_inspect(py::module_& m) {
  py::native_enum<FileKind>(m, "FileKind", "enum.Enum", "What a file or folder is.")
      .value("weights", FileKind::weights, "a safetensors or GGUF file")
      .value("component", FileKind::component, "a folder with the weights of one model")
      .value("model_folder", FileKind::model_folder, "a diffusers folder with a model_index.json")
      .value("tokenizer", FileKind::tokenizer, "a tokenizer.json, tokenizer.model, or a folder with one")
      .value("picture", FileKind::picture, "a PNG, JPEG or WebP file")
      .finalize();

  Record<TensorInfo>(m, "TensorInfo", "A tensor of a weight file.")
      .read_only("name", &TensorInfo::name)
      .read_only("dtype", &TensorInfo::dtype, "The format's own word, e.g. 'BF16'.")
      .read_only("shape", &TensorInfo::shape)
      .read_only("bytes", &TensorInfo::bytes)
      .read_only("file", &TensorInfo::file)
      .read_only("becomes", &TensorInfo::becomes, "Tensors of the model that it holds, by their published names.");
  Record<ComponentInfo>(m, "ComponentInfo", "How the weights of one component would load.")
      .read_only("component", &ComponentInfo::component, "'text_encoder', 'transformer' or 'vae'.")
      .read_only("model", &ComponentInfo::model)
      .read_only("sizes", &ComponentInfo::sizes, "Of the model, in words.")
      .read_only("problems", &ComponentInfo::problems, "Why it does not load; empty when it does.")
      .read_only("unused", &ComponentInfo::unused, "Tensors that have no place in the model.");
  Record<FileInfo>(m, "FileInfo", "What a file or folder is, from headers alone.")
      .read_only("kind", &FileInfo::kind)
      .read_only("path", &FileInfo::path)
      .read_only("model", &FileInfo::model,
                 "Class named by the configuration or told from the tensors; '' when unknown.")
      .read_only("metadata", &FileInfo::metadata)
      .read_only("tensors", &FileInfo::tensors, "Sorted by name.")
      .read_only("loads", &FileInfo::loads, "Of weights: the components they hold.")
      .read_only("components", &FileInfo::components, "Of a model folder, in the order of the flow.")
      .read_only("picture", &FileInfo::picture, "Of a picture.");
  m.def("inspect", &inspect, py::arg("path"), NoGil(),
        "What a file or folder is, from headers alone. All checks of the format are made.");
}

}  // namespace llmdit::python
