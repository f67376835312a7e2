#include "pipeline/chat_form.hpp"

#include <string>

#include "io/json.hpp"
#include "io/path_kind.hpp"
#include "io/text_file.hpp"

namespace llmdit {
namespace {

namespace fs = std::filesystem;

/// From wherever transformers would take it; "" when there is none.
std::string read_chat_template(const fs::path& folder) {
  if (io::is_file(folder / "chat_template.jinja")) return io::read_text_file(folder / "chat_template.jinja");
  for (const char* name : {"chat_template.json", "tokenizer_config.json"}) {
    if (!io::is_file(folder / name)) continue;
    const auto json = io::JsonObject::read(folder / name);
    const auto found = json.value().find("chat_template");
    if (found != json.value().end() && found->is_string()) return found->get<std::string>();
  }
  return "";
}

}  // namespace

bool opens_think_block(const fs::path& folder) {
  const std::string chat_template = read_chat_template(folder);
  // In Jinja the line break may stand as \n.
  for (const char* opening : {"<|im_start|>assistant\n<think>", "<|im_start|>assistant\\n<think>"}) {
    if (chat_template.find(opening) != std::string::npos) return true;
  }
  return false;
}

}  // namespace llmdit
