#include "llmdit/prompt_rewriter.hpp"

#include <cstdlib>
#include <memory>
#include <optional>
#include <variant>

#include "bindings.hpp"
#include "closing.hpp"
#include "config.hpp"
#include "options.hpp"
#include "record.hpp"
#include "text_generation.hpp"

namespace llmdit::python {
namespace {

/// What has 8 bits of what the package takes for a picture.
Image to_prompt_image(const py::object& value) {
  const py::object picture = py::module_::import("llmdit._pictures").attr("as_picture")(value);
  if (!py::isinstance<Image>(picture))
    throw py::type_error("image is a path, a picture of Pillow or an array of uint8, not " + short_repr(value));
  return py::cast<Image>(picture);
}

using AnyBackend = std::variant<std::shared_ptr<ChatBackend>, ZImageTextEncoder>;

/// RewriteOptions of keywords, with what stands in no table. `tokens` runs the callback.
RewriteOptions read_options(const py::kwargs& keywords, const py::object& image, RunningTokens& tokens) {
  auto options = options_from<RewriteOptions>(keywords);
  if (!image.is_none()) options.image = to_prompt_image(image);
  options.on_token = tokens.callback();
  return options;
}

std::shared_ptr<const ChatBackend> to_backend(const AnyBackend& backend) {
  if (const auto* encoder = std::get_if<ZImageTextEncoder>(&backend))
    return std::make_shared<LocalChatBackend>(*encoder);
  return std::get<std::shared_ptr<ChatBackend>>(backend);
}

using Rewriter = Closeable<PromptRewriter>;

std::unique_ptr<Rewriter> closeable(PromptRewriter rewriter) {
  return std::make_unique<Rewriter>("PromptRewriter", std::make_shared<const PromptRewriter>(std::move(rewriter)));
}

std::unique_ptr<Rewriter> from_config(const std::optional<ResolvedConfig>& given) {
  const RuntimeConfig config = (given ? *given : settings_in_force()).runtime;
  const char* key = std::getenv("LLMDIT_API_KEY");
  const py::gil_scoped_release no_gil;
  return closeable(PromptRewriter(load_chat_backend(config, key ? key : ""),
                                  TemplateRegistry::standard(config.generate.chat.templates_dir)));
}

}  // namespace

void bind_prompt_rewriter(py::module_& m) {
  Record<ParsedAnswer>(m, "ParsedAnswer", "What a model's answer holds.")
      .read_only("prompt", &ParsedAnswer::prompt, "Without thinking and its tags; empty where there is nothing else.")
      .read_only("thinking", &ParsedAnswer::thinking, "What it thought before; None where there is none.")
      .comparable();
  m.def("parse_answer", &parse_answer, py::arg("text"), py::kw_only(), py::arg("only_tags") = false,
        "Takes the thinking from an answer: a <think> block, one that is not closed to the end of the text, or what\n"
        "stands before a lone </think>; else, unless only_tags, what precedes a JSON object at the end, or a first\n"
        "paragraph that begins as thinking aloud does.");

  Record<RewrittenPrompt> rewritten(m, "RewrittenPrompt", "A prompt that a language model wrote.");
  rewritten.read_only("prompt", &RewrittenPrompt::prompt, "The answer without its thinking.")
      .read_only("thinking", &RewrittenPrompt::thinking, "What it thought before; None where there is none.")
      .read_only("text", &RewrittenPrompt::text, "The whole answer.")
      .read_only("rewriter", &RewrittenPrompt::rewriter, "The template's name; '' for own instructions.")
      .read_only("system_prompt", &RewrittenPrompt::system_prompt, "What the model was told.")
      .read_only("prompt_tokens", &RewrittenPrompt::prompt_tokens, "Of the question; 0 where a server does not tell.")
      .read_only("new_tokens", &RewrittenPrompt::new_tokens,
                 "Of the answer, its thinking among them; 0 where a server does not tell.")
      .read_only("seed", &RewrittenPrompt::seed, "None where a server chose it.")
      .read_only("model", &RewrittenPrompt::model, "The name of the model that answered.")
      .read_only("warnings", &RewrittenPrompt::warnings, "What there is to be said of the answer, in words.");
  rewritten.carried("finish_reason", &RewrittenPrompt::finish_reason)
      .cls()
      .def_property_readonly(
          "finish_reason",
          [](const RewrittenPrompt& self) { return std::string(finish_reason_name(self.finish_reason)); },
          "'stop', 'length' or 'request', as in GeneratedText.");

  static const std::string ask_doc =
      "One question as it stands, with system_prompt as its instructions, if any; thinking is taken from the answer.\n"
      "image: stands before the text, which may be empty then.\n"
      "on_token: called with a TokenInfo as the answer is written; returning True ends it there.\n"
      "Raises InvalidArgument for a question the model does not take, a rewriter or a closed backend, RemoteError for "
      "a\n"
      "server that fails, and what on_token raises.\n"
      "Other keywords, of which what is not given is the model's own choice; a rewriter is none of them:" +
      options_doc<RewriteOptions>();
  py::reinterpret_borrow<py::class_<ChatBackend, std::shared_ptr<ChatBackend>>>(m.attr("ChatBackend"))
      .def(
          "ask",
          [](const ChatBackend& self, const std::string& prompt, const py::object& image, py::object on_token,
             const py::kwargs& keywords) {
            RunningTokens tokens(std::move(on_token));
            const RewriteOptions options = read_options(keywords, image, tokens);
            return run_with(tokens, [&] { return ask(self, prompt, options); });
          },
          py::arg("prompt") = "", py::kw_only(), py::arg("image") = py::none(), py::arg("on_token") = py::none(),
          ask_doc.c_str());

  static const std::string doc =
      "The prompt as a language model words it.\n"
      "image: a picture that the prompt is about; without a prompt it is described.\n"
      "on_token: called with a TokenInfo as the answer is written, thinking included; returning True ends it there.\n"
      "Raises InvalidArgument where there is neither prompt nor image, or neither rewriter nor instructions, for an "
      "image\n"
      "that the model does not take, an answer that ends before the prompt, or a closed rewriter; NotFound for an "
      "unknown\n"
      "one; Cancelled where on_token ended the answer before the prompt; RemoteError for a server that fails; and "
      "what\n"
      "on_token raises.\n"
      "Other keywords, of which what is not given is the model's own choice:" +
      options_doc<RewriteOptions>();
  py::class_<Rewriter> cls(m, "PromptRewriter",
                           "Turns a short idea, a picture or both into a prompt by a language model.");
  def_not_copied(cls, "make one in each process, of a backend that is made there");
  def_close(cls, &Rewriter::close, close_doc)
      .def(py::init([](const AnyBackend& backend, const std::optional<TemplateRegistry>& templates) {
             return closeable(
                 PromptRewriter(to_backend(backend), templates ? *templates : TemplateRegistry::standard()));
           }),
           py::arg("backend"), py::arg("templates") = py::none(),
           "backend: a text encoder, or a ChatBackend. templates: where rewriters are looked up; default all that are "
           "installed.\nRaises NotFound where the built-in ones are missing, Unsupported for a template that cannot be "
           "taken.")
      .def_static(
          "from_config", &from_config, py::arg("config") = py::none(),
          "The rewriter of settings, a RuntimeConfig, by default those in force: by a server where rewriter.use_api\n"
          "says so, whose key is LLMDIT_API_KEY, else by the model that they name, whose Qwen3-VL reads pictures.\n"
          "Models are loaded at their first question. Calls take the rest: rewrite(prompt, **config.rewrite).\n"
          "Raises InvalidArgument for settings that do not fit each other, NotFound for a folder of templates that is "
          "missing.")
      .def(
          "rewrite",
          [](const Rewriter& self, const std::string& prompt, const py::object& image, py::object on_token,
             const py::kwargs& keywords) {
            RunningTokens tokens(std::move(on_token));
            const RewriteOptions options = read_options(keywords, image, tokens);
            return run_with(tokens, [&] { return self.get()->rewrite(prompt, options); });
          },
          py::arg("prompt") = "", py::kw_only(), py::arg("image") = py::none(), py::arg("on_token") = py::none(),
          doc.c_str())
      .def_property_readonly(
          "rewriters", [](const Rewriter& self) { return self.get()->rewriters(); },
          "The names of the rewriters: templates of the category 'rewriter'.")
      .def("__repr__", [](const Rewriter& self) {
        if (self.is_closed()) return std::string("<llmdit.PromptRewriter closed>");
        return "<llmdit.PromptRewriter with " + short_repr(py::cast(self.get()->rewriters())) + ">";
      });
}

}  // namespace llmdit::python
