#include "llmdit/embedding_cache.hpp"

#include <fmt/format.h>

#include "bindings.hpp"
#include "closing.hpp"
#include "record.hpp"
#include "tensors.hpp"

namespace llmdit::python {

std::shared_ptr<EncoderHandle<CachedTextEncoder>> cached_encoder(std::shared_ptr<const CachedTextEncoder> encoder) {
  return std::make_shared<EncoderHandle<CachedTextEncoder>>("CachedTextEncoder", std::move(encoder));
}

void bind_embedding_cache(py::module_& m) {
  Record<EmbeddingCacheStats>(m, "EmbeddingCacheStats", "How a cache of embeddings has served.")
      .read_only("hits", &EmbeddingCacheStats::hits, "From memory or from files.")
      .read_only("file_hits", &EmbeddingCacheStats::file_hits, "Of these, from files.")
      .read_only("misses", &EmbeddingCacheStats::misses, "Looked up, and not there.")
      .read_only("evictions", &EmbeddingCacheStats::evictions, "Entries that left memory for others.")
      .read_only("damaged", &EmbeddingCacheStats::damaged, "Files that could not be read; each is a miss.")
      .read_only("current_size", &EmbeddingCacheStats::current_size, "Entries in memory.")
      .read_only("max_size", &EmbeddingCacheStats::max_size, "Entries that memory takes at most.")
      .read_only("current_bytes", &EmbeddingCacheStats::current_bytes, "Of the entries in memory.")
      .read_only("max_bytes", &EmbeddingCacheStats::max_bytes, "Of the entries in memory at most.")
      .cls()
      .def_property_readonly("hit_rate", &EmbeddingCacheStats::hit_rate, "Percent; 0 before the first look-up.");

  const EmbeddingCacheOptions defaults;
  py::class_<EmbeddingCache, std::shared_ptr<EmbeddingCache>> cache(
      m, "EmbeddingCache",
      "The embeddings of texts by keys that name all that they depend on: those used last in memory, all of them in a\n"
      "folder where one is given. Entries are copied on their way in and out; one cache serves many threads.");
  def_not_copied(cache, "one serves many threads as it is, and each process makes its own, on the same folder if any");
  def_close(cache, &EmbeddingCache::close,
            "Frees the memory at once; what needs the cache raises InvalidArgument from then on. Files stay.")
      .def(py::init([](int64_t max_entries, uint64_t max_bytes, const std::optional<std::filesystem::path>& folder) {
             return std::make_shared<EmbeddingCache>(EmbeddingCacheOptions{
                 .max_entries = max_entries, .max_bytes = max_bytes, .folder = folder.value_or("")});
           }),
           py::arg("max_entries") = defaults.max_entries, py::kw_only(), py::arg("max_bytes") = defaults.max_bytes,
           py::arg("folder") = py::none(),
           "max_entries, max_bytes: what memory holds at most; 0 keeps none there. folder: where entries are kept as "
           "files, too;\nNone: nowhere. Raises InvalidArgument for a negative max_entries.")
      .def(
          "get",
          [](EmbeddingCache& self, const std::string& key) {
            auto entry = self.get(key);
            if (entry) entry->embeddings = ordinary(std::move(entry->embeddings));
            return entry;
          },
          py::arg("key"), NoGil(),
          "The EncodingOutput of a key, or None. Keys are of letters, digits, '-', '_' and '/': they name files.\n"
          "Raises InvalidArgument for another key, or a cache that is closed.")
      .def("put", &EmbeddingCache::put, py::arg("key"), py::arg("output"), NoGil(),
           "Keeps a copy of an EncodingOutput under a key, see get.\n"
           "Raises NotFound when the folder cannot be written to, InvalidArgument for another key or a closed cache.")
      .def("stats", &EmbeddingCache::stats, "How the cache has served.")
      .def("clear", &EmbeddingCache::clear, "Empties the memory and sets the counts back; files stay.")
      .def("__len__", [](const EmbeddingCache& self) { return self.stats().current_size; })
      .def("__repr__", [](const EmbeddingCache& self) {
        const EmbeddingCacheStats stats = self.stats();
        return fmt::format("<llmdit.EmbeddingCache {} of {} entries, {:.1f} MB>", stats.current_size, stats.max_size,
                           static_cast<double>(stats.current_bytes) / 1e6);
      });

  using Handle = EncoderHandle<CachedTextEncoder>;
  py::class_<Handle, TextEncoder, std::shared_ptr<Handle>> cached(
      m, "CachedTextEncoder",
      "An encoder behind a cache. Without an encoder, what lies in the cache's folder is all there is.");
  def_not_copied(cached, "make one in each process, of an encoder and a cache that are made there");
  def_close(cached, &Handle::close, close_doc)
      .def(py::init([](const std::shared_ptr<TextEncoder>& encoder, const std::shared_ptr<EmbeddingCache>& cache) {
             return cached_encoder(std::make_shared<const CachedTextEncoder>(encoder, cache));
           }),
           py::arg("encoder"), py::arg("cache"), NoGil(),
           "encoder: any TextEncoder, or None for the texts that lie in the cache's folder.\n"
           "Raises NotFound for None and an empty folder, InvalidArgument for None and a folder of several encoders.")
      .def_property_readonly(
          "cache", [](const Handle& self) { return self.get()->cache(); },
          "The EmbeddingCache where encode looks first.")
      .def(
          "cache_stats", [](const Handle& self) { return self.get()->cache()->stats(); },
          "How the cache has served, as EmbeddingCacheStats. Raises InvalidArgument when it is closed.")
      .def(
          "clear_cache", [](const Handle& self) { self.get()->cache()->clear(); },
          "Empties the cache's memory and sets its counts back; files stay. Raises InvalidArgument when it is closed.")
      .def("__repr__", [](const Handle& self) {
        if (self.is_closed()) return std::string("<llmdit.CachedTextEncoder closed>");
        return fmt::format("<llmdit.CachedTextEncoder {} wide>", self.hidden_size());
      });
}

}  // namespace llmdit::python
