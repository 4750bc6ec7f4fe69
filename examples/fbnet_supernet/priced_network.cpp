#include "priced_network.h"

#include <torch/csrc/jit/frontend/resolver.h>
#include <torch/csrc/jit/frontend/sugared_value.h>
#include <torch/script.h>
#include <torch/torch.h>

#include <algorithm>
#include <cctype>
#include <memory>
#include <sstream>
#include <string>

#include "run_folder.h"

namespace fbnet_supernet {

using torch::Tensor;

namespace {

constexpr const char* kUnitSource = R"(
def forward(self, x: Tensor) -> Tensor:
    y = torch.conv2d(x, self.weight, None, [self.stride, self.stride], [self.pad, self.pad],
                     [self.dilation, self.dilation], self.groups)
    y = torch.batch_norm(y, self.norm_weight, self.norm_bias, self.norm_mean, self.norm_var, False, 0.0,
                         self.norm_eps, False)
    if self.relu:
        y = torch.relu(y)
    if self.shuffled:
        y = y.reshape([y.size(0), self.groups, -1, y.size(2), y.size(3)]).transpose(1, 2).flatten(1, 2)
    return y
)";

constexpr const char* kPriceSource = R"(
def latency_us(self, statistic: Optional[str] = None) -> float:
    by = self.statistic if statistic is None else statistic
    return float(self.model.estimate(self.arch, by).item())

def architecture(self) -> List[str]:
    return self.model.decode(self.arch)
)";

// Lets the source of a method say `torch.conv2d`.
struct OperatorResolver : torch::jit::Resolver {
  std::shared_ptr<torch::jit::SugaredValue> resolveValue(const std::string& name,
                                                         torch::jit::GraphFunction& /*method*/,
                                                         const torch::jit::SourceRange& /*range*/) override {
    if (name == "torch") return std::make_shared<torch::jit::BuiltinModule>("aten");
    return nullptr;
  }
};

// A candidate's name is any word, that of an attribute is letters, digits and underscores.
std::string as_attribute(std::string name) {
  std::ranges::replace_if(
      name, [](unsigned char letter) { return letter >= 128 || !std::isalnum(letter); }, '_');
  return name;
}

// Builds the module, and the source of its forward on the way.
class Builder {
 public:
  explicit Builder(const NetworkImpl& network) {
    forward_ << "def forward(self, images: Tensor) -> Tensor:\n    x = images\n";
    add_all(*network.stem, "", "x");
    const size_t digits = std::max<size_t>(2, std::to_string(network.blocks.size()).size());
    for (size_t layer = 0; layer < network.blocks.size(); ++layer) {
      std::string number = std::to_string(layer + 1);
      number.insert(0, digits - number.size(), '0');
      add_block(*network.blocks[layer], "layer" + number + "_");
    }
    add_all(*network.head, "", "x");
    const torch::nn::Linear& linear = network.classifier->linear;
    module_.register_parameter("classifier_weight", linear->weight.detach().clone(), /*is_buffer=*/false);
    module_.register_parameter("classifier_bias", linear->bias.detach().clone(), /*is_buffer=*/false);
    forward_
        << "    return torch.linear(torch.mean(x, [2, 3]), self.classifier_weight, self.classifier_bias)\n";
    module_.define(forward_.str(), resolver_);
  }

  void add_price(const Prices& prices, const Tensor& arch) {
    module_.register_attribute("model", c10::getCustomClassType<c10::intrusive_ptr<latgrad::LatencyModel>>(),
                               c10::IValue(prices.model));
    module_.register_attribute("statistic", c10::StringType::get(), prices.statistic);
    module_.register_buffer("arch", arch.clone());
    module_.define(kPriceSource, resolver_);
  }

  torch::jit::Module module() const { return module_; }

 private:
  void add_block(const CandidateBlockImpl& block, const std::string& layer) {
    if (block.units->units.empty()) return;
    forward_ << "    y = x\n";
    add_all(*block.units, layer + block.candidate + "_", "y");
    forward_ << (block.residual ? "    x = x + y\n" : "    x = y\n");
  }

  // Convolutions that read and write the variable.
  void add_all(const ConvolutionsImpl& convolutions, const std::string& prefix, const char* variable) {
    for (const ConvolutionUnit& unit : convolutions.units) {
      const std::string name = as_attribute(prefix + unit->plan.role);
      module_.register_module(name, scripted(*unit));
      forward_ << "    " << variable << " = self." << name << ".forward(" << variable << ")\n";
    }
  }

  torch::jit::Module scripted(const ConvolutionUnitImpl& unit) const {
    torch::jit::Module scripted(c10::QualifiedName("ConvolutionUnit"), module_._ivalue()->compilation_unit(),
                                /*shouldMangle=*/true);
    scripted.register_parameter("weight", unit.conv->weight.detach().clone(), /*is_buffer=*/false);
    scripted.register_parameter("norm_weight", unit.norm->weight.detach().clone(), /*is_buffer=*/false);
    scripted.register_parameter("norm_bias", unit.norm->bias.detach().clone(), /*is_buffer=*/false);
    scripted.register_buffer("norm_mean", unit.norm->running_mean.clone());
    scripted.register_buffer("norm_var", unit.norm->running_var.clone());
    scripted.register_attribute("norm_eps", c10::FloatType::get(), unit.norm->options.eps());
    const auto& plan = unit.plan;
    for (const auto& [name, number] : {std::pair("stride", plan.stride),
                                       {"pad", plan.pad},
                                       {"dilation", plan.dilation},
                                       {"groups", plan.groups}}) {
      scripted.register_attribute(name, c10::IntType::get(), number);
    }
    scripted.register_attribute("relu", c10::BoolType::get(), plan.relu);
    scripted.register_attribute("shuffled", c10::BoolType::get(), plan.shuffled);
    scripted.define(kUnitSource, resolver_);
    return scripted;
  }

  torch::jit::Module module_ = torch::jit::Module("PricedNetwork");
  std::shared_ptr<OperatorResolver> resolver_ = std::make_shared<OperatorResolver>();
  std::ostringstream forward_;
};

}  // namespace

void save_priced_network(const NetworkImpl& network, const Prices& prices, const Tensor& arch,
                         const std::filesystem::path& path) {
  Builder builder(network);
  builder.add_price(prices, arch);
  builder.module().save(temporary_of(path).string());
  replace_by_temporary(path);
}

}  // namespace fbnet_supernet
