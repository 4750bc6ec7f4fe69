#include "latgrad/base/zip_archive.h"

#include <fmt/format.h>
#include <zip.h>

#include "latgrad/base/error.h"

namespace latgrad::base {
namespace {

// Reading grows the text by pieces of this size.
constexpr size_t kPieceBytes = size_t{1} << 20;

struct ZipFileClose {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

}  // namespace

bool is_zip(std::string_view bytes) {
  return bytes.starts_with("PK\x03\x04") || bytes.starts_with("PK\x05\x06");
}

struct ZipArchive::Impl {
  explicit Impl(zip_t* archive) : archive(archive) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { zip_discard(archive); }

  zip_t* archive;
};

ZipArchive::ZipArchive(std::string_view bytes, std::string source) : source_(std::move(source)) {
  zip_error_t error;
  zip_error_init(&error);
  const auto fail = [&]() {
    const std::string reason = zip_error_strerror(&error);
    zip_error_fini(&error);
    throw ParseError(fmt::format("a zip archive must be readable: {}", reason), {.file = source_});
  };
  zip_source_t* buffer = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  if (buffer == nullptr) fail();
  zip_t* archive = zip_open_from_source(buffer, ZIP_RDONLY, &error);
  if (archive == nullptr) {
    zip_source_free(buffer);
    fail();
  }
  zip_error_fini(&error);
  impl_ = std::make_unique<Impl>(archive);
  const zip_int64_t entries = zip_get_num_entries(archive, 0);
  for (zip_int64_t i = 0; i < entries; ++i) {
    const char* name = zip_get_name(archive, static_cast<zip_uint64_t>(i), 0);
    names_.emplace_back(name == nullptr ? "" : name);
  }
}

ZipArchive::~ZipArchive() = default;

std::string ZipArchive::read(const std::string& name, size_t max_bytes) const {
  const auto fail = [&](const char* reason) {
    throw ParseError(fmt::format("a zip archive must be readable: {}: {}", name, reason), {.file = source_});
  };
  const std::unique_ptr<zip_file_t, ZipFileClose> file(zip_fopen(impl_->archive, name.c_str(), 0));
  if (file == nullptr) fail(zip_strerror(impl_->archive));
  std::string text;
  size_t size = 0;
  while (true) {
    text.resize(size + kPieceBytes);
    const zip_int64_t got = zip_fread(file.get(), text.data() + size, kPieceBytes);
    if (got < 0) fail(zip_file_strerror(file.get()));
    if (got == 0) break;
    size += static_cast<size_t>(got);
    if (size > max_bytes) {
      throw ParseError(
          fmt::format("an archive must unpack to at most {} bytes, but this one has more", max_bytes),
          {.file = source_});
    }
  }
  text.resize(size);
  return text;
}

}  // namespace latgrad::base
