// The interface for measuring: a program on this machine or another one (process_runner.h), or a fake in a
// test.
//
//   RunnerInfo info = runner.open({.engine = "qnnpack", .threads = 1});
//   Timings timings = runner.measure({.chain = chain, .warmup = 1, .samples = 3});
//   timings.operators_us[7];     // three samples of operator 7, in the order taken
//
//   if (runner.load({.place = 1, .onnx = onnx}).unsupported.empty()) {
//     runner.time({.network = 1, .reference = 0}).network_us;
//   }
//
// A runner times the operators of a chain, as LibTorch's does, or whole networks, as engines do that fuse
// operators; it says which.
// Not synchronised: one request at a time.

#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "latgrad/base/error.h"
#include "latgrad/runner/chain.h"
#include "latgrad/runner/machine.h"

namespace latgrad::runner {

// A runner died, answered too late, or broke the protocol.
class RunnerError : public Error {
  using Error::Error;
};

struct RunnerSettings {
  std::string engine = "qnnpack";
  std::string provider = {};  // within the engine, where it has several; empty: its default
  int threads = 1;
  bool pin = true;
  std::vector<int> cores = {};  // to pin to; empty: the runner chooses as many as there are threads
};

// Describes the runner and its machine; unknown fields are empty.
struct RunnerInfo {
  std::string program;    // "latgrad-runner 0.1.0"
  std::string engine;     // as asked for: "qnnpack"
  std::string int8;       // what computes int8 operators: "QNNPACK"; empty: nothing does
  std::string fp32;       // what computes fp32 operators
  std::string framework;  // "torch 2.13.0"
  int threads = 1;
  std::vector<int> cores;  // that it is pinned to; empty: not pinned
  Machine machine;
  int protocol = 1;  // the version that it speaks
  bool measures_operators = true;
  bool measures_networks = false;
};

enum class Timing {
  kOperators,  // every operator of the chain by itself, as it runs inside the chain
  kWhole,      // alternates between a run of the whole chain timed as one, and a run as above
};

struct MeasureRequest {
  const Chain& chain;
  int warmup = 1;   // runs of the whole chain before the first sample
  int samples = 1;  // timed runs of the whole chain
  Timing timing = Timing::kOperators;
  // With kWhole: how many operators each part of the chain has, which are networks in a row that feed nothing
  // to each other; each is timed as a whole in the same run. Empty: the chain is one part.
  std::vector<size_t> parts = {};
};

struct Timings {
  // [operator][sample]; empty for one that cannot run
  std::vector<std::vector<double>> operators_us;
  std::vector<double> total_us;                    // [sample]; kWhole
  std::vector<std::vector<double>> parts_us = {};  // [part][sample]; kWhole, where the request names parts
  std::vector<std::string> unsupported;            // [operator]: why it cannot run; empty for the others
};

struct LoadRequest {
  int place = 0;
  std::string_view onnx;
  bool nodes = false;  // also what the engine itself measures, node by node
};

struct Loaded {
  std::string unsupported;                      // why the network cannot run; empty if it can
  std::map<std::string, double> nodes_us = {};  // by node of the engine's own graph; empty if it cannot say
};

struct TimeRequest {
  int network = 0;               // the place that it was loaded to
  std::optional<int> reference;  // that runs before and after each sample
  int warmup = 1;
  int samples = 1;
};

struct NetworkTimes {
  std::vector<double> network_us;    // [sample]
  std::vector<double> reference_us;  // [sample + 1]: before the first sample, ..., after the last; or none
};

class Runner {
 public:
  virtual ~Runner() = default;

  // Called once, first. Errors: ValueError for an unavailable engine, threads or cores out of range;
  // RunnerError if communication with the runner fails.
  virtual RunnerInfo open(const RunnerSettings& settings) = 0;

  // An operator that cannot run is left out of the chain; its readers get an input from outside.
  // Errors: RunnerError.
  virtual Timings measure(const MeasureRequest& request) = 0;

  // Makes an ONNX model ready to run, in place of what was loaded to that place before. Errors: RunnerError.
  virtual Loaded load(const LoadRequest& request);

  // Runs reference, network, reference, network, ..., reference; the warm-up runs come before, in the same
  // order. Errors: RunnerError.
  virtual NetworkTimes time(const TimeRequest& request);
};

inline constexpr int kMostPlaces = 1024;

}  // namespace latgrad::runner
