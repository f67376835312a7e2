#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "bindings.hpp"
#include "llmdit/chat_backend.hpp"
#include "llmdit/embedding_cache.hpp"
#include "llmdit/error.hpp"

namespace llmdit::python {

/// What Python can close before its last name goes: calls that are running keep it to their end, later ones are told.
template <class T>
class Closeable {
 public:
  Closeable(std::string name, std::shared_ptr<const T> value) : name_(std::move(name)), value_(std::move(value)) {}

  std::shared_ptr<const T> get() const {
    const std::lock_guard lock(mutex_);
    if (!value_) throw Error(ErrorCode::invalid_argument, "[" + name_ + "] it is closed; make another one");
    return value_;
  }

  bool is_closed() const {
    const std::lock_guard lock(mutex_);
    return value_ == nullptr;
  }

  void close() {
    std::shared_ptr<const T> last;  // goes after the lock
    const std::lock_guard lock(mutex_);
    last.swap(value_);
  }

  const std::string& name() const { return name_; }

 private:
  std::string name_;
  mutable std::mutex mutex_;
  std::shared_ptr<const T> value_;
};

/// A closeable encoder, which a pipeline may hold as well.
template <class Encoder>
class EncoderHandle final : public TextEncoder, public Closeable<Encoder> {
 public:
  using Closeable<Encoder>::Closeable;

  EncodingOutput encode(std::span<const std::string> texts, const EncodeOptions& options) const override {
    return this->get()->encode(texts, options);
  }
  int64_t hidden_size() const override { return this->get()->hidden_size(); }
  std::string fingerprint() const override { return this->get()->fingerprint(); }
};

/// As Python has it.
std::shared_ptr<EncoderHandle<CachedTextEncoder>> cached_encoder(std::shared_ptr<const CachedTextEncoder> encoder);

/// A closeable backend, which a rewriter may hold as well.
template <class Backend>
class BackendHandle final : public ChatBackend, public Closeable<Backend> {
 public:
  /// `asked` says in its repr what it asks.
  BackendHandle(std::string name, std::shared_ptr<const Backend> value, std::string asked)
      : Closeable<Backend>(std::move(name), std::move(value)), asked_(std::move(asked)) {}

  ChatReply chat(const ChatRequest& request) const override { return this->get()->chat(request); }
  bool takes_images() const override { return this->get()->takes_images(); }
  std::string repr() const { return this->name() + (this->is_closed() ? " closed" : " " + asked_); }

 private:
  std::string asked_;
};

/// A with-block that ends with `close()`.
template <class Class, class Close>
Class& def_close(Class& cls, Close close, const char* doc) {
  cls.def("close", close, NoGil(), doc)
      .def("__enter__", [](const py::object& self) { return self; })
      .def(
          "__exit__",
          [close](typename Class::type& self, const py::object&, const py::object&, const py::object&) {
            py::gil_scoped_release released;
            (self.*close)();
          },
          py::arg("exc_type"), py::arg("exc_value"), py::arg("traceback"));
  return cls;
}

/// For what holds weights, threads or the way to a server: copying and pickling raise TypeError, which says what to do
/// instead.
template <class Class>
Class& def_not_copied(Class& cls, std::string instead) {
  cls.def(
      "__reduce_ex__",
      [instead = std::move(instead)](const py::object& self, const py::object&) -> py::object {
        const py::type type = py::type::of(self);
        throw py::type_error(py::cast<std::string>(type.attr("__module__")) + "." +
                             py::cast<std::string>(type.attr("__name__")) + " is not copied or pickled; " + instead);
      },
      py::arg("protocol"));
  return cls;
}

/// The same for what is read from files.
template <class Class>
Class& def_loaded_anew(Class& cls) {
  return def_not_copied(cls, "it serves many threads as it is, and each process loads its own by " +
                                 py::cast<std::string>(cls.attr("__name__")) + ".from_pretrained");
}

/// close() for a model.
template <class Class>
Class& def_unload(Class& cls) {
  def_loaded_anew(cls);
  return def_close(cls, &Class::type::unload,
                   "Frees the weights at once and for good, wherever else they are used; a call that is running keeps "
                   "them to\nits end. Calls that need them raise InvalidArgument from then on. A second time does "
                   "nothing.");
}

inline constexpr const char* close_doc =
    "Lets go of what it holds; a call that is running keeps it to its end. Later calls raise InvalidArgument. A "
    "second\n"
    "time does nothing.";

}  // namespace llmdit::python
