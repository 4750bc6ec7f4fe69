#include "classes/measurement.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <limits>
#include <mutex>
#include <ostream>
#include <streambuf>
#include <thread>
#include <utility>

#include "classes/error_translation.h"
#include "classes/register_classes.h"
#include "latgrad/base/error.h"
#include "latgrad/base/json.h"
#include "latgrad/base/replace_file.h"
#include "latgrad/net/input_shape.h"
#include "latgrad/profile/report.h"
#include "latgrad/profile/run.h"
#include "latgrad/profile/validation.h"
#include "latgrad/runner/process_runner.h"

namespace latgrad {
namespace {

using base::JsonValue;

// Text that one thread writes and another one takes away.
class TextPipe : public std::streambuf {
 public:
  std::string take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(text_, "");
  }

 private:
  std::streamsize xsputn(const char* bytes, std::streamsize count) override {
    const std::lock_guard lock(mutex_);
    text_.append(bytes, static_cast<size_t>(count));
    return count;
  }

  int_type overflow(int_type byte) override {
    const char character = traits_type::to_char_type(byte);
    xsputn(&character, 1);
    return byte;
  }

  std::mutex mutex_;
  std::string text_;
};

// What the run shows, and whether it is to end.
struct RunState {
  TextPipe text;
  std::ostream out{&text};
  std::atomic<bool> stop = false;
};

std::vector<profile::NamedNet> named_nets(const std::vector<std::string>& names,
                                          const std::vector<c10::intrusive_ptr<Net>>& nets) {
  TORCH_CHECK_VALUE(names.size() == nets.size(), "each network must have a name, got ", names.size(),
                    " names of ", nets.size(), " networks");
  std::vector<profile::NamedNet> named;
  for (size_t i = 0; i < nets.size(); ++i) named.push_back({names[i], nets[i]->contents().net, {}});
  return named;
}

profile::NetFiles net_files(const JsonValue& options) {
  profile::NetFiles files;
  for (const std::string& file : options.at("files").texts()) files.nets.emplace_back(file);
  for (const std::string& init : options.at("inits").texts()) files.inits.emplace_back(init);
  for (const std::string& input : options.at("inputs").texts()) {
    files.inputs.push_back(net::parse_input_shape(input));
  }
  return files;
}

profile::RoundOptions rounds(const JsonValue& options) {
  return {.warmup = static_cast<int>(options.at("warmup").integer(0, 10'000)),
          .samples_per_visit = static_cast<int>(options.at("samples").integer(1, 10'000)),
          .target = options.at("target").number(),
          .budget_s = options.at("budget_s").number(),
          .seed = static_cast<uint64_t>(options.at("seed").integer(0))};
}

runner::RunnerSettings runner_settings(const JsonValue& options) {
  runner::RunnerSettings settings{.engine = options.at("engine").text(),
                                  .provider = options.at("provider").text(),
                                  .threads = static_cast<int>(options.at("threads").integer(1, 1024)),
                                  .pin = options.at("pin").boolean()};
  for (const int64_t core : options.at("cores").integers(0, std::numeric_limits<int>::max())) {
    settings.cores.push_back(static_cast<int>(core));
  }
  return settings;
}

profile::Options profile_options(const JsonValue& options, std::vector<profile::NamedNet> nets) {
  profile::Options run{.networks = net_files(options),
                       .nets = std::move(nets),
                       .output = options.at("output").text(),
                       .device = options.at("device").text(),
                       .runner = runner_settings(options),
                       .runner_command = options.at("runner_text").text(),
                       .runs_here = options.at("runs_here").boolean(),
                       .measure = rounds(options),
                       .num_networks = static_cast<size_t>(options.at("networks").integer(1, 100'000)),
                       .steady = options.at("steady").number(),
                       .force = options.at("force").boolean()};
  for (const std::string& space : options.at("spaces").texts()) run.spaces.emplace_back(space);
  for (const std::string& precision : options.at("precisions").texts()) {
    run.precisions.push_back(search::parse_precision(precision));
  }
  if (const std::string lut = options.at("lut").text(); !lut.empty()) run.lut = lut;
  return run;
}

profile::ValidationOptions validation_options(const JsonValue& options, std::vector<profile::NamedNet> nets) {
  return {.lut = options.at("lut").text(),
          .device = options.at("device").text(),
          .space = options.at("space").text(),
          .precision = search::parse_precision(options.at("precision").text()),
          .named = options.at("named").boolean(),
          .random = static_cast<size_t>(options.at("random").integer(0, 10'000)),
          .networks = net_files(options),
          .nets = std::move(nets),
          .runner = runner_settings(options),
          .rounds = rounds(options),
          .nodes = options.at("nodes").boolean()};
}

// What does the measuring, and how its progress is shown.
struct Start {
  explicit Start(const JsonValue& options)
      : command(options.at("runner").texts()),
        timeout_s(options.at("runner_timeout_s").number()),
        columns(static_cast<size_t>(options.at("columns").integer(1))) {
    using Style = profile::Progress::Style;
    const std::string name = options.at("style").text();
    style = name == "terminal" ? Style::kTerminal : name == "plain" ? Style::kPlain : Style::kQuiet;
  }

  std::vector<std::string> command;
  double timeout_s;
  size_t columns;
  profile::Progress::Style style;
};

std::string run_profile(const profile::Options& options, bool dry_run, const Start& start, RunState& state) {
  runner::ProcessRunner runner(start.command, start.timeout_s);
  if (dry_run) return report_json(profile::dry_run(options, &runner));
  profile::Progress progress(state.out, start.style, start.columns);
  const profile::RunResult result =
      profile::run(options, runner, progress, [&state] { return state.stop.load(); });
  return result.stopped ? "" : report_json(result);
}

std::string run_validation(const profile::ValidationOptions& options, const std::string& plot,
                           const Start& start, RunState& state) {
  runner::ProcessRunner runner(start.command, start.timeout_s);
  profile::Progress progress(state.out, start.style, start.columns);
  const profile::ValidationReport report = profile::run_validation(
      options, runner, progress, {.stop_requested = [&state] { return state.stop.load(); }});
  if (report.result.stopped) return "";
  if (!plot.empty() && report.result.agreement) base::replace_file(plot, report_plot(report));
  return report_json(report);
}

// What `read` makes of the options. They are the caller's, so that what is wrong with them is a ValueError.
template <typename Read>
auto read_options(const std::string& text, Read&& read) {
  return translate_errors([&] {
    try {
      const base::JsonDocument options(text, "the options");
      return read(options.root());
    } catch (const ParseError& error) {
      throw ValueError(error.what());
    }
  });
}

}  // namespace

struct Measurement::Thread {
  explicit Thread(std::function<std::string(RunState&)> run)
      : thread([this, run = std::move(run)] {
          std::string text;
          std::exception_ptr failure;
          try {
            text = run(state);
          } catch (...) {
            failure = std::current_exception();
          }
          const std::lock_guard lock(mutex);
          result = std::move(text);
          error = failure;
          has_ended = true;
          ended.notify_all();
        }) {}

  ~Thread() {
    state.stop = true;
    thread.join();
  }

  RunState state;
  std::mutex mutex;
  std::condition_variable ended;
  bool has_ended = false;
  std::string result;
  std::exception_ptr error;
  std::thread thread;  // last: it uses the others
};

Measurement::Measurement(std::unique_ptr<Thread> thread) : thread_(std::move(thread)) {}

Measurement::~Measurement() = default;

c10::intrusive_ptr<Measurement> Measurement::profile(const std::string& options,
                                                     const std::vector<std::string>& names,
                                                     const std::vector<c10::intrusive_ptr<Net>>& nets) {
  auto run = read_options(options, [&](const JsonValue& values) {
    return [run = profile_options(values, named_nets(names, nets)), start = Start(values),
            dry_run = values.at("dry_run").boolean()](RunState& state) {
      return run_profile(run, dry_run, start, state);
    };
  });
  return c10::make_intrusive<Measurement>(std::make_unique<Thread>(std::move(run)));
}

c10::intrusive_ptr<Measurement> Measurement::validate(const std::string& options,
                                                      const std::vector<std::string>& names,
                                                      const std::vector<c10::intrusive_ptr<Net>>& nets) {
  auto run = read_options(options, [&](const JsonValue& values) {
    return [run = validation_options(values, named_nets(names, nets)), start = Start(values),
            plot = values.at("plot").text()](RunState& state) {
      return run_validation(run, plot, start, state);
    };
  });
  return c10::make_intrusive<Measurement>(std::make_unique<Thread>(std::move(run)));
}

bool Measurement::wait(double seconds) {
  constexpr double kLongest_s = 1e6;  // within the range of the clock
  std::unique_lock lock(thread_->mutex);
  return thread_->ended.wait_for(lock,
                                 std::chrono::duration<double>(seconds < kLongest_s ? seconds : kLongest_s),
                                 [this] { return thread_->has_ended; });
}

std::string Measurement::progress() { return thread_->state.text.take(); }

void Measurement::stop() { thread_->state.stop = true; }

std::string Measurement::result() {
  std::unique_lock lock(thread_->mutex);
  thread_->ended.wait(lock, [this] { return thread_->has_ended; });
  return translate_errors([this] {
    if (thread_->error) std::rethrow_exception(thread_->error);
    return thread_->result;
  });
}

void register_measurement(torch::Library& library) {
  using Nets = std::vector<c10::intrusive_ptr<Net>>;
  library.class_<Measurement>("Measurement")
      .def_static("profile", [](const std::string& options, const std::vector<std::string>& names,
                                const Nets& nets) { return Measurement::profile(options, names, nets); })
      .def_static("validate", [](const std::string& options, const std::vector<std::string>& names,
                                 const Nets& nets) { return Measurement::validate(options, names, nets); })
      .def("wait", &Measurement::wait)
      .def("progress", &Measurement::progress)
      .def("stop", &Measurement::stop)
      .def("result", &Measurement::result);
}

}  // namespace latgrad
