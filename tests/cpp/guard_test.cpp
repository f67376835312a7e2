// What comes out at the C interface of every kind of exception; no caller could make them all.
#include "../../capi/guard.cpp"

#include <catch2/catch_test_macros.hpp>
#include <stdexcept>
#include <string_view>
#include <thread>

namespace llmdit::capi {
namespace {

template <class Exception>
llmdit_status status_of(const Exception& exception) {
  return guarded([&] { throw exception; });
}

std::string_view said() { return llmdit_last_error(); }

c10::SourceLocation here() { return {"function", "file.cpp", 1}; }

TEST_CASE("the library's own errors keep their code and their words", "[guard]") {
  for (int code = 1; code <= 6; ++code) {
    const auto words = "[test] number " + std::to_string(code);
    REQUIRE(status_of(Error(static_cast<ErrorCode>(code), words)) == code);
    REQUIRE(said() == words);
  }
  REQUIRE(guarded([] {}) == LLMDIT_OK);
  REQUIRE(said() == "[test] number 6");
}

TEST_CASE("memory that is not there is told, whoever asked for it", "[guard]") {
  REQUIRE(status_of(std::bad_alloc()) == LLMDIT_OUT_OF_MEMORY);
  REQUIRE(said() == "[llmdit] the system has no memory left");
  REQUIRE(status_of(c10::OutOfMemoryError(here(), "CUDA out of memory")) == LLMDIT_OUT_OF_MEMORY);
  REQUIRE(said() == "CUDA out of memory");
  REQUIRE(status_of(c10::Error(here(), "DefaultCPUAllocator: can't allocate memory")) == LLMDIT_OUT_OF_MEMORY);
  REQUIRE(said() == "DefaultCPUAllocator: can't allocate memory");
}

TEST_CASE("what nobody expected is internal, with its words", "[guard]") {
  REQUIRE(status_of(c10::Error(here(), "expected a matrix")) == LLMDIT_INTERNAL);
  REQUIRE(said() == "expected a matrix");
  REQUIRE(status_of(std::runtime_error("out of range")) == LLMDIT_INTERNAL);
  REQUIRE(said() == "out of range");
  REQUIRE(status_of(5) == LLMDIT_INTERNAL);
  REQUIRE(said() == "[llmdit] an exception of an unknown kind");
}

TEST_CASE("an accessor that fails gives its fallback and keeps the words", "[guard]") {
  REQUIRE(guarded_value(7, []() -> int { throw std::runtime_error("no value"); }) == 7);
  REQUIRE(said() == "no value");
  REQUIRE(guarded_value(7, [] { return 8; }) == 8);
}

TEST_CASE("each thread has its own last error", "[guard]") {
  REQUIRE(status_of(std::runtime_error("mine")) == LLMDIT_INTERNAL);
  std::string before, after;
  std::thread([&] {
    before = said();
    status_of(std::runtime_error("another's"));
    after = said();
  }).join();
  REQUIRE(before.empty());
  REQUIRE(after == "another's");
  REQUIRE(said() == "mine");
}

}  // namespace
}  // namespace llmdit::capi
