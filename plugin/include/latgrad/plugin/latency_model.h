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
// Without a LUT it is made of figures (a block table, energy, bytes), for one device or several:
//
//   auto model = latgrad::LatencyModel::from_table(table_us, {{"conv", "skip"}, {"conv", "skip"}});
//
// It does everything but what needs a space: peak_memory, netdef, init_netdef, input_dims, space and
// precision are errors.
//
// L is the number of layers, C the number of candidates of the widest layer; both are indexed from 0. D is
// the number of devices or other resources: one, unless the model was made of a table [D, L, C].
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

namespace search {
struct SavedModel;
}

class LATGRAD_PLUGIN_EXPORT LatencyModel : public torch::CustomClassHolder {
 public:
  // What is saved: the version of this form, texts by name, tensors by name. Its type never changes, so that
  // a later version is an error in words and not a failure to load.
  using State = std::tuple<int64_t, c10::Dict<std::string, std::string>, c10::Dict<std::string, at::Tensor>>;
  static constexpr int64_t kStateVersion = 2;
  static constexpr int64_t kTableStateVersion = 3;  // of a model made of a table

  // `space` and `lut` are files; an empty `device` takes the table's default; `precision` is int8 or fp32;
  // `mode` (ave, min, max, last) makes one time of several records.
  // Errors: where the LUT lacks operators that the space needs, naming the first ten and how many there are;
  // where a file cannot be read or breaks its format; for an unknown device, precision or mode.
  LatencyModel(const std::string& space, const std::string& lut, const std::string& device = "",
               const std::string& precision = "int8", const std::string& mode = "ave");
  // Errors: for another version; for a state that contradicts itself.
  explicit LatencyModel(const State& state);

  // A model of numbers that are there already.
  //
  //   table_us    [L, C] or [D, L, C], floating point: what every candidate costs
  //   candidates  L lists of at most C names
  //   fixed_us    [] or [D]: what every architecture costs in addition; undefined: nothing
  //   devices     D names; of [L, C] one
  //   valid       [L, C], bool: what is offered; undefined: every candidate that has a name
  //   layers      L names; empty: layer1, layer2, ...
  //
  // Errors: where shapes and numbers of names do not fit; for a cost of a valid candidate, or a fixed one,
  // that is negative or not finite; for a layer without a valid candidate; for names that are empty, hold a
  // tab or line break, or occur twice.
  static c10::intrusive_ptr<LatencyModel> from_table(const at::Tensor& table_us,
                                                     const std::vector<std::vector<std::string>>& candidates,
                                                     const at::Tensor& fixed_us = {},
                                                     const std::vector<std::string>& devices = {"table"},
                                                     const at::Tensor& valid = {},
                                                     const std::vector<std::string>& layers = {});

  ~LatencyModel() override;

  State state() const;

  // The model as JSON, which needs no torch to be read (latgrad/search/saved_model.h), and back. With an
  // architecture, uint8 or int64 [L], and a statistic it is that of a network: see docs/training.md.
  // Errors: where the file cannot be written or read; for what is no saved model; as decode.
  std::string text(const at::Tensor& arch = {}, const std::string& statistic = "p50") const;
  void save(const std::string& path) const;
  // From the JSON, or from a .pt2 package that holds it.
  static c10::intrusive_ptr<LatencyModel> load(const std::string& path);
  // From text(). Errors: as load.
  static c10::intrusive_ptr<LatencyModel> parse(const std::string& text);

  // What every candidate costs: float64 [L, C], or [D, L, C] if there are several devices; a copy; 0 where
  // not valid.
  //
  // Errors: for an unknown statistic; for one other than p50 where the model was made of a table; for a
  // chain.
  at::Tensor table_us(const std::string& statistic = "p50") const;
  // What every candidate costs behind every candidate of the layer before, in the layout of chain_latency:
  // float64 [L, C, C], a copy; 0 where chain_valid() is not. A model of a space has it, one of a chain (a
  // space whose candidates have channels) instead of table_us, of which it has none: neither spread_us,
  // search, text nor save. The last layer holds what of the head depends on its channels. Errors: for an
  // unknown statistic; where the model was made of a table.
  at::Tensor chain_table_us(const std::string& statistic = "p50") const;
  // bool [L, C, C], a copy: true where both are offered and fit. Errors: where the model was made of a table.
  at::Tensor chain_valid() const;
  bool is_chain() const;
  // The latency that all architectures share: stem, head, layout changes.
  // Errors: as table_us; if there are several devices.
  double fixed_us(const std::string& statistic = "p50") const;
  // The same on each device: float64 [D].
  at::Tensor fixed_by_device_us(const std::string& statistic = "p50") const;
  // The distance between fast and slow runs of every candidate: the sum of p90 - p10 over its operators;
  // float64 [L, C], 0 where not valid. It equals the spread of the block's time where its operators slow down
  // together, and in practice exceeds it where they are independent: docs/risk.md.
  at::Tensor spread_us() const;
  // How the candidates, layer by layer, and last the fixed part err together: float64 [L * C + 1, L * C + 1];
  // and the scale of the errors of measured times, as a share of them. docs/calibration.md. Errors: where the
  // model was not calibrated.
  at::Tensor covariance_us2() const;
  double noise() const;
  at::Tensor valid() const;  // bool [L, C], a copy; true where the space offers the candidate
  int64_t layers() const;
  // The names of a layer's candidates by index, including those that are not offered.
  // Errors: for a layer out of range; a negative one is out of range.
  std::vector<std::string> candidates(int64_t layer) const;
  std::string space() const;                     // the text of the space file, without `base`
  std::string precision() const;                 // "int8" or "fp32"
  std::string device() const;                    // the device of the LUT. Errors: if there are several
  std::vector<std::string> devices() const;      // D names
  std::vector<std::string> layer_names() const;  // L names; layer1, layer2, ... where nothing names them

  // One candidate name per layer to int64 [L].
  // Errors: for a wrong length, an unknown name, a candidate that is not offered.
  at::Tensor encode(const std::vector<std::string>& names) const;
  // uint8 or int64 [L] to one candidate name per layer.
  // Errors: for a wrong shape or dtype, an index out of range, a candidate that is not offered, or does not
  // fit behind that of the layer before.
  std::vector<std::string> decode(const at::Tensor& arch) const;

  // The exact price of architectures, uint8 or int64 [..., L], with the fixed part: float64 [...] on the CPU,
  // or [..., D] if there are several devices.
  // Copies `arch` to the CPU if it is on another device.
  // Errors: as decode; for an unknown statistic.
  at::Tensor estimate(const at::Tensor& arch, const std::string& statistic = "p50") const;
  // The k architectures of the largest probability under softmax(theta) that take at most budget_us with the
  // fixed part: exact, best first. theta: floating point [L, C]. Gives arch int64 [k, L]; the log-probability
  // and the latency, both float64 [k]. Where fewer fit, rows of -1, -inf and inf. Errors: for a wrong shape
  // or dtype, NaN, an unknown statistic, several devices (best_architectures takes them).
  std::tuple<at::Tensor, at::Tensor, at::Tensor> search(const at::Tensor& theta, double budget_us,
                                                        int64_t k = 1,
                                                        const std::string& statistic = "p50") const;
  // Bytes of activations alive at the operator where most are, of architectures, uint8 or int64 [..., L]:
  // int64 [...] on the CPU. Each is lowered, some 50 us. Errors: as decode.
  at::Tensor peak_memory(const at::Tensor& arch) const;
  // The network of one architecture, uint8 or int64 [L], as NetDef text; its init net, which gives the shapes
  // of the parameters; and the shape of each data input by name, which no architecture changes. Together
  // they are what LatencyTable::estimate_net takes.
  // Errors: as decode.
  std::string netdef(const at::Tensor& arch) const;
  std::string init_netdef(const at::Tensor& arch) const;
  c10::Dict<std::string, std::vector<int64_t>> input_dims() const;

  struct Impl;
  explicit LatencyModel(std::unique_ptr<const Impl> impl);  // for from_table
  static c10::intrusive_ptr<LatencyModel> from_saved(const search::SavedModel& saved,
                                                     const std::string& source);

 private:
  at::Tensor checked(const at::Tensor& arch) const;
  std::vector<int> one_architecture(const at::Tensor& arch) const;

  int64_t index_of(const std::string& statistic) const;

  std::unique_ptr<const Impl> impl_;
};

// As LatencyModel::load.
LATGRAD_PLUGIN_EXPORT c10::intrusive_ptr<LatencyModel> load_latency_model(const std::string& path);

}  // namespace latgrad
