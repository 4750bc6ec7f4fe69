// latgrad-runner: measures what a planner asks for, with LibTorch's kernels. `latgrad profile` and `latgrad
// validate` start it; what it reads and writes: docs/runner-protocol.md.

#include <unistd.h>

#include <cstdio>
#include <exception>
#include <iostream>
#include <streambuf>
#include <string_view>

#include "freed_memory.h"
#include "latgrad/runner/serve.h"
#include "onednn_isa.h"
#include "torch_runner.h"

namespace {

constexpr std::string_view kHelp =
    "latgrad-runner: measures operators and networks for `latgrad profile` and `latgrad validate`.\n\n"
    "They start it, on this machine or with --runner 'ssh HOST latgrad-runner'. It reads requests from\n"
    "standard input and writes replies to standard output, both as JSON lines: docs/runner-protocol.md.\n\n"
    "Options:\n"
    "  -h, --help    Print this help\n"
    "  --version     Print the version\n";

// Bytes for one file descriptor.
class DescriptorBuffer : public std::streambuf {
 public:
  explicit DescriptorBuffer(int descriptor) : descriptor_(descriptor) {}

 protected:
  std::streamsize xsputn(const char* bytes, std::streamsize size) override {
    for (std::streamsize written = 0; written < size;) {
      ssize_t step = ::write(descriptor_, bytes + written, static_cast<size_t>(size - written));
      if (step <= 0) return written;
      written += step;
    }
    return size;
  }
  int_type overflow(int_type c) override {
    char byte = traits_type::to_char_type(c);
    return xsputn(&byte, 1) == 1 ? c : traits_type::eof();
  }

 private:
  int descriptor_;
};

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    std::string_view argument = argv[i];
    if (argument == "--help" || argument == "-h") {
      std::cout << kHelp;
      return 0;
    }
    if (argument == "--version") {
      std::cout << "latgrad-runner " LATGRAD_VERSION ", torch " << latgrad::runner::torch_version() << '\n';
      return 0;
    }
    std::cerr << "latgrad-runner: error: there is no option \"" << argument
              << "\"\nSee: latgrad-runner --help\n";
    return 2;
  }
  try {
    // Replies have standard output for themselves: what a library prints goes to standard error.
    DescriptorBuffer replies(::dup(STDOUT_FILENO));
    ::dup2(STDERR_FILENO, STDOUT_FILENO);
    std::ostream out(&replies);
    latgrad::runner::keep_freed_memory();
    latgrad::runner::avoid_faulty_amx();
    latgrad::runner::TorchRunner runner;
    latgrad::runner::serve(std::cin, out, runner);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "latgrad-runner: error: " << error.what() << '\n';
    return 1;
  }
}
