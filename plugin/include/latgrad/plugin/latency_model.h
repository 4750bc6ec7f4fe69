// The latency model of a search space on a device, as the TorchScript class
// `torch.classes.latgrad.LatencyModel`.
//
//   auto model = c10::make_intrusive<latgrad::LatencyModel>("fbnet.textproto", "pixel-op_lut_database.json");
//   auto latency_us = model->fixed_us() + latgrad::expected_latency(probs, model->table_us());
//   auto net = model->netdef(theta.argmax(-1));   // the winner, as a Caffe2 NetDef
//
// The constructor reads both files and prices every candidate once. After that the model is immutable, needs
// no file, and can be part of a TorchScript module: torch.jit.save writes the text of the space and the
// numbers, and torch.jit.load gives the same model on a machine that has neither file. Thread-safe.
//
// L is the number of layers, C the number of candidates of the widest layer; both are indexed from 0.
// `statistic` is the time of each operator that is summed: p0, p10, p50, p90, p100 or mean; docs/risk.md
// explains what such a sum means. Errors of the core become c10::ValueError (Python's ValueError) if an
// argument breaks a rule, and c10::Error (RuntimeError) for files.

#pragma once

#include <ATen/core/Tensor.h>
#include <torch/custom_class.h>

#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "latgrad/plugin/export.h"

namespace latgrad {

class LATGRAD_PLUGIN_EXPORT LatencyModel : public torch::CustomClassHolder {
 public:
  // What is saved: the version of this form, texts by name, tensors by name. Its type never changes, so that
  // a later version is an error in words and not a failure to load.
  using State = std::tuple<int64_t, c10::Dict<std::string, std::string>, c10::Dict<std::string, at::Tensor>>;
  static constexpr int64_t kStateVersion = 2;

  // `space` and `lut` are files; an empty `device` takes the table's default; `precision` is int8 or fp32;
  // `mode` (ave, min, max, last) makes one time of several records.
  // Errors: where the LUT lacks operators that the space needs, naming the first ten and how many there are;
  // where a file cannot be read or breaks its format; for an unknown device, precision or mode.
  LatencyModel(const std::string& space, const std::string& lut, const std::string& device = "",
               const std::string& precision = "int8", const std::string& mode = "ave");
  // Errors: for a version other than kStateVersion; for a state that contradicts itself.
  explicit LatencyModel(const State& state);
  ~LatencyModel() override;

  State state() const;

  // What every candidate costs: float64 [L, C], a copy; 0 where not valid.
  // Errors: for an unknown statistic.
  at::Tensor table_us(const std::string& statistic = "p50") const;
  // The latency that all architectures share: stem, head, layout changes.
  // Errors: for an unknown statistic.
  double fixed_us(const std::string& statistic = "p50") const;
  // The distance between fast and slow runs of every candidate: the sum of p90 - p10 over its operators;
  // float64 [L, C], 0 where not valid. It equals the spread of the block's time where its operators slow down
  // together, and in practice exceeds it where they are independent: docs/risk.md.
  at::Tensor spread_us() const;
  at::Tensor valid() const;  // bool [L, C], a copy; true where the space offers the candidate
  int64_t layers() const;
  // The names of a layer's candidates by index, including those that are not offered.
  // Errors: for a layer out of range; a negative one is out of range.
  std::vector<std::string> candidates(int64_t layer) const;
  std::string space() const;      // the text of the space file, without `base`
  std::string precision() const;  // "int8" or "fp32"
  std::string device() const;     // the device of the LUT

  // One candidate name per layer to int64 [L].
  // Errors: for a wrong length, an unknown name, a candidate that is not offered.
  at::Tensor encode(const std::vector<std::string>& names) const;
  // uint8 or int64 [L] to one candidate name per layer.
  // Errors: for a wrong shape or dtype, an index out of range, a candidate that is not offered.
  std::vector<std::string> decode(const at::Tensor& arch) const;

  // The exact price of architectures, uint8 or int64 [..., L], with the fixed part: float64 [...] on the CPU.
  // Copies `arch` to the CPU if it is on another device.
  // Errors: as decode; for an unknown statistic.
  at::Tensor estimate(const at::Tensor& arch, const std::string& statistic = "p50") const;
  // The network of one architecture, uint8 or int64 [L], as NetDef text; its init net, which gives the shapes
  // of the parameters; and the shape of each data input by name, which no architecture changes. Together
  // they are what LatencyTable::estimate_net takes.
  // Errors: as decode.
  std::string netdef(const at::Tensor& arch) const;
  std::string init_netdef(const at::Tensor& arch) const;
  c10::Dict<std::string, std::vector<int64_t>> input_dims() const;

 private:
  at::Tensor checked(const at::Tensor& arch) const;
  std::vector<int> one_architecture(const at::Tensor& arch) const;

  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace latgrad
