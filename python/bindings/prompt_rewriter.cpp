#include "llmdit/prompt_rewriter.hpp"

#include <cstdlib>
#include <memory>
#include <optional>
#include <variant>

#include "bindings.hpp"
#include "config.hpp"
#include "options.hpp"
#include "record.hpp"
#include "text_generation.hpp"

namespace llmdit::python {
namespace {

/// What has 8 bits of what the package takes for a picture.
Image to_image(const py::object& value) {
  const py::object picture = py::module_::import("llmdit._pictures").attr("as_picture")(value);
  if (!py::isinstance<Image>(picture))
    throw py::type_error("image is a path, a picture of Pillow or an array of uint8, not " + short_repr(value));
  return py::cast<Image>(picture);
}

using AnyBackend = std::variant<std::shared_ptr<ChatBackend>, ZImageTextEncoder>;

std::shared_ptr<const ChatBackend> to_backend(const AnyBackend& backend) {
  if (const auto* encoder = std::get_if<ZImageTextEncoder>(&backend))
    return std::make_shared<LocalChatBackend>(*encoder);
  return std::get<std::shared_ptr<ChatBackend>>(backend);
}

PromptRewriter from_config(const std::optional<ResolvedConfig>& given) {
  const RuntimeConfig config = (given ? *given : settings_in_force()).runtime;
  const char* key = std::getenv("LLMDIT_API_KEY");
  const py::gil_scoped_release no_gil;
  return PromptRewriter(load_chat_backend(config, key ? key : ""),
                        TemplateRegistry::standard(config.generate.chat.templates_dir));
}

}  // namespace

void bind_prompt_rewriter(py::module_& m) {
  Record<ParsedAnswer>(m, "ParsedAnswer", "What a model's answer holds.")
      .read_only("prompt", &ParsedAnswer::prompt, "Without thinking and its tags; empty where there is nothing else.")
      .read_only("thinking", &ParsedAnswer::thinking, "None where there is none.")
      .comparable();
  m.def("parse_answer", &parse_answer, py::arg("text"), py::kw_only(), py::arg("only_tags") = false,
        "Takes the thinking from an answer: a <think> block, one that is not closed to the end of the text, or what\n"
        "stands before a lone </think>; else, unless only_tags, what precedes a JSON object at the end, or a first\n"
        "paragraph that begins as thinking aloud does.");

  Record<RewrittenPrompt> rewritten(m, "RewrittenPrompt", "A prompt that a language model wrote.");
  rewritten.read_only("prompt", &RewrittenPrompt::prompt)
      .read_only("thinking", &RewrittenPrompt::thinking, "None where there is none.")
      .read_only("text", &RewrittenPrompt::text, "The whole answer.")
      .read_only("rewriter", &RewrittenPrompt::rewriter, "The template's name; empty for own instructions.")
      .read_only("system_prompt", &RewrittenPrompt::system_prompt, "What the model was told.")
      .read_only("prompt_tokens", &RewrittenPrompt::prompt_tokens)
      .read_only("new_tokens", &RewrittenPrompt::new_tokens)
      .read_only("seed", &RewrittenPrompt::seed, "None where a server chose it.")
      .read_only("model", &RewrittenPrompt::model, "That answered.")
      .read_only("warnings", &RewrittenPrompt::warnings);
  rewritten.carried("finish_reason", &RewrittenPrompt::finish_reason)
      .cls()
      .def_property_readonly(
          "finish_reason",
          [](const RewrittenPrompt& self) { return std::string(finish_reason_name(self.finish_reason)); },
          "'stop', 'length' or 'request', as in GeneratedText.");

  static const std::string doc =
      "The prompt as a language model words it.\n"
      "image: a picture that the prompt is about; without a prompt it is described.\n"
      "on_token: called with a TokenInfo as the answer is written, thinking included; returning True ends it there.\n"
      "Other keywords, of which what is not given is the model's own choice:" +
      options_doc<RewriteOptions>();
  py::class_<PromptRewriter>(m, "PromptRewriter",
                             "Turns a short idea, a picture or both into a prompt by a language model.")
      .def(py::init([](const AnyBackend& backend, const std::optional<TemplateRegistry>& templates) {
             return PromptRewriter(to_backend(backend), templates ? *templates : TemplateRegistry::standard());
           }),
           py::arg("backend"), py::arg("templates") = py::none(),
           "backend: a text encoder, or a ChatBackend. templates: where rewriters are looked up; default all that are "
           "installed.")
      .def_static(
          "from_config", &from_config, py::arg("config") = py::none(),
          "The rewriter of settings, a RuntimeConfig, by default those in force: by a server where rewriter.use_api\n"
          "says so, whose key is LLMDIT_API_KEY, else by the model that they name, whose Qwen3-VL reads pictures.\n"
          "Models are loaded at their first question. Calls take the rest: rewrite(prompt, **config.rewrite).")
      .def(
          "rewrite",
          [](const PromptRewriter& self, const std::string& prompt, const py::object& image, py::object on_token,
             const py::kwargs& keywords) {
            auto options = options_from<RewriteOptions>(keywords);
            if (!image.is_none()) options.image = to_image(image);
            RunningTokens tokens(std::move(on_token));
            options.on_token = tokens.callback();
            return run_with(tokens, [&] { return self.rewrite(prompt, options); });
          },
          py::arg("prompt") = "", py::kw_only(), py::arg("image") = py::none(), py::arg("on_token") = py::none(),
          doc.c_str())
      .def_property_readonly("rewriters", &PromptRewriter::rewriters, "The names of the rewriters.")
      .def("__repr__", [](const PromptRewriter& self) {
        return "<llmdit.PromptRewriter with " + short_repr(py::cast(self.rewriters())) + ">";
      });
}

}  // namespace llmdit::python
