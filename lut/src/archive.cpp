#include "archive.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <zlib.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <vector>

#include "latgrad/base/error.h"
#include "latgrad/base/foreign_file.h"
#include "latgrad/base/zip_archive.h"

namespace latgrad::lut {

namespace {

// Unpacking grows the text by pieces of this size: what an archive claims about its size is never allocated.
constexpr size_t kPieceBytes = size_t{1} << 20;

[[noreturn]] void fail_too_big(size_t max_bytes, const std::string& source) {
  throw ParseError(
      fmt::format("an archive must unpack to at most {} bytes, but this one has more", max_bytes),
      {.file = source});
}

// Folders, the shadow files that macOS adds, and whatever is not JSON are passed over.
bool is_table_member(std::string_view name) {
  const std::string_view base = name.substr(name.rfind('/') + 1);
  std::string suffix(base.substr(base.size() - std::min<size_t>(base.size(), 5)));
  std::ranges::transform(suffix, suffix.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; });
  return suffix == ".json" && !base.starts_with("._") && !name.starts_with("__MACOSX/");
}

void unpack_zip(std::string_view bytes, const std::string& source, size_t max_bytes, TableText& text) {
  const base::ZipArchive archive(bytes, source);
  std::vector<std::string> names;
  std::ranges::copy_if(archive.names(), std::back_inserter(names), is_table_member);
  if (names.empty()) {
    throw ParseError(fmt::format("a zip must hold one .json, but this one has none among {} entries",
                                 archive.names().size()),
                     {.file = source});
  }
  if (names.size() > 1) {
    throw ParseError(fmt::format("a zip must hold one .json, but this one has {}: {}", names.size(),
                                 fmt::join(names, ", ")),
                     {.file = source});
  }
  text.unpacked = archive.read(names[0], max_bytes);
  text.member = names[0];
}

bool is_gzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

class Inflater {
 public:
  Inflater() {
    if (inflateInit2(&stream_, 16 + MAX_WBITS) != Z_OK) throw std::bad_alloc();
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { inflateEnd(&stream_); }
  z_stream* operator->() { return &stream_; }
  z_stream* get() { return &stream_; }

 private:
  z_stream stream_ = {};
};

// One gzip file may consist of several members, as `cat a.gz b.gz` makes it; zeros may fill up its end.
std::string unpack_gzip(std::string_view bytes, const std::string& source, size_t max_bytes) {
  std::string text;
  size_t size = 0;
  size_t used = 0;
  const auto fail = [&](std::string_view reason) {
    throw ParseError(fmt::format("a gzip file must be readable: {}", reason),
                     {.file = source, .byte = static_cast<int64_t>(used)});
  };
  while (used < bytes.size() && bytes.find_first_not_of('\0', used) != std::string_view::npos) {
    if (!is_gzip(bytes.substr(used))) fail("what follows its last member is not gzip");
    Inflater inflater;
    for (int status = Z_OK; status != Z_STREAM_END;) {
      text.resize(size + kPieceBytes);
      const size_t offered =
          std::min<size_t>(bytes.size() - used, std::numeric_limits<decltype(inflater->avail_in)>::max());
      // zlib takes its input by a pointer to non-const and does not write there.
      inflater->next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data() + used));
      inflater->avail_in = static_cast<uInt>(offered);
      inflater->next_out = reinterpret_cast<Bytef*>(text.data() + size);
      inflater->avail_out = static_cast<uInt>(kPieceBytes);
      status = inflate(inflater.get(), Z_NO_FLUSH);
      used += offered - inflater->avail_in;
      size += kPieceBytes - inflater->avail_out;
      if (size > max_bytes) fail_too_big(max_bytes, source);
      if (status == Z_BUF_ERROR) fail("it is truncated");
      if (status != Z_OK && status != Z_STREAM_END) {
        fail(inflater->msg != nullptr ? inflater->msg : "it is damaged");
      }
    }
  }
  text.resize(size);
  return text;
}

}  // namespace

TableText unpack(std::string_view bytes, const std::string& source, size_t max_bytes) {
  TableText text;
  if (base::is_zip(bytes)) {
    // A table may be a zip, but not what other tools keep in theirs.
    if (const auto format = base::foreign_format(bytes); format && !format->starts_with("a zip archive")) {
      base::refuse_foreign_file(bytes, "a latency table", source);
    }
    unpack_zip(bytes, source, max_bytes, text);
  } else if (is_gzip(bytes)) {
    text.unpacked = unpack_gzip(bytes, source, max_bytes);
  } else {
    base::refuse_foreign_file(bytes, "a latency table", source);
    text.plain = bytes;
  }
  return text;
}

}  // namespace latgrad::lut
