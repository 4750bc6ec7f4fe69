#include "latgrad/base/replace_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <string>

#include "file_descriptor.h"

namespace latgrad::base {
namespace {

constexpr mode_t kPermissionBits = 0777;

// On failure errno tells why.
bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

void write_into(const std::filesystem::path& path, std::string_view bytes) {
  FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (file.get() < 0) fail_to("open", errno, path);
  if (!write_all(file.get(), bytes) || file.close() != 0) fail_to("write", errno, path);
}

}  // namespace

void replace_file(const std::filesystem::path& path, std::string_view bytes) {
  struct stat old;
  const bool exists = ::stat(path.c_str(), &old) == 0;
  if (exists && !S_ISREG(old.st_mode)) return write_into(path, bytes);
  // Renaming onto a link would replace the link.
  std::error_code unresolved;  // removed meanwhile: then the path itself will do
  const auto resolved = exists ? std::filesystem::canonical(path, unresolved) : path;
  const std::filesystem::path& target = unresolved ? path : resolved;

  static std::atomic<unsigned> counter = 0;
  const std::string temporary = fmt::format("{}.tmp.{}.{}", target.string(), ::getpid(), counter++);
  FileDescriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (file.get() < 0) fail_to("create", errno, temporary);
  const auto give_up = [&](std::string_view action) {
    const int error = errno;
    ::unlink(temporary.c_str());
    fail_to(action, error, path);
  };
  if (exists && ::fchmod(file.get(), old.st_mode & kPermissionBits) != 0) give_up("set the permissions");
  if (!write_all(file.get(), bytes) || file.close() != 0) give_up("write");
  if (std::rename(temporary.c_str(), target.c_str()) != 0) give_up("rename the new file");
}

}  // namespace latgrad::base
