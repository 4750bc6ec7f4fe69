#include "latgrad/plugin/fleet.h"

#include "find_operator.h"
#include "torch_compat.h"

namespace latgrad {

using at::Tensor;

Tensor fleet_sum(const Tensor& latency_us, const Tensor& weights) {
  static const auto op = find_operator<Tensor(const Tensor&, const Optional<Tensor>&)>("latgrad::fleet_sum");
  return op.call(latency_us, if_defined(weights));
}

Tensor fleet_max(const Tensor& latency_us) {
  static const auto op = find_operator<Tensor(const Tensor&)>("latgrad::fleet_max");
  return op.call(latency_us);
}

Tensor fleet_smooth_max(const Tensor& latency_us, double temperature_us) {
  static const auto op = find_operator<Tensor(const Tensor&, double)>("latgrad::fleet_smooth_max");
  return op.call(latency_us, temperature_us);
}

Tensor fleet_smooth_max(const Tensor& latency_us, const Tensor& temperature_us) {
  static const auto op =
      find_operator<Tensor(const Tensor&, const Tensor&)>("latgrad::fleet_smooth_max", "Tensor");
  return op.call(latency_us, temperature_us);
}

}  // namespace latgrad
