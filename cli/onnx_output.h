// The options that write a network as an ONNX model.

#pragma once

#include <CLI/App.hpp>
#include <string>

#include "latgrad/net/net.h"

namespace latgrad::cli {

struct OnnxOutput {
  std::string file;
  std::string weights = "random";

  bool is_asked() const { return !file.empty(); }
  // Errors: as net::write_onnx.
  void write(const net::Net& net) const;
};

// Adds --onnx and --weights.
void add_onnx_output_options(CLI::App& app, OnnxOutput& output);

}  // namespace latgrad::cli
