#include "capi/options.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <optional>
#include <set>

#include "capi/handles.hpp"

namespace llmdit::capi {
namespace {

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
const char* keep_text(const std::string& text) {
  static std::mutex mutex;
  static auto* const texts = new std::set<std::string>;
  const std::lock_guard lock(mutex);
  return texts->insert(text).first->c_str();
}

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
    unsigned char byte = 0;  // other languages may have written another number than 0 and 1
    std::memcpy(&byte, &member, sizeof(byte));
    check(byte <= 1, name, "expected true or false, got {}", byte);
    return OptionValue(byte == 1);
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

#define LLMDIT_LINK(Struct, member) link<decltype(Struct::member)>(#member, offsetof(Struct, member))

template <class Options>
struct Struct;

template <>
struct Struct<LoadOptions> {
  using type = llmdit_load_options;
  static std::span<const Link> links() {
    static const Link links[] = {
        LLMDIT_LINK(type, dtype),
        LLMDIT_LINK(type, quantization),
        LLMDIT_LINK(type, device),
        LLMDIT_LINK(type, text_encoder_device),
        LLMDIT_LINK(type, dit_device),
        LLMDIT_LINK(type, vae_device),
        LLMDIT_LINK(type, transformer_path),
        LLMDIT_LINK(type, text_encoder_path),
        LLMDIT_LINK(type, vae_path),
        LLMDIT_LINK(type, tokenizer_path),
        LLMDIT_LINK(type, vl_model_path),
        LLMDIT_LINK(type, vl_device),
        LLMDIT_LINK(type, vl_auto_unload),
        LLMDIT_LINK(type, lora),
    };
    return links;
  }
};

template <>
struct Struct<GenerateOptions> {
  using type = llmdit_generate_options;
  static std::span<const Link> links() {
    static const Link links[] = {
        LLMDIT_LINK(type, width),
        LLMDIT_LINK(type, height),
        LLMDIT_LINK(type, num_inference_steps),
        LLMDIT_LINK(type, seed),
        LLMDIT_LINK(type, num_images_per_prompt),
        LLMDIT_LINK(type, guidance_scale),
        LLMDIT_LINK(type, negative_prompt),
        LLMDIT_LINK(type, cfg_normalization),
        LLMDIT_LINK(type, cfg_truncation),
        LLMDIT_LINK(type, shift),
        LLMDIT_LINK(type, sigmas),
        LLMDIT_LINK(type, hidden_layer),
        LLMDIT_LINK(type, layer_weights),
        LLMDIT_LINK(type, layer_spans),
        LLMDIT_LINK(type, long_prompt_mode),
        LLMDIT_LINK(type, max_text_tokens),
        LLMDIT_LINK(type, system_prompt),
        LLMDIT_LINK(type, thinking_content),
        LLMDIT_LINK(type, assistant_content),
        LLMDIT_LINK(type, force_think_block),
        LLMDIT_LINK(type, strip_quotes),
        LLMDIT_LINK(type, clean_whitespace),
        link<decltype(type::template_name)>("template", offsetof(type, template_name)),  // a keyword in C++
        LLMDIT_LINK(type, templates_dir),
        LLMDIT_LINK(type, strength),
        LLMDIT_LINK(type, outpaint),
        LLMDIT_LINK(type, mask_feather),
        LLMDIT_LINK(type, mask_composite),
        LLMDIT_LINK(type, vl_alpha),
        LLMDIT_LINK(type, vl_blend_mode),
        LLMDIT_LINK(type, vl_text),
        LLMDIT_LINK(type, vl_hidden_layer),
        LLMDIT_LINK(type, vl_token_selection),
        LLMDIT_LINK(type, vl_system_prompt),
        LLMDIT_LINK(type, vl_force_think_block),
        LLMDIT_LINK(type, vl_scale_to_text),
        LLMDIT_LINK(type, vl_target_std),
        LLMDIT_LINK(type, vl_normalization_mode),
        LLMDIT_LINK(type, vl_outlier_masking),
        LLMDIT_LINK(type, vl_outlier_threshold),
        LLMDIT_LINK(type, vl_statistics),
        LLMDIT_LINK(type, vae_tiling),
        LLMDIT_LINK(type, vae_tile_size),
        LLMDIT_LINK(type, vae_tile_overlap),
        LLMDIT_LINK(type, output_type),
    };
    return links;
  }
};

#undef LLMDIT_LINK

const char* bytes_of(const void* pointer) { return static_cast<const char*>(pointer); }
char* bytes_of(void* pointer) { return static_cast<char*>(pointer); }

template <class Options>
typename Struct<Options>::type default_struct() {
  typename Struct<Options>::type filled{};
  filled.struct_size = sizeof(filled);
  const Options defaults{};
  for (const Link& link : Struct<Options>::links())
    link.write(bytes_of(&filled) + link.offset, get_option(defaults, link.name));
  return filled;
}

constexpr size_t max_struct_size = 1 << 16;

/// Never writes beyond the struct the caller knows.
template <class Options>
llmdit_status init(typename Struct<Options>::type* options, size_t struct_size, std::string_view operation) {
  return guarded([&] {
    check(options != nullptr, operation, "expected options to fill, got NULL");
    check(struct_size > sizeof(uint32_t) && struct_size <= max_struct_size, operation,
          "expected the size of the options' struct, got {}", struct_size);
    auto filled = default_struct<Options>();
    filled.struct_size = static_cast<uint32_t>(struct_size);
    std::memset(static_cast<void*>(options), 0, struct_size);
    std::memcpy(static_cast<void*>(options), &filled, std::min(struct_size, sizeof(filled)));
  });
}

/// The caller's struct brought to this library's: what an older one lacks has its default.
template <class Options>
typename Struct<Options>::type current_struct(const typename Struct<Options>::type& given, std::string_view operation) {
  auto current = default_struct<Options>();
  const size_t size = given.struct_size;
  check(size > sizeof(given.struct_size) && size <= max_struct_size, operation,
        "expected options whose struct_size was set by their init function, got {}", size);
  const char* const end = bytes_of(&given) + size;
  const bool beyond = size > sizeof(current) &&
                      std::any_of(bytes_of(&given) + sizeof(current), end, [](char byte) { return byte != 0; });
  check(!beyond, operation,
        "the options set a field that this version of the library does not know; it is older "
        "than the header the program was built with");
  std::memcpy(&current, &given, std::min(size, sizeof(current)));
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

std::vector<at::Tensor> read_tensors(const llmdit_tensor* const* tensors, size_t count, std::string_view name) {
  std::vector<at::Tensor> values;
  for (size_t i = 0; i < count; ++i) values.push_back(borrow(tensors[i], name)->value);
  return values;
}

/// The callback as the library calls it: its exception is none, a status other than 0 stops.
StepCallback read_callback(llmdit_step_callback on_step, void* payload) {
  if (!on_step) return {};
  return [on_step, payload](const StepInfo& info) {
    llmdit_tensor* latents = make_tensor(info.latents);
    const llmdit_step_info shown{
        .struct_size = sizeof(shown), .step = info.step, .total = info.total, .sigma = info.sigma, .latents = latents};
    const bool stops = on_step(&shown, payload) != 0;
    free_handle(latents);
    return stops;
  };
}

template <class Options>
llmdit_status describe(llmdit_option_info* info, size_t index) {
  return guarded([&] {
    const char* operation = "option_describe";
    const auto fields = option_fields<Options>();
    check(info != nullptr, operation, "expected a place for the output, got NULL");
    check(index < fields.size(), operation, "expected an index below {}, got {}", fields.size(), index);
    const OptionField& field = fields[index];
    const auto links = Struct<Options>::links();
    const auto link = std::ranges::find(links, field.name, &Link::name);
    constexpr const char* kinds[] = {"boolean", "integer", "unsigned_integer", "number",
                                     "text",    "choice",  "numbers",          "texts"};
    const llmdit_option_info full{
        .struct_size = info->struct_size,
        .name = keep_text(std::string(field.name)),
        .kind = kinds[static_cast<size_t>(field.kind)],
        .help = keep_text(std::string(field.help)),
        .unit = keep_text(std::string(field.unit)),
        .choices = keep_text(fmt::format("{}", fmt::join(field.choices, ","))),
        .minimum = field.minimum,
        .maximum = field.maximum,
        .optional = field.optional,
        .offset = link == links.end() ? 0 : link->offset,
    };
    copy_struct(info, full, operation);
  });
}

}  // namespace

std::vector<std::string> read_texts(const llmdit_texts& texts, std::string_view operation) {
  check(texts.values || texts.count == 0, operation, "expected {} texts, got NULL", texts.count);
  std::vector<std::string> values;
  for (size_t i = 0; i < texts.count; ++i) {
    check(texts.values[i] != nullptr, operation, "expected texts, got NULL at index {}", i);
    values.emplace_back(texts.values[i]);
  }
  return values;
}

std::string_view read_text(const char* text, size_t length, std::string_view operation) {
  check(text != nullptr, operation, "expected text, got NULL");
  if (length == LLMDIT_NUL_TERMINATED) return text;
  check(length <= PTRDIFF_MAX, operation, "expected the length of a text, got {}", length);
  return {text, length};
}

LoadOptions read_options(const llmdit_load_options* given, std::string_view operation) {
  if (!given) return {};
  return read_fields<LoadOptions>(current_struct<LoadOptions>(*given, operation));
}

GenerateOptions read_options(const llmdit_generate_options* given, std::string_view operation) {
  if (!given) return {};
  const llmdit_generate_options current = current_struct<GenerateOptions>(*given, operation);
  GenerateOptions options = read_fields<GenerateOptions>(current);
  if (current.image) options.image = *borrow(current.image, "image")->value;
  if (current.mask_image) options.mask_image = *borrow(current.mask_image, "mask_image")->value;
  if (current.vl_image) options.vl_image = *borrow(current.vl_image, "vl_image")->value;
  if (current.latents) options.latents = borrow(current.latents, "latents")->value;
  if (current.prompt_embeds)
    options.prompt_embeds = read_tensors(current.prompt_embeds, current.prompt_embeds_count, "prompt_embeds");
  if (current.negative_prompt_embeds)
    options.negative_prompt_embeds =
        read_tensors(current.negative_prompt_embeds, current.negative_prompt_embeds_count, "negative_prompt_embeds");
  options.on_step = read_callback(current.on_step, current.on_step_payload);
  if (current.cancellation) options.stop = borrow(current.cancellation, "cancellation")->value.get_token();
  return options;
}

}  // namespace llmdit::capi

using namespace llmdit;
using namespace llmdit::capi;

llmdit_status llmdit_load_options_init_sized(llmdit_load_options* options, size_t struct_size) {
  return init<LoadOptions>(options, struct_size, "load_options_init");
}

llmdit_status llmdit_generate_options_init_sized(llmdit_generate_options* options, size_t struct_size) {
  return init<GenerateOptions>(options, struct_size, "generate_options_init");
}

size_t llmdit_option_count(llmdit_option_struct options) {
  switch (options) {
    case LLMDIT_LOAD_OPTIONS:
      return option_fields<LoadOptions>().size();
    case LLMDIT_GENERATE_OPTIONS:
      return option_fields<GenerateOptions>().size();
  }
  return 0;
}

llmdit_status llmdit_option_describe(llmdit_option_info* info, llmdit_option_struct options, size_t index) {
  switch (options) {
    case LLMDIT_LOAD_OPTIONS:
      return describe<LoadOptions>(info, index);
    case LLMDIT_GENERATE_OPTIONS:
      return describe<GenerateOptions>(info, index);
  }
  return guarded([&] {
    check(false, "option_describe", "expected LLMDIT_LOAD_OPTIONS or LLMDIT_GENERATE_OPTIONS, got {}",
          static_cast<int>(options));
  });
}
