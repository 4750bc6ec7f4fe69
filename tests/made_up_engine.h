// An engine in this process that takes whole networks, whose times are made up: what a machine with slow
// phases shows of them.

#pragma once

#include <functional>
#include <map>
#include <string>

#include "latgrad/lut/operator_key.h"
#include "latgrad/net/onnx.h"
#include "latgrad/runner/chain.h"
#include "latgrad/runner/runner.h"

namespace latgrad {

class MadeUpEngine : public runner::Runner {
 public:
  runner::RunnerInfo open(const runner::RunnerSettings& settings) override {
    runner::RunnerInfo info;
    info.program = "made up";
    info.engine = settings.engine;
    info.framework = "none";
    info.machine.cpu_model = "Made-up CPU 1000";
    info.protocol = 3;
    info.measures_operators = false;
    info.measures_networks = true;
    return info;
  }

  runner::Timings measure(const runner::MeasureRequest&) override {
    throw runner::RunnerError("takes whole networks");
  }

  runner::Loaded load(const runner::LoadRequest& request) override {
    const auto [net, shapes] = net::read_onnx(request.onnx, "loaded.onnx");
    runner::Loaded loaded;
    double time_us = call_us;
    for (size_t op = 0; op < net.ops.size(); ++op) {
      if (net.ops[op].type == cannot_run) return {.unsupported = "no kernel for operator type " + cannot_run};
      const double node_us = operator_us(net.ops[op], shapes.ops[op]);
      if (request.nodes) loaded.nodes_us[std::to_string(op)] = node_us * factor();
      time_us += node_us;
    }
    networks_us_[request.place] = time_us;
    ++loads;
    return loaded;
  }

  runner::NetworkTimes time(const runner::TimeRequest& request) override {
    runner::NetworkTimes times;
    for (int run = 0; run < request.warmup + request.samples; ++run) {
      if (request.reference) times.reference_us.push_back(take(*request.reference));
      times.network_us.push_back(take(request.network));
    }
    if (request.reference) times.reference_us.push_back(take(*request.reference));
    times.network_us.erase(times.network_us.begin(), times.network_us.begin() + request.warmup);
    if (request.reference) {
      times.reference_us.erase(times.reference_us.begin(), times.reference_us.begin() + request.warmup);
    }
    return times;
  }

  double time_us(int place) const { return networks_us_.at(place); }

  // What an operator adds to a network.
  std::function<double(const net::Operator&, const net::OpShapes&)> operator_us =
      [](const net::Operator&, const net::OpShapes& shapes) {
        return 2 + static_cast<double>(shapes.macs.value_or(0)) / 1e4;
      };
  double call_us = 20;
  std::string cannot_run;                               // operator type
  std::function<double()> factor = [] { return 1.0; };  // of every time
  double clock_us = 0;
  int loads = 0;

 private:
  double take(int place) {
    const double taken_us = networks_us_.at(place) * factor();
    clock_us += taken_us;
    return taken_us;
  }

  std::map<int, double> networks_us_;
};

}  // namespace latgrad
