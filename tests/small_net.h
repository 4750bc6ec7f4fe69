// A network of three distinct operators: Relu twice, Conv twice in two spellings, Softmax.

#pragma once

#include "latgrad/net/netdef.h"

namespace latgrad {

inline constexpr const char* kSmallNet = R"(
name: "small"
external_input: "data" external_input: "w" external_input: "b"
external_output: "y"
op { input: "data" output: "a" type: "Relu" }
op { input: "a" output: "a2" type: "Relu" }
op { input: "a2" input: "w" input: "b" output: "c" type: "Conv"
     arg { name: "kernel" i: 1 } arg { name: "group" i: 1 } arg { name: "order" s: "NCHW" } }
op { input: "c" input: "w" input: "b" output: "d" type: "Conv"
     arg { name: "order" s: "NCHW" } arg { name: "kernels" ints: 1 ints: 1 } }
op { input: "d" output: "y" type: "Softmax" }
)";

inline constexpr const char* kSmallShapes =
    R"({"inputs": {"data": [1, 8, 4, 4]}, "params": {"w": [8, 8, 1, 1], "b": [8]}, "blobs": {}})";

inline net::Net small_net() {
  net::Net net = net::parse_netdef_text(kSmallNet, "small.pbtxt");
  net.inputs["data"] = {{1, 8, 4, 4}, net::DataType::kFloat};
  net.parameters["w"] = {{8, 8, 1, 1}, net::DataType::kFloat};
  net.parameters["b"] = {{8}, net::DataType::kFloat};
  return net;
}

}  // namespace latgrad
