#pragma once

#include <string>
#include <vector>

#include "json_output.hpp"
#include "llmdit/z_image_pipeline.hpp"
#include "picture_output.hpp"

namespace llmdit::cli {

/// One line on what was done, for people.
std::string summary(const GenerateOptions& options, const GenerateResult& result);

/// The options with what was left open filled in, as far as one number says it.
GenerateOptions effective_options(GenerateOptions options, const GenerateResult& result);

Json timings_json(const Timings& timings);

/// null for "".
Json path_json(const std::string& path);

/// What was read of the reference picture; null without one.
Json vl_json(const GenerateResult& result);

Json pictures_json(const GenerateResult& result, const std::vector<WrittenPicture>& written);

}  // namespace llmdit::cli
