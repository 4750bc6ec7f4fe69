#include "latgrad/plugin/losses.h"
#include "ops/autograd/node.h"
#include "ops/composite/log_latency.h"
#include "ops/log_latency_checks.h"

namespace latgrad::ops {
namespace {

using at::Tensor;

struct LogLatencyNode : torch::autograd::Node {
  variable_list apply(variable_list&& grads) override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!grads[0].defined()) return {Tensor()};
    return {grads[0] / latency_us.unpack()};
  }
  std::string name() const override { return "LogLatencyBackward"; }
  void release_variables() override {
    std::lock_guard<std::mutex> lock(mutex_);
    latency_us.reset_data();
  }

  SavedVariable latency_us;
};

Tensor log_latency(const Tensor& latency_us) {
  if (has_tangent(latency_us)) {
    check_log_latency(latency_us);
    return composite::log_latency(latency_us);
  }
  const auto node = make_node<LogLatencyNode>(latency_us);
  if (node) node->latency_us = SavedVariable(latency_us, false);
  Tensor result = below_autograd([&] { return latgrad::log_latency(latency_us); });
  record(node, result);
  return result;
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, Autograd, m) { m.impl("log_latency", TORCH_FN(log_latency)); }

}  // namespace latgrad::ops
