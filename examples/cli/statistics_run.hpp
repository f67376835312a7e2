#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "console.hpp"
#include "llmdit/chat.hpp"
#include "llmdit/text_encoder.hpp"

namespace llmdit::cli {

/// The flags of `encode --statistics`, and the work behind them.
class StatisticsRun {
 public:
  explicit StatisticsRun(CLI::App& app);
  StatisticsRun(const StatisticsRun&) = delete;
  StatisticsRun& operator=(const StatisticsRun&) = delete;

  bool is_wanted() const { return output_flag_->count() > 0; }

  /// Before anything slow: reads the prompts and looks whether the file can be written. Throws UsageError, also when
  /// --prompts-file is given alone, and not_found.
  void prepare();

  /// Encodes the prompts one after another and writes the file; tells of it on stdout, as JSON where `json` is set.
  /// `model` is what the file says of the encoder.
  void run(const ZImageTextEncoder& encoder, const std::string& model, const ChatOptions& chat,
           const EncodeOptions& options, bool json, const Console& console) const;

 private:
  std::string output_;
  std::string prompts_file_;
  CLI::Option* output_flag_;
  CLI::Option* prompts_flag_;
  std::vector<std::string> prompts_;
};

}  // namespace llmdit::cli
