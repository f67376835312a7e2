#include "remote/server_address.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "io/encoding.hpp"

namespace llmdit::remote {

std::string ServerAddress::authority() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

bool has_blank_or_control(std::string_view text) {
  return std::ranges::any_of(text, [](unsigned char c) { return c <= 0x20 || c == 0x7f; });
}

ServerAddress parse_server_url(std::string_view url, std::string_view operation) {
  const auto bad = [&](std::string_view what) {
    fail(ErrorCode::invalid_argument, operation, "expected a URL such as http://localhost:8080, {}", what);
  };
  ServerAddress address;
  if (has_blank_or_control(url)) bad("got one with blanks or control characters");
  if (url.find('@') != std::string_view::npos) bad("got one with '@'; a key is given apart from it");
  if (url.find_first_of("?#") != std::string_view::npos) bad("got one with a query or fragment");
  const size_t scheme = url.find("://");
  const std::string_view name = url.substr(0, scheme);
  if (scheme == std::string_view::npos || (name != "http" && name != "https"))
    bad(fmt::format("got \"{}\"", io::printable(url)));
  address.is_tls = name == "https";
  const std::string_view rest = url.substr(scheme + 3);
  const std::string_view authority = rest.substr(0, rest.find('/'));
  address.path = rest.substr(authority.size());
  while (address.path.ends_with('/')) address.path.pop_back();
  std::string_view port;
  if (authority.starts_with('[')) {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos) bad(fmt::format("got \"{}\" without its ]", io::printable(url)));
    address.host = authority.substr(1, end - 1);
    port = authority.substr(end + 1);
  } else {
    address.host = authority.substr(0, authority.find(':'));
    port = authority.substr(address.host.size());
  }
  if (address.host.empty()) bad(fmt::format("got \"{}\" without a host", io::printable(url)));
  address.port = address.is_tls ? 443 : 80;
  if (!port.empty()) {
    const std::string digits(port.substr(1));
    const bool is_number = port.front() == ':' && !digits.empty() && digits.size() <= 5 &&
                           std::ranges::all_of(digits, [](unsigned char c) { return c >= '0' && c <= '9'; });
    if (!is_number || std::stoi(digits) < 1 || std::stoi(digits) > 65535)
      bad(fmt::format("got \"{}\" with a port that is none", io::printable(url)));
    address.port = std::stoi(digits);
  }
  return address;
}

}  // namespace llmdit::remote
