#pragma once

#include <string>
#include <string_view>

namespace llmdit::remote {

/// What a server's URL says.
struct ServerAddress {
  bool is_tls = false;
  std::string host;  ///< without the brackets of an IPv6 address
  int port = 0;
  std::string path;  ///< "", or "/..." without a slash at its end

  /// The value of a Host header.
  std::string authority() const;
};

/// Throws invalid_argument for what is no http or https URL, or holds more than scheme, host, port and path.
ServerAddress parse_server_url(std::string_view url, std::string_view operation);

/// Whether there are blanks or control characters in `text`, which would end a header or a request line.
bool has_blank_or_control(std::string_view text);

}  // namespace llmdit::remote
