#include "capi/guard.hpp"

#include <c10/util/Exception.h>

#include <new>
#include <string>

namespace llmdit::capi {
namespace {

// libtorch's CPU allocator reports exhaustion as a plain error with this text.
bool is_allocation_failure(std::string_view text) {
  return text.find("can't allocate memory") != text.npos || text.find("not enough memory") != text.npos;
}

constexpr const char* no_memory = "[llmdit] the system has no memory left";

struct LastError {
  std::string text;
  const char* shown = "";  // `text`, or a constant where not even the text could be kept
};

LastError& last_error() noexcept {
  thread_local LastError error;
  return error;
}

}  // namespace

void record_error(std::string_view message) noexcept {
  LastError& error = last_error();
  try {
    error.text = message;
    error.shown = error.text.c_str();
  } catch (...) {
    error.shown = no_memory;
  }
}

llmdit_status record_exception() noexcept {
  try {
    throw;
  } catch (const Error& error) {
    record_error(error.what());
    return static_cast<llmdit_status>(error.code());
  } catch (const std::bad_alloc&) {
    last_error().shown = no_memory;
    return LLMDIT_OUT_OF_MEMORY;
  } catch (const c10::OutOfMemoryError& error) {
    record_error(error.what_without_backtrace());
    return LLMDIT_OUT_OF_MEMORY;
  } catch (const c10::Error& error) {
    record_error(error.what_without_backtrace());
    return is_allocation_failure(error.what_without_backtrace()) ? LLMDIT_OUT_OF_MEMORY : LLMDIT_INTERNAL;
  } catch (const std::exception& error) {
    record_error(error.what());
    return LLMDIT_INTERNAL;
  } catch (...) {
    record_error("[llmdit] an exception of an unknown kind");
    return LLMDIT_INTERNAL;
  }
}

}  // namespace llmdit::capi

using llmdit::capi::last_error;

const char* llmdit_last_error(void) { return last_error().shown; }

const char* llmdit_status_name(llmdit_status status) {
  // The names are literals, so that they end with NUL.
  return llmdit::error_code_name(static_cast<llmdit::ErrorCode>(status)).data();
}
