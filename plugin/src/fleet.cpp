#include "latgrad/plugin/fleet.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include "torch_compat.h"

namespace latgrad {

at::Tensor fleet_sum(const at::Tensor& latency_us, const at::Tensor& weights) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("latgrad::fleet_sum", "")
                             .typed<at::Tensor(const at::Tensor&, const Optional<at::Tensor>&)>();
  return op.call(latency_us, if_defined(weights));
}

at::Tensor fleet_max(const at::Tensor& latency_us) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("latgrad::fleet_max", "")
                             .typed<at::Tensor(const at::Tensor&)>();
  return op.call(latency_us);
}

at::Tensor fleet_smooth_max(const at::Tensor& latency_us, double temperature_us) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("latgrad::fleet_smooth_max", "")
                             .typed<at::Tensor(const at::Tensor&, double)>();
  return op.call(latency_us, temperature_us);
}

}  // namespace latgrad
