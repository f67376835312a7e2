#include "llmdit/lora.hpp"

#include "bindings.hpp"
#include "record.hpp"

namespace llmdit::python {

void bind_lora(py::module_& m) {
  Record<Lora>(m, "Lora", "An adapter to fuse into a model's weights.")
      .read_write("path", &Lora::path, "A safetensors file, or a folder with one.")
      .read_write("scale", &Lora::scale, "Strength: 0 changes nothing, negative turns the effect round.")
      .read_write("text_encoder", &Lora::text_encoder, "Whether the keys of the text encoder are applied as well.")
      .constructible()
      .comparable();
  Record<UnusedLoraKey>(m, "UnusedLoraKey", "A tensor of a LoRA file that changed nothing.")
      .read_only("file", &UnusedLoraKey::file, "Name of the file.")
      .read_only("key", &UnusedLoraKey::key, "As it stands in the file.")
      .read_only("reason", &UnusedLoraKey::reason, "E.g. 'no such module in the transformer'.")
      .comparable();
  Record<LoraReport>(m, "LoraReport", "What loading adapters did.")
      .read_only("applied", &LoraReport::applied, "Weights changed, by their diffusers names.")
      .read_only("unused", &LoraReport::unused, "An UnusedLoraKey for each key without use.")
      .read_only("warnings", &LoraReport::warnings, "What there is to be said of them, in words.");
  m.def("parse_lora", &parse_lora, py::arg("text"),
        "The Lora of 'path' or 'path:scale', either with ':te' behind it for the text encoder's keys as well. Other "
        "tails\n"
        "belong to the path, and so does any where there is a file of the whole name.");
}

}  // namespace llmdit::python
