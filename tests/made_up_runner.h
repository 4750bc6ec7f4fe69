// A runner in this process, whose operators take made-up times.

#pragma once

#include <functional>
#include <map>
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
    std::vector<double> total_us(static_cast<size_t>(request.samples));
    for (size_t op = 0; op < request.chain.size(); ++op) {
      std::vector<double>& samples_us = timings.operators_us.emplace_back();
      auto known = time_us.find(request.chain[op].key.op_type);
      if (known == time_us.end()) {
        timings.unsupported[op] = "no kernel for operator type " + request.chain[op].key.op_type;
        continue;
      }
      for (double& total : total_us) {
        samples_us.push_back(known->second * factor());
        total += samples_us.back();
      }
    }
    if (request.timing == runner::Timing::kWhole) timings.total_us = total_us;
    return timings;
  }

  std::map<std::string, double> time_us = {{"Relu", 100}, {"Conv", 200}, {"Softmax", 50}};
  std::function<double()> factor = [] { return 1.0; };  // of every time
  std::function<void()> on_request;                     // may be empty
  std::string cpu_model = "Made-up CPU 1000";
  int requests = 0;
};

}  // namespace latgrad
