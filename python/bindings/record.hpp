#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "bindings.hpp"

namespace llmdit::python {

/// A value as it stands in a repr: tensors by shape, long lists and texts cut short.
std::string short_repr(py::handle value);

/// Raises TypeError for a keyword that is none of `accepted`, naming the nearest one.
[[noreturn]] void unexpected_keyword(const std::string& name, const std::vector<std::string>& accepted);

/// Binds a C++ aggregate: attributes, construction by keyword and a repr that reads like the constructor, from one
/// list.
template <class T>
class Record {
 public:
  Record(py::module_& m, const char* name, const char* doc) : cls_(m, name, doc) {
    const std::string title = name;
    cls_.def("__repr__", [title](const T& self) {
      std::string text = title + "(";
      for (const Field& field : fields()) {
        if (text.back() != '(') text += ", ";
        text += field.name + "=" + short_repr(field.get(self));
      }
      return text + ")";
    });
  }

  template <class M>
  Record& read_only(const char* name, M T::* member, const char* doc = "") {
    cls_.def_readonly(name, member, doc);
    fields().push_back({name, [member](const T& self) { return py::cast(self.*member); }, nullptr});
    return *this;
  }

  template <class M>
  Record& read_write(const char* name, M T::* member, const char* doc = "") {
    cls_.def_readwrite(name, member, doc);
    fields().push_back({name, [member](const T& self) { return py::cast(self.*member); },
                        [member](T& self, py::handle value) { self.*member = py::cast<M>(value); }});
    return *this;
  }

  /// Adds the constructor; keywords that are not given keep the struct's default.
  Record& constructible() {
    cls_.def(py::init([](const py::kwargs& keywords) { return from_keywords(keywords); }));
    return *this;
  }

  /// record["name"] beside record.name.
  Record& subscriptable() {
    cls_.def(
        "__getitem__",
        [](const T& self, const std::string& name) {
          for (const Field& field : fields()) {
            if (field.name == name) return field.get(self);
          }
          throw py::key_error(name);
        },
        py::arg("name"));
    return *this;
  }

  Record& comparable() {
    cls_.def("__eq__", [](const T& self, const T& other) { return self == other; }, py::is_operator());
    cls_.attr("__hash__") = py::none();
    return *this;
  }

  static T from_keywords(const py::kwargs& keywords) {
    T record;
    for (auto [key, value] : keywords) {
      if (!value.is_none()) set(record, py::cast<std::string>(key), value);
    }
    return record;
  }

  py::class_<T>& cls() { return cls_; }

 private:
  struct Field {
    std::string name;
    std::function<py::object(const T&)> get;
    std::function<void(T&, py::handle)> set;
  };

  static std::vector<Field>& fields() {
    static std::vector<Field> list;
    return list;
  }

  static void set(T& record, const std::string& name, py::handle value) {
    std::vector<std::string> accepted;
    for (const Field& field : fields()) {
      if (field.name == name) {
        try {
          field.set(record, value);
        } catch (const py::cast_error&) {
          throw py::type_error(name + " cannot be " + short_repr(value));
        }
        return;
      }
      accepted.push_back(field.name);
    }
    unexpected_keyword(name, accepted);
  }

  py::class_<T> cls_;
};

}  // namespace llmdit::python
