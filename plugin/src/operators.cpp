#include "latgrad/plugin/operators.h"

#include "find_operator.h"
#include "torch_compat.h"

namespace latgrad {
namespace {

using at::Tensor;
using OptionalTensor = const Optional<Tensor>&;

}  // namespace

Tensor expected_latency(const Tensor& probs, const Tensor& table_us) {
  static const auto op = find_operator<Tensor(const Tensor&, const Tensor&)>("latgrad::expected_latency");
  return op.call(probs, table_us);
}

std::tuple<Tensor, Tensor> expected_latency_backward(const Tensor& grad, const Tensor& probs,
                                                     const Tensor& table_us,
                                                     std::array<bool, 2> output_mask) {
  static const auto op =
      find_operator<std::tuple<Tensor, Tensor>(const Tensor&, const Tensor&, const Tensor&,
                                               std::array<bool, 2>)>("latgrad::expected_latency_backward");
  return op.call(grad, probs, table_us, output_mask);
}

Tensor chain_latency(const Tensor& probs, const Tensor& table_us) {
  static const auto op = find_operator<Tensor(const Tensor&, const Tensor&)>("latgrad::chain_latency");
  return op.call(probs, table_us);
}

std::tuple<Tensor, Tensor> chain_latency_backward(const Tensor& grad, const Tensor& probs,
                                                  const Tensor& table_us, std::array<bool, 2> output_mask) {
  static const auto op = find_operator<std::tuple<Tensor, Tensor>(
      const Tensor&, const Tensor&, const Tensor&, std::array<bool, 2>)>("latgrad::chain_latency_backward");
  return op.call(grad, probs, table_us, output_mask);
}

Tensor softmax_latency(const Tensor& logits, const Tensor& table_us, const Tensor& valid) {
  static const auto op =
      find_operator<Tensor(const Tensor&, const Tensor&, OptionalTensor)>("latgrad::softmax_latency");
  return op.call(logits, table_us, if_defined(valid));
}

std::tuple<Tensor, Tensor> softmax_latency_backward(const Tensor& grad, const Tensor& logits,
                                                    const Tensor& table_us, const Tensor& valid,
                                                    std::array<bool, 2> output_mask) {
  static const auto op =
      find_operator<std::tuple<Tensor, Tensor>(const Tensor&, const Tensor&, const Tensor&, OptionalTensor,
                                               std::array<bool, 2>)>("latgrad::softmax_latency_backward");
  return op.call(grad, logits, table_us, if_defined(valid), output_mask);
}

std::tuple<Tensor, Tensor> gumbel_latency(const Tensor& logits, const Tensor& table_us, double temperature,
                                          const Tensor& valid, bool hard, const at::Generator& generator) {
  static const auto op =
      find_operator<std::tuple<Tensor, Tensor>(const Tensor&, const Tensor&, double, OptionalTensor, bool,
                                               Optional<at::Generator>)>("latgrad::gumbel_latency");
  return op.call(logits, table_us, temperature, if_defined(valid), hard, if_defined(generator));
}

std::tuple<Tensor, Tensor> gumbel_latency(const Tensor& logits, const Tensor& table_us,
                                          const Tensor& temperature, const Tensor& valid, bool hard,
                                          const at::Generator& generator) {
  static const auto op = find_operator<std::tuple<Tensor, Tensor>(
      const Tensor&, const Tensor&, const Tensor&, OptionalTensor, bool, Optional<at::Generator>)>(
      "latgrad::gumbel_latency", "Tensor");
  return op.call(logits, table_us, temperature, if_defined(valid), hard, if_defined(generator));
}

std::tuple<Tensor, Tensor> gumbel_latency_sample(const Tensor& logits, const Tensor& table_us,
                                                 const Tensor& noise, double temperature, const Tensor& valid,
                                                 bool hard) {
  static const auto op =
      find_operator<std::tuple<Tensor, Tensor>(const Tensor&, const Tensor&, const Tensor&, double,
                                               OptionalTensor, bool)>("latgrad::gumbel_latency_sample");
  return op.call(logits, table_us, noise, temperature, if_defined(valid), hard);
}

std::tuple<Tensor, Tensor> gumbel_latency_sample(const Tensor& logits, const Tensor& table_us,
                                                 const Tensor& noise, const Tensor& temperature,
                                                 const Tensor& valid, bool hard) {
  static const auto op = find_operator<std::tuple<Tensor, Tensor>(const Tensor&, const Tensor&, const Tensor&,
                                                                  const Tensor&, OptionalTensor, bool)>(
      "latgrad::gumbel_latency_sample", "Tensor");
  return op.call(logits, table_us, noise, temperature, if_defined(valid), hard);
}

Tensor gumbel_noise(const Tensor& seed, const Tensor& like) {
  static const auto op = find_operator<Tensor(const Tensor&, const Tensor&)>("latgrad::gumbel_noise");
  return op.call(seed, like);
}

std::tuple<Tensor, Tensor> gumbel_latency_backward(const Tensor& grad_weights, const Tensor& grad_latency,
                                                   const Tensor& soft, const Tensor& weights,
                                                   const Tensor& table_us, const Tensor& temperature,
                                                   const Tensor& valid, std::array<bool, 2> output_mask) {
  static const auto op = find_operator<std::tuple<Tensor, Tensor>(
      OptionalTensor, OptionalTensor, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
      OptionalTensor, std::array<bool, 2>)>("latgrad::gumbel_latency_backward");
  return op.call(if_defined(grad_weights), if_defined(grad_latency), soft, weights, table_us, temperature,
                 if_defined(valid), output_mask);
}

Tensor arch_latency(const Tensor& arch, const Tensor& table_us) {
  static const auto op = find_operator<Tensor(const Tensor&, const Tensor&)>("latgrad::arch_latency");
  return op.call(arch, table_us);
}

Tensor chain_arch_latency(const Tensor& arch, const Tensor& table_us) {
  static const auto op = find_operator<Tensor(const Tensor&, const Tensor&)>("latgrad::chain_arch_latency");
  return op.call(arch, table_us);
}

std::tuple<Tensor, Tensor, Tensor> best_architectures(const Tensor& scores, const Tensor& costs,
                                                      const Tensor& budgets, int64_t k, const Tensor& valid) {
  static const auto op = find_operator<std::tuple<Tensor, Tensor, Tensor>(
      const Tensor&, const Tensor&, const Tensor&, int64_t, OptionalTensor)>("latgrad::best_architectures");
  return op.call(scores, costs, budgets, k, if_defined(valid));
}

}  // namespace latgrad
