#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

namespace llmdit::cli {

/// Where a command's words to the user go: stderr, with the program's name before each line.
class Console {
 public:
  Console() = default;
  /// Adds --quiet, which drops what is neither a warning nor an error. The console outlives the parsing of `app`.
  explicit Console(CLI::App& app);
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  bool quiet() const { return quiet_; }

  void note(std::string_view text) const;
  void warn(std::string_view text) const;
  void error(std::string_view text) const;

 private:
  bool quiet_ = false;
};

/// `text` with a ? for what would command a terminal; line breaks and tabs stay.
std::string without_controls(std::string_view text);

/// What the terminal behind stderr can do.
struct Terminal {
  bool interactive = false;  ///< a terminal that can redraw a line
  bool color = false;
  int width = 80;  ///< columns
};

Terminal stderr_terminal();

/// Sent to such a terminal, takes the line away that the cursor is on.
inline constexpr std::string_view kClearLine = "\r\x1b[K";

/// Columns of the terminal behind stdout; 120 where there is none.
int stdout_columns();

/// Writes to stdout at once. Throws not_found when it cannot take the text, as a full disk behind a redirection.
void write_stdout(std::string_view text);

}  // namespace llmdit::cli
