#include "archive.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <zip.h>
#include <zlib.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "latgrad/base/error.h"
#include "latgrad/base/foreign_file.h"

namespace latgrad::lut {

namespace {

// Unpacking grows the text by pieces of this size: what an archive claims about its size is never allocated.
constexpr size_t kPieceBytes = size_t{1} << 20;

[[noreturn]] void fail_too_big(size_t max_bytes, const std::string& source) {
  throw ParseError(
      fmt::format("an archive must unpack to at most {} bytes, but this one has more", max_bytes),
      {.file = source});
}

struct ZipDiscard {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct ZipFileClose {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

// Folders, the shadow files that macOS adds, and whatever is not JSON are passed over.
bool is_table_member(std::string_view name) {
  const std::string_view base = name.substr(name.rfind('/') + 1);
  std::string suffix(base.substr(base.size() - std::min<size_t>(base.size(), 5)));
  std::ranges::transform(suffix, suffix.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; });
  return suffix == ".json" && !base.starts_with("._") && !name.starts_with("__MACOSX/");
}

std::unique_ptr<zip_t, ZipDiscard> open_zip(std::string_view bytes, const std::string& source) {
  zip_error_t error;
  zip_error_init(&error);
  const auto fail = [&]() {
    const std::string reason = zip_error_strerror(&error);
    zip_error_fini(&error);
    throw ParseError(fmt::format("a zip archive must be readable: {}", reason), {.file = source});
  };
  zip_source_t* buffer = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  if (buffer == nullptr) fail();
  zip_t* archive = zip_open_from_source(buffer, ZIP_RDONLY, &error);
  if (archive == nullptr) {
    zip_source_free(buffer);
    fail();
  }
  zip_error_fini(&error);
  return std::unique_ptr<zip_t, ZipDiscard>(archive);
}

void unpack_zip(std::string_view bytes, const std::string& source, size_t max_bytes, TableText& text) {
  const auto archive = open_zip(bytes, source);
  std::vector<std::string> names;
  zip_uint64_t index = 0;
  const zip_int64_t entries = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t i = 0; i < entries; ++i) {
    const char* name = zip_get_name(archive.get(), i, 0);
    if (name == nullptr || !is_table_member(name)) continue;
    names.emplace_back(name);
    index = i;
  }
  if (names.empty()) {
    throw ParseError(
        fmt::format("a zip must hold one .json, but this one has none among {} entries", entries),
        {.file = source});
  }
  if (names.size() > 1) {
    throw ParseError(fmt::format("a zip must hold one .json, but this one has {}: {}", names.size(),
                                 fmt::join(names, ", ")),
                     {.file = source});
  }
  const auto fail = [&](const char* reason) {
    throw ParseError(fmt::format("a zip archive must be readable: {}: {}", names[0], reason),
                     {.file = source});
  };
  const std::unique_ptr<zip_file_t, ZipFileClose> file(zip_fopen_index(archive.get(), index, 0));
  if (file == nullptr) fail(zip_strerror(archive.get()));
  size_t size = 0;
  while (true) {
    text.unpacked.resize(size + kPieceBytes);
    const zip_int64_t got = zip_fread(file.get(), text.unpacked.data() + size, kPieceBytes);
    if (got < 0) fail(zip_file_strerror(file.get()));
    if (got == 0) break;
    size += static_cast<size_t>(got);
    if (size > max_bytes) fail_too_big(max_bytes, source);
  }
  text.unpacked.resize(size);
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
  if (bytes.starts_with("PK\x03\x04") || bytes.starts_with("PK\x05\x06")) {
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
