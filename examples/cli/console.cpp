#include "console.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <system_error>

#include "json_output.hpp"
#include "llmdit/error.hpp"

namespace llmdit::cli {
namespace {

bool event_lines = false;

enum class Kind { note, warning, error };

void print_line(Kind kind, std::string_view text) {
  // One call, so that lines of other threads do not mix in; a closed stderr is nobody's problem.
  // Names and texts out of files must not command the terminal.
  constexpr std::string_view names[] = {"note", "warning", "error"};
  const std::string line =
      event_lines ? fmt::format("{{\"event\":\"{}\",\"text\":{}}}\n", names[static_cast<int>(kind)], json_text(text))
                  : fmt::format("llmdit: {}{}\n", kind == Kind::warning ? "warning: " : "", without_controls(text));
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
  if (!quiet_) print_line(Kind::note, text);
}

void Console::warn(std::string_view text) const { print_line(Kind::warning, text); }

void Console::error(std::string_view text) const { print_line(Kind::error, text); }

void use_event_lines() { event_lines = true; }
bool uses_event_lines() { return event_lines; }

Terminal stderr_terminal() {
  Terminal terminal;
  terminal.interactive = isatty(STDERR_FILENO) && environment("TERM") != "dumb";
  terminal.color = terminal.interactive && environment("NO_COLOR").empty();
  terminal.width = columns(STDERR_FILENO, terminal.width);
  return terminal;
}

int stdout_columns() {
  int columns_told = 0;
  const std::string_view told = environment("COLUMNS");
  const auto [end, error] = std::from_chars(told.data(), told.data() + told.size(), columns_told);
  const bool is_number = error == std::errc() && end == told.data() + told.size() && columns_told > 0;
  return is_number ? columns_told : columns(STDOUT_FILENO, 120);
}

void open_standard_streams() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(descriptor, F_GETFD) != -1) continue;
    // For reading where it is to be written, so that a result without a place is an error as it should be.
    const int opened = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    if (opened != descriptor && opened >= 0) close(opened);
  }
}

void check_stdout() {
  if ((fcntl(STDOUT_FILENO, F_GETFL) & O_ACCMODE) == O_RDONLY)
    throw Error(ErrorCode::not_found, "[stdout] cannot be written: it is closed");
}

void write_stdout(std::string_view text) {
  errno = 0;
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written) {
    const std::string reason = std::generic_category().message(errno);
    throw Error(ErrorCode::not_found, fmt::format("[stdout] cannot be written: {}", reason));
  }
}

}  // namespace llmdit::cli
