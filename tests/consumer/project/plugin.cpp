#include <ATen/ATen.h>
#include <latgrad/plugin/operators.h>

double expected_latency_of_two_candidates() {
  const auto probs = at::tensor({0.25, 0.75}, at::kDouble).view({1, 2});   // [L, C]
  const auto table_us = at::tensor({1.0, 3.0}, at::kDouble).view({1, 2});  // [L, C]
  return latgrad::expected_latency(probs, table_us).item<double>();
}
