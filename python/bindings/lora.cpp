#include "llmdit/lora.hpp"

#include "bindings.hpp"
#include "record.hpp"

namespace llmdit::python {

void bind_lora(py::module_& m) {
  Record<Lora>(m, "Lora", "An adapter to fuse into a model's weights.")
      .read_write("path", &Lora::path)
      .read_write("scale", &Lora::scale)
      .read_write("text_encoder", &Lora::text_encoder)
      .constructible()
      .comparable();
  Record<UnusedLoraKey>(m, "UnusedLoraKey", "A tensor of a LoRA file that changed nothing.")
      .read_only("file", &UnusedLoraKey::file)
      .read_only("key", &UnusedLoraKey::key, "As it stands in the file.")
      .read_only("reason", &UnusedLoraKey::reason)
      .comparable();
  Record<LoraReport>(m, "LoraReport", "What loading adapters did.")
      .read_only("applied", &LoraReport::applied, "Weights changed, by their diffusers names.")
      .read_only("unused", &LoraReport::unused, "Keys without use and why.")
      .read_only("warnings", &LoraReport::warnings);
  m.def("parse_lora", &parse_lora, py::arg("text"),
        "'path', 'path:scale', and either with ':te' behind it for the text encoder's keys as well.");
}

}  // namespace llmdit::python
