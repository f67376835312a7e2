#pragma once

#include <cstdint>
#include <string>

#include "llmdit/error.hpp"
#include "llmdit/export.hpp"

namespace llmdit {

/// A server that does a part of the work, and how patient its caller is.
struct RemoteOptions {
  std::string url{};            ///< "http://" or "https://", host, port and a path above the server's own, if any
  std::string api_key{};        ///< sent as a bearer token to that host only; never shown or stored
  double connect_timeout = 10;  ///< seconds
  double read_timeout = 60;     ///< seconds without a single byte
  double timeout = 600;         ///< seconds for a whole call, its retries among them
  int64_t retries = 3;          ///< after a failed connection and the statuses 429 and 503, with growing waits
};

/// What a server did wrong or could not do. Its code is ErrorCode::internal.
class LLMDIT_EXPORT RemoteError : public Error {
 public:
  RemoteError(int status, const std::string& message) : Error(ErrorCode::internal, message), status_(status) {}
  ~RemoteError() override;

  /// The HTTP status; 0 where no whole answer came or where what it holds is wrong, 504 after a timeout.
  int status() const noexcept { return status_; }

 private:
  int status_;
};

}  // namespace llmdit
