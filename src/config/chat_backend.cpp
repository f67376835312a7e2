// The language model that settings name.
#include "llmdit/chat_backend.hpp"

#include <functional>
#include <mutex>

#include "base/check.hpp"
#include "base/translate.hpp"
#include "llmdit/config.hpp"
#include "llmdit/demo_model.hpp"
#include "llmdit/vl_chat_backend.hpp"

namespace llmdit {
namespace {

using Backend = std::shared_ptr<const ChatBackend>;

/// A model that is loaded when it is first needed.
class LazyBackend {
 public:
  explicit LazyBackend(std::function<Backend()> load) : load_(std::move(load)) {}

  const ChatBackend& get() const {
    const std::lock_guard lock(mutex_);
    if (!model_) model_ = load_();
    return *model_;
  }

 private:
  std::function<Backend()> load_;
  mutable std::mutex mutex_;
  mutable Backend model_;
};

class ConfiguredChatBackend final : public ChatBackend {
 public:
  ConfiguredChatBackend(bool takes_images, std::function<Backend()> texts, std::function<Backend()> pictures)
      : takes_images_(takes_images), texts_(std::move(texts)), pictures_(std::move(pictures)) {}

  ChatReply chat(const ChatRequest& request) const override {
    check(takes_images_ || !request.image, "rewriter.vl_enabled",
          "expected no picture, as the setting is off; switch it on, or describe the picture in words");
    return (request.image ? pictures_ : texts_).get().chat(request);
  }
  bool takes_images() const override { return takes_images_; }

  void preload_pictures() const { pictures_.get(); }

 private:
  bool takes_images_;
  LazyBackend texts_, pictures_;
};

Backend connect(const RuntimeConfig& config, const std::string& model, const std::string& api_key) {
  const RewriterModelOptions& options = config.rewriter;
  const std::string& url = options.api_url.empty() ? config.encoder.server.url : options.api_url;
  check(!url.empty(), "rewriter.api_url", "expected the url of a server beside {}, got none there and none in api.url",
        options.use_api.value_or(false) ? "rewriter.use_api" : "rewriter.vl_api_model");
  return std::make_shared<RemoteChatBackend>(RemoteOptions{.url = url, .api_key = api_key, .timeout = options.timeout},
                                             model);
}

/// How texts, or questions with a picture, find their model.
std::function<Backend()> source_of(const RuntimeConfig& config, const std::optional<ModelSources>& sources,
                                   bool with_image, const std::string& api_key) {
  const RewriterModelOptions& options = config.rewriter;
  if (options.asks_server(with_image)) {
    const bool has_own = with_image && !options.vl_api_model.empty();
    const Backend server = connect(config, has_own ? options.vl_api_model : options.api_model, api_key);
    return [server] { return server; };
  }
  if (!with_image)
    return [files = *sources, load = config.load]() -> Backend {
      return std::make_shared<LocalChatBackend>(ZImageTextEncoder::load(files, load));
    };
  return [files = *sources, load = config.load]() -> Backend {
    const VLEmbeddingExtractor::Settings settings{.auto_unload = load.vl_auto_unload};
    return std::make_shared<VLChatBackend>(VLEmbeddingExtractor::load(files, load, settings));
  };
}

}  // namespace

std::shared_ptr<const ChatBackend> load_chat_backend(const RuntimeConfig& config, const std::string& api_key) {
  return translate_errors("rewriter", [&] {
    const RewriterModelOptions& options = config.rewriter;
    check_options(options);
    const bool reads_here = options.vl_enabled && !options.asks_server(true);
    check(!options.preload_vl || reads_here, "rewriter.preload_vl", "expected it off, as {}; no model here reads them",
          options.vl_enabled ? "pictures go to a server" : "rewriter.vl_enabled is off and pictures are refused");
    std::optional<ModelSources> sources;
    if (!options.asks_server(false) || !options.asks_server(true))
      sources.emplace(config.model.empty() ? demo_model_path() : std::filesystem::path(config.model), config.load);
    auto backend = std::make_shared<const ConfiguredChatBackend>(
        options.vl_enabled, source_of(config, sources, false, api_key), source_of(config, sources, true, api_key));
    if (options.preload_vl) backend->preload_pictures();
    return std::static_pointer_cast<const ChatBackend>(backend);
  });
}

}  // namespace llmdit
