#include "llmdit/tokenizer.hpp"

#include <fmt/format.h>

#include "bindings.hpp"
#include "closing.hpp"

namespace llmdit::python {

void bind_tokenizer(py::module_& m) {
  py::class_<Tokenizer> cls(
      m, "Tokenizer",
      "Text to token ids and back: byte-level BPE from a tokenizer.json or a GGUF file, or a SentencePiece\n"
      "tokenizer.model.\n"
      "One tokenizer serves many threads.");
  def_loaded_anew(cls)
      .def_static(
          "from_pretrained", &Tokenizer::load, py::arg("path"), NoGil(),
          "From a tokenizer folder, a tokenizer.json, a tokenizer.model, or a GGUF file with Qwen's tokenizer inside.\n"
          "Raises NotFound when there is none, Unsupported when it is damaged or of another kind.")
      .def("encode", &Tokenizer::encode, py::arg("text"), NoGil(),
           "Token ids of text (str, or UTF-8 bytes); added tokens such as <|im_start|> in it become their ids.\n"
           "Raises InvalidArgument for more than 1 GiB of text, which is never cut.")
      .def(
          "decode",
          [](const Tokenizer& self, const std::vector<int64_t>& ids, bool skip_special_tokens) {
            return self.decode(ids, skip_special_tokens);
          },
          py::arg("ids"), py::kw_only(), py::arg("skip_special_tokens") = false, NoGil(),
          "The text of token ids; broken UTF-8 gives U+FFFD. Ids that have no token, such as those of a model's rows "
          "past\n"
          "vocab_size, give nothing, as in transformers; id_to_token tells which they are.\n"
          "skip_special_tokens: leaves out <|im_end|> and the like. Raises InvalidArgument for a negative id.")
      .def("token_to_id", &Tokenizer::token_to_id, py::arg("token"),
           "The id of an exact vocabulary entry or added token, or None.")
      .def(
          "id_to_token",
          [](const Tokenizer& self, int64_t id) -> std::optional<py::bytes> {
            const std::optional<std::string> token = self.id_to_token(id);
            if (!token) return std::nullopt;
            return py::bytes(*token);
          },
          py::arg("id"), "The token's bytes, which need not be whole UTF-8; None for an id without a token.")
      .def_property_readonly("vocab_size", &Tokenizer::vocab_size, "The largest id that has a token, plus one.")
      .def_property_readonly("path", &Tokenizer::path, "The file the tokenizer was read from.")
      .def("__len__", &Tokenizer::vocab_size)
      .def("__repr__", [](const Tokenizer& self) {
        return fmt::format("<llmdit.Tokenizer {} tokens from {}>", self.vocab_size(), self.path().string());
      });
}

}  // namespace llmdit::python
