// Everything that the library offers to PyTorch: the operators, then the classes.
//
// L layers, C candidates of the widest layer, D devices; latencies in microseconds. What a schema
// cannot say stands in latgrad/plugin/operators.h, losses.h, fleet.h, search_space.h,
// latency_model.h and latency_table.h.

#include <torch/custom_class.h>
#include <torch/library.h>

#include "calibration.h"
#include "classes/register_classes.h"
#include "pareto_front.h"
#include "spaces.h"
#include "torch_compat.h"

TORCH_LIBRARY(latgrad, m) {
  using latgrad::kOperatorTags;

  // probs [..., L, C], table_us [L, C] or [D, L, C] -> [...] or [..., D]
  m.def("expected_latency(Tensor probs, Tensor table_us) -> Tensor", kOperatorTags);
  m.def(
      "expected_latency_backward(Tensor grad, Tensor probs, Tensor table_us, bool[2] output_mask)"
      " -> (Tensor, Tensor)",
      kOperatorTags);

  // probs [..., L, C], table_us [L, C, C] or [D, L, C, C] -> [...] or [..., D]
  m.def("chain_latency(Tensor probs, Tensor table_us) -> Tensor", kOperatorTags);
  m.def(
      "chain_latency_backward(Tensor grad, Tensor probs, Tensor table_us, bool[2] output_mask)"
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
  m.def(
      "gumbel_latency.Tensor(Tensor logits, Tensor table_us, Tensor temperature, Tensor? valid=None,"
      " bool hard=False, Generator? generator=None) -> (Tensor weights, Tensor latency_us)",
      kOperatorTags);
  // noise: a seed, int64 [], on the CPU; Gumbel noise [..., L, C] anywhere
  m.def(
      "gumbel_latency_sample(Tensor logits, Tensor table_us, Tensor noise, float temperature, Tensor? valid,"
      " bool hard) -> (Tensor weights, Tensor latency_us)",
      kOperatorTags);
  m.def(
      "gumbel_latency_sample.Tensor(Tensor logits, Tensor table_us, Tensor noise, Tensor temperature,"
      " Tensor? valid, bool hard) -> (Tensor weights, Tensor latency_us)",
      kOperatorTags);
  m.def(
      "gumbel_latency_backward(Tensor? grad_weights, Tensor? grad_latency, Tensor soft, Tensor weights,"
      " Tensor table_us, Tensor temperature, Tensor? valid, bool[2] output_mask) -> (Tensor, Tensor)",
      kOperatorTags);
  // What a seed stands for: seed int64 [], like [..., L, C] -> noise [..., L, C]
  m.def("gumbel_noise(Tensor seed, Tensor like) -> Tensor", kOperatorTags);

  // arch [..., L], table_us [L, C] or [D, L, C] -> [...] or [..., D]
  m.def("arch_latency(Tensor arch, Tensor table_us) -> Tensor", kOperatorTags);
  // arch [..., L], table_us [L, C, C] or [D, L, C, C] -> [...] or [..., D]
  m.def("chain_arch_latency(Tensor arch, Tensor table_us) -> Tensor", kOperatorTags);

  // scores [..., L, C], costs [L, C] or [D, L, C], budgets [...] or [..., D], valid bool [L, C]
  //   -> arch int64 [..., k, L], score float64 [..., k], cost float64 [..., k] or [..., k, D]
  m.def(
      "best_architectures(Tensor scores, Tensor costs, Tensor budgets, int k=1, Tensor? valid=None)"
      " -> (Tensor arch, Tensor score, Tensor cost)",
      kOperatorTags);

  // scores and costs [L, C], valid bool [L, C] -> arch int64 [N, L], score and cost float64 [N]
  m.def(
      "pareto_front(Tensor scores, Tensor costs, Tensor? valid=None) -> (Tensor arch, Tensor score, Tensor "
      "cost)",
      &latgrad::pareto_front);

  // arch [N, L], times_us [N]; other devices the same; LUT files of others -> the model as text,
  // left out float64 [N, 3]
  m.def(
      "calibrate(str space, str precision, str device, Tensor arch, Tensor times_us, Tensor[] source_archs,"
      " Tensor[] source_times_us, str[] luts, int seed)"
      " -> (str model, Tensor left_out_us)",
      &latgrad::calibrate);

  // The losses: cross_entropy and latency_us broadcast to the result. A number that a schedule changes may be
  // a tensor, [].
  m.def("log_latency(Tensor latency_us) -> Tensor", kOperatorTags);
  m.def("fbnet_loss(Tensor cross_entropy, Tensor latency_us, float alpha=0.2, float beta=0.6) -> Tensor",
        kOperatorTags);
  m.def("fbnet_loss.Tensor(Tensor cross_entropy, Tensor latency_us, Tensor alpha, Tensor beta) -> Tensor",
        kOperatorTags);
  m.def("proxylessnas_loss(Tensor cross_entropy, Tensor latency_us, float target_us, float weight) -> Tensor",
        kOperatorTags);
  m.def(
      "proxylessnas_loss.Tensor(Tensor cross_entropy, Tensor latency_us, Tensor target_us, Tensor weight)"
      " -> Tensor",
      kOperatorTags);
  m.def(
      "proxylessnas_log_loss(Tensor cross_entropy, Tensor latency_us, float target_us, float alpha,"
      " float beta) -> Tensor",
      kOperatorTags);
  m.def(
      "proxylessnas_log_loss.Tensor(Tensor cross_entropy, Tensor latency_us, Tensor target_us, Tensor alpha,"
      " Tensor beta) -> Tensor",
      kOperatorTags);
  m.def("tunas_penalty(Tensor latency_us, float target_us) -> Tensor", kOperatorTags);
  m.def("tunas_penalty.Tensor(Tensor latency_us, Tensor target_us) -> Tensor", kOperatorTags);
  m.def("hinge_penalty(Tensor latency_us, float target_us) -> Tensor", kOperatorTags);
  m.def("hinge_penalty.Tensor(Tensor latency_us, Tensor target_us) -> Tensor", kOperatorTags);

  // latency_us [..., D], weights [D] -> [...]
  m.def("fleet_sum(Tensor latency_us, Tensor? weights=None) -> Tensor", kOperatorTags);
  m.def("fleet_max(Tensor latency_us) -> Tensor", kOperatorTags);
  m.def("fleet_smooth_max(Tensor latency_us, float temperature_us) -> Tensor", kOperatorTags);
  m.def("fleet_smooth_max.Tensor(Tensor latency_us, Tensor temperature_us) -> Tensor", kOperatorTags);

  // The file of a space that is given by path or name; folders: where the spaces that come with latgrad lie.
  m.def("find_space(str space, str[] folders) -> str", &latgrad::find_space);

  // The version of the library, e.g. 0.1.0.
  m.def("version() -> str", [] { return std::string(LATGRAD_VERSION); });

  latgrad::register_search_space(m);
  latgrad::register_latency_model(m);
  latgrad::register_net(m);
  latgrad::register_measurement(m);
  latgrad::register_latency_table(m);
}
