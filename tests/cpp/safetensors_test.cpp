#include <catch2/catch_test_macros.hpp>

#include <random>

#include "llmdit/inspect.hpp"
#include "safetensors_bytes.hpp"
#include "temp_folder.hpp"
#include "thrown_error.hpp"

namespace llmdit {
namespace {

using test::safetensors_bytes;
using test::TempFolder;
using test::thrown_by;

/// Opens a file of these bytes; its error must be `unsupported` and name the file.
std::string refusal_of_bytes(const std::string& bytes) {
  const TempFolder folder;
  const auto path = folder.write("weights.safetensors", bytes);
  const auto error = thrown_by([&] { inspect(path); });
  CHECK(error.code == ErrorCode::unsupported);
  CHECK(error.says("[safetensors] " + test::as_text(path)));
  return error.text;
}

std::string refusal(std::string_view header, size_t data_bytes = 0) {
  return refusal_of_bytes(safetensors_bytes(header, std::string(data_bytes, 'x')));
}

FileInfo accept(std::string_view header, size_t data_bytes = 0) {
  const TempFolder folder;
  return inspect(folder.write("weights.safetensors", safetensors_bytes(header, std::string(data_bytes, 'x'))));
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

#define CHECK_SAYS(text, part)     \
  do {                             \
    const std::string said = text; \
    INFO(said);                    \
    CHECK(has(said, part));        \
  } while (false)

std::string good_file() {
  return safetensors_bytes(
      R"({"__metadata__":{"format":"pt","имя":"шар"},"b.weight":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]},)"
      R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"empty":{"dtype":"F8_E4M3","shape":[0],"data_offsets":[16,16]}}  )",
      std::string(16, 'x'));
}

}  // namespace

TEST_CASE("a safetensors header is listed by name with its metadata", "[safetensors]") {
  const TempFolder folder;
  const auto path = folder.write("weights.safetensors", good_file());
  const FileInfo info = inspect(path);
  CHECK(info.kind == FileKind::weights);
  CHECK(info.path == path);
  CHECK(info.metadata == std::map<std::string, std::string>{{"format", "pt"}, {"имя", "шар"}});
  REQUIRE(info.tensors.size() == 3);
  CHECK(info.tensors[0].name == "a");
  CHECK(info.tensors[0].dtype == "F32");
  CHECK(info.tensors[0].shape.empty());
  CHECK(info.tensors[0].bytes == 4);
  CHECK(info.tensors[1].name == "b.weight");
  CHECK(info.tensors[1].shape == std::vector<int64_t>{2, 3});
  CHECK(info.tensors[1].bytes == 12);
  CHECK(info.tensors[1].file == path);
  CHECK(info.tensors[2].bytes == 0);
}

TEST_CASE("every dtype of the format has its size", "[safetensors]") {
  const std::pair<const char*, int> bits[] = {
      {"F64", 64},    {"F32", 32}, {"F16", 16},        {"BF16", 16},       {"F8_E4M3", 8}, {"F8_E5M2", 8},
      {"F8_E8M0", 8}, {"F4", 4},   {"F6_E2M3", 6},     {"I64", 64},        {"I32", 32},    {"I16", 16},
      {"I8", 8},      {"U64", 64}, {"U32", 32},        {"U16", 16},        {"U8", 8},      {"BOOL", 8},
      {"F6_E3M2", 6}, {"C64", 64}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8},
  };
  for (const auto& [name, size] : bits) {
    INFO(name);
    const auto header = [&, name = name](int bytes) {
      return std::string(R"({"w":{"dtype":")") + name + R"(","shape":[2,4],"data_offsets":[0,)" +
             std::to_string(bytes) + "]}}";
    };
    CHECK(accept(header(size), size).tensors.at(0).bytes == static_cast<uint64_t>(size));
    CHECK_SAYS(refusal(header(size + 1), size + 1), "tensor \"w\": expected " + std::to_string(size) + " bytes");
  }
}

TEST_CASE("legal curiosities of safetensors are accepted", "[safetensors]") {
  CHECK(accept("{}").tensors.empty());
  CHECK(accept(R"({"__metadata__":{}})").tensors.empty());
  CHECK(accept(R"({"__metadata__":{"only":"metadata"}})").metadata.at("only") == "metadata");
  // Marker tensors of fp8 files, with and without elements.
  CHECK(accept(R"({"scaled_fp8":{"dtype":"F8_E4M3","shape":[0],"data_offsets":[0,0]}})").tensors[0].bytes == 0);
  CHECK(accept(R"({"scaled_fp8":{"dtype":"F8_E5M2","shape":[2],"data_offsets":[0,2]}})", 2).tensors[0].bytes == 2);
  CHECK(accept(R"({"w":{"dtype":"F32","shape":[1000000000000,0],"data_offsets":[0,0]}})", 0).tensors.size() == 1);
  // Fields of later versions, of any depth.
  CHECK(accept(R"({"w":{"extra":{"a":[1,{"b":null}],"a":-1.5},"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1)
            .tensors.size() == 1);
}

TEST_CASE("a tensor of unknown dtype does not keep the others from use", "[safetensors]") {
  const FileInfo info = accept(R"({"a":{"dtype":"Q4_NEW","shape":[7],"data_offsets":[0,5]},)"
                               R"("b":{"dtype":"U8","shape":[1],"data_offsets":[5,6]}})",
                               6);
  CHECK(info.tensors.at(0).dtype == "Q4_NEW");
  CHECK(info.tensors.at(0).bytes == 5);
  CHECK_SAYS(refusal(R"({"a":{"dtype":"Q4_NEW","shape":[7],"data_offsets":[0,5]}})", 4), "expected");
  CHECK_SAYS(refusal(R"({"a":{"dtype":"Q4_NEW","shape":[7],"data_offsets":[5,0]}})", 5), "behind end");
}

TEST_CASE("sub-byte tensors must fill their bytes", "[safetensors]") {
  CHECK(accept(R"({"w":{"dtype":"F4","shape":[3,2],"data_offsets":[0,3]}})", 3).tensors[0].bytes == 3);
  CHECK_SAYS(refusal(R"({"w":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}})", 2), "whole number of bytes");
  CHECK_SAYS(refusal(R"({"w":{"dtype":"F4","shape":[],"data_offsets":[0,1]}})", 1), "whole number of bytes");
}

// Field report W1, and with it the cases up to the flipped bytes.
TEST_CASE("the length before the header is checked against the file", "[safetensors]") {
  CHECK_SAYS(refusal_of_bytes(""), "expected at least 8 bytes, found 0");
  CHECK_SAYS(refusal_of_bytes("1234567"), "found 7");
  CHECK_SAYS(refusal_of_bytes(std::string(8, '\0')), "JSON object");
  CHECK_SAYS(refusal_of_bytes(std::string(7, '\0') + "\x80{}      "), "at most 100000000 bytes");  // 2^63
  CHECK_SAYS(refusal_of_bytes("\x01\xe1\xf5\x05" + std::string(4, '\0') + "{}"), "at most 100000000 bytes");
  CHECK_SAYS(refusal_of_bytes(std::string("\x09") + std::string(7, '\0') + "{\"abcde\""),
             "expected at least 17 bytes, found 16");
}

TEST_CASE("a header that is no JSON object is refused", "[safetensors]") {
  for (const char* header : {"", " ", "[]", "1", "\"text\"", "null", " {}", "\xef\xbb\xbf{}"}) {
    INFO(header);
    CHECK_SAYS(refusal(header), "expected the header to be a JSON object");
  }
  for (const char* header :
       {"{bad", "{\"a\":}", "{} x", "{}{}", "{\"a\xff\":1}", "{\"a\":1e999}", "{\"a\":\"\\ud800\"}"}) {
    INFO(header);
    CHECK_SAYS(refusal(header), "weights.safetensors: ");
  }
  CHECK_SAYS(refusal(std::string_view("{}\0garbage", 10)), "NUL");
  CHECK_SAYS(refusal_of_bytes(std::string("\x08") + std::string(7, '\0') + "{\"w\":{]}"), "not JSON");
}

TEST_CASE("values of a wrong kind are refused by key", "[safetensors]") {
  CHECK_SAYS(refusal(R"({"w":1})"), R"(key "w": expected an object, found a number)");
  CHECK_SAYS(refusal(R"({"w":[]})"), R"(key "w": expected an object, found an array)");
  CHECK_SAYS(refusal(R"({"__metadata__":"x"})"), R"(key "__metadata__": expected an object, found a string)");
  CHECK_SAYS(refusal(R"({"__metadata__":{"step":3}})"),
             R"(__metadata__ key "step": expected one string, found a number)");
  CHECK_SAYS(refusal(R"({"__metadata__":{"step":{"a":"b"}}})"), R"(__metadata__ key "step")");
  CHECK_SAYS(refusal(R"({"w":{"dtype":3,"shape":[1],"data_offsets":[0,1]}})", 1),
             R"(tensor "w": dtype: expected a string)");
  CHECK_SAYS(refusal(R"({"w":{"dtype":"U8","shape":1,"data_offsets":[0,1]}})", 1),
             R"(tensor "w": shape: expected an array)");
  CHECK_SAYS(refusal(R"({"w":{"dtype":"U8","shape":{},"data_offsets":[0,1]}})", 1), R"(shape: expected an array)");
  CHECK_SAYS(refusal(R"({"w":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1), "found a negative number");
  CHECK_SAYS(refusal(R"({"w":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}})", 1),
             "found a number with a fraction");
  CHECK_SAYS(refusal(R"({"w":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}})", 1), "found a string");
  CHECK_SAYS(refusal(R"({"w":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}})", 1), "found an array");
  CHECK_SAYS(refusal(R"({"w":{"dtype":"U8","shape":[true],"data_offsets":[0,1]}})", 1), "found true or false");
  CHECK_SAYS(refusal(R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", 1), "data_offsets: expected two");
  CHECK_SAYS(refusal(R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1,1]}})", 1), "data_offsets: expected two");
  CHECK_SAYS(refusal(R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,-1]}})", 1), "found a negative number");
  CHECK_SAYS(refusal(R"({"w":{"dtype":"U8","shape":[1],"data_offsets":null}})", 1), "expected an array, found null");
  CHECK_SAYS(refusal(R"({"w":{"shape":[1],"data_offsets":[0,1]}})", 1), R"(tensor "w": expected a key "dtype")");
  CHECK_SAYS(refusal(R"({"w":{"dtype":"U8","data_offsets":[0,1]}})", 1), R"(expected a key "shape")");
  CHECK_SAYS(refusal(R"({"w":{"dtype":"U8","shape":[1]}})", 1), R"(expected a key "data_offsets")");
}

TEST_CASE("sizes that overflow are refused", "[safetensors]") {
  const auto with_shape = [](const std::string& shape) {
    return R"({"w":{"dtype":"F32","shape":)" + shape + R"(,"data_offsets":[0,4]}})";
  };
  CHECK_SAYS(refusal(with_shape("[4294967296,4294967296]"), 4), "too many elements");
  CHECK_SAYS(refusal(with_shape("[9223372036854775807]"), 4), "too many elements");
  CHECK_SAYS(refusal(with_shape("[9223372036854775807,0,9223372036854775807]"), 4), "too many elements");
  CHECK_SAYS(refusal(with_shape("[4611686018427387905]"), 4), "too many elements");  // times 4 wraps to 4
  CHECK_SAYS(refusal(with_shape("[18446744073709551615]"), 4), "out of range");
  CHECK_SAYS(refusal(with_shape("[99999999999999999999999999]"), 4), "out of range");
  CHECK_SAYS(refusal(R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[18446744073709551615,0]}})", 1), "out of range");
  std::string ones = "[1";
  for (int i = 0; i < 70; ++i) ones += ",1";
  CHECK_SAYS(refusal(with_shape(ones + "]"), 4), "more than 64 dimensions");
}

TEST_CASE("tensors must fill the file without overlap or hole", "[safetensors]") {
  CHECK_SAYS(refusal(R"({"w":{"dtype":"U8","shape":[4],"data_offsets":[8,4]}})", 8), "begin 8 is behind end 4");
  const auto two = [](int begin, int end, int size) {
    return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[)" +
           std::to_string(size) + R"(],"data_offsets":[)" + std::to_string(begin) + "," + std::to_string(end) + "]}}";
  };
  CHECK(accept(two(4, 8, 4), 8).tensors.size() == 2);
  CHECK_SAYS(refusal(two(3, 7, 4), 8),
             R"(tensor "b": expected its data to begin at 4, where "a" ends, found 3: they overlap)");
  CHECK_SAYS(refusal(two(0, 4, 4), 8), "they overlap");
  CHECK_SAYS(refusal(two(2, 2, 0), 4), "they overlap");
  CHECK_SAYS(refusal(two(5, 9, 4), 9), "there is a hole");
  CHECK_SAYS(refusal(R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2), "where the header ends, found 1");
  CHECK_SAYS(refusal(two(4, 8, 4), 9), "the last 1 belong to no tensor");
  CHECK_SAYS(refusal("{}", 1), "the last 1 belong to no tensor");
}

TEST_CASE("a name that stands twice is refused", "[safetensors]") {
  const std::string tensor = R"("w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  CHECK_SAYS(refusal("{" + tensor + "," + tensor + "}", 1), R"(tensor "w": the name stands there twice)");
  CHECK_SAYS(refusal(R"({"__metadata__":{},"__metadata__":{}})"), R"("__metadata__" stands there twice)");
  CHECK_SAYS(refusal(R"({"__metadata__":{"a":"1","a":"1"}})"), "the same key twice");
  CHECK_SAYS(refusal(R"({"w":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})", 1),
             R"(tensor "w": the key "dtype" stands there twice)");
}

TEST_CASE("hostile headers cost neither the stack nor minutes", "[safetensors]") {
  const std::string deep(1'000'000, '[');
  CHECK_SAYS(refusal("{\"w\":" + deep), "found an array");
  CHECK_SAYS(refusal("{\"w\":{\"x\":" + deep), "not JSON");
  std::string objects = "{\"w\":{\"x\":";
  for (int i = 0; i < 200'000; ++i) objects += "{\"a\":";
  CHECK_SAYS(refusal(objects), "not JSON");
  std::string fields = R"({"w":{"dtype":"U8")";
  for (int i = 0; i < 200'000; ++i) fields += ",\"" + std::to_string(i) + "\":0";
  CHECK_SAYS(refusal(fields + "}}"), "expected a key \"shape\"");
  const std::string text = refusal("{\"" + std::string(1'000'000, 'k') + "\":1}");
  CHECK(text.size() < 1000);
}

// Field report W4.
TEST_CASE("a file cut at any byte is refused with expected and found size", "[safetensors]") {
  const TempFolder folder;
  const std::string good = good_file();
  for (size_t size = 0; size < good.size(); ++size) {
    const auto path = folder.write("weights.safetensors", good.substr(0, size));
    const auto error = thrown_by([&] { inspect(path); });
    INFO(size << ": " << error.text);
    REQUIRE(error.code == ErrorCode::unsupported);
    CHECK(error.says("expected"));
    CHECK(error.says("found " + std::to_string(size)));
  }
}

TEST_CASE("flipped bytes never do more than throw the library's error", "[safetensors]") {
  const TempFolder folder;
  const std::string good = good_file();
  std::mt19937 random(20240607);
  int accepted = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = good;
    for (auto flips = 1 + random() % 3; flips > 0; --flips) {
      bytes[random() % bytes.size()] = static_cast<char>(random() % 256);
    }
    const auto path = folder.write("weights.safetensors", bytes);
    const auto error = thrown_by([&] { accepted += !inspect(path).tensors.empty(); });
    if (error.code != ErrorCode::ok) CHECK(error.code == ErrorCode::unsupported);
  }
  CHECK(accepted > 0);  // flips inside the data change no header
}

TEST_CASE("what cannot be read is not found, with the system's reason", "[safetensors]") {
  const TempFolder folder;
  const auto missing = thrown_by([&] { inspect(folder.path() / "missing.safetensors"); });
  CHECK(missing.code == ErrorCode::not_found);
  CHECK_SAYS(missing.text, "missing.safetensors: No such file or directory");
  const auto device = thrown_by([&] { inspect("/dev/null"); });
  CHECK(device.code == ErrorCode::not_found);
  CHECK_SAYS(device.text, "found a pipe or device");
  CHECK(thrown_by([&] { inspect(""); }).code == ErrorCode::not_found);
}

TEST_CASE("paths of any letters are opened and named", "[safetensors]") {
  const TempFolder folder;
  for (const char8_t* name : {u8"модели/zimage", u8"模型 🙂", u8"a\nb"}) {
    const auto path = folder.write(std::filesystem::path(name) / "w.safetensors", good_file());
    CHECK(inspect(path).tensors.size() == 3);
    CHECK(inspect(path).tensors[0].file == path);
  }
  // A name that is not UTF-8 still opens, and its message is UTF-8.
  const auto path = folder.write("\xff.safetensors", "short");
  CHECK_SAYS(thrown_by([&] { inspect(path); }).text, "/\xef\xbf\xbd.safetensors: ");
}

}  // namespace llmdit
