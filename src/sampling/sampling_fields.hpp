#pragma once

#include "base/option_table.hpp"

/// What the tables of options say of the choice of tokens, which stands in several of them.
namespace llmdit::sampling_fields {

inline constexpr FieldText temperature{
    .section = "rewriter", .help = "spread of the choice of tokens; 0: always the best", .minimum = 0, .maximum = 100};
inline constexpr FieldText top_k{
    .section = "rewriter", .help = "choose among the best so many tokens; 0 is off", .minimum = 0, .maximum = 1e9};
inline constexpr FieldText top_p{
    .section = "rewriter", .help = "choose among the best tokens up to this probability", .minimum = 0, .maximum = 1};
inline constexpr FieldText min_p{.section = "rewriter",
                                 .help = "least probability as a share of the best token's; 0 is off",
                                 .minimum = 0,
                                 .maximum = 1};
inline constexpr FieldText repetition_penalty{
    .section = "rewriter", .help = "above 1 against the tokens of prompt and text", .minimum = 1e-3, .maximum = 1e3};
inline constexpr FieldText presence_penalty{
    .section = "rewriter", .help = "above 0 against the tokens the text already has", .minimum = -1e3, .maximum = 1e3};
inline constexpr FieldText max_new_tokens{.section = "rewriter",
                                          .help = "tokens after which the text is cut",
                                          .alias = "rewriter-max-tokens",
                                          .minimum = 1,
                                          .maximum = 1e6};
inline constexpr FieldText seed{.section = "rewriter",
                                .help = "seed of the choice of tokens; default drawn",
                                .minimum = 0,
                                .maximum = 18446744073709551615.0};

}  // namespace llmdit::sampling_fields
