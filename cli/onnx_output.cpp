#include "onnx_output.h"

#include "latgrad/net/onnx.h"

namespace latgrad::cli {

void OnnxOutput::write(const net::Net& net) const {
  if (!is_asked()) return;
  net::write_onnx(net, file,
                  {.weights = weights == "none" ? net::OnnxWeights::kLeftOut : net::OnnxWeights::kRandom});
}

void add_onnx_output_options(CLI::App& app, OnnxOutput& output) {
  CLI::Option* onnx = app.add_option("--onnx", output.file,
                                     "Write the network as an ONNX model; int8 operators as QDQ, between "
                                     "DequantizeLinear and QuantizeLinear")
                          ->type_name("FILE");
  app.add_option(
         "--weights", output.weights,
         "Weights of --onnx: random, the same every time, or none: a small file that still runs, with "
         "constants that are made when it is loaded")
      ->type_name("NAME")
      ->capture_default_str()
      ->check(CLI::IsMember({"random", "none"}))
      ->needs(onnx);
}

}  // namespace latgrad::cli
