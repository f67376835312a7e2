#pragma once

#include <torch/csrc/utils/pybind.h>

#include <pybind11/native_enum.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

namespace llmdit::python {

namespace py = pybind11;

/// Frees the interpreter while the library works; for every call that computes or reads files.
using NoGil = py::call_guard<py::gil_scoped_release>;

// One function per public header, called by module.cpp in the order of the data flow.
void bind_error(py::module_& m);
void bind_version(py::module_& m);
void bind_device(py::module_& m);
void bind_options(py::module_& m);
void bind_load_options(py::module_& m);
void bind_attention(py::module_& m);
void bind_memory_plan(py::module_& m);
void bind_image(py::module_& m);
void bind_inspect(py::module_& m);
void bind_convert(py::module_& m);
void bind_prompt_template(py::module_& m);
void bind_chat(py::module_& m);
void bind_tokenizer(py::module_& m);
void bind_token_sampling(py::module_& m);
void bind_text_generation(py::module_& m);
void bind_text_encoder_base(py::module_& m);
void bind_text_encoder(py::module_& m);
void bind_layer_statistics(py::module_& m);
void bind_compatibility(py::module_& m);
void bind_compress(py::module_& m);
void bind_vl_image(py::module_& m);
void bind_vl_encoder(py::module_& m);
void bind_embedding_file(py::module_& m);
void bind_remote_text_encoder(py::module_& m);
void bind_embedding_cache(py::module_& m);
void bind_scheduler(py::module_& m);
void bind_guidance(py::module_& m);
void bind_z_image_transformer(py::module_& m);
void bind_context_refiner(py::module_& m);
void bind_autoencoder_kl(py::module_& m);
void bind_lora(py::module_& m);
void bind_generate_options(py::module_& m);
void bind_config(py::module_& m);
void bind_z_image_pipeline(py::module_& m);
void bind_chat_backend(py::module_& m);
void bind_prompt_rewriter(py::module_& m);
void bind_demo_model(py::module_& m);
void bind_steering(py::module_& m);

// The names of llmdit.vl.
void bind_reference_statistics(py::module_& m);
void bind_normalize(py::module_& m);
void bind_blend(py::module_& m);

}  // namespace llmdit::python
