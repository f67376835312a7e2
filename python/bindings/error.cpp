#include "llmdit/error.hpp"

#include <string>

#include "bindings.hpp"
#include "llmdit/remote.hpp"

namespace llmdit::python {
namespace {

/// What an ErrorCode is in Python: a subclass of llmdit.Error and of the built-in that fits.
struct ExceptionKind {
  ErrorCode code;
  const char* name;
  PyObject** builtin;  ///< null: llmdit.Error itself
  const char* doc;
};

const ExceptionKind kinds[] = {
    {ErrorCode::internal, "Error", nullptr,
     "Base of all exceptions of llmdit; raised as such for a fault of the library."},
    {ErrorCode::invalid_argument, "InvalidArgument", &PyExc_ValueError,
     "A value the caller passed: size, range, shape."},
    {ErrorCode::not_found, "NotFound", &PyExc_FileNotFoundError,
     "A file, folder or name that is missing or cannot be read or written."},
    {ErrorCode::unsupported, "Unsupported", &PyExc_NotImplementedError,
     "A file or model that is damaged, incompatible, or of a kind that is not handled."},
    {ErrorCode::out_of_memory, "OutOfMemory", &PyExc_MemoryError, "There was not enough memory."},
    {ErrorCode::cancelled, "Cancelled", nullptr,
     "The call was stopped, by on_step or otherwise; what it ran on stays usable."},
};
constexpr size_t kind_count = std::size(kinds);

// Filled when the module is imported; the types live as long as the process.
PyObject* exception_types[kind_count] = {};
PyObject* remote_error_type = nullptr;

PyObject* exception_type(ErrorCode code) {
  for (size_t i = 0; i < kind_count; ++i) {
    if (kinds[i].code == code) return exception_types[i];
  }
  return exception_types[0];
}

void translate(std::exception_ptr pointer) {
  try {
    std::rethrow_exception(pointer);
  } catch (const RemoteError& error) {
    const py::object instance = py::handle(remote_error_type)(error.what());
    instance.attr("status") = error.status();
    PyErr_SetObject(remote_error_type, instance.ptr());
  } catch (const Error& error) {
    py::set_error(exception_type(error.code()), error.what());
  }
}

/// A subclass of `bases`, as a name of the module.
PyObject* make_exception(py::module_& m, const char* name, const char* doc, const py::tuple& bases,
                         const py::dict& members) {
  PyObject* type = PyErr_NewExceptionWithDoc(("llmdit." + std::string(name)).c_str(), doc, bases.ptr(), members.ptr());
  if (!type) throw py::error_already_set();
  m.attr(name) = py::handle(type);
  return type;
}

}  // namespace

void bind_error(py::module_& m) {
  for (size_t i = 0; i < kind_count; ++i) {
    const ExceptionKind& kind = kinds[i];
    const py::handle base = i == 0 ? py::handle(PyExc_RuntimeError) : py::handle(exception_types[0]);
    const py::tuple bases =
        kind.builtin ? py::tuple(py::make_tuple(base, py::handle(*kind.builtin))) : py::make_tuple(base);
    py::dict members;
    members["code"] = std::string(error_code_name(kind.code));
    exception_types[i] = make_exception(m, kind.name, kind.doc, bases, members);
  }
  py::dict members;
  members["code"] = std::string(error_code_name(ErrorCode::internal));
  members["status"] = 0;
  remote_error_type = make_exception(m, "RemoteError",
                                     "A server could not be reached, or did something wrong.\n"
                                     "status: the HTTP status; 0 where no whole answer came or where what it holds is "
                                     "wrong, 504 after a\ntimeout.",
                                     py::make_tuple(py::handle(exception_types[0])), members);
  py::register_local_exception_translator(translate);
}

}  // namespace llmdit::python
