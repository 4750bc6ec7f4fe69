#include "latgrad/plugin/networks.h"

#include <torch/csrc/jit/frontend/tracer.h>
#include <torch/nn.h>

#include <algorithm>
#include <memory>
#include <sstream>
#include <utility>

#include "classes/error_translation.h"
#include "latgrad/base/replace_file.h"

namespace latgrad {

using torch::Tensor;

namespace {

// Precondition: both have the same parameters and buffers.
void copy_weights(const torch::nn::Module& from, torch::nn::Module& to) {
  const torch::NoGradGuard no_grad;
  const auto copy = [](const auto& sources, const auto& targets) {
    for (const auto& source : sources) targets[source.key()].copy_(source.value());
  };
  copy(from.named_parameters(), to.named_parameters());
  copy(from.named_buffers(), to.named_buffers());
}

// A TorchScript module without methods that has the submodules and shares the parameters and buffers.
torch::jit::Module script_without_methods(const torch::nn::Module& module, const std::string& type,
                                          const std::shared_ptr<torch::jit::CompilationUnit>& unit) {
  torch::jit::Module script(c10::QualifiedName(type), unit, /*shouldMangle=*/true);
  for (const auto& child : module.named_children()) {
    script.register_module(child.key(), script_without_methods(*child.value(), "Part", unit));
  }
  for (const auto& parameter : module.named_parameters(/*recurse=*/false)) {
    script.register_parameter(parameter.key(), parameter.value(), /*is_buffer=*/false);
  }
  for (const auto& buffer : module.named_buffers(/*recurse=*/false)) {
    script.register_buffer(buffer.key(), buffer.value());
  }
  return script;
}

constexpr const char* kPriceSource = R"(
def latency_us(self, statistic: Optional[str] = None) -> float:
    by = self.statistic if statistic is None else statistic
    return float(self.model.estimate(self.arch, by).item())

def architecture(self) -> List[str]:
    return self.model.decode(self.arch)
)";

}  // namespace

NetworkImpl::NetworkImpl(const c10::intrusive_ptr<SearchSpace>& space, const Tensor& arch,
                         const std::string& precision)
    : stem(space->stem(precision)), head(space->head(precision)), classifier(space->classifier()) {
  space->format_architecture(arch);  // checks it
  const Tensor choices = arch.cpu().to(torch::kLong);
  for (int64_t layer = 0; layer < choices.size(0); ++layer) {
    blocks->push_back(FragmentModule(space->block(layer, choices[layer].item<int64_t>(), precision)));
  }
  register_module("stem", stem);
  register_module("blocks", blocks);
  register_module("head", head);
  register_module("classifier", classifier);
}

Tensor NetworkImpl::forward(const Tensor& images) {
  return classifier->forward(head->forward(blocks->forward(stem->forward(images))));
}

SupernetImpl::SupernetImpl(c10::intrusive_ptr<SearchSpace> space, const std::string& precision)
    : stem(space->stem(precision)),
      head(space->head(precision)),
      classifier(space->classifier()),
      space_(std::move(space)),
      precision_(precision) {
  register_module("stem", stem);
  const auto list = register_module("layers", std::make_shared<torch::nn::Module>());
  const Tensor valid = space_->valid();
  for (int64_t layer = 0; layer < space_->layers(); ++layer) {
    std::vector<torch::nn::AnyModule> blocks(space_->candidates(layer).size());
    for (size_t k = 0; k < blocks.size(); ++k) {
      const auto candidate = static_cast<int64_t>(k);
      if (!valid[layer][candidate].item<bool>()) continue;
      blocks[k] = torch::nn::AnyModule(FragmentModule(space_->block(layer, candidate, precision)));
    }
    layers.emplace_back(std::move(blocks));
    list->register_module(std::to_string(layer), layers.back());
  }
  register_module("head", head);
  register_module("classifier", classifier);
}

Tensor SupernetImpl::forward(const Tensor& images, const Tensor& weights) {
  const auto num_layers = static_cast<int64_t>(layers.size());
  int64_t widest = 0;
  for (const MixedLayer& layer : layers) widest = std::max(widest, layer->num_candidates());
  TORCH_CHECK_VALUE(weights.dim() >= 2 && weights.size(-2) == num_layers && weights.size(-1) == widest,
                    "weights must be [..., ", num_layers, ", ", widest, "], got ", weights.sizes());
  Tensor x = stem->forward(images);
  for (int64_t layer = 0; layer < num_layers; ++layer) {
    MixedLayer& mixed = layers[layer];
    x = mixed->forward(x, weights.select(-2, layer).narrow(-1, 0, mixed->num_candidates()));
  }
  return classifier->forward(head->forward(x));
}

Network SupernetImpl::network(const Tensor& arch) const {
  Network network(space_, arch, precision_);
  copy_weights(*stem, *network->stem);
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    copy_weights(layers[layer]->block(arch[layer].item<int64_t>()), *network->blocks->ptr(layer));
  }
  copy_weights(*head, *network->head);
  copy_weights(*classifier, *network->classifier);
  return network;
}

PricedNetworkImpl::PricedNetworkImpl(Network network_, c10::intrusive_ptr<LatencyModel> model,
                                     const Tensor& arch, std::string statistic)
    : network(std::move(network_)),
      model_(std::move(model)),
      arch_(arch.detach().cpu().clone()),
      statistic_(std::move(statistic)) {
  TORCH_CHECK_VALUE(model_->devices().size() == 1, "a network carries the model of one device, got one of ",
                    model_->devices().size());
  model_->estimate(arch_, statistic_);  // checks both
  register_module("network", network);
  register_buffer("arch", arch_);
}

double PricedNetworkImpl::latency_us(const std::string& statistic) const {
  return model_->estimate(arch_, statistic.empty() ? statistic_ : statistic).item<double>();
}

std::vector<std::string> PricedNetworkImpl::architecture() const { return model_->decode(arch_); }

torch::jit::Module PricedNetworkImpl::scripted() {
  const torch::NoGradGuard no_grad;
  const auto unit = std::make_shared<torch::jit::CompilationUnit>();
  torch::jit::Module script = script_without_methods(*this, "PricedNetwork", unit);
  script.register_attribute("model", c10::getCustomClassType<c10::intrusive_ptr<LatencyModel>>(),
                            c10::IValue(model_));
  script.register_attribute("statistic", c10::StringType::get(), statistic_);
  script.define(kPriceSource);

  const bool was_training = network->is_training();
  network->eval();
  const std::vector<Tensor> weights = network->parameters();
  const auto device = weights.empty() ? torch::Device(torch::kCPU) : weights.front().device();
  const Tensor images = torch::zeros(model_->input_dims().begin()->value(), device);
  const auto traced = torch::jit::tracer::trace(
      {images}, [&](torch::jit::Stack stack) -> torch::jit::Stack { return {forward(stack[0].toTensor())}; },
      [](const Tensor&) { return std::string(); }, /*strict=*/true, /*force_outplace=*/false, &script,
      {"images"});
  network->train(was_training);
  script.type()->addMethod(
      unit->create_function(c10::QualifiedName(*script.type()->name(), "forward"), traced.first->graph));
  return script;
}

void PricedNetworkImpl::save_script(const std::string& path) {
  std::ostringstream bytes;
  scripted().save(bytes);
  translate_errors([&] { base::replace_file(path, bytes.str()); });
}

}  // namespace latgrad
