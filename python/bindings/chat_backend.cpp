#include "llmdit/chat_backend.hpp"

#include <memory>

#include "bindings.hpp"

namespace llmdit::python {

void bind_chat_backend(py::module_& m) {
  py::class_<ChatBackend, std::shared_ptr<ChatBackend>>(
      m, "ChatBackend", "A language model that answers, here or on another machine; what PromptRewriter works with.")
      .def_property_readonly("takes_images", &ChatBackend::takes_images);

  py::class_<LocalChatBackend, ChatBackend, std::shared_ptr<LocalChatBackend>>(
      m, "LocalChatBackend", "The text encoder's own model. Takes no images.")
      .def(py::init<ZImageTextEncoder>(), py::arg("text_encoder"))
      .def("__repr__", [](const LocalChatBackend&) { return "<llmdit.LocalChatBackend of a text encoder>"; });

  const RemoteOptions defaults;
  py::class_<RemoteChatBackend, ChatBackend, std::shared_ptr<RemoteChatBackend>>(
      m, "RemoteChatBackend",
      "A server that speaks OpenAI's /v1/chat/completions. It is sent the choices of tokens that were given and no\n"
      "others; the model's own defaults are its own matter. Pictures go as PNG data URLs.")
      .def(py::init([](const std::string& url, const std::string& model, const std::string& api_key,
                       double connect_timeout, double read_timeout, double timeout, int64_t retries) {
             const RemoteOptions options{.url = url,
                                         .api_key = api_key,
                                         .connect_timeout = connect_timeout,
                                         .read_timeout = read_timeout,
                                         .timeout = timeout,
                                         .retries = retries};
             return std::make_shared<RemoteChatBackend>(options, model);
           }),
           py::arg("url"), py::arg("model") = "", py::kw_only(), py::arg("api_key") = "",
           py::arg("connect_timeout") = defaults.connect_timeout, py::arg("read_timeout") = defaults.read_timeout,
           py::arg("timeout") = defaults.timeout, py::arg("retries") = defaults.retries,
           "model: may be left out where the server has one. api_key: sent as a bearer token to that host only.\n"
           "Timeouts in seconds: to connect, without a single byte of a stream, and for a whole answer.")
      .def("__repr__", [](const RemoteChatBackend&) { return "<llmdit.RemoteChatBackend of a server>"; });
}

}  // namespace llmdit::python
