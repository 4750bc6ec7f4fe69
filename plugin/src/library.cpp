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

  // logits [..., L, C], table_us [L, C] or [D, L, C], valid bool [L, C] -> [...] or [..., D]
  m.def("softmax_latency(Tensor logits, Tensor table_us, Tensor? valid=None) -> Tensor", kOperatorTags);
  m.def(
      "softmax_latency_backward(Tensor grad, Tensor logits, Tensor table_us, Tensor? valid, bool[2] "
      "output_mask)"
      " -> (Tensor, Tensor)",
      kOperatorTags);

  // The same arguments -> weights [..., L, C], latency_us [...] or [..., D]
  m.def(
      "gumbel_latency(Tensor logits, Tensor table_us, float temperature, Tensor? valid=None, bool hard=False,"
      " Generator? generator=None) -> (Tensor weights, Tensor latency_us)",
      kOperatorTags);
  // noise: a seed, int64 [], on the CPU; Gumbel noise [..., L, C] anywhere
  m.def(
      "gumbel_latency_sample(Tensor logits, Tensor table_us, Tensor noise, float temperature, Tensor? valid,"
      " bool hard) -> (Tensor weights, Tensor latency_us)",
      kOperatorTags);
  m.def(
      "gumbel_latency_backward(Tensor? grad_weights, Tensor? grad_latency, Tensor soft, Tensor weights,"
      " Tensor table_us, float temperature, Tensor? valid, bool[2] output_mask) -> (Tensor, Tensor)",
      kOperatorTags);

  // arch [..., L], table_us [L, C] or [D, L, C] -> [...] or [..., D]
  m.def("arch_latency(Tensor arch, Tensor table_us) -> Tensor", kOperatorTags);

  latgrad::register_latency_model(m);
  latgrad::register_latency_table(m);
}
