#include "console.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>

#include "llmdit/error.hpp"

namespace llmdit::cli {
namespace {

void print_line(std::string_view kind, std::string_view text) {
  // One call, so that lines of other threads do not mix in; a closed stderr is nobody's problem.
  // Names and texts out of files must not command the terminal.
  const std::string line = fmt::format("llmdit: {}{}\n", kind, without_controls(text));
  std::fwrite(line.data(), 1, line.size(), stderr);
}

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

int columns(int descriptor, int fallback) {
  winsize size{};
  return ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : fallback;
}

}  // namespace

std::string without_controls(std::string_view text) {
  std::string clean(text);
  std::ranges::replace_if(
      clean, [](unsigned char c) { return (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f; }, '?');
  return clean;
}

Console::Console(CLI::App& app) {
  app.add_flag("-q,--quiet", quiet_, "nothing but warnings and errors on stderr")->group("Output");
}

void Console::note(std::string_view text) const {
  if (!quiet_) print_line("", text);
}

void Console::warn(std::string_view text) const { print_line("warning: ", text); }

void Console::error(std::string_view text) const { print_line("", text); }

Terminal stderr_terminal() {
  Terminal terminal;
  terminal.interactive = isatty(STDERR_FILENO) && environment("TERM") != "dumb";
  terminal.color = terminal.interactive && environment("NO_COLOR").empty();
  terminal.width = columns(STDERR_FILENO, terminal.width);
  return terminal;
}

int stdout_columns() { return columns(STDOUT_FILENO, 120); }

void write_stdout(std::string_view text) {
  errno = 0;
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written) {
    const std::string reason = std::generic_category().message(errno);
    throw Error(ErrorCode::not_found, fmt::format("[stdout] cannot be written: {}", reason));
  }
}

}  // namespace llmdit::cli
