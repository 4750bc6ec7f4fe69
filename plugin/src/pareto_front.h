// The operator pareto_front.

#pragma once

#include <ATen/core/Tensor.h>

#include <tuple>

#include "torch_compat.h"

namespace latgrad {

// scores and costs [L, C], floating point on the CPU; valid bool [L, C], or nothing -> arch int64 [N, L],
// score and cost float64 [N]: every architecture that no other one beats, cheapest first
// (search::pareto_front). Errors: c10::Error as best_architectures, and where the front has too many partial
// architectures.
std::tuple<at::Tensor, at::Tensor, at::Tensor> pareto_front(const at::Tensor& scores, const at::Tensor& costs,
                                                            const Optional<at::Tensor>& valid);

}  // namespace latgrad
