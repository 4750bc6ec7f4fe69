// Writes operators into a net: each family of operators once, in both precisions.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "latgrad/net/net.h"
#include "space_impl.h"

namespace latgrad::search::internal {

// A blob while the net is written, whatever its layout.
struct Blob {
  std::string name;
  int64_t batch = 0;
  int64_t channels = 0;
  int64_t height = 1;
  int64_t width = 1;
};

// One net: inputs first, then operators in execution order, then finish.
class NetBuilder {
 public:
  NetBuilder(const SpaceImpl& space, Precision precision, std::string net_name);

  // The image: float32, NCHW.
  Blob image(const std::string& name);
  // An activation from outside: float32 NCHW, or uint8 NHWC.
  Blob activation(Blob blob);

  // What an int8 net begins and ends with; fp32: the blob itself.
  Blob quantize(const Blob& in);
  Blob dequantize(const Blob& in, const std::string& name);

  // The convolution with its ReLU and shuffle; blobs are called `<prefix>_<role>`.
  Blob conv(const Blob& in, const ConvPlan& plan, const std::string& prefix);
  Blob sum(const Blob& a, const Blob& b, const std::string& name);
  Blob average_pool(const Blob& in, const std::string& name);  // over the whole map
  Blob fully_connected(const Blob& in, int64_t classes, const std::string& name);
  Blob softmax(const Blob& in, const std::string& name);

  void output(const Blob& blob) { net_.external_outputs.push_back(blob.name); }
  net::Net finish() { return std::move(net_); }

 private:
  bool is_int8() const { return precision_ == Precision::kInt8; }
  std::string typed(std::string_view type) const;
  net::Argument order() const;
  net::Shape activation_shape(const Blob& blob) const;
  void parameter(net::Operator& op, const std::string& name, net::Shape shape, net::DataType dtype);
  net::Operator begin(std::string type, const Blob& in) const;
  // Appends the arguments and the engine of the rules, and the output.
  void end(net::Operator op, proto::OperatorClass operator_class, const std::string& output);
  void end_quantized(net::Operator op, proto::OperatorClass operator_class, const std::string& output,
                     float scale = 1.0f);
  Blob relu(const Blob& in, const std::string& name);
  Blob shuffle(const Blob& in, int64_t groups, const std::string& name);

  const SpaceImpl& space_;
  Precision precision_;
  net::Net net_;
};

}  // namespace latgrad::search::internal
