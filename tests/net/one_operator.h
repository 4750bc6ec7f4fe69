// A network of one operator, for tests of its shape function.
//
//   run("Conv", {{1, 3, 8, 8}, {16, 3, 3, 3}}, {i("kernel", 3), i("pad", 1)}).outputs[0].shape

#pragma once

#include <string>
#include <vector>

#include "latgrad/net/infer_shapes.h"

namespace latgrad::net::test {

inline Argument i(const std::string& name, int64_t value) { return Argument::of_int(name, value); }
inline Argument f(const std::string& name, float value) { return Argument::of_float(name, value); }
inline Argument s(const std::string& name, const std::string& value) {
  return Argument::of_string(name, value);
}
inline Argument ints(const std::string& name, std::vector<int64_t> values) {
  Argument arg;
  arg.name = name;
  arg.ints = std::move(values);
  return arg;
}

// Inputs are named in0, in1, ... and outputs out0, out1, ...; in0 is the data input, the others are
// parameters.
inline Net one_operator(const std::string& type, const std::vector<TensorInfo>& inputs,
                        std::vector<Argument> args = {}, size_t outputs = 1) {
  Net net;
  net.source = "model.pb";
  Operator op;
  op.type = type;
  op.args = std::move(args);
  for (size_t k = 0; k < inputs.size(); ++k) {
    op.inputs.push_back("in" + std::to_string(k));
    net.external_inputs.push_back(op.inputs.back());
    (k == 0 ? net.inputs : net.parameters)[op.inputs.back()] = inputs[k];
  }
  for (size_t k = 0; k < outputs; ++k) op.outputs.push_back("out" + std::to_string(k));
  net.ops.push_back(std::move(op));
  return net;
}

// Float for all, or what an int8 operator reads.
inline std::vector<TensorInfo> infos(const std::string& type, const std::vector<Shape>& shapes) {
  std::vector<TensorInfo> result;
  for (const Shape& shape : shapes) {
    const bool quantised = type.starts_with("Int8") && type != "Int8Quantize";
    result.push_back({shape, quantised ? DataType::kUint8 : DataType::kFloat});
  }
  return result;
}

inline OpShapes run(const std::string& type, const std::vector<Shape>& inputs,
                    std::vector<Argument> args = {}, size_t outputs = 1) {
  return infer_shapes(one_operator(type, infos(type, inputs), std::move(args), outputs)).ops[0];
}

inline Shape out_shape(const std::string& type, const std::vector<Shape>& inputs,
                       std::vector<Argument> args = {}) {
  return run(type, inputs, std::move(args)).outputs[0].shape;
}

}  // namespace latgrad::net::test
