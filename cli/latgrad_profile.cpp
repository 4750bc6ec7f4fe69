// latgrad-profile: the program behind `latgrad profile`.

#include <csignal>
#include <exception>
#include <iostream>
#include <string_view>

#include "engine.h"
#include "latgrad/lut/error.h"
#include "options.h"
#include "run.h"
#include "space_lookup.h"

namespace {

using namespace latgrad::profile;

constexpr int kComplete = 0;
constexpr int kError = 1;
constexpr int kSomethingMissing = 3;

// Errors: IoError, as where the disk is full.
void print(std::string_view text) {
  std::cout << text << std::flush;
  if (!std::cout) throw latgrad::IoError("standard output cannot be written");
}

volatile std::sig_atomic_t interrupted = 0;

// The first Ctrl-C lets the operator in flight finish; the handler resets itself, so the second one kills.
void stop_on_interrupt() {
  struct sigaction action {};
  action.sa_handler = [](int signal) { interrupted = signal; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int profile(const Options& options) {
  TorchEngine engine(options.threads);
  Kernels kernels{.prepare = [&](const latgrad::lut::OperatorKey& key) { return engine.prepare(key); },
                  .torch_version = torch_version()};
  if (options.dry_run) {
    DryRunResult result = dry_run(options, kernels);
    print(report(options, result));
    return result.missing.empty() ? kComplete : kSomethingMissing;
  }
  stop_on_interrupt();
  Progress progress(std::cerr, options.quiet ? Progress::Style::kQuiet : stderr_style());
  RunResult result = run(options, kernels, progress, [] { return interrupted != 0; });
  if (result.stopped) {
    std::cerr << "latgrad profile: interrupted; the same command resumes\n";
    return std::raise(interrupted);  // the caller sees the signal, as of any interrupted program
  }
  print(report(options, result));
  return result.missing.empty() ? kComplete : kSomethingMissing;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Invocation invocation = parse_command_line(argc, argv, torch_version());
    if (!invocation.options) {
      if (invocation.exit_code == 0) {
        print(invocation.text);
      } else {
        std::cerr << invocation.text;
      }
      return invocation.exit_code;
    }
    for (std::filesystem::path& space : invocation.options->spaces) {
      space = latgrad::cli::find_space(space.string());
    }
    return profile(*invocation.options);
  } catch (const std::exception& error) {
    std::cerr << "latgrad profile: error: " << error.what() << '\n';
    return kError;
  }
}
