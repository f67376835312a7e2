#pragma once

#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "bindings.hpp"

namespace llmdit::python {

/// A value as it stands in a repr: tensors by shape, long lists and texts cut short, no addresses.
std::string short_repr(py::handle value);

/// Raises TypeError for a keyword that is none of `accepted`, naming the nearest one.
[[noreturn]] void unexpected_keyword(const std::string& name, const std::vector<std::string>& accepted);

/// Binds a C++ aggregate: attributes, construction by keyword, a repr that reads like the constructor, copies and
/// pickles, from one list.
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
    if constexpr (std::is_default_constructible_v<T>) cls_.def(py::pickle(&state_of, &from_state));
  }

  template <class M>
  Record& read_only(const char* name, M T::* member, const char* doc) {
    cls_.def_readonly(name, member, doc);
    fields().push_back({name, [member](const T& self) { return py::cast(self.*member); }, setter(member)});
    return *this;
  }

  /// A member that Python is told of in another way, and that copies and pickles carry all the same.
  template <class M>
  Record& carried(const char* name, M T::* member) {
    static_assert(std::is_enum_v<M>);
    const auto set = [member](T& self, py::handle value) { self.*member = static_cast<M>(py::cast<int>(value)); };
    carried_fields().push_back(
        {name, [member](const T& self) { return py::cast(static_cast<int>(self.*member)); }, set});
    return *this;
  }

  template <class M>
  Record& read_write(const char* name, M T::* member, const char* doc) {
    cls_.def_readwrite(name, member, doc);
    fields().push_back({name, [member](const T& self) { return py::cast(self.*member); }, setter(member)});
    return *this;
  }

  /// Adds the constructor; keywords that are not given keep the struct's default.
  Record& constructible() {
    cls_.def(py::init([](const py::kwargs& keywords) { return from_keywords(keywords); }),
             "Keywords are the attributes; one that is not given, or None, has its default.");
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

  static std::vector<Field>& carried_fields() {
    static std::vector<Field> list;
    return list;
  }

  template <class M>
  static auto setter(M T::* member) {
    return [member](T& self, py::handle value) { self.*member = py::cast<M>(value); };
  }

  static py::dict state_of(const T& self) {
    py::dict state;
    for (const auto* list : {&fields(), &carried_fields()}) {
      for (const Field& field : *list) state[py::str(field.name)] = field.get(self);
    }
    return state;
  }

  static T from_state(const py::dict& state) {
    T record;
    for (const auto* list : {&fields(), &carried_fields()}) {
      for (const Field& field : *list) {
        const py::object value = state[py::str(field.name)];
        if (!value.is_none()) field.set(record, value);  // None is what a member is without a value
      }
    }
    return record;
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
