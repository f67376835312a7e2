#pragma once

#include <filesystem>
#include <string_view>

namespace llmdit::io {

/// `path` itself when there is such a file or folder; else the snapshot of a hub id "organisation/name" or
/// "organisation/name@revision" in the local Hugging Face cache. Nothing is fetched.
/// Throws not_found naming what was looked for, in the cache too when `path` may be an id.
std::filesystem::path resolve_model_path(const std::filesystem::path& path);

/// The folder of the cache: HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub, XDG_CACHE_HOME/huggingface/hub, or
/// ~/.cache/huggingface/hub.
std::filesystem::path hub_cache_folder();

}  // namespace llmdit::io
