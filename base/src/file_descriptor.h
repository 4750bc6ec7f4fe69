// A file descriptor that closes itself, and the error of a system call on a file.

#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string_view>

#include "latgrad/base/error.h"

namespace latgrad::base {

[[noreturn]] inline void fail_to(std::string_view action, int error, const std::filesystem::path& path) {
  throw IoError(fmt::format("cannot {}: {}", action, std::strerror(error)), {.file = path.string()});
}

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  // Errors that a file system reports late arrive with close.
  int close() {
    const int status = ::close(fd_);
    fd_ = -1;
    return status;
  }

 private:
  int fd_;
};

}  // namespace latgrad::base
