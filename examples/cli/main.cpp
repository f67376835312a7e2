// llmdit: the library on the command line. stdout carries results only, stderr the rest.

#include <CLI/CLI.hpp>
#include <csignal>
#include <exception>
#include <string>

#include "command.hpp"
#include "program.hpp"

namespace {

using namespace llmdit::cli;

// Every command: one file, and one line here.
constexpr Command kCommands[] = {
    {"generate", "Generate pictures from a prompt", add_generate},
    {"sweep", "Generate a row of pictures over the values of one setting", add_sweep},
    {"encode", "Encode a prompt and describe its embeddings", add_encode},
    {"format", "Show the chat text of a prompt and its tokens", add_format},
    {"rewrite", "Have a language model word a prompt", add_rewrite},
    {"templates", "List, search and show the prompt templates", add_templates},
    {"inspect", "Tell what weight files, model folders and pictures hold", add_inspect},
    {"convert", "Write weights in another layout, type or quantisation", add_convert},
    {"serve-encoder", "Serve the text encoder to other machines over HTTP", add_serve_encoder},
    {"config", "Show the settings in force, check a file of them, or write an example", add_config},
    {"completion", "Write a script that completes the words of this command in a shell", add_completion},
    {"plan", "Tell the memory and the work that a generation would take", add_plan},
    {"devices", "List the devices that models can run on", add_devices},
    {"doctor", "Check machine, settings and model, draw with the demo model, print what a report needs", add_doctor},
};

}  // namespace

int main(int argc, char** argv) {
  // A reader that has seen enough, as in `llmdit format ... | head`, ends the program without a word.
  std::signal(SIGPIPE, SIG_DFL);
  return Program(kCommands).run({argv + 1, argv + argc});
}
