// A chain made ready: weights packed, inputs from outside made, every operator run once.
//
//   PreparedChain prepared(chain, at::kCPU);
//   prepared.unsupported()[7];                        // why operator 7 cannot run; empty where it can
//   prepared.run([&](size_t op) { ... });             // once; called after each operator that ran
//
// Who runs it sets torch's engine and threads, and inference mode. A tensor lives until its last reader has
// run, and is released as part of that operator, as in an interpreter that frees eagerly.

#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <string>
#include <vector>

#include "kernels.h"
#include "latgrad/runner/chain.h"

namespace latgrad::runner {

class PreparedChain {
 public:
  // Never throws for an operator that cannot run: its readers get an input from outside.
  PreparedChain(const Chain& chain, at::Device device);

  const std::vector<std::string>& unsupported() const { return unsupported_; }

  // The operators that run, by their place in the chain, in that order.
  const std::vector<size_t>& operators() const { return operators_; }

  // Errors: whatever torch throws.
  template <typename AfterOperator>
  void run(AfterOperator&& after_operator) {
    for (Step& step : steps_) {
      run_step(step);
      after_operator(step.op);
    }
  }

  // For tests.
  size_t live_tensors() const;  // that the chain holds at this moment, beside weights and inputs from outside
  void keep_outputs();          // from now on none is released
  const at::Tensor& output(size_t op) const { return outputs_[op]; }
  net::Shape output_shape(size_t op) const;  // in the key's order

 private:
  // Views that bring a tensor from the form in which its producer leaves it to that which its reader wants.
  struct Reform {
    bool undo_channels_last = false;
    std::optional<net::Shape> shape = {};  // nothing: the producer's
    bool redo_channels_last = false;

    bool is_nothing() const { return !undo_channels_last && !shape && !redo_channels_last; }
    at::Tensor operator()(const at::Tensor& tensor) const;
  };

  struct Feed {
    size_t activation;  // of the kernel
    size_t source;      // the operator that writes it
    Reform reform;
  };

  struct Step {
    size_t op;  // in the chain
    Run run;
    std::vector<at::Tensor> activations;  // from outside, or filled by the feeds for the time of a run
    std::vector<Feed> feeds;
    std::vector<size_t> last_read;  // operators whose outputs nothing reads later
    bool is_read = true;            // whether anything reads the output
  };

  Step prepare(const Chain& chain, size_t op, at::Device device);
  bool leaves_channels_last(size_t op) const { return channels_last_[op] && outputs_[op].dim() == 4; }
  static Reform reform(const at::Tensor& tensor, bool channels_last, const Activation& wanted);
  void run_step(Step& step);
  void plan_releases();

  std::vector<Step> steps_;
  std::vector<size_t> operators_;
  std::vector<std::string> unsupported_;
  std::vector<bool> channels_last_;  // by operator of the chain: how it leaves an output of 4 dimensions
  std::vector<at::Tensor> outputs_;  // by operator of the chain
};

}  // namespace latgrad::runner
