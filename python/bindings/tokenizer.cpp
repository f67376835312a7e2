#include "llmdit/tokenizer.hpp"

#include <fmt/format.h>

#include "bindings.hpp"

namespace llmdit::python {

void bind_tokenizer(py::module_& m) {
  py::class_<Tokenizer>(
      m, "Tokenizer",
      "Text to token ids and back: byte-level BPE from a tokenizer.json or a GGUF file, or a SentencePiece\n"
      "tokenizer.model.\n"
      "One tokenizer serves many threads.")
      .def_static(
          "from_pretrained", &Tokenizer::load, py::arg("path"), NoGil(),
          "From a tokenizer folder, a tokenizer.json, a tokenizer.model, or a GGUF file with Qwen's tokenizer inside.")
      .def("encode", &Tokenizer::encode, py::arg("text"), NoGil(),
           "Token ids of text (str, or UTF-8 bytes); added tokens such as <|im_start|> in it become their ids.")
      .def(
          "decode",
          [](const Tokenizer& self, const std::vector<int64_t>& ids, bool skip_special_tokens) {
            return self.decode(ids, skip_special_tokens);
          },
          py::arg("ids"), py::kw_only(), py::arg("skip_special_tokens") = false, NoGil(),
          "The text of token ids. Ids without a token give nothing, broken UTF-8 gives U+FFFD.")
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
      .def_property_readonly("vocab_size", &Tokenizer::vocab_size, "Largest id that has a token, plus one.")
      .def_property_readonly("path", &Tokenizer::path, "The file the tokenizer was read from.")
      .def("__len__", &Tokenizer::vocab_size)
      .def("__repr__", [](const Tokenizer& self) {
        return fmt::format("<llmdit.Tokenizer {} tokens from {}>", self.vocab_size(), self.path().string());
      });
}

}  // namespace llmdit::python
