#include "base/translate.hpp"

#include <c10/util/Exception.h>

#include <new>

#include "base/check.hpp"

namespace llmdit {
namespace {

// libtorch's CPU allocator reports exhaustion as a plain error with this text.
bool is_allocation_failure(std::string_view text) {
  return text.find("can't allocate memory") != std::string_view::npos ||
         text.find("not enough memory") != std::string_view::npos;
}

}  // namespace

void rethrow_as_error(std::string_view operation) {
  try {
    throw;
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    fail(ErrorCode::out_of_memory, operation,
         std::string_view("the system has no memory left; use a smaller size or fewer pictures"));
  } catch (const c10::OutOfMemoryError& error) {
    fail(ErrorCode::out_of_memory, operation, std::string_view(error.what_without_backtrace()));
  } catch (const c10::Error& error) {
    const std::string_view text = error.what_without_backtrace();
    fail(is_allocation_failure(text) ? ErrorCode::out_of_memory : ErrorCode::internal, operation, text);
  }
  // Anything else, such as an exception out of a caller's callback, goes through as it is.
}

}  // namespace llmdit
