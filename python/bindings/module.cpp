#include "bindings.hpp"
#include "running_call.hpp"

PYBIND11_MODULE(_llmdit, m) {
  using namespace llmdit::python;
  m.doc() = "The compiled part of llmdit; its names are those of the package.";
  // What users see in signatures, reprs and tracebacks is the package, not the extension module.
  const pybind11::object own_name = m.attr("__name__");
  m.attr("__name__") = "llmdit";
  // A class is bound before the functions that mention it, so that signatures show its Python name.
  bind_error(m);
  bind_version(m);
  bind_device(m);
  bind_options(m);
  bind_load_options(m);
  bind_attention(m);
  bind_image(m);
  bind_inspect(m);
  bind_convert(m);
  bind_prompt_template(m);
  bind_chat(m);
  bind_tokenizer(m);
  bind_token_sampling(m);
  bind_text_generation(m);
  bind_text_encoder_base(m);
  bind_embedding_cache(m);
  bind_text_encoder(m);
  bind_layer_statistics(m);
  bind_compatibility(m);
  bind_compress(m);
  bind_embedding_file(m);
  bind_remote_text_encoder(m);
  bind_scheduler(m);
  bind_guidance(m);
  bind_z_image_transformer(m);
  bind_context_refiner(m);
  bind_autoencoder_kl(m);
  bind_lora(m);
  bind_generate_options(m);
  bind_memory_plan(m);
  bind_config(m);
  bind_z_image_pipeline(m);
  bind_chat_backend(m);
  bind_prompt_rewriter(m);
  bind_demo_model(m);
  bind_steering(m);
  m.attr("__name__") = "llmdit.vl";
  bind_reference_statistics(m);
  bind_normalize(m);
  bind_blend(m);
  bind_vl_image(m);
  bind_vl_encoder(m);
  m.attr("__name__") = own_name;
  stop_calls_at_exit();
}
