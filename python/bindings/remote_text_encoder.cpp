#include "llmdit/remote_text_encoder.hpp"

#include <fmt/format.h>

#include "bindings.hpp"
#include "closing.hpp"
#include "llmdit/encoder_server.hpp"
#include "record.hpp"

namespace llmdit::python {
namespace {

using OptionalPath = std::optional<std::filesystem::path>;

RemoteEncoderOptions remote_options(const std::string& url, const std::string& api, const std::string& model,
                                    const std::string& api_key, const std::vector<double>& layer_ids,
                                    const OptionalPath& folder) {
  RemoteEncoderOptions options;
  set_option(options, "encoder_api", api);
  set_option(options, "api_layer_ids", layer_ids);
  options.server.url = url;
  options.server.api_key = api_key;
  options.model = model;
  if (folder) options.folder = folder->string();
  return options;
}

void bind_remote_encoder(py::module_& m) {
  const RemoteOptions defaults;
  using Handle = EncoderHandle<RemoteTextEncoder>;
  py::class_<Handle, TextEncoder, std::shared_ptr<Handle>> cls(
      m, "RemoteTextEncoder",
      "A text encoder on another machine. Every answer is checked: rows against tokens, width, layer, finite numbers.\n"
      "It holds no connection between calls.");
  def_not_copied(cls, "make one in each process, of the same url");
  def_close(cls, &Handle::close, close_doc)
      .def(py::init([](const std::string& url, const std::string& api, const std::string& model,
                       const std::string& api_key, const OptionalPath& model_path,
                       const std::optional<Tokenizer>& tokenizer, std::optional<int64_t> hidden_size,
                       std::optional<int64_t> num_hidden_layers, const std::vector<double>& layer_ids,
                       const OptionalPath& folder, double connect_timeout, double read_timeout, double timeout,
                       int64_t retries) {
             RemoteEncoderOptions options = remote_options(url, api, model, api_key, layer_ids, folder);
             options.server.connect_timeout = connect_timeout;
             options.server.read_timeout = read_timeout;
             options.server.timeout = timeout;
             options.server.retries = retries;
             py::gil_scoped_release released;
             RemoteEncoderModel known;
             if (model_path) known = RemoteEncoderModel::of(ModelSources(*model_path));
             known.hidden_size = hidden_size.value_or(known.hidden_size);
             known.num_hidden_layers = num_hidden_layers.value_or(known.num_hidden_layers);
             if (tokenizer) known.tokenizer = tokenizer;
             return std::make_shared<Handle>("RemoteTextEncoder",
                                             std::make_shared<const RemoteTextEncoder>(options, known));
           }),
           py::arg("url"), py::kw_only(), py::arg("api") = "llmdit", py::arg("model") = "", py::arg("api_key") = "",
           py::arg("model_path") = py::none(), py::arg("tokenizer") = py::none(), py::arg("hidden_size") = py::none(),
           py::arg("num_hidden_layers") = py::none(), py::arg("layer_ids") = std::vector<double>(),
           py::arg("folder") = py::none(), py::arg("connect_timeout") = defaults.connect_timeout,
           py::arg("read_timeout") = defaults.read_timeout, py::arg("timeout") = defaults.timeout,
           py::arg("retries") = defaults.retries,
           "api: llmdit, heylook, sglang or vllm-file. model: its name there. model_path: a model here, for its "
           "tokenizer\n"
           "and sizes; its weights need not be there. layer_ids: those that sglang or vllm-file was started with.\n"
           "folder: where vllm-file's shared_storage_path is seen here. Timeouts are in seconds. api_key: sent as a "
           "bearer\n"
           "token to that host only. hidden_size, num_hidden_layers: of the server's model, where model_path does not "
           "tell.\n"
           "Raises InvalidArgument for options that make no sense, Unsupported for an api that cannot give the states "
           "of "
           "a\nlayer, NotFound for a model_path that is not there, RemoteError for a server of ours that fails.")
      .def_property_readonly(
          "url", [](const Handle& self) { return self.get()->options().server.url; },
          "The server's. Raises InvalidArgument when the encoder is closed.")
      .def("__repr__", [](const Handle& self) {
        if (self.is_closed()) return std::string("<llmdit.RemoteTextEncoder closed>");
        return fmt::format("<llmdit.RemoteTextEncoder at {}, {} wide>", self.get()->options().server.url,
                           self.hidden_size());
      });

  Record<EncoderDifference>(m, "EncoderDifference", "How two encoders' embeddings of one text differ.")
      .read_only("expected_shape", &EncoderDifference::expected_shape, "[tokens, hidden_size] of the expected encoder.")
      .read_only("shape", &EncoderDifference::shape, "[tokens, hidden_size] of the other one.")
      .read_only("cosine", &EncoderDifference::cosine, "Cosine similarity, mean over the rows.")
      .read_only("lowest_cosine", &EncoderDifference::lowest_cosine, "The lowest of any row.")
      .read_only("max_error", &EncoderDifference::max_error, "Largest absolute difference.")
      .read_only("relative_error", &EncoderDifference::relative_error,
                 "Norm of the difference over that of the expected embeddings.")
      .read_only("nearest_layer", &EncoderDifference::nearest_layer,
                 "Of the expected encoder, where another layer is nearer than the one asked for; else None.")
      .cls()
      .def_property_readonly(
          "agrees", &EncoderDifference::agrees,
          "Whether shapes are equal and lowest_cosine is above 0.99: pictures are the same to the eye.");
  m.def(
      "compare_encoders",
      [](const ZImageTextEncoder& expected, const std::shared_ptr<TextEncoder>& other, const std::string& text,
         std::optional<int64_t> hidden_layer) {
        EncodeOptions options;
        if (hidden_layer) options.hidden_layer = *hidden_layer;
        return compare_encoders(expected, *other, text, options);
      },
      py::arg("expected"), py::arg("other"), py::arg("text"), py::kw_only(), py::arg("hidden_layer") = py::none(),
      NoGil(),
      "Compares another encoder with a local one on one text. hidden_layer: None is the default of encode.\n"
      "Raises InvalidArgument for a layer that there is not, and what the other encoder raises.");
}

void bind_encoder_server(py::module_& m) {
  const EncoderServerOptions defaults;
  py::class_<EncoderServer> cls(
      m, "EncoderServer",
      "Serves an encoder over HTTP on threads of its own, until stop() or the end of a with block.");
  def_not_copied(cls, "other processes reach it by RemoteTextEncoder(url)")
      .def(py::init(
               [](const ZImageTextEncoder& encoder, const std::string& host, int64_t port, const std::string& api_key) {
                 return std::make_unique<EncoderServer>(
                     encoder, EncoderServerOptions{.host = host, .port = port, .api_key = api_key});
               }),
           py::arg("encoder"), py::kw_only(), py::arg("host") = defaults.host, py::arg("port") = defaults.port,
           py::arg("api_key") = defaults.api_key, NoGil(),
           "port: 0 is any free one. api_key: that clients have to send; needed where other machines reach the host.\n"
           "Raises InvalidArgument for an open host without a key, NotFound for a port that is taken.")
      .def_property_readonly("port", &EncoderServer::port, "That it listens on.")
      .def_property_readonly("url", &EncoderServer::url, "'http://HOST:PORT', for RemoteTextEncoder.")
      .def("stop", &EncoderServer::stop, NoGil(),
           "Ends it; answers that are under way are cut off. A second time does nothing.")
      .def("__repr__",
           [](const EncoderServer& self) { return fmt::format("<llmdit.EncoderServer at {}>", self.url()); })
      .def("__enter__", [](const py::object& self) { return self; })
      .def(
          "__exit__",
          [](EncoderServer& self, const py::object&, const py::object&, const py::object&) {
            py::gil_scoped_release released;
            self.stop();
          },
          py::arg("exc_type"), py::arg("exc_value"), py::arg("traceback"));
}

}  // namespace

void bind_remote_text_encoder(py::module_& m) {
  bind_remote_encoder(m);
  bind_encoder_server(m);
}

}  // namespace llmdit::python
