#include "latgrad/runner/affinity.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <utility>

#include "latgrad/base/error.h"

namespace latgrad::runner {
namespace {

#ifdef __linux__

// More cores than any Linux machine has; sched_getaffinity fails if the set is too small.
constexpr int kMaxCores = 1 << 14;

struct FreeSet {
  void operator()(cpu_set_t* set) const { CPU_FREE(set); }
};

std::unique_ptr<cpu_set_t, FreeSet> empty_set() {
  std::unique_ptr<cpu_set_t, FreeSet> set(CPU_ALLOC(kMaxCores));
  if (set == nullptr) throw std::bad_alloc();
  CPU_ZERO_S(CPU_ALLOC_SIZE(kMaxCores), set.get());
  return set;
}

#endif

// 0 if the system does not report it.
int64_t max_frequency_khz(const std::filesystem::path& cpu_folder, int core) {
  std::ifstream file(cpu_folder / fmt::format("cpu{}", core) / "cpufreq" / "cpuinfo_max_freq");
  int64_t khz = 0;
  return file >> khz ? khz : 0;
}

void check_asked(const CoreChoice& choice) {
  for (auto core = choice.asked.begin(); core != choice.asked.end(); ++core) {
    if (std::ranges::find(choice.allowed, *core) == choice.allowed.end()) {
      throw ValueError(fmt::format("cores must be among those that this process may use ({}), got {}",
                                   fmt::join(choice.allowed, ","), *core));
    }
    if (std::find(choice.asked.begin(), core, *core) != core) {
      throw ValueError(fmt::format("each core must be named once, got {} twice", *core));
    }
  }
  if (choice.asked.size() < static_cast<size_t>(choice.threads)) {
    throw ValueError(fmt::format("there must be one core for each of the {} threads, got {}", choice.threads,
                                 choice.asked.size()));
  }
}

}  // namespace

#ifdef __linux__

std::vector<int> allowed_cores() {
  auto set = empty_set();
  if (sched_getaffinity(0, CPU_ALLOC_SIZE(kMaxCores), set.get()) != 0) return {};
  std::vector<int> cores;
  for (int core = 0; core < kMaxCores; ++core) {
    if (CPU_ISSET_S(static_cast<size_t>(core), CPU_ALLOC_SIZE(kMaxCores), set.get())) cores.push_back(core);
  }
  return cores;
}

void pin_to(const std::vector<int>& cores) {
  auto set = empty_set();
  for (int core : cores) {
    if (core >= 0 && core < kMaxCores)
      CPU_SET_S(static_cast<size_t>(core), CPU_ALLOC_SIZE(kMaxCores), set.get());
  }
  if (sched_setaffinity(0, CPU_ALLOC_SIZE(kMaxCores), set.get()) != 0) {
    throw ValueError(fmt::format("this process must be allowed to run on the cores to pin to, got {}: {}",
                                 fmt::join(cores, ","), std::strerror(errno)));
  }
}

#else

std::vector<int> allowed_cores() { return {}; }

void pin_to(const std::vector<int>&) { throw ValueError("pinning to cores needs Linux"); }

#endif

std::vector<int> choose_cores(const CoreChoice& choice) {
  std::vector<int> cores = choice.asked;
  if (!cores.empty()) {
    check_asked(choice);
  } else {
    if (choice.threads < 1 || choice.allowed.size() < static_cast<size_t>(choice.threads)) {
      throw ValueError(
          fmt::format("threads must be 1 to {}, the number of cores that this process may use, got {}",
                      choice.allowed.size(), choice.threads));
    }
    std::vector<std::pair<int64_t, int>> fastest_last;
    for (int core : choice.allowed)
      fastest_last.emplace_back(max_frequency_khz(choice.cpu_folder, core), core);
    std::ranges::sort(fastest_last);
    for (auto it = fastest_last.end() - choice.threads; it != fastest_last.end(); ++it)
      cores.push_back(it->second);
  }
  std::ranges::sort(cores);
  return cores;
}

}  // namespace latgrad::runner
