#include "llmdit/device.hpp"

#include "bindings.hpp"
#include "record.hpp"

namespace llmdit::python {

void bind_device(py::module_& m) {
  Record<DeviceInfo>(m, "DeviceInfo", "A device that models can be placed on.")
      .read_only("name", &DeviceInfo::name, "What device options take, e.g. 'cuda:0'.")
      .read_only("description", &DeviceInfo::description, "The processor's own name.")
      .read_only("memory_bytes", &DeviceInfo::memory_bytes, "Of the device: of the machine for the CPU.")
      .read_only("features", &DeviceInfo::features, "Instruction sets that matter here, e.g. 'avx2'.");
  Record<StorageSupport>(m, "StorageSupport", "How weights of one kind are multiplied on a device.")
      .read_only("kind", &StorageSupport::kind, "Of the weights, e.g. 'bfloat16', 'int8', 'GGUF blocks'.")
      .read_only("product", &StorageSupport::product,
                 "'native', 'integers', 'widened to ...' piece by piece, 'converted to ...' at load.");
  m.def("storage_support", &storage_support, py::arg("device") = "cpu",
        "The storage kinds by how they are multiplied on a device, named as in available_devices.\n"
        "Raises InvalidArgument for a device that is not there.");
  m.def("available_devices", &available_devices, NoGil(), "The devices that models can be placed on, the CPU first.");
  m.def(
      "cpu_kernels", [] { return std::string(cpu_kernels()); },
      "Which compilation of the products on a CPU runs here: 'avx512', 'avx2' or 'baseline'.\n"
      "Raises InvalidArgument where LLMDIT_CPU asks for another.");
}

}  // namespace llmdit::python
