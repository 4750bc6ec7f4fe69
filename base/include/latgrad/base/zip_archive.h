// A zip archive in memory, written by any program.
//
//   const ZipArchive archive(mapped.bytes(), "network.pt2");
//   for (const std::string& name : archive.names()) ...
//   std::string text = archive.read(name, kMaxBytes);
//
// What an archive claims about its sizes is never allocated. Not thread-safe.

#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace latgrad::base {

bool is_zip(std::string_view bytes);

class ZipArchive {
 public:
  // `bytes` must outlive the object; `source` is the file that errors name.
  // Errors: ParseError for what is no zip archive or is damaged.
  ZipArchive(std::string_view bytes, std::string source);
  ~ZipArchive();

  // Of files and folders, in the order of the archive.
  const std::vector<std::string>& names() const { return names_; }

  // The contents of a file. Errors: ParseError for a damaged or encrypted one, and for more than `max_bytes`.
  std::string read(const std::string& name, size_t max_bytes) const;

 private:
  struct Impl;
  std::string source_;
  std::unique_ptr<Impl> impl_;
  std::vector<std::string> names_;
};

}  // namespace latgrad::base
