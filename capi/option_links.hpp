#pragma once

#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>

#include "capi/read.hpp"

namespace llmdit::capi {

/// How one member of an options struct holds the value of an option.
struct Link {
  std::string_view name;
  size_t offset;
  size_t size;
  /// Nothing where the member says "not given".
  std::optional<OptionValue> (*read)(const void* member, std::string_view name);
  void (*write)(void* member, const OptionValue& value);
};

/// A copy of the text that lives as long as the process: defaults in structs are never freed.
const char* keep_text(const std::string& text);

template <class Member>
struct Convert;

template <class Number>
  requires std::is_arithmetic_v<Number>
struct Convert<Number> {
  static std::optional<OptionValue> read(const Number& member, std::string_view) { return OptionValue(member); }
  static void write(Number& member, const OptionValue& value) { member = std::get<Number>(value); }
};

template <>
struct Convert<bool> {
  static std::optional<OptionValue> read(const bool& member, std::string_view name) {
    return OptionValue(read_bool(member, name));
  }
  static void write(bool& member, const OptionValue& value) { member = std::get<bool>(value); }
};

template <class Number>
struct Convert<const Number*> {
  static std::optional<OptionValue> read(const Number* const& member, std::string_view name) {
    if (!member) return std::nullopt;
    return Convert<Number>::read(*member, name);
  }
  static void write(const Number*& member, const OptionValue&) { member = nullptr; }
};

template <>
struct Convert<const char*> {
  static std::optional<OptionValue> read(const char* const& member, std::string_view) {
    if (!member) return std::nullopt;
    return OptionValue(std::string(member));
  }
  static void write(const char*& member, const OptionValue& value) {
    const auto* text = std::get_if<std::string>(&value);
    member = text ? keep_text(*text) : nullptr;
  }
};

template <>
struct Convert<llmdit_numbers> {
  static std::optional<OptionValue> read(const llmdit_numbers& member, std::string_view name) {
    check(member.values || member.count == 0, name, "expected {} numbers, got NULL", member.count);
    return OptionValue(std::vector<double>(member.values, member.values + member.count));
  }
  static void write(llmdit_numbers& member, const OptionValue&) { member = {}; }
};

template <>
struct Convert<llmdit_texts> {
  static std::optional<OptionValue> read(const llmdit_texts& member, std::string_view name) {
    return OptionValue(read_texts(member, name));
  }
  static void write(llmdit_texts& member, const OptionValue&) { member = {}; }
};

template <class Member>
Link link(std::string_view name, size_t offset) {
  return {.name = name,
          .offset = offset,
          .size = sizeof(Member),
          .read =
              [](const void* member, std::string_view option) {
                return Convert<Member>::read(*static_cast<const Member*>(member), option);
              },
          .write = [](void* member,
                      const OptionValue& value) { Convert<Member>::write(*static_cast<Member*>(member), value); }};
}

/// A link of the C struct `type`.
#define LLMDIT_LINK(type, member) link<decltype(type::member)>(#member, offsetof(type, member))

/// The C struct of an options struct of the library, and how their fields meet.
template <class Options>
struct Struct;

#define LLMDIT_STRUCT(Options, c_struct)  \
  template <>                             \
  struct Struct<Options> {                \
    using type = c_struct;                \
    static std::span<const Link> links(); \
  };
LLMDIT_STRUCT(LoadOptions, llmdit_load_options)
LLMDIT_STRUCT(GenerateOptions, llmdit_generate_options)
LLMDIT_STRUCT(TextGenerationOptions, llmdit_text_options)
LLMDIT_STRUCT(RewriteOptions, llmdit_rewrite_options)
LLMDIT_STRUCT(VLExtractOptions, llmdit_vl_options)
LLMDIT_STRUCT(RemoteEncoderOptions, llmdit_remote_options)
LLMDIT_STRUCT(ConvertOptions, llmdit_convert_options)
#undef LLMDIT_STRUCT

inline const char* bytes_of(const void* pointer) { return static_cast<const char*>(pointer); }
inline char* bytes_of(void* pointer) { return static_cast<char*>(pointer); }

template <class Options>
typename Struct<Options>::type default_struct() {
  typename Struct<Options>::type filled{};
  filled.struct_size = sizeof(filled);
  const Options defaults{};
  for (const Link& link : Struct<Options>::links())
    link.write(bytes_of(&filled) + link.offset, get_option(defaults, link.name));
  return filled;
}

inline constexpr size_t max_struct_size = 1 << 16;

/// Gives the caller `defaults`. Never writes beyond the struct the caller knows.
template <class CStruct>
llmdit_status init_struct(CStruct* options, size_t struct_size, CStruct defaults, std::string_view operation) {
  return guarded([&] {
    check(options != nullptr, operation, "expected options to fill, got NULL");
    check(struct_size > sizeof(uint32_t) && struct_size <= max_struct_size, operation,
          "expected the size of the options' struct, got {}", struct_size);
    defaults.struct_size = static_cast<uint32_t>(struct_size);
    std::memset(static_cast<void*>(options), 0, struct_size);
    std::memcpy(static_cast<void*>(options), &defaults, std::min(struct_size, sizeof(defaults)));
  });
}

template <class Options>
llmdit_status init(typename Struct<Options>::type* options, size_t struct_size, std::string_view operation) {
  typename Struct<Options>::type defaults{};
  const llmdit_status status = guarded([&] { defaults = default_struct<Options>(); });
  return status == LLMDIT_OK ? init_struct(options, struct_size, defaults, operation) : status;
}

/// The caller's struct brought to this library's: what an older one lacks is as in `current`, the defaults.
template <class CStruct>
CStruct current_struct(const CStruct& given, CStruct current, std::string_view operation) {
  const size_t size = given.struct_size;
  check(size > sizeof(given.struct_size) && size <= max_struct_size, operation,
        "expected options whose struct_size was set by their init function, got {}", size);
  const char* const end = bytes_of(&given) + size;
  const bool beyond = size > sizeof(current) &&
                      std::any_of(bytes_of(&given) + sizeof(current), end, [](char byte) { return byte != 0; });
  check(!beyond, operation,
        "the options set a field that this version of the library does not know; it is older "
        "than the header the program was built with");
  std::memcpy(static_cast<void*>(&current), &given, std::min(size, sizeof(current)));
  return current;
}

template <class Options>
typename Struct<Options>::type current_struct(const typename Struct<Options>::type& given, std::string_view operation) {
  const auto current = current_struct(given, default_struct<Options>(), operation);
  const size_t size = given.struct_size;
  for (const Link& link : Struct<Options>::links())
    check(size <= link.offset || size >= link.offset + link.size, operation,
          "expected a struct_size at the end of a field, got {}, inside of {}", size, link.name);
  return current;
}

template <class Options>
Options read_fields(const typename Struct<Options>::type& current) {
  Options options;
  for (const Link& link : Struct<Options>::links()) {
    if (auto value = link.read(bytes_of(&current) + link.offset, link.name))
      set_option(options, link.name, std::move(*value));
  }
  return options;
}

}  // namespace llmdit::capi
