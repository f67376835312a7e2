#include "llmdit/tokenizer.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include <catch2/catch_test_macros.hpp>

#include "llmdit/chat.hpp"
#include "temp_folder.hpp"
#include "thrown_error.hpp"

namespace llmdit {
namespace {

using test::TempFolder;
using test::thrown_by;
using Ids = std::vector<int64_t>;

const std::filesystem::path source_dir = LLMDIT_SOURCE_DIR;
const std::filesystem::path golden = source_dir / "tests" / "golden";

/// Qwen3's tokenizer, cut down to what the texts of ids.txt need; the ids are Qwen3's.
const Tokenizer& qwen3() {
  static const Tokenizer tokenizer = Tokenizer::load(golden / "qwen3_part");
  return tokenizer;
}

const Tokenizer& demo() {
  static const Tokenizer tokenizer = Tokenizer::load(source_dir / "examples" / "demo_model" / "tokenizer");
  return tokenizer;
}

const Tokenizer& sentencepiece() {
  static const Tokenizer tokenizer = Tokenizer::load(golden / "sentencepiece.model");
  return tokenizer;
}

std::string unescaped(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      plain += text[i];
      continue;
    }
    const char escape = text[++i];
    plain += escape == 'n' ? '\n' : escape == 'r' ? '\r' : escape == '0' ? '\0' : escape;
  }
  return plain;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

const std::string added_token =
    R"({"id": 4, "content": "<x>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, )"
    R"("special": true})";

/// A tokenizer.json with a, b, ab and one added token; `from` in it becomes `to`.
std::string small_json(std::string_view from = "", std::string_view to = "") {
  const std::string json = R"({"version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [$],
    "normalizer": {"type": "NFC"},
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
      {"type": "Split", "pattern": {"Regex": " ?\\p{L}+|\\s+"}, "behavior": "Isolated", "invert": false},
      {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false}]},
    "post_processor": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
    "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
    "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
      "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false,
      "vocab": {"a": 0, "b": 1, "ab": 2, "Ġ": 3}, "merges": ["a b"]}})";
  return replaced(replaced(json, "$", added_token), from, to);
}

Tokenizer load_text(std::string_view json) {
  const TempFolder folder;
  return Tokenizer::load(folder.write("tokenizer.json", json));
}

/// Expects `unsupported` with a text that names the file and `part`.
void check_refused(std::string_view json, std::string_view part) {
  const auto error = thrown_by([&] { load_text(json); });
  INFO(error.text);
  INFO(part);
  CHECK(error.code == ErrorCode::unsupported);
  CHECK(error.says("tokenizer.json"));
  CHECK(error.says(part));
}

}  // namespace

TEST_CASE("Qwen3's ids", "[tokenizer]") {
  std::ifstream file(golden / "qwen3_part" / "ids.txt", std::ios::binary);
  std::string text_line;
  std::string ids_line;
  size_t count = 0;
  for (; std::getline(file, text_line) && std::getline(file, ids_line); ++count) {
    std::istringstream numbers(ids_line);
    const Ids ids{std::istream_iterator<int64_t>(numbers), {}};
    INFO(text_line);
    CHECK(qwen3().encode(unescaped(text_line)) == ids);
  }
  CHECK(count > 30);
}

TEST_CASE("Qwen3's ids that other tokenizers miss", "[tokenizer]") {
  CHECK(qwen3().encode("->") == Ids{405});
  CHECK(qwen3().encode("(x):\n") == Ids{2075, 982});
  CHECK(qwen3().encode("12345").size() == 5);
  CHECK(qwen3().encode("<think>\n\n</think>\n\n") == Ids{151667, 271, 151668, 271});
  CHECK(qwen3().encode("e\u0301") == qwen3().encode("\u00e9"));
  CHECK(qwen3().encode("\u1112\u1161\u11ab") == qwen3().encode("\ud55c"));
  CHECK(qwen3().vocab_size() == 151669);
}

TEST_CASE("the chat text of a prompt has Qwen3's ids", "[tokenizer]") {
  const Ids ids = qwen3().encode(format_prompt("A red fox"));
  CHECK(ids == Ids{151644, 872, 198, 32, 2518, 38835, 151645, 198, 151644, 77091, 198});
  CHECK(qwen3().encode(format_prompt("A red fox", {.force_think_block = true})).size() == ids.size() + 4);
}

TEST_CASE("decoding gives the text back", "[tokenizer]") {
  for (const std::string text :
       {"a  b\r\n\r\n", "un chaton très mignon", "字 🦊 \u1112", "<|im_start|>user\n<think>", " ", ""}) {
    CHECK(demo().decode(demo().encode(text)) == text);
  }
  const std::string zero("a\0b", 3);
  CHECK(demo().decode(demo().encode(zero)) == zero);
}

TEST_CASE("decoding joins bytes before it repairs them", "[tokenizer]") {
  const Ids ids = demo().encode("字");
  REQUIRE(ids.size() > 1);
  CHECK(demo().decode({ids.data(), 1}) == "\uFFFD");
  CHECK(demo().decode(ids) == "字");
}

TEST_CASE("decoding skips special tokens only", "[tokenizer]") {
  const Ids ids = qwen3().encode("<|im_start|>->\n<think><tool_call><|im_end|>");
  CHECK(qwen3().decode(ids) == "<|im_start|>->\n<think><tool_call><|im_end|>");
  CHECK(qwen3().decode(ids, true) == "->\n<think><tool_call>");
}

TEST_CASE("ids without a token decode to nothing, negative ones are refused", "[tokenizer]") {
  CHECK(qwen3().decode(Ids{405, 151669, 151935, INT64_MAX, 405}) == "->->");
  const auto error = thrown_by([] { qwen3().decode(Ids{405, -1}); });
  CHECK(error.code == ErrorCode::invalid_argument);
  CHECK(error.says("-1"));
}

TEST_CASE("tokens and ids", "[tokenizer]") {
  CHECK(qwen3().token_to_id("<|im_end|>") == 151645);
  CHECK(qwen3().token_to_id("Ġfox") == 38835);
  CHECK_FALSE(qwen3().token_to_id(" fox"));
  CHECK_FALSE(qwen3().token_to_id(""));
  CHECK(qwen3().id_to_token(38835) == " fox");
  CHECK(qwen3().id_to_token(151645) == "<|im_end|>");
  CHECK_FALSE(qwen3().id_to_token(151669));
  CHECK_FALSE(qwen3().id_to_token(-1));
  CHECK(demo().id_to_token(*demo().token_to_id("å")) == "\xE5");  // a raw byte, as it is spelled in the file
}

TEST_CASE("invalid UTF-8 reads as U+FFFD for each bad part", "[tokenizer]") {
  const std::pair<std::string, std::string> cases[] = {
      {"\xFF", "\uFFFD"},
      {"a\xE2\x82", "a\uFFFD"},
      {"\xE2\x82z", "\uFFFDz"},
      {"\xED\xA0\x80", "\uFFFD\uFFFD\uFFFD"},
      {"\xF0\x9F\x92", "\uFFFD"},
      {"\xF0\x9F\x92\xF0\x9F\x92\x96", "\uFFFD\U0001F496"},
      {"\xC0\xAF\xF5\x80", "\uFFFD\uFFFD\uFFFD\uFFFD"},
      {"\xE0\x80\xF4\x90", "\uFFFD\uFFFD\uFFFD\uFFFD"},
      {"\uFFFD\xEF\xBF", "\uFFFD\uFFFD"},
  };
  for (const auto& [bytes, text] : cases) {
    CHECK(demo().encode(bytes) == demo().encode(text));
    CHECK(demo().decode(demo().encode(bytes)) == text);
  }
}

TEST_CASE("a million characters are quick, whatever they are", "[tokenizer]") {
  std::string words;
  while (words.size() < 1'000'000) words += "it's a (red:1.4) circle\n\n  above ";
  std::string letters;
  for (uint32_t state = 1; letters.size() < 1'000'000; state = state * 1664525 + 1013904223) {
    letters += static_cast<char>('a' + (state >> 28));
  }
  std::string marks = "a";
  while (marks.size() < 2'000'000) marks += "\u0316\u0301";
  std::string starts;
  while (starts.size() < 1'000'000) starts += "<|im_";
  std::vector<std::string> texts = {words, letters, marks, starts, std::string(1'000'000, ' ') + "x"};
  for (const char c : {'a', '-', '\n', '\0', '\xFF'}) texts.emplace_back(1'000'000, c);
  for (const std::string& text : texts) {
    const auto start = std::chrono::steady_clock::now();
    const Ids ids = demo().encode(text);
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));  // it takes a fraction of one
    INFO(text.substr(0, 20));
    CHECK(demo().decode(ids).size() >= 1'000'000);
  }
}

TEST_CASE("one tokenizer serves many threads", "[tokenizer]") {
  const std::string text = format_prompt("a large red circle above a small blue square, it's très mignon 字");
  const Ids expected = demo().encode(text);
  std::vector<int> wrong(4);
  std::vector<std::thread> threads;
  for (int& count : wrong) {
    threads.emplace_back([&, copy = demo()] {
      for (int i = 0; i < 200; ++i) count += copy.encode(text) != expected || copy.decode(expected) != text;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4));
}

TEST_CASE("a small tokenizer.json", "[tokenizer]") {
  const Tokenizer tokenizer = load_text(small_json());
  CHECK(tokenizer.encode("ab abba<x>a<x") == Ids{2, 3, 2, 1, 0, 4, 0});  // bytes without a token are left out
  CHECK(tokenizer.decode(Ids{2, 3, 4, 0}) == "ab <x>a");
  CHECK(tokenizer.decode(Ids{2, 3, 4, 0}, true) == "ab a");
  CHECK(tokenizer.vocab_size() == 5);
  CHECK(tokenizer.encode("").empty());
  CHECK(load_text(small_json(R"(["a b"])", R"([["a", "b"]])")).encode("ab") == Ids{2});
  CHECK(load_text(small_json(R"(["a b"])", R"([])")).encode("ab") == Ids{0, 1});
}

TEST_CASE("ignore_merges takes a word that is a token without building it", "[tokenizer]") {
  const auto with_flag = [](const std::string& flag) {
    return load_text(small_json(R"("merges": ["a b"])", "\"ignore_merges\": " + flag + ", \"merges\": []"));
  };
  CHECK(with_flag("true").encode("ab aba") == Ids{2, 3, 0, 1, 0});
  CHECK(with_flag("false").encode("ab aba") == Ids{0, 1, 3, 0, 1, 0});
}

TEST_CASE("added tokens: the longest at the leftmost place", "[tokenizer]") {
  const auto token = [&](int id, std::string_view content) {
    return replaced(replaced(added_token, "4", std::to_string(id)), "<x>", content);
  };
  const auto with_tokens = [&](const std::string& tokens) { return load_text(small_json(added_token, tokens)); };

  const Tokenizer nested =
      with_tokens(token(4, "<x>") + "," + token(5, "<x>a") + "," + token(6, "x") + "," + token(7, "<x>ab<"));
  CHECK(nested.encode("<x>ab<x>b<xx>ab<") == Ids{7, 6, 1, 6, 6, 2});
  CHECK(nested.encode("<x>aa<x>") == Ids{5, 0, 4});

  CHECK(with_tokens(replaced(added_token, R"("lstrip": false)", R"("lstrip": true)")).encode("a \n <x> a") ==
        Ids{0, 4, 3, 0});
  CHECK(with_tokens(replaced(added_token, R"("rstrip": false)", R"("rstrip": true)")).encode("a <x> \u3000a") ==
        Ids{0, 3, 4, 0});

  // A normalised token is found in what the normaliser makes of the text, a raw one in the text alone.
  const std::string composed = token(5, "\u00e9");
  const std::string normalized = replaced(composed, R"("normalized": false)", R"("normalized": true)");
  CHECK(with_tokens(composed).encode("ae\u0301a") == Ids{0, 0});
  CHECK(with_tokens(normalized).encode("ae\u0301a") == Ids{0, 5, 0});
}

TEST_CASE("a ByteLevel pre-tokenizer splits as GPT-2 does", "[tokenizer]") {
  const std::string json = small_json();
  const size_t begin = json.find(R"({"type": "Sequence")");
  const size_t end = json.find(R"("post_processor")");
  const Tokenizer gpt2 = load_text(std::string(json).replace(
      begin, end - begin,
      R"({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}, )"));
  CHECK(gpt2.encode("ab  ab") == Ids{2, 3, 3, 2});
}

TEST_CASE("no file", "[tokenizer]") {
  const TempFolder folder;
  for (const auto& path :
       {folder.path() / "no.json", folder.path() / "no.model", folder.path(), std::filesystem::path()}) {
    const auto error = thrown_by([&] { Tokenizer::load(path); });
    CHECK(error.code == ErrorCode::not_found);
  }
  std::filesystem::create_directories(folder.path() / "tokenizer.json");
  CHECK(thrown_by([&] { Tokenizer::load(folder.path()); }).code == ErrorCode::not_found);
}

TEST_CASE("files that are no tokenizer", "[tokenizer]") {
  for (const std::string json : {"", " ", "nonsense", "{", "[", "null", "[]", "\"a\"", "1", "{\"model\": 1e999}",
                                 "\xFF\xFE", "{\"a\": \"\\ud800\"}", "{\"a\": 1} {}"}) {
    check_refused(json, "expected");
  }
  check_refused("{}", "model");
  check_refused(std::string(1'000'000, '['), "nesting");
  check_refused("{\"model\": " + std::string(1'000'000, '['), "nesting");
  const std::string good = small_json();
  for (size_t size = 0; size < good.size(); ++size) check_refused(std::string_view(good).substr(0, size), "expected");
}

TEST_CASE("damaged vocabularies and merges", "[tokenizer]") {
  const auto vocab = [](std::string_view value) { return small_json(R"({"a": 0, "b": 1, "ab": 2, "Ġ": 3})", value); };
  for (const char* value : {"[]", "null", "1", "\"a\"", "true"}) check_refused(vocab(value), "model.vocab");
  for (const char* id : {"-1", "4294967296", "18446744073709551615", "99999999999999999999", "1.5", "null", "\"1\"",
                         "[]", "{}", "true"}) {
    check_refused(vocab(R"({"a": )" + std::string(id) + R"(, "b": 1, "ab": 2})"), "model.vocab");
  }
  check_refused(vocab(R"({"a": 0, "b": 0, "ab": 2})"), "model.vocab");
  check_refused(vocab(R"({"a": 0, "a": 1, "b": 3, "ab": 2})"), "model.vocab");
  check_refused(vocab(R"({"a": 0}, "vocab": {"a": 0, "b": 1, "ab": 2})"), "twice");
  check_refused(vocab("{}"), "model.merges");

  const auto merges = [](std::string_view value) { return small_json(R"(["a b"])", value); };
  for (const char* value : {"{}", "null", "1", "\"a b\"", "[1]", "[\"ab\"]", "[\"a b a\"]", "[\"a c\"]", "[\"b a\"]",
                            "[\" \"]", "[[\"a\"]]", "[[]]", "[[\"a\", \"b\", \"a\"]]", "[[\"a\", 1]]",
                            "[[\"a\", [\"b\"]]]", "[{\"a\": \"b\"}]", "[null]", "[true]", "[1.5]"}) {
    check_refused(merges(value), "model.merges");
  }
  check_refused(small_json(R"("vocab": {"a": 0, "b": 1, "ab": 2, "Ġ": 3}, )", ""), "model.vocab");
  check_refused(small_json(R"(, "merges": ["a b"])", ""), "model.merges");
}

TEST_CASE("what a tokenizer.json may ask for and is not handled is refused by name", "[tokenizer]") {
  check_refused(small_json("\"1.0\"", "\"2.0\""), "version");
  check_refused(small_json("\"BPE\"", "\"WordPiece\""), "WordPiece");
  check_refused(small_json("\"BPE\"", "7"), "model.type");
  check_refused(small_json("\"dropout\": null", "\"dropout\": 0.1"), "model.dropout");
  check_refused(small_json("\"unk_token\": null", "\"unk_token\": \"a\""), "unk_token");
  check_refused(small_json("\"byte_fallback\": false", "\"byte_fallback\": true"), "byte_fallback");
  check_refused(small_json("\"byte_fallback\": false", "\"byte_fallback\": 0"), "model.byte_fallback");
  check_refused(small_json("\"continuing_subword_prefix\": null", "\"continuing_subword_prefix\": \"##\""),
                "continuing_subword_prefix");
  check_refused(small_json("\"end_of_word_suffix\": \"\"", "\"end_of_word_suffix\": \"</w>\""), "end_of_word_suffix");
  check_refused(small_json("\"NFC\"", "\"NFKC\""), "NFKC");
  check_refused(small_json("{\"type\": \"NFC\"}", "[]"), "normalizer");
  check_refused(small_json("\"Isolated\"", "\"Removed\""), "Removed");
  check_refused(small_json("\"invert\": false", "\"invert\": true"), "invert");
  check_refused(small_json("\"Regex\"", "\"String\""), "pattern.Regex");
  check_refused(small_json("\"Split\"", "\"Whitespace\""), "Whitespace");
  check_refused(small_json("\"add_prefix_space\": false", "\"add_prefix_space\": true"), "add_prefix_space");
  check_refused(small_json("\"use_regex\": false", "\"use_regex\": true"), "use_regex");
  check_refused(small_json("\"decoder\": {\"type\": \"ByteLevel\"", "\"decoder\": {\"type\": \"WordPiece\""),
                "decoder");
  check_refused(small_json("\"post_processor\": {\"type\": \"ByteLevel\"",
                           "\"post_processor\": {\"type\": \"TemplateProcessing\""),
                "TemplateProcessing");
  for (const char* name : {"\"normalizer\"", "\"pre_tokenizer\"", "\"decoder\""}) {
    const std::string without = small_json(name, "\"x\"");
    if (std::string_view(name) == "\"normalizer\"") {
      CHECK(load_text(without).encode("ab") == Ids{2});
    } else {
      check_refused(without, std::string_view(name).substr(1, 7));
    }
  }
}

TEST_CASE("damaged added tokens", "[tokenizer]") {
  for (const char* id : {"-1", "4194304", "1e3", "null", "\"4\"", "0"}) {
    check_refused(small_json("\"id\": 4", "\"id\": " + std::string(id)), "added_tokens[0].id");
  }
  check_refused(small_json("\"<x>\"", "\"\""), "content");
  check_refused(small_json("\"<x>\"", "1"), "content");
  check_refused(small_json("\"<x>\"", "\"ab\""), "added_tokens");  // the vocabulary says 2
  check_refused(small_json("\"<x>\"", '"' + std::string(2000, 'x') + '"'), "content");
  check_refused(small_json("\"single_word\": false", "\"single_word\": true"), "single_word");
  for (const char* flag : {"\"lstrip\"", "\"rstrip\"", "\"normalized\"", "\"special\""}) {
    check_refused(small_json(flag, "\"x\""), std::string_view(flag).substr(1, 5));
  }
  check_refused(small_json(added_token, added_token + "," + added_token), "once");
  check_refused(small_json("[" + added_token + "]", "{}"), "added_tokens");
}

TEST_CASE("split patterns that other engines read otherwise are refused", "[tokenizer]") {
  const std::string pattern = R"( ?\\p{L}+|\\s+)";
  for (const char* other : {"(", "[a", R"(\\w+)", R"(\\b)", R"(\\h)", "a.b", "^a", "a$", "[[:alpha:]]", "[a&&b]",
                            R"(\\p{Nonsense})", "(?i)a", "a{1,3}+"}) {
    check_refused(small_json(pattern, other), "split pattern");
  }
  const Tokenizer wild = load_text(small_json(pattern, "(a+)+[bc]"));
  const auto error = thrown_by([&] { wild.encode(std::string(60, 'a')); });
  CHECK(error.code == ErrorCode::unsupported);
}

TEST_CASE("SentencePiece", "[tokenizer]") {
  const Tokenizer& tokenizer = sentencepiece();
  const std::string text = "a red circle above a blue square";
  CHECK(tokenizer.encode(text) == Ids{263, 295, 323, 272, 263, 314, 285});
  CHECK(tokenizer.decode(Ids{263, 295, 323, 272, 263, 314, 285}) == text);
  CHECK(tokenizer.encode("before<|user|>after <|user|>") ==
        Ids{262, 290, 352, 260, 3, 351, 362, 353, 348, 349, 347, 3});
  CHECK(tokenizer.decode(tokenizer.encode("字 and 🦊 <|user|>")) == "字 and 🦊 <|user|>");
  CHECK(tokenizer.encode("").empty());
  CHECK(tokenizer.vocab_size() == 450);
  CHECK(tokenizer.token_to_id("<|user|>") == 3);
  CHECK(tokenizer.token_to_id("<unk>") == 0);
  CHECK_FALSE(tokenizer.token_to_id("no such piece"));
  CHECK(tokenizer.id_to_token(295) == " red");
  CHECK(tokenizer.id_to_token(4 + 0xE5) == "\xE5");
  CHECK_FALSE(tokenizer.id_to_token(450));
}

TEST_CASE("SentencePiece's control symbols", "[tokenizer]") {
  const Tokenizer& tokenizer = sentencepiece();
  CHECK(tokenizer.decode(Ids{1, 295, 263, 2}) == "<s>red a</s>");
  CHECK(tokenizer.decode(Ids{1, 295, 263, 2}, true) == "red a");
  CHECK(tokenizer.decode(Ids{295, 450, 1 << 30, INT64_MAX}) == "red");
  CHECK(tokenizer.decode(Ids{0, 295}, true) == "red");
  CHECK(thrown_by([&] { tokenizer.decode(Ids{-1}); }).code == ErrorCode::invalid_argument);
  const Ids typed = tokenizer.encode("<s>");
  CHECK(std::count(typed.begin(), typed.end(), 1) == 0);
}

TEST_CASE("damaged SentencePiece models", "[tokenizer]") {
  const std::string good = test::read_bytes(golden / "sentencepiece.model");
  const TempFolder folder;
  const auto refused = [&](std::string_view bytes) {
    return thrown_by([&] { Tokenizer::load(folder.write("tokenizer.model", bytes)); }).code == ErrorCode::unsupported;
  };
  CHECK(refused(""));
  CHECK(refused("nonsense"));
  CHECK(refused(good.substr(0, good.size() / 2)));
  CHECK(refused(good.substr(1)));
  CHECK(refused(std::string(1000, '\xFF')));
  CHECK_FALSE(refused(good));
}

}  // namespace llmdit
