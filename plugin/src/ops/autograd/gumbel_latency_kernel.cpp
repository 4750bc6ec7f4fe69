#include <ATen/ATen.h>
#include <ATen/OpMathType.h>

#include "latgrad/plugin/operators.h"
#include "ops/autograd/node.h"
#include "ops/composite/gumbel_latency.h"
#include "ops/gumbel_latency_checks.h"

namespace latgrad::ops {
namespace {

using at::Tensor;

// The softmax of a sample is its weights; where those were made one-hot it is computed again, from the same
// noise.
struct GumbelLatencyNode : torch::autograd::Node {
  variable_list apply(variable_list&& grads) override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!grads[0].defined() && !grads[1].defined()) return {Tensor(), Tensor(), Tensor()};
    const bool to_logits = task_should_compute_output(0);
    const bool to_table = task_should_compute_output(1);
    const bool to_temperature = task_should_compute_output(2);
    const std::array<bool, 2> needed = {to_logits || to_temperature, to_table};
    const Tensor given = weights.unpack(pointer_to(*this));
    const Tensor mask = valid.unpack();
    const Tensor table = table_us.unpack();
    const Tensor divisor = temperature.unpack();
    const Tensor soft = hard && needed[0] ? std::get<0>(latgrad::gumbel_latency_sample(
                                                logits.unpack(), table, noise.unpack(), divisor, mask, false))
                                          : given;
    auto [grad_logits, grad_table] =
        latgrad::gumbel_latency_backward(grads[0], grads[1], soft, given, table, divisor, mask, needed);
    return {to_logits ? grad_logits : Tensor(), to_table ? grad_table : Tensor(),
            to_temperature ? composite::gumbel_grad_temperature(grad_logits, soft, divisor) : Tensor()};
  }
  std::string name() const override { return "GumbelLatencyBackward"; }
  void release_variables() override {
    std::lock_guard<std::mutex> lock(mutex_);
    for (SavedVariable* saved : {&logits, &table_us, &noise, &temperature, &valid, &weights})
      saved->reset_data();
  }

  SavedVariable logits;  // only where hard
  SavedVariable table_us;
  SavedVariable noise;  // only where hard
  SavedVariable temperature;
  SavedVariable valid;
  SavedVariable weights;
  bool hard = false;
};

// As values, which forward mode needs.
Tensor noise_of(const Tensor& noise, const Tensor& logits) {
  if (!is_seed(noise)) return noise;
  return latgrad::gumbel_noise(noise, at::zeros_like(logits, at::toOpMathType(logits.scalar_type())));
}

std::tuple<Tensor, Tensor> gumbel_latency_sample(const Tensor& logits, const Tensor& table_us,
                                                 const Tensor& noise, const Tensor& temperature,
                                                 const Optional<Tensor>& valid, bool hard) {
  TORCH_CHECK(!noise.requires_grad() && !has_tangent(noise), "noise must not require a gradient");
  if (has_tangent(logits, table_us, temperature)) {
    check_gumbel_latency_sample(logits, table_us, noise, temperature, valid);
    return composite::gumbel_latency_sample(logits, table_us, noise_of(noise, logits), temperature, valid,
                                            hard);
  }
  const auto node = make_node<GumbelLatencyNode>(logits, table_us, temperature);
  const Tensor mask = valid.value_or(Tensor());
  auto [weights, latency_us] = below_autograd(
      [&] { return latgrad::gumbel_latency_sample(logits, table_us, noise, temperature, mask, hard); });
  record(node, weights);
  record(node, latency_us);
  if (node) {
    if (hard) {
      node->logits = SavedVariable(logits, false);
      node->noise = SavedVariable(noise, false);
    }
    node->table_us = SavedVariable(table_us, false);
    node->temperature = SavedVariable(temperature, false);
    node->valid = SavedVariable(mask, false);
    node->weights = SavedVariable(weights, /*is_output=*/true);
    node->hard = hard;
  }
  return {weights, latency_us};
}

std::tuple<Tensor, Tensor> gumbel_latency_backward(const Optional<Tensor>& grad_weights,
                                                   const Optional<Tensor>& grad_latency, const Tensor& soft,
                                                   const Tensor& weights, const Tensor& table_us,
                                                   const Tensor& temperature, const Optional<Tensor>& valid,
                                                   std::array<bool, 2> output_mask) {
  const Tensor to_weights = grad_weights.value_or(Tensor());
  const Tensor to_latency = grad_latency.value_or(Tensor());
  if (is_differentiated_again(to_weights, to_latency, soft, weights, table_us, temperature)) {
    check_gumbel_latency_backward(grad_weights, grad_latency, soft, weights, table_us, temperature, valid);
    return composite::gumbel_latency_backward(grad_weights, grad_latency, soft, weights, table_us,
                                              temperature, valid, output_mask);
  }
  return below_autograd([&] {
    return latgrad::gumbel_latency_backward(to_weights, to_latency, soft, weights, table_us, temperature,
                                            valid.value_or(Tensor()), output_mask);
  });
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, Autograd, m) {
  m.impl("gumbel_latency_sample.Tensor", TORCH_FN(gumbel_latency_sample));
  m.impl("gumbel_latency_backward", TORCH_FN(gumbel_latency_backward));
}

}  // namespace latgrad::ops
