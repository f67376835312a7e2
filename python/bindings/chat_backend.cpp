#include "llmdit/chat_backend.hpp"

#include <fmt/format.h>

#include <memory>

#include "bindings.hpp"
#include "closing.hpp"

namespace llmdit::python {

void bind_chat_backend(py::module_& m) {
  py::class_<ChatBackend, std::shared_ptr<ChatBackend>>(
      m, "ChatBackend", "A language model that answers, here or on another machine; what PromptRewriter works with.")
      .def_property_readonly("takes_images", &ChatBackend::takes_images,
                             "Whether a question may come with a picture; whether a server's model looks at it is for "
                             "the server to say.");

  using Local = BackendHandle<LocalChatBackend>;
  py::class_<Local, ChatBackend, std::shared_ptr<Local>> local(m, "LocalChatBackend",
                                                               "The text encoder's own model. Takes no images.");
  def_not_copied(local, "make one in each process, of a text encoder that is loaded there");
  def_close(local, &Local::close, close_doc)
      .def(py::init([](const ZImageTextEncoder& encoder) {
             const Qwen3Config& c = encoder.config();
             return std::make_shared<Local>("LocalChatBackend", std::make_shared<const LocalChatBackend>(encoder),
                                            fmt::format("of {} layers, {} wide", c.num_hidden_layers, c.hidden_size));
           }),
           py::arg("text_encoder"), "text_encoder: a ZImageTextEncoder, whose model is asked.")
      .def("__repr__", [](const Local& self) { return "<llmdit." + self.repr() + ">"; });

  const RemoteOptions defaults;
  using Remote = BackendHandle<RemoteChatBackend>;
  py::class_<Remote, ChatBackend, std::shared_ptr<Remote>> remote(
      m, "RemoteChatBackend",
      "A server that speaks OpenAI's /v1/chat/completions. It is sent the choices of tokens that were given and no\n"
      "others; the model's own defaults are its own matter. Pictures go as PNG data URLs.\n"
      "It holds no connection between calls.");
  def_not_copied(remote, "make one in each process, of the same url");
  def_close(remote, &Remote::close, close_doc)
      .def(py::init([](const std::string& url, const std::string& model, const std::string& api_key,
                       double connect_timeout, double read_timeout, double timeout, int64_t retries) {
             const RemoteOptions options{.url = url,
                                         .api_key = api_key,
                                         .connect_timeout = connect_timeout,
                                         .read_timeout = read_timeout,
                                         .timeout = timeout,
                                         .retries = retries};
             const std::string asked = "at " + url + (model.empty() ? "" : ", model " + model);
             return std::make_shared<Remote>("RemoteChatBackend",
                                             std::make_shared<const RemoteChatBackend>(options, model), asked);
           }),
           py::arg("url"), py::arg("model") = "", py::kw_only(), py::arg("api_key") = "",
           py::arg("connect_timeout") = defaults.connect_timeout, py::arg("read_timeout") = defaults.read_timeout,
           py::arg("timeout") = defaults.timeout, py::arg("retries") = defaults.retries,
           "model: may be left out where the server has one. api_key: sent as a bearer token to that host only.\n"
           "Timeouts in seconds: to connect, without a single byte of a stream, and for a whole answer. retries: after "
           "a failed\n"
           "connection and the statuses 429 and 503. Raises InvalidArgument for a URL that is none, or a limit that "
           "cannot be.")
      .def("__repr__", [](const Remote& self) { return "<llmdit." + self.repr() + ">"; });
}

}  // namespace llmdit::python
