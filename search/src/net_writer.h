// Writes fragments in a row into a net, in its precision.

#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "latgrad/net/net.h"
#include "latgrad/search/fragment.h"
#include "space_impl.h"

namespace latgrad::search::internal {

// One net: inputs first, then fragments in execution order, then finish. Blobs are strings; each function
// returns the one that it writes.
class NetWriter {
 public:
  NetWriter(const SpaceImpl& space, Precision precision, std::string net_name);

  // The image: float32, NCHW.
  std::string image();
  // An activation from outside: float32 NCHW, or uint8 NHWC.
  std::string activation(const std::string& name, int64_t channels, int64_t height, int64_t width);
  // float32 [batch, tokens, channels].
  std::string tokens(const std::string& name, int64_t tokens, int64_t channels);

  // What an int8 net begins with; fp32: the blob itself.
  std::string quantize(const std::string& in);
  // The fragment, reading `in`. Its own blobs are called `<prefix>_<name>`; without a prefix as they are.
  std::string append(const Fragment& fragment, const std::string& in, const std::string& prefix = "");
  // What nets end with; int8: dequantized.
  std::string softmax(const std::string& in, const std::string& output);
  // int8: as float32; fp32: the blob itself.
  std::string dequantize(const std::string& in);

  void output(const std::string& blob) { net_.external_outputs.push_back(blob); }
  net::Net finish() { return std::move(net_); }

 private:
  bool is_int8() const { return precision_ == Precision::kInt8; }
  void repeat_for_batch(std::string& parameter);
  std::vector<net::Operator> with_relus_joined(const Fragment& fragment) const;
  void add_parameter(const std::string& name, net::TensorInfo info, bool is_bias);
  // Appends the operator with the arguments and the engine of the rules.
  void write(net::Operator op, std::optional<proto::OperatorClass> operator_class);
  // The same for one of the fp32 vocabulary, which an int8 net has quantized, with this scale of its output.
  void write_in_precision(net::Operator op, std::optional<proto::OperatorClass> operator_class,
                          float scale = 1.0f);

  const SpaceImpl& space_;
  Precision precision_;
  net::Net net_;
};

}  // namespace latgrad::search::internal
