// Descends on the architecture parameters of a space under a latency target, in C++:
//
//   example_expected_latency data/spaces/fbnet.textproto my-op_lut_database.json out [TARGET-MS]
//
// prints the curve; writes out/latency_loss_cpp.pt, a TorchScript module that carries its latency model in
// itself, and the folder out/arg_max_cpp, the arg-max architecture as Caffe2 network; loads the module
// again and compares the prices. The term beside the latency stands in for a supernet's
// cross-entropy: it rewards work, with diminishing returns.

#include <latgrad/plugin/latency_model.h>
#include <latgrad/plugin/operators.h>
#include <torch/csrc/jit/frontend/resolver.h>
#include <torch/csrc/jit/frontend/sugared_value.h>
#include <torch/script.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// [L, C], rows sum to 1; a candidate that is not offered has weight exactly 0.
torch::Tensor probabilities(const torch::Tensor& theta, const torch::Tensor& valid, double temperature) {
  return torch::softmax(theta.masked_fill(valid.logical_not(), -kInfinity) / temperature, -1);
}

// Lets the source of a TorchScript method say `torch.softmax` and `latgrad.expected_latency`.
struct OperatorResolver : torch::jit::Resolver {
  std::shared_ptr<torch::jit::SugaredValue> resolveValue(const std::string& name,
                                                         torch::jit::GraphFunction& /*method*/,
                                                         const torch::jit::SourceRange& /*range*/) override {
    if (name == "torch") return std::make_shared<torch::jit::BuiltinModule>("aten");
    if (name == "latgrad") return std::make_shared<torch::jit::BuiltinModule>("latgrad");
    return nullptr;
  }
};

// The module that examples/python/expected_latency.py scripts, written in C++.
torch::jit::Module latency_loss_module(const c10::intrusive_ptr<latgrad::LatencyModel>& model,
                                       const torch::Tensor& theta) {
  torch::jit::Module module("LatencyLoss");
  module.register_parameter("theta", theta.detach().clone(), /*is_buffer=*/false);
  module.register_buffer("table_us", model->table_us());
  module.register_buffer("valid", model->valid());
  module.register_attribute("model", c10::getCustomClassType<c10::intrusive_ptr<latgrad::LatencyModel>>(),
                            c10::IValue(model));
  module.define(R"(
def forward(self, temperature: float) -> Tensor:
    logits = self.theta.masked_fill(torch.logical_not(self.valid), float("-inf"))
    probs = torch.softmax(logits / temperature, -1)
    return latgrad.expected_latency(probs, self.table_us) + self.model.fixed_us()

def arg_max(self) -> Tensor:
    return self.theta.masked_fill(torch.logical_not(self.valid), float("-inf")).argmax(-1)

def estimate_us(self, arch: Tensor) -> Tensor:
    return self.model.estimate(arch)
)",
                std::make_shared<OperatorResolver>());
  return module;
}

void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

int run(const std::string& space, const std::string& lut, const std::filesystem::path& output,
        std::optional<double> target_ms) {
  const auto model = c10::make_intrusive<latgrad::LatencyModel>(space, lut);
  const torch::Tensor table_us = model->table_us();  // [L, C]
  const torch::Tensor valid = model->valid();        // [L, C]
  const double fastest_us =
      table_us.masked_fill(valid.logical_not(), kInfinity).amin(-1).sum().item<double>() + model->fixed_us();
  const double slowest_us = table_us.amax(-1).sum().item<double>() + model->fixed_us();
  const double target_us = target_ms ? *target_ms * 1000 : (fastest_us + slowest_us) / 2;
  std::printf("architectures from %.2f to %.2f ms, target %.2f ms\n", fastest_us / 1000, slowest_us / 1000,
              target_us / 1000);
  if (target_us < fastest_us) throw std::runtime_error("no architecture is as fast as the target");
  const torch::Tensor worth = table_us.log1p() / table_us.log1p().max();
  const torch::Tensor theta = torch::zeros_like(table_us).requires_grad_();
  torch::optim::Adam optimizer({theta}, torch::optim::AdamOptions(0.05));

  constexpr int kSteps = 400;
  constexpr double kFirstTemperature = 5.0;
  constexpr double kLastTemperature = 0.5;
  const double aim_us = 0.98 * target_us;  // so that the arg-max keeps what the expectation only nears
  double integral = 0;  // of the excess over the steps: a controller sets the weight of the latency term
  double best_worth = -1;
  torch::Tensor best_theta = theta.detach().clone();  // whose arg-max keeps the target
  std::printf(" step    expected     arg-max\n");
  for (int step = 0; step <= kSteps; ++step) {
    const double temperature = kFirstTemperature * std::pow(kLastTemperature / kFirstTemperature,
                                                            static_cast<double>(step) / kSteps);
    const torch::Tensor probs = probabilities(theta, valid, temperature);
    const torch::Tensor latency_us = latgrad::expected_latency(probs, table_us) + model->fixed_us();
    const torch::Tensor arch = probs.argmax(-1);
    const double arch_us = model->estimate(arch).item<double>();
    const double arch_worth = worth.gather(1, arch.unsqueeze(1)).sum().item<double>();
    if (arch_us <= target_us && arch_worth > best_worth) {
      best_worth = arch_worth;
      best_theta = theta.detach().clone();
    }
    if (step % 40 == 0) {
      std::printf("%5d %8.3f ms %8.3f ms\n", step, latency_us.item<double>() / 1000, arch_us / 1000);
    }
    const torch::Tensor excess = latency_us / aim_us - 1.0;
    integral = std::max(0.0, integral + 0.3 * excess.item<double>());
    const double weight = std::max(0.0, integral + 5.0 * excess.item<double>());
    const torch::Tensor loss = weight * excess - (probs * worth).sum();
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
  }

  if (best_worth < 0) throw std::runtime_error("no arg-max kept the target; give a larger one");
  const torch::Tensor arch = probabilities(best_theta, valid, kLastTemperature).argmax(-1);
  const double price_us = model->estimate(arch).item<double>();
  const std::filesystem::path network = output / "arg_max_cpp";
  std::filesystem::create_directories(network);
  write_text(network / "model.pbtxt", model->netdef(arch));
  write_text(network / "model_init.pbtxt", model->init_netdef(arch));
  std::ostringstream inputs;  // the shape of the data input, which a NetDef cannot say
  for (const auto& input : model->input_dims()) {
    inputs << (inputs.tellp() > 0 ? ", " : "") << '"' << input.key() << "\": ["
           << c10::Join(", ", input.value()) << ']';
  }
  write_text(network / "shapes.json", "{\"inputs\": {" + inputs.str() + "}}\n");
  const std::string module_path = (output / "latency_loss_cpp.pt").string();
  latency_loss_module(model, best_theta).save(module_path);

  torch::jit::Module loaded = torch::jit::load(module_path);
  const auto loaded_arch = loaded.run_method("arg_max");
  const double loaded_us = loaded.run_method("estimate_us", loaded_arch).toTensor().item<double>();
  std::printf("exact price of the best arg-max architecture: %.3f us\n", price_us);
  std::printf("the same from the saved module:               %.3f us\n", loaded_us);
  return loaded_us == price_us ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::optional<double> target_ms;
  char* end = nullptr;
  if (argc == 5) target_ms = std::strtod(argv[4], &end);
  if (argc < 4 || argc > 5 || (target_ms && (*end != '\0' || !(*target_ms > 0)))) {
    std::fprintf(stderr, "usage: %s SPACE LUT OUTPUT-FOLDER [TARGET-MS]\n", argv[0]);
    return 2;
  }
  try {
    return run(argv[1], argv[2], argv[3], target_ms);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
