// A network that has been read, as the TorchScript class `torch.classes.latgrad.Net`: operators, shapes,
// costs without a table. Python's latgrad.read_module makes one of a module.
//
//   auto net = latgrad::Net::read("model.onnx");
//   auto price = table->estimate(net);
//
// Immutable and thread-safe. Errors of the core become c10::ValueError (Python's ValueError) if an argument
// breaks a rule, and c10::Error (RuntimeError) for files and networks.

#pragma once

#include <ATen/core/Tensor.h>
#include <torch/custom_class.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "latgrad/plugin/export.h"

namespace latgrad {

namespace net {
struct NetAndShapes;
}

class LATGRAD_PLUGIN_EXPORT Net : public torch::CustomClassHolder {
 public:
  explicit Net(net::NetAndShapes contents);
  ~Net() override;

  // A Caffe2 network or an ONNX model: as LatencyTable::estimate_net. Operators of unknown type are kept: no
  // table has a time for them.
  static c10::intrusive_ptr<Net> read(const std::string& model, const std::string& init = "",
                                      const c10::Dict<std::string, std::vector<int64_t>>& input_dims =
                                          c10::Dict<std::string, std::vector<int64_t>>());

  // What an exporter made of a module: the bytes of an ONNX model, uint8 [n] on the CPU, whose inputs
  // other than `data_inputs` are parameters of the module. Convolutions take in the batch normalisations
  // behind them. `source` is named in errors.
  static c10::intrusive_ptr<Net> read_trace(const at::Tensor& onnx,
                                            const std::vector<std::string>& data_inputs,
                                            const std::string& source);

  // Parts in a row, each reading what the one before it writes, with their names in front of blobs and
  // operators. Errors: for no part; where parts do not fit.
  static c10::intrusive_ptr<Net> join(const std::vector<std::string>& names,
                                      const std::vector<c10::intrusive_ptr<Net>>& parts);

  // JSON: latgrad/net/net_json.h.
  std::string text() const;

  // As net::write_onnx, with random weights under a seed, or without.
  void write_onnx(const std::string& path, bool weights = true, int64_t seed = 0) const;

  const net::NetAndShapes& contents() const { return *contents_; }

 private:
  std::unique_ptr<const net::NetAndShapes> contents_;
};

}  // namespace latgrad
