#include <ATen/ATen.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/check.hpp"
#include "base/stop.hpp"
#include "io/encoding.hpp"
#include "io/path_kind.hpp"
#include "io/safetensors.hpp"
#include "remote/encoder_protocol.hpp"

namespace llmdit::remote {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLayerFlag =
    "--speculative_config '{\"method\":\"extract_hidden_states\", ... \"eagle_aux_hidden_state_layer_ids\"}', with the "
    "id";

/// Waits until nobody holds the lock of a file that is being written.
class LockWait {
 public:
  explicit LockWait(const fs::path& path) : file_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~LockWait() {
    if (file_ >= 0) close(file_);
  }
  LockWait(const LockWait&) = delete;
  LockWait& operator=(const LockWait&) = delete;

  /// Without such a file nobody writes any more.
  bool is_free() const { return file_ < 0 || flock(file_, LOCK_SH | LOCK_NB) == 0; }

 private:
  int file_;
};

/// vLLM writes the states to a file on its own disk and answers with the path; its ids mean "after block id".
class VllmFileProtocol final : public EncoderProtocol {
 public:
  explicit VllmFileProtocol(ProtocolParts parts) : parts_(std::move(parts)) {}

  States fetch(const StatesRequest& request, const std::stop_token& stop) const override {
    if (request.layer == parts_.model.num_hidden_layers) {
      fail(ErrorCode::unsupported, kEncoderOperation,
           "expected a layer from 0 to {}, got {}, the normed last one: vLLM gives that of the last block before its "
           "norm",
           parts_.model.num_hidden_layers - 1, request.asked_layer);
    }
    nlohmann::json message = {{"prompt", *request.ids}, {"max_tokens", 1}, {"temperature", 0}};
    if (!parts_.options.model.empty()) message["model"] = parts_.options.model;
    const nlohmann::json answer = parts_.client->post_json("/v1/completions", message, stop);
    const fs::path path = place_of(answer);
    wait_until_written(path, stop);
    return read(path, request);
  }

 private:
  fs::path place_of(const nlohmann::json& answer) const {
    static const nlohmann::json none;
    const bool has_transfer = answer.is_object() && answer.contains("kv_transfer_params");
    const nlohmann::json& transfer = has_transfer ? answer["kv_transfer_params"] : none;
    const auto told = transfer.is_object() ? transfer.find("hidden_states_path") : transfer.end();
    if (!transfer.is_object() || told == transfer.end() || !told->is_string()) {
      parts_.client->fail(
          0, fmt::format("expected kv_transfer_params.hidden_states_path in its answer, got none; start it with "
                         "{} of the layer, and --kv_transfer_config "
                         "'{{\"kv_connector\":\"ExampleHiddenStatesConnector\",\"kv_role\":\"kv_producer\", ...}}'",
                         kLayerFlag));
    }
    const fs::path path = io::path_from_utf8(told->get<std::string>());
    if (!parts_.options.folder) return path;
    return io::path_from_utf8(*parts_.options.folder) / path.filename();
  }

  void wait_until_written(const fs::path& path, const std::stop_token& stop) const {
    using Clock = std::chrono::steady_clock;
    const auto deadline = Clock::now() + std::chrono::duration<double>(parts_.options.server.read_timeout);
    const fs::path lock = path.string() + ".lock";
    while (!io::is_file(path) || !LockWait(lock).is_free()) {
      check_stop(stop, kEncoderOperation);
      if (!io::is_file(path) && !io::is_file(lock)) {
        parts_.client->fail(0, fmt::format("its file {} is not to be seen from here: both sides have to share its "
                                           "shared_storage_path; name the place where that is seen by --encoder-folder "
                                           "(folder)",
                                           io::printable_path(path)));
      }
      if (Clock::now() > deadline)
        parts_.client->fail(504, fmt::format("its file {} is still being written after {} seconds",
                                             io::printable_path(path), parts_.options.server.read_timeout));
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  States read(const fs::path& path, const StatesRequest& request) const try {
    const auto file = io::SafetensorsFile::open(path);
    const auto* states = file->find("hidden_states");
    const auto* ids = file->find("token_ids");
    if (!states || !ids || states->shape.size() != 3 || states->shape[0] < 1 || !states->dtype) {
      parts_.client->fail(
          0, fmt::format("expected hidden_states [tokens, layers, width] and token_ids in {}, found others",
                         io::printable_path(path)));
    }
    // The file may be gone with the next request.
    at::Tensor rows = file->tensor(*states).flatten(1).to(at::kFloat, /*non_blocking=*/false, /*copy=*/true);
    const at::Tensor told = file->tensor(*ids).to(at::kLong).flatten().contiguous();
    const auto* first = told.const_data_ptr<int64_t>();
    ProtocolParts one = parts_;
    if (one.options.layer_ids.empty() && states->shape[1] != 1) {
      parts_.client->fail(0, fmt::format("expected one layer, got {}; tell the ids that it was started with by "
                                         "--encoder-layer-ids (layer_ids)",
                                         states->shape[1]));
    }
    if (!one.options.layer_ids.empty() && states->shape[1] != static_cast<int64_t>(one.options.layer_ids.size())) {
      parts_.client->fail(0, fmt::format("expected {} layers, as many as --encoder-layer-ids (layer_ids) names, got {}",
                                         one.options.layer_ids.size(), states->shape[1]));
    }
    return {.rows = columns_of_layer(one, rows, request.layer, kLayerFlag),
            .ids = {first, first + told.numel()},
            .why_short =
                "its cache answered the rest; start it with --no-enable-prefix-caching and "
                "--no-enable-chunked-prefill"};
  } catch (const RemoteError&) {
    throw;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::invalid_argument) throw;
    parts_.client->fail(0, fmt::format("its file cannot be read: {}", error.what()));
  }

  ProtocolParts parts_;
};

}  // namespace

std::shared_ptr<const EncoderProtocol> make_vllm_file_protocol(ProtocolParts parts) {
  check(parts.model.tokenizer.has_value(), kEncoderOperation,
        "expected the model's tokenizer beside vLLM, which is sent token ids; name a model or tokenizer_path");
  return std::make_shared<const VllmFileProtocol>(std::move(parts));
}

}  // namespace llmdit::remote
