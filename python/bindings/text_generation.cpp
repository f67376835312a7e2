#include "text_generation.hpp"

#include <string>

#include "record.hpp"

namespace llmdit::python {

RunningTokens::RunningTokens(py::object function) : function_(std::move(function)) {
  if (!function_.is_none() && !PyCallable_Check(function_.ptr()))
    throw py::type_error("on_token takes a callable, got " + short_repr(function_));
}

TokenCallback RunningTokens::callback() {
  return [this](const TokenInfo& token) {
    if (RunningCall::stopping()) return true;
    py::gil_scoped_acquire locked;
    try {
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
      return !function_.is_none() && ask(token);
    } catch (...) {
      raised_ = std::current_exception();
      return true;
    }
  };
}

bool RunningTokens::ask(const TokenInfo& token) const {
  const py::object answer = function_(token);
  if (answer.is_none()) return false;
  py::detail::make_caster<bool> stop;
  // Only a bool: a callback that happens to return a value must not end the text.
  if (!stop.load(answer, /*convert=*/false))
    throw py::type_error("on_token returns True to stop, or False or None to go on, not " + short_repr(answer));
  return static_cast<bool>(stop);
}

void bind_text_generation(py::module_& m) {
  Record<TokenInfo>(m, "TokenInfo", "A token as it is written.")
      .read_only("step", &TokenInfo::step, "From 0.")
      .read_only("id", &TokenInfo::id, "-1 for the text of a server, which sends no ids.")
      .read_only("text", &TokenInfo::text,
                 "What is new of the text, in whole characters: empty while one is not complete.");

  Record<GeneratedText> generated(m, "GeneratedText", "What a language model wrote.");
  generated.read_only("text", &GeneratedText::text, "Without special tokens; <think> is none.")
      .read_only("token_ids", &GeneratedText::token_ids, "What was written, without the token that ended it.")
      .read_only("prompt_tokens", &GeneratedText::prompt_tokens, "Tokens of the text it went on with.")
      .read_only("stop_id", &GeneratedText::stop_id, "The token that ended the text; None where another reason did.")
      .read_only("seed", &GeneratedText::seed, "That the text comes of, given or drawn.")
      .read_only("prompt_seconds", &GeneratedText::prompt_seconds, "Seconds until the first token.")
      .read_only("seconds", &GeneratedText::seconds, "Seconds of all.");
  generated.carried("finish_reason", &GeneratedText::finish_reason)
      .cls()
      .def_property_readonly(
          "finish_reason",
          [](const GeneratedText& self) { return std::string(finish_reason_name(self.finish_reason)); },
          "'stop': the model ended its text; 'length': max_new_tokens were written; 'request': on_token ended it.");
}

}  // namespace llmdit::python
