#pragma once

#include <string>
#include <vector>

#include "bindings.hpp"

namespace llmdit::python {

/// Raises each text as a Python UserWarning; needs the GIL.
inline void warn(const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    if (PyErr_WarnEx(PyExc_UserWarning, text.c_str(), 1) != 0) throw py::error_already_set();
  }
}

}  // namespace llmdit::python
