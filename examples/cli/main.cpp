// llmdit: the library on the command line. stdout carries results only, stderr the rest.

#include <CLI/CLI.hpp>
#include <csignal>
#include <exception>
#include <string>

#include "command.hpp"
#include "console.hpp"
#include "program.hpp"

namespace {

using namespace llmdit::cli;

constexpr const char *kPictures = "Make pictures", *kPrompts = "Work on prompts", *kModels = "Look after models",
                     *kSetUp = "Set up";

// Every command: one file, and one line here.
constexpr Command kCommands[] = {
    {kPictures, "generate", "Make pictures from prompts", add_generate},
    {kPictures, "sweep", "Make a row of pictures over the values of one setting", add_sweep},
    {kPrompts, "rewrite", "Have a language model word a prompt", add_rewrite},
    {kPrompts, "templates", "List, search and show prompt templates", add_templates},
    {kPrompts, "format", "Show the chat text of a prompt and its tokens", add_format},
    {kPrompts, "encode", "Encode a prompt, describe or keep its embeddings", add_encode},
    {kModels, "inspect", "Tell what weights, model folders and pictures hold", add_inspect},
    {kModels, "plan", "Tell memory and work of a generation beforehand", add_plan},
    {kModels, "convert", "Write weights in another layout or type", add_convert},
    {kModels, "serve-encoder", "Serve the text encoder to other machines", add_serve_encoder},
    {kSetUp, "doctor", "Check this machine, and gather what a report needs", add_doctor},
    {kSetUp, "devices", "List the devices that models can run on", add_devices},
    {kSetUp, "config", "Show, check or write settings", add_config},
    {kSetUp, "completion", "Write completion for a shell, or the manual", add_completion},
};

}  // namespace

int main(int argc, char** argv) {
  open_standard_streams();
  // A reader that has seen enough, as in `llmdit format ... | head`, ends the program without a word.
  std::signal(SIGPIPE, SIG_DFL);
  return Program(kCommands).run({argv + 1, argv + argc});
}
