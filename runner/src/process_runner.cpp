#include "latgrad/runner/process_runner.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <string_view>
#include <thread>

#include "latgrad/base/duration.h"
#include "latgrad/runner/protocol.h"

namespace latgrad::runner {
namespace {

using Clock = std::chrono::steady_clock;

// Longer than any reply; a runner that prints endlessly must not fill our memory.
constexpr size_t kMaxLineBytes = size_t{256} << 20;

// The exit status of a shell when there is no such program.
constexpr int kNotFound = 127;

// Three years: longer than any reply takes, and within the range of the clock.
constexpr double kLongest_s = 1e8;

// How long a runner may take to exit after its input is closed.
constexpr auto kGrace = std::chrono::seconds(2);

// The version of the protocol that has providers.
constexpr int kProvidersSince = 3;

struct Pipe {
  int read_end = -1;
  int write_end = -1;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw RunnerError(std::string("cannot create a pipe to the runner: ") + std::strerror(errno));
  }
  return {ends[0], ends[1]};
}

void close_end(int& end) {
  if (end >= 0) ::close(end);
  end = -1;
}

// Waits until `end` is ready. False when the deadline has passed.
bool wait_until_ready(int end, short events, Clock::time_point deadline) {
  for (;;) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    pollfd wanted{.fd = end, .events = events, .revents = 0};
    int ready = ::poll(&wanted, 1, static_cast<int>(std::min<int64_t>(left, 60'000)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return true;  // the read or write that follows reports the error
  }
}

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status)) return fmt::format("was killed by signal {}", WTERMSIG(status));
  return fmt::format("exited with status {}", WEXITSTATUS(status));
}

// Whether the process has ended within the grace; `status` then says how.
bool has_ended(pid_t process, int& status) {
  for (auto deadline = Clock::now() + kGrace; Clock::now() < deadline;) {
    if (::waitpid(process, &status, WNOHANG) == process) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

// Runs in the new process; makes only calls that are safe after fork.
[[noreturn]] void become(char* const* arguments, int input, int output) {
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGPIPE, SIG_DFL);
  // If an end already has the wanted number, dup2 does nothing and exec would close it.
  if (input == STDIN_FILENO) ::fcntl(input, F_SETFD, 0);
  if (output == STDOUT_FILENO) ::fcntl(output, F_SETFD, 0);
  ::dup2(input, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::execvp(arguments[0], arguments);
  ::_exit(kNotFound);
}

}  // namespace

ProcessRunner::ProcessRunner(std::vector<std::string> command, double timeout_s)
    : command_(std::move(command)), timeout_s_(timeout_s) {
  ::signal(SIGPIPE, SIG_IGN);
  std::vector<char*> arguments;
  for (std::string& argument : command_) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  Pipe requests = make_pipe();
  Pipe replies = make_pipe();
  process_ = ::fork();
  if (process_ == 0) become(arguments.data(), requests.read_end, replies.write_end);
  close_end(requests.read_end);
  close_end(replies.write_end);
  to_runner_ = requests.write_end;
  from_runner_ = replies.read_end;
  if (process_ < 0) {
    std::string reason = std::strerror(errno);
    close_end(to_runner_);
    close_end(from_runner_);
    throw RunnerError("cannot create a process for the runner: " + reason);
  }
  // A runner that does not read must not block the planner past its deadline.
  ::fcntl(to_runner_, F_SETFL, ::fcntl(to_runner_, F_GETFL) | O_NONBLOCK);
}

ProcessRunner::~ProcessRunner() {
  close_end(to_runner_);
  close_end(from_runner_);
  int status = 0;
  if (process_ < 0 || has_ended(process_, status)) return;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
}

RunnerInfo ProcessRunner::open(const RunnerSettings& settings) {
  uint64_t id = next_id_++;
  std::string reply = ask(open_request(id, settings));
  try {
    RunnerInfo info = parse_opened(reply, id);
    protocol_ = info.protocol;
    if (!settings.provider.empty() && info.protocol < kProvidersSince) {
      throw RunnerError(
          "the runner is too old to know providers: leave --provider out, or install a newer one");
    }
    return info;
  } catch (const RunnerError& error) {
    fail(error.what());
  }
}

Timings ProcessRunner::measure(const MeasureRequest& request) {
  return protocol_ >= 2 || request.parts.empty() ? measure_at_once(request) : measure_by_part(request);
}

Timings ProcessRunner::measure_by_part(const MeasureRequest& request) {
  Timings timings;
  timings.total_us.resize(static_cast<size_t>(request.samples));
  size_t first = 0;
  for (const size_t size : request.parts) {
    const auto begin = request.chain.begin() + static_cast<std::ptrdiff_t>(first);
    Chain part(begin, begin + static_cast<std::ptrdiff_t>(size));
    for (ChainOperator& link : part) {
      for (int& source : link.sources) source = std::max(source - static_cast<int>(first), kOutside);
    }
    first += size;
    Timings of_part = measure_at_once(
        {.chain = part, .warmup = request.warmup, .samples = request.samples, .timing = request.timing});
    std::ranges::move(of_part.operators_us, std::back_inserter(timings.operators_us));
    std::ranges::move(of_part.unsupported, std::back_inserter(timings.unsupported));
    if (request.timing != Timing::kWhole) continue;
    for (size_t i = 0; i < of_part.total_us.size(); ++i) timings.total_us[i] += of_part.total_us[i];
    timings.parts_us.push_back(std::move(of_part.total_us));
  }
  if (request.timing != Timing::kWhole) timings.total_us.clear();
  return timings;
}

template <typename Make, typename Parse>
auto ProcessRunner::exchange(const Make& make, const Parse& parse) {
  const uint64_t id = next_id_++;
  const std::string reply = ask(make(id));
  try {
    return parse(reply, id);
  } catch (const RunnerError& error) {
    fail(error.what());
  }
}

Timings ProcessRunner::measure_at_once(const MeasureRequest& request) {
  return exchange([&](uint64_t id) { return measure_request(id, request); },
                  [&](const std::string& reply, uint64_t id) { return parse_timings(reply, id, request); });
}

Loaded ProcessRunner::load(const LoadRequest& request) {
  return exchange([&](uint64_t id) { return load_request(id, request); }, parse_loaded);
}

NetworkTimes ProcessRunner::time(const TimeRequest& request) {
  return exchange([&](uint64_t id) { return time_request(id, request); },
                  [&](const std::string& reply, uint64_t id) { return parse_times(reply, id, request); });
}

std::string ProcessRunner::ask(const std::string& request) {
  auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                     std::chrono::duration<double>(std::min(timeout_s_, kLongest_s)));
  auto late = [&] {
    fail(fmt::format("the runner did not answer within {}; raise the limit with --runner-timeout",
                     base::format_duration(timeout_s_)));
  };
  std::string line = request + "\n";
  for (std::string_view rest = line; !rest.empty();) {
    if (!wait_until_ready(to_runner_, POLLOUT, deadline)) late();
    ssize_t written = ::write(to_runner_, rest.data(), rest.size());
    if (written > 0) {
      rest.remove_prefix(static_cast<size_t>(written));
    } else if (errno != EAGAIN && errno != EINTR) {
      break;  // it has died, perhaps after a last message
    }
  }
  for (size_t searched = 0;;) {
    size_t end = received_.find('\n', searched);
    if (end != received_.npos) {
      std::string reply = received_.substr(0, end);
      received_.erase(0, end + 1);
      return reply;
    }
    searched = received_.size();
    if (searched > kMaxLineBytes) fail("the runner's reply is a line that does not end");
    if (!wait_until_ready(from_runner_, POLLIN, deadline)) late();
    std::array<char, 65536> buffer;
    ssize_t bytes = ::read(from_runner_, buffer.data(), buffer.size());
    if (bytes > 0) received_.append(buffer.data(), static_cast<size_t>(bytes));
    if (bytes == 0) fail_by_death();
    if (bytes < 0 && errno != EINTR)
      fail(std::string("cannot read from the runner: ") + std::strerror(errno));
  }
}

void ProcessRunner::fail(const std::string& what) {
  throw RunnerError(fmt::format("{} (runner `{}`)", what, fmt::join(command_, " ")));
}

void ProcessRunner::fail_by_death() {
  int status = 0;
  if (!has_ended(process_, status)) fail("the runner closed its output before it answered");
  process_ = -1;
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNotFound) {
    fail(
        "the runner cannot be started: no such program; latgrad-runner must be next to latgrad, on PATH or "
        "where LATGRAD_RUNNER says (builds without the plugin do not have it)");
  }
  fail(fmt::format("the runner {} before it answered", how_it_ended(status)));
}

}  // namespace latgrad::runner
