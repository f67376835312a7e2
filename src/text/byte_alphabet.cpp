#include "text/byte_alphabet.hpp"

#include <array>
#include <cstdint>

#include "text/utf8.hpp"

namespace llmdit::text {
namespace {

constexpr bool is_printable(unsigned byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr char32_t kOthers = 0x100;     // the other bytes' characters follow from here
constexpr size_t kAlphabetEnd = 0x144;  // 68 of them

struct Alphabet {
  std::array<char32_t, 256> character{};
  std::array<int16_t, kAlphabetEnd> byte{};  // -1: not in the alphabet
};

constexpr Alphabet make_alphabet() {
  Alphabet alphabet;
  alphabet.byte.fill(-1);
  char32_t next = kOthers;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const char32_t character = is_printable(byte) ? byte : next++;
    alphabet.character[byte] = character;
    alphabet.byte[character] = static_cast<int16_t>(byte);
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = make_alphabet();

}  // namespace

std::string spell_bytes(std::string_view bytes) {
  std::string token;
  token.reserve(2 * bytes.size());
  for (const char byte : bytes) append_utf8(token, kAlphabet.character[static_cast<uint8_t>(byte)]);
  return token;
}

std::string spelled_bytes(std::string_view token) {
  std::string bytes;
  for (size_t at = 0; at < token.size();) {
    const auto [character, length] = next_code_point(token, at);
    const int byte = character < kAlphabetEnd ? kAlphabet.byte[character] : -1;
    if (byte < 0) return std::string(token);
    bytes.push_back(static_cast<char>(byte));
    at += length;
  }
  return bytes;
}

}  // namespace llmdit::text
