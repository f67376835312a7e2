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

/// From now on stderr takes events only, a JSON object on each line; notes, warnings and errors are among them.
void use_event_lines();
bool uses_event_lines();

/// What the terminal behind stderr can do.
struct Terminal {
  bool interactive = false;  ///< a terminal that can redraw a line
  bool color = false;
  int width = 80;  ///< columns
};

Terminal stderr_terminal();

/// Sent to such a terminal, takes the line away that the cursor is on.
inline constexpr std::string_view kClearLine = "\r\x1b[K";

/// Columns of a line of help: what COLUMNS says, else those of the terminal behind stdout, else 120.
int stdout_columns();

/// Puts something in the place of streams that the caller has closed, so that no file of ours becomes one of them.
void open_standard_streams();

/// Throws not_found where stdout cannot take a result, which is to be known before the work.
void check_stdout();

/// Writes to stdout at once. Throws not_found when it cannot take the text, as a full disk behind a redirection.
void write_stdout(std::string_view text);

}  // namespace llmdit::cli
