#include "io/zip.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <set>
#include <string_view>

#include "base/check.hpp"
#include "io/atomic_write.hpp"
#include "io/encoding.hpp"
#include "io/mapped_file.hpp"

namespace llmdit::io {
namespace {

// The file ends with a directory of its members (central directory) and a record that says where that begins. What
// stands before each member is a shorter copy, of which only the length matters here.
constexpr std::string_view member_signature{"PK\x03\x04", 4};
constexpr std::string_view directory_signature{"PK\x01\x02", 4};
constexpr std::string_view end_signature{"PK\x05\x06", 4};
constexpr size_t member_bytes = 30, directory_bytes = 46, end_bytes = 22;
constexpr size_t longest_comment = 0xffff;
constexpr uint32_t in_zip64 = 0xffffffff;  // a size that stands in an extension for files above 4 GiB
constexpr uint16_t stored = 0, deflated = 8;
constexpr uint16_t encrypted_flag = 1;
constexpr uint16_t utf8_flag = 1 << 11;
constexpr uint16_t version_needed = 20;
constexpr uint16_t first_of_january_1980 = 1 << 5 | 1;

/// What the directory says of a member.
struct Entry {
  std::string_view name;
  uint16_t flags, method;
  uint32_t crc, packed, unpacked, offset;
};

class ZipReader {
 public:
  ZipReader(const std::filesystem::path& path, size_t max_bytes)
      : file_(MappedFile::open(path)),
        bytes_(reinterpret_cast<const char*>(file_->bytes().data()), file_->bytes().size()),
        left_(max_bytes),
        unread_(bytes_.size()) {}

  std::vector<ZipMember> read() {
    std::vector<ZipMember> members;
    std::set<std::string_view> names;
    size_t at = 0;
    const size_t count = find_directory(at);
    for (size_t i = 0; i < count; ++i) {
      const Entry entry = next_entry(at);
      if (!names.insert(entry.name).second) damaged("a member stands there twice");
      members.push_back({std::string(entry.name), unpack(entry)});
    }
    return members;
  }

 private:
  [[noreturn]] void damaged(std::string_view problem) const {
    fail(ErrorCode::unsupported, "zip", "{}: {}", printable_path(file_->path()), problem);
  }

  std::string_view part(size_t at, size_t size) const {
    if (at > bytes_.size() || size > bytes_.size() - at) damaged("the file ends too early");
    return bytes_.substr(at, size);
  }

  template <class T>
  static T number(std::string_view record, size_t at) {
    T value = 0;
    for (size_t i = sizeof(T); i-- > 0;) value = static_cast<T>(value << 8 | static_cast<uint8_t>(record[at + i]));
    return value;
  }

  /// Where the directory begins, and how many members it has.
  size_t find_directory(size_t& start) const {
    if (bytes_.size() < end_bytes) damaged("expected a ZIP file, found something shorter");
    const size_t last = bytes_.size() - end_bytes, first = last - std::min(last, longest_comment);
    for (size_t at = last + 1; at-- > first;) {
      const std::string_view record = bytes_.substr(at, end_bytes);
      if (!record.starts_with(end_signature) || number<uint16_t>(record, 20) != last - at) continue;
      const auto here = number<uint16_t>(record, 8), total = number<uint16_t>(record, 10);
      if (number<uint16_t>(record, 4) != 0 || here != total) damaged("ZIP files in several parts are not read");
      start = number<uint32_t>(record, 16);
      if (start == in_zip64 || total == 0xffff) damaged("ZIP files above 4 GiB are not read");
      return total;
    }
    damaged("expected a ZIP file, found no directory at its end");
  }

  Entry next_entry(size_t& at) const {
    const std::string_view record = part(at, directory_bytes);
    if (!record.starts_with(directory_signature)) damaged("the directory is damaged");
    const size_t name = number<uint16_t>(record, 28), extra = number<uint16_t>(record, 30);
    const size_t comment = number<uint16_t>(record, 32);
    const Entry entry{.name = part(at + directory_bytes, name),
                      .flags = number<uint16_t>(record, 8),
                      .method = number<uint16_t>(record, 10),
                      .crc = number<uint32_t>(record, 16),
                      .packed = number<uint32_t>(record, 20),
                      .unpacked = number<uint32_t>(record, 24),
                      .offset = number<uint32_t>(record, 42)};
    at += directory_bytes + name + extra + comment;
    if (entry.flags & encrypted_flag) damaged("encrypted members are not read");
    if (entry.packed == in_zip64 || entry.unpacked == in_zip64 || entry.offset == in_zip64) {
      damaged("members above 4 GiB are not read");
    }
    return entry;
  }

  std::vector<std::byte> unpack(const Entry& entry) {
    const std::string_view record = part(entry.offset, member_bytes);
    if (!record.starts_with(member_signature)) damaged("a member is not where the directory says");
    const size_t before = member_bytes + number<uint16_t>(record, 26) + number<uint16_t>(record, 28);
    const std::string_view packed = part(entry.offset + before, entry.packed);
    if (entry.unpacked > left_) damaged("the members are too large");
    left_ -= entry.unpacked;
    if (entry.packed > unread_) damaged("members share their bytes");
    unread_ -= entry.packed;

    std::vector<std::byte> bytes(entry.unpacked);
    if (entry.method == stored) {
      if (packed.size() != bytes.size()) damaged("a stored member has two sizes");
      std::ranges::copy(std::as_bytes(std::span(packed)), bytes.begin());
    } else if (entry.method == deflated) {
      inflate_into(bytes, packed);
    } else {
      damaged(fmt::format("compression method {} is not read; write the file by numpy.savez", entry.method));
    }
    const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
    if (crc != entry.crc) damaged("the checksum of a member does not match");
    return bytes;
  }

  void inflate_into(std::span<std::byte> bytes, std::string_view packed) const {
    z_stream stream{};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
      fail(ErrorCode::out_of_memory, "zip", "no memory to unpack a member");
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    std::byte beyond{};  // zlib wants a place to write to even when nothing is left to write
    stream.next_out = reinterpret_cast<Bytef*>(bytes.empty() ? &beyond : bytes.data());
    stream.avail_out = static_cast<uInt>(bytes.size());
    const int status = ::inflate(&stream, Z_FINISH);
    inflateEnd(&stream);
    if (status != Z_STREAM_END || stream.avail_out != 0 || stream.avail_in != 0) damaged("a member cannot be unpacked");
  }

  std::shared_ptr<const MappedFile> file_;
  std::string_view bytes_;
  size_t left_;    // bytes that members may still have
  size_t unread_;  // bytes of the file that no member has been unpacked from
};

class ZipWriter {
 public:
  void add(const ZipMember& member) {
    const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(member.bytes.data()), member.bytes.size());
    const size_t offset = file_.size();
    if (member.name.size() > 0xffff || member.bytes.size() + offset > in_zip64 / 2) {
      fail(ErrorCode::invalid_argument, "zip", "expected members of at most 2 GiB in all");
    }
    file_ += member_signature;
    put_common(file_, member, static_cast<uint32_t>(crc));
    file_ += member.name;
    const auto* data = reinterpret_cast<const char*>(member.bytes.data());
    file_.append(data, member.bytes.size());

    directory_ += directory_signature;
    put<uint16_t>(directory_, version_needed);
    put_common(directory_, member, static_cast<uint32_t>(crc));
    put<uint16_t>(directory_, 0);  // comment
    put<uint16_t>(directory_, 0);  // disk
    put<uint16_t>(directory_, 0);  // attributes
    put<uint32_t>(directory_, 0);
    put<uint32_t>(directory_, static_cast<uint32_t>(offset));
    directory_ += member.name;
    ++count_;
  }

  std::string finish() && {
    const auto start = static_cast<uint32_t>(file_.size());
    file_ += directory_;
    file_ += end_signature;
    put<uint32_t>(file_, 0);  // disks
    put<uint16_t>(file_, count_);
    put<uint16_t>(file_, count_);
    put<uint32_t>(file_, static_cast<uint32_t>(directory_.size()));
    put<uint32_t>(file_, start);
    put<uint16_t>(file_, 0);  // comment
    return std::move(file_);
  }

 private:
  template <class T>
  static void put(std::string& to, T value) {
    for (size_t i = 0; i < sizeof(T); ++i) to += static_cast<char>(value >> (8 * i) & 0xff);
  }

  /// What the member and its entry in the directory have in common.
  static void put_common(std::string& to, const ZipMember& member, uint32_t crc) {
    const auto size = static_cast<uint32_t>(member.bytes.size());
    put<uint16_t>(to, version_needed);
    put<uint16_t>(to, utf8_flag);
    put<uint16_t>(to, stored);
    put<uint16_t>(to, 0);  // time of day
    put<uint16_t>(to, first_of_january_1980);
    put<uint32_t>(to, crc);
    put<uint32_t>(to, size);
    put<uint32_t>(to, size);
    put<uint16_t>(to, static_cast<uint16_t>(member.name.size()));
    put<uint16_t>(to, 0);  // extra field
  }

  std::string file_;
  std::string directory_;
  uint16_t count_ = 0;
};

}  // namespace

std::vector<ZipMember> read_zip(const std::filesystem::path& path, size_t max_bytes) {
  return ZipReader(path, max_bytes).read();
}

void write_zip(const std::filesystem::path& path, std::span<const ZipMember> members) {
  ZipWriter writer;
  for (const ZipMember& member : members) writer.add(member);
  const std::string file = std::move(writer).finish();
  write_file_atomically(path, std::as_bytes(std::span(file)));
}

}  // namespace llmdit::io
