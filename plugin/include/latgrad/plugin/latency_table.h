// A latency look-up table, as the TorchScript class `torch.classes.latgrad.LatencyTable`.
//
//   auto table = c10::make_intrusive<latgrad::LatencyTable>("pixel-op_lut_database.json.zip");
//   auto price = table->estimate_net("FBNet-A/int8");
//   double total_us = price->total_us();      // throws while an operator is missing
//
// Loading reads the whole file; after that the table is immutable and thread-safe. A TorchScript module that
// holds it contains every record, about 400 bytes each: a LatencyModel is smaller. Errors of the core become
// c10::ValueError (Python's ValueError) if an argument breaks a rule, and c10::Error (RuntimeError) for files
// and networks.

#pragma once

#include <torch/custom_class.h>

#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "latgrad/plugin/export.h"
#include "latgrad/plugin/net.h"

namespace latgrad {

// The price of a network, `torch.classes.latgrad.NetEstimate`. Lists have one entry for each operator, in the
// network's order.
class LATGRAD_PLUGIN_EXPORT NetEstimate : public torch::CustomClassHolder {
 public:
  NetEstimate(double found_us, std::vector<std::string> op_types, std::vector<std::string> outputs,
              std::vector<std::string> statuses, std::vector<double> times_us);

  // The price of the whole network.
  // Errors: c10::Error while an operator is missing, naming the first ten and how many there are.
  double total_us() const;
  double found_us() const { return found_us_; }  // the sum over the operators that have a time
  bool all_found() const;
  std::vector<std::string> op_types() const { return op_types_; }
  std::vector<std::string> outputs() const { return outputs_; }    // the first blob that each writes
  std::vector<std::string> statuses() const { return statuses_; }  // "exact", "substituted", "missing"
  std::vector<double> times_us() const { return times_us_; }       // 0 where the status is "missing"

 private:
  double found_us_;
  std::vector<std::string> op_types_;
  std::vector<std::string> outputs_;
  std::vector<std::string> statuses_;
  std::vector<double> times_us_;
};

class LATGRAD_PLUGIN_EXPORT LatencyTable : public torch::CustomClassHolder {
 public:
  // Version and texts: "records" in the published format, and "default_device", empty where there is none.
  using State = std::tuple<int64_t, c10::Dict<std::string, std::string>>;
  static constexpr int64_t kStateVersion = 1;

  // Reads a LUT in the published format: `.json`, `.json.gz` or `.zip`.
  // Errors: where it cannot be read or breaks the format, with file and line.
  explicit LatencyTable(const std::string& path);
  // Errors: for a version other than kStateVersion; for a state that contradicts itself.
  explicit LatencyTable(const State& state);
  ~LatencyTable() override;

  // What a saved module holds.
  State state() const;

  int64_t size() const;  // records
  std::vector<std::string> devices() const;

  // A time of each record of one operator, in file order, in microseconds; empty where there is none. `args`
  // are protobuf texts (`name: "kernel"\ni: 3\n`), compared by meaning; `input_dtypes` are Caffe2's numbers;
  // an empty `device` takes the table's default; `statistic` as in LatencyModel, the median by default.
  // Errors: for an argument that is no protobuf text, a dtype that Caffe2 does not define, an unknown device
  // or statistic.
  std::vector<double> find(const std::string& op_type, const std::vector<std::string>& args,
                           const std::vector<std::vector<int64_t>>& input_shapes,
                           const std::vector<int64_t>& input_dtypes, const std::string& device = "",
                           const std::string& statistic = "p50") const;

  // The price of a Caffe2 network. `model` is a folder or a file, `init` its init net (empty: beside it),
  // `input_dims` gives shapes of data inputs by name and overrides those found beside the network.
  // `mode` and `statistic` as in LatencyModel.
  // Errors: for files that cannot be read, a network that is wrong, a shape that is not known, an unknown
  // device, mode or statistic, a name in `input_dims` that is no external input.
  c10::intrusive_ptr<NetEstimate> estimate_net(
      const std::string& model, const std::string& init = "",
      const c10::Dict<std::string, std::vector<int64_t>>& input_dims =
          c10::Dict<std::string, std::vector<int64_t>>(),
      const std::string& device = "", const std::string& mode = "ave",
      const std::string& statistic = "p50") const;
  // The price of a network that has been read. Errors: for an unknown device, mode or statistic.
  c10::intrusive_ptr<NetEstimate> estimate(const c10::intrusive_ptr<Net>& net, const std::string& device = "",
                                           const std::string& mode = "ave",
                                           const std::string& statistic = "p50") const;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace latgrad
