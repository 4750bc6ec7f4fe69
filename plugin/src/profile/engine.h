// The kernels that are measured: LibTorch's, int8 through QNNPACK and fp32 through the default ones.
//
//   TorchEngine engine(/*threads=*/1);
//   Prepared prepared = engine.prepare(key);
//   if (auto* call = std::get_if<Call>(&prepared)) (*call)();     // runs the operator once
//   else std::get<Unsupported>(prepared).reason;                  // why it cannot be run
//
// The header is free of torch. One engine per process, used from the thread that made it: it sets torch's
// number of threads and its quantised engine, which are global.

#pragma once

#include <memory>
#include <string>

#include "operator_call.h"

namespace latgrad::profile {

class TorchEngine {
 public:
  // Errors: ValueError when threads < 1, or when this torch has no QNNPACK.
  explicit TorchEngine(int threads);
  ~TorchEngine();
  TorchEngine(const TorchEngine&) = delete;
  TorchEngine& operator=(const TorchEngine&) = delete;

  // Makes inputs and packed weights for the operator and runs it once, so that nothing that happens only
  // once (packing, page faults) is left for the first timed call. Never throws for an operator that
  // cannot be run.
  Prepared prepare(const lut::OperatorKey& key) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The version of LibTorch that this was built with: "2.13.0".
std::string torch_version();

}  // namespace latgrad::profile
