#include "llmdit/compress.hpp"

#include "llmdit/z_image_transformer.hpp"
#include "thrown_error.hpp"
#include "torch_and_catch.hpp"

namespace llmdit::test {

TEST_CASE("the policy's limit is the bound of the published rope table", "[compress]") {
  ZImageTransformerConfig published;
  published.axes_lens = {1536, 512, 512};
  CHECK(max_text_seq_len == max_caption_len(published));
}

TEST_CASE("modes by name", "[compress]") {
  for (const auto mode : {LongPromptMode::truncate, LongPromptMode::interpolate, LongPromptMode::pool,
                          LongPromptMode::attention_pool, LongPromptMode::extrapolate, LongPromptMode::segments})
    CHECK(parse_long_prompt_mode(long_prompt_mode_name(mode)) == mode);
  CHECK(!parse_long_prompt_mode("squash"));
}

TEST_CASE("rows are compressed in the type they come in", "[compress]") {
  const at::Tensor rows = at::arange(12, at::kFloat).view({6, 2});
  CHECK(at::equal(compress_embeddings(rows, 3), rows.narrow(0, 0, 3)));
  CHECK(at::equal(compress_embeddings(rows, 6, LongPromptMode::pool), rows));
  CHECK(at::equal(compress_embeddings(rows, 3, LongPromptMode::pool), rows.view({3, 2, 2}).mean(1)));
  const at::Tensor half = compress_embeddings(rows.to(at::kBFloat16), 2, LongPromptMode::interpolate);
  CHECK(half.scalar_type() == at::kBFloat16);
  CHECK(at::equal(half.to(at::kFloat), at::stack({rows[0], rows[5]})));
  CHECK(thrown_by([&] { compress_embeddings(at::Tensor(), 3); }).code == ErrorCode::invalid_argument);
}

}  // namespace llmdit::test
