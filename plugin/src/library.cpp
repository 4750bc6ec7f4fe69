// Everything that the library offers to PyTorch: the operators, then the classes.
//
// L layers, C candidates of the widest layer, D devices; latencies in microseconds. What a schema
// cannot say stands in latgrad/plugin/operators.h, latency_model.h and latency_table.h.

#include <torch/custom_class.h>
#include <torch/library.h>

#include "classes/register_classes.h"
#include "torch_compat.h"

TORCH_LIBRARY(latgrad, m) {
  using latgrad::kOperatorTags;

  // probs [..., L, C], table_us [L, C] or [D, L, C] -> [...] or [..., D]
  m.def("expected_latency(Tensor probs, Tensor table_us) -> Tensor", kOperatorTags);
  m.def(
      "expected_latency_backward(Tensor grad, Tensor probs, Tensor table_us, bool[2] output_mask)"
      " -> (Tensor, Tensor)",
      kOperatorTags);

  // arch [..., L], table_us [L, C] or [D, L, C] -> [...] or [..., D]
  m.def("arch_latency(Tensor arch, Tensor table_us) -> Tensor", kOperatorTags);

  latgrad::register_latency_model(m);
  latgrad::register_latency_table(m);
}
