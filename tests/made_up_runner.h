// A runner in this process, whose operators take made-up times.

#pragma once

#include <functional>
#include <map>
#include <random>
#include <string>

#include "latgrad/runner/runner.h"

namespace latgrad {

class MadeUpRunner : public runner::Runner {
 public:
  runner::RunnerInfo open(const runner::RunnerSettings& settings) override {
    runner::RunnerInfo info;
    info.program = "made up";
    info.engine = settings.engine;
    info.framework = "none";
    info.threads = settings.threads;
    info.machine.cpu_model = cpu_model;
    return info;
  }

  runner::Timings measure(const runner::MeasureRequest& request) override {
    ++requests;
    if (on_request) on_request();
    runner::Timings timings;
    timings.unsupported.resize(request.chain.size());
    timings.operators_us.resize(request.chain.size());
    for (size_t op = 0; op < request.chain.size(); ++op) {
      const std::string& type = request.chain[op].key.op_type;
      if (!time_us.contains(type)) timings.unsupported[op] = "no kernel for operator type " + type;
    }
    // A whole run takes what its operators take.
    const bool is_whole = request.timing == runner::Timing::kWhole;
    if (is_whole) timings.parts_us.resize(request.parts.size());
    for (int run = 0; run < request.samples; ++run) {
      if (is_whole) {
        timings.total_us.push_back(0);
        size_t op = 0;
        for (size_t part = 0; part < request.parts.size(); ++part) {
          double sum_us = 0;
          for (size_t i = 0; i < request.parts[part]; ++i) sum_us += take(request.chain[op++]);
          timings.parts_us[part].push_back(sum_us);
          timings.total_us.back() += sum_us;
        }
        while (op < request.chain.size()) timings.total_us.back() += take(request.chain[op++]);
      }
      for (size_t op = 0; op < request.chain.size(); ++op) {
        if (!timings.unsupported[op].empty()) continue;
        timings.operators_us[op].push_back(take(request.chain[op]));
      }
    }
    return timings;
  }

  std::map<std::string, double> time_us = {{"Relu", 100}, {"Conv", 200}, {"Softmax", 50}};
  std::function<double()> factor = [] { return 1.0; };  // of every time
  std::function<void()> on_request;                     // may be empty
  std::string cpu_model = "Made-up CPU 1000";
  int requests = 0;
  double clock_us = 0;  // of all operators that ran

 private:
  // Runs an operator: its time, 0 where it cannot run.
  double take(const runner::ChainOperator& link) {
    const auto known = time_us.find(link.key.op_type);
    const double taken_us = known == time_us.end() ? 0 : known->second * factor();
    clock_us += taken_us;
    return taken_us;
  }
};

// A machine that is slower by 30 to 100 % for 0.1 to 5 seconds, and at its own speed for as long in between.
class SlowPhases {
 public:
  explicit SlowPhases(uint64_t seed) : random_(seed) {}

  // At a time that never goes back.
  double factor_at(double clock_us) {
    while (clock_us >= end_us_) {
      is_slow_ = !is_slow_;
      factor_ = is_slow_ ? uniform(1.3, 2) : 1;
      end_us_ += uniform(0.1e6, 5e6);
    }
    return factor_;
  }

 private:
  double uniform(double low, double high) {
    return low + (high - low) * static_cast<double>(random_() % 1'000'000) / 1e6;
  }

  std::mt19937_64 random_;
  bool is_slow_ = true;
  double factor_ = 1;
  double end_us_ = 0;
};

}  // namespace latgrad
