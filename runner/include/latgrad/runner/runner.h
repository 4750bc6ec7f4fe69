// The interface for measuring: a program on this machine or another one (process_runner.h), or a fake in a
// test.
//
//   RunnerInfo info = runner.open({.engine = "qnnpack", .threads = 1});
//   Timings timings = runner.measure({.chain = chain, .warmup = 1, .samples = 3});
//   timings.operators_us[7];     // three samples of operator 7, in the order taken
//
// Not synchronised: one request at a time.

#pragma once

#include <optional>
#include <string>
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

class Runner {
 public:
  virtual ~Runner() = default;

  // Called once, first. Errors: ValueError for an unavailable engine, threads or cores out of range;
  // RunnerError if communication with the runner fails.
  virtual RunnerInfo open(const RunnerSettings& settings) = 0;

  // An operator that cannot run is left out of the chain; its readers get an input from outside.
  // Errors: RunnerError.
  virtual Timings measure(const MeasureRequest& request) = 0;
};

}  // namespace latgrad::runner
