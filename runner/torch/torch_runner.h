// Measures with LibTorch's kernels, in this process.
//
//   TorchRunner runner;
//   RunnerInfo info = runner.open({.engine = "qnnpack", .threads = 1});
//   Timings timings = runner.measure({.chain = chain, .warmup = 1, .samples = 3});
//
// Engines: those of this torch for int8 ("qnnpack", "onednn", "x86", "fbgemm"), beside which fp32 operators
// run through its default CPU kernels; and "cuda" for fp32 operators on the first GPU, which its own events
// time.
//
// A chain is prepared whole: weights are packed, and every operator runs once, so that nothing that happens
// only once (packing, page faults) is left for the first timed run. Then come the warm-up runs and the timed
// ones. With Timing::kOperators the clock is read once between two operators: their samples add up to the
// run.
//
// The header is free of torch. One at a time per process, used from the thread that opened it: torch's number
// of threads and its quantised engine are global. The thread stays pinned until the runner is destroyed.

#pragma once

#include <memory>
#include <string>

#include "latgrad/runner/runner.h"

namespace latgrad::runner {

class TorchRunner : public Runner {
 public:
  TorchRunner();
  ~TorchRunner() override;
  TorchRunner(const TorchRunner&) = delete;
  TorchRunner& operator=(const TorchRunner&) = delete;

  // Errors: also ValueError for a core that this process may not use.
  RunnerInfo open(const RunnerSettings& settings) override;

  // Errors: RunnerError when an operator that ran once throws later, and before open().
  Timings measure(const MeasureRequest& request) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The version of LibTorch that this was built with: "2.13.0".
std::string torch_version();

}  // namespace latgrad::runner
