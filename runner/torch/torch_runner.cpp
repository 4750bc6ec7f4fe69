#include "torch_runner.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <torch/version.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <exception>
#include <mutex>
#include <numeric>

#include "deprecation_guard.h"
#include "freed_memory.h"
#include "gpu_clock.h"
#include "latgrad/runner/affinity.h"
#include "onednn_isa.h"
#include "prepared_chain.h"

namespace latgrad::runner {
namespace {

constexpr std::string_view kCuda = "cuda";

std::string lower_case(std::string text) {
  for (char& letter : text) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return text;
}

// Errors: ValueError that names those which are there.
at::QEngine find_engine(const std::string& name) {
  std::string names;
  for (at::QEngine engine : at::globalContext().supportedQEngines()) {
    if (engine == at::QEngine::NoQEngine) continue;
    const std::string known = lower_case(at::toString(engine));
    if (known == name) return engine;
    names += known + ", ";
  }
  throw ValueError("engine must be one that torch " + torch_version() + " has here: " + names +
                   "or cuda, got \"" + name + "\"");
}

void check_gpu() {
  if (!GpuClock::kIsThere) {
    throw ValueError("engine cuda needs torch 2.4 or newer, whose events measure time; this is torch " +
                     torch_version());
  }
  if (!at::hasCUDA()) {
    throw ValueError("engine cuda needs a GPU that this torch can use; torch " + torch_version() +
                     " finds none");
  }
}

using Clock = std::chrono::steady_clock;

double us_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::micro>(to - from).count();
}

// One clock reading before the run, and one after each operator or part.
class CpuTicks {
 public:
  explicit CpuTicks(size_t count) : ticks_(count) {}
  void tick(size_t index) { ticks_[index] = Clock::now(); }
  void wait() const {}
  double elapsed_us(size_t from, size_t to) const { return us_between(ticks_[from], ticks_[to]); }

 private:
  std::vector<Clock::time_point> ticks_;
};

// By operator that runs: how many parts end with it. Parts before the first one are nowhere.
std::vector<size_t> part_ends(const std::vector<size_t>& operators, const std::vector<size_t>& parts) {
  std::vector<size_t> ends(operators.size(), 0);
  size_t end = 0;
  size_t place = 0;
  for (const size_t size : parts) {
    end += size;
    while (place < operators.size() && operators[place] < end) ++place;
    if (place > 0) ++ends[place - 1];
  }
  return ends;
}

template <typename Ticks>
void time_runs(PreparedChain& chain, const MeasureRequest& request, Timings& timings) {
  const std::vector<size_t>& operators = chain.operators();
  const std::vector<size_t> parts =
      request.parts.empty() ? std::vector<size_t>{request.chain.size()} : request.parts;
  const std::vector<size_t> ends = part_ends(operators, parts);
  const size_t nowhere = parts.size() - std::accumulate(ends.begin(), ends.end(), size_t{0});
  Ticks ticks(std::max(operators.size(), parts.size()) + 1);
  const auto nothing = [](size_t) {};
  for (int run = 0; run < request.warmup; ++run) chain.run(nothing);
  ticks.wait();
  for (size_t sample = 0; sample < static_cast<size_t>(request.samples); ++sample) {
    if (request.timing == Timing::kWhole && !operators.empty()) {
      size_t place = 0;
      size_t next = 0;
      for (size_t i = 0; i <= nowhere; ++i) ticks.tick(next++);
      chain.run([&](size_t) {
        for (size_t end = ends[place++]; end > 0; --end) ticks.tick(next++);
      });
      ticks.wait();
      timings.total_us[sample] = ticks.elapsed_us(0, parts.size());
      for (size_t part = 0; part < timings.parts_us.size(); ++part) {
        timings.parts_us[part][sample] = ticks.elapsed_us(part, part + 1);
      }
    }
    size_t next = 0;
    ticks.tick(next++);
    chain.run([&](size_t) { ticks.tick(next++); });
    ticks.wait();
    for (size_t place = 0; place < operators.size(); ++place)
      timings.operators_us[operators[place]][sample] = ticks.elapsed_us(place, place + 1);
  }
}

}  // namespace

struct TorchRunner::Impl {
  std::string engine;
  at::Device device = at::kCPU;
  std::vector<int> cores_before;  // empty: not pinned
};

TorchRunner::TorchRunner() = default;

TorchRunner::~TorchRunner() {
  if (impl_ == nullptr) return;
  at::globalContext().setFlushDenormal(false);
  if (impl_->cores_before.empty()) return;
  try {
    pin_to(impl_->cores_before);
  } catch (const std::exception&) {  // they are no longer there: nothing to go back to
  }
}

RunnerInfo TorchRunner::open(const RunnerSettings& settings) {
  if (settings.threads < 1)
    throw ValueError("threads must be at least 1, got " + std::to_string(settings.threads));
  if (!settings.provider.empty()) {
    throw ValueError("the engines of LibTorch have no providers, got \"" + settings.provider + "\"");
  }
  auto impl = std::make_unique<Impl>();
  impl->engine = settings.engine;
  RunnerInfo info{.program = "latgrad-runner " LATGRAD_VERSION,
                  .engine = settings.engine,
                  .int8 = "",
                  .fp32 = "LibTorch's default CPU kernels",
                  .framework = "torch " + torch_version(),
                  .threads = settings.threads,
                  .cores = {},
                  .machine = this_machine()};
  if (settings.engine == kCuda) {
    check_gpu();
    impl->device = at::Device(at::kCUDA, 0);
    info.fp32 = "LibTorch's CUDA kernels";
  } else {
    info.int8 = at::toString(find_engine(settings.engine));
    // It computes float convolutions with every engine.
    if (const std::string limit = onednn_isa_limit(); !limit.empty())
      info.framework += ", oneDNN up to " + limit;
  }
  // Before torch starts threads: they inherit it.
  if (settings.pin) {
    const std::vector<int> allowed = allowed_cores();
    info.cores = choose_cores({.threads = settings.threads, .asked = settings.cores, .allowed = allowed});
    pin_to(info.cores);
    impl->cores_before = allowed;
  }
  impl_ = std::move(impl);
  // Random values that pass through a network may end as denormals, which take many times as long: behind a
  // softmax, a matrix product takes 55 us for 10 us. Threads that torch starts from now on inherit it.
  at::globalContext().setFlushDenormal(true);
  at::set_num_threads(settings.threads);
  static std::once_flag interop_set;  // torch refuses a second call
  std::call_once(interop_set, [] { at::set_num_interop_threads(1); });
  return info;
}

Timings TorchRunner::measure(const MeasureRequest& request) {
  if (impl_ == nullptr) throw RunnerError("a runner must be opened before it measures");
  renew_memory();
  const c10::InferenceMode inference_mode;
  [[maybe_unused]] const DeprecationGuard deprecation_guard;
  try {
    if (impl_->device.is_cpu()) at::globalContext().setQEngine(find_engine(impl_->engine));
    PreparedChain chain(request.chain, impl_->device);
    Timings timings{.operators_us = {}, .total_us = {}, .parts_us = {}, .unsupported = chain.unsupported()};
    const auto samples = static_cast<size_t>(std::max(request.samples, 0));
    if (request.timing == Timing::kWhole) {
      timings.total_us.resize(samples);
      timings.parts_us.assign(request.parts.size(), std::vector<double>(samples));
    }
    timings.operators_us.resize(request.chain.size());
    for (size_t op : chain.operators()) timings.operators_us[op].resize(samples);
    if (impl_->device.is_cpu()) {
      time_runs<CpuTicks>(chain, request, timings);
    } else {
      time_runs<GpuClock>(chain, request, timings);
    }
    return timings;
  } catch (const c10::Error& error) {
    const std::string_view text = error.what_without_backtrace();
    throw RunnerError("torch failed in a timed run: " + std::string(text.substr(0, text.find('\n'))));
  } catch (const std::exception& error) {
    throw RunnerError(std::string("a timed run failed: ") + error.what());
  }
}

std::string torch_version() { return TORCH_VERSION; }

}  // namespace latgrad::runner
