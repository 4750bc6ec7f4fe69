#include "supernet.h"

#include <torch/torch.h>

#include <memory>
#include <optional>
#include <utility>

namespace fbnet_supernet {

namespace search = latgrad::search;
using torch::Tensor;

namespace {

std::vector<search::Convolution> list_of(const std::optional<search::Convolution>& convolution) {
  if (!convolution) return {};
  return {*convolution};
}

// torch::channel_shuffle, which has no derivative in torch 1.13.
Tensor shuffled(const Tensor& x, int64_t groups) {
  return x.unflatten(1, {groups, x.size(1) / groups}).transpose(1, 2).flatten(1, 2);
}

// Registers the modules that are there as `name`.0, `name`.1 and so on, the names of a list in Python.
template <typename Holder>
void register_list(torch::nn::Module& parent, const std::string& name, const std::vector<Holder>& modules) {
  const auto list = parent.register_module(name, std::make_shared<torch::nn::Module>());
  for (size_t i = 0; i < modules.size(); ++i) {
    if (!modules[i].is_empty()) list->register_module(std::to_string(i), modules[i].ptr());
  }
}

// Precondition: both have the same parameters and buffers.
void copy_weights(const torch::nn::Module& from, torch::nn::Module& to) {
  const torch::NoGradGuard no_grad;
  const auto copy = [](const auto& sources, const auto& targets) {
    for (const auto& source : sources) targets[source.key()].copy_(source.value());
  };
  copy(from.named_parameters(), to.named_parameters());
  copy(from.named_buffers(), to.named_buffers());
}

}  // namespace

ConvolutionUnitImpl::ConvolutionUnitImpl(const search::Convolution& convolution)
    : plan(convolution),
      // Without a bias, as the normalisation has one.
      conv(torch::nn::Conv2dOptions(plan.in_channels, plan.out_channels, plan.kernel)
               .stride(plan.stride)
               .padding(plan.pad)
               .dilation(plan.dilation)
               .groups(plan.groups)
               .bias(false)),
      norm(plan.out_channels) {
  register_module("conv", conv);
  register_module("norm", norm);
  torch::nn::init::kaiming_normal_(conv->weight, 0, torch::kFanOut, torch::kReLU);
  // The layout that convolutions on a CPU compute in: none of them has to reorder its input.
  conv->weight.set_data(conv->weight.contiguous(torch::MemoryFormat::ChannelsLast));
}

Tensor ConvolutionUnitImpl::forward(const Tensor& x) {
  Tensor y = norm->forward(conv->forward(x));
  if (plan.relu) y = y.relu_();
  return plan.shuffled ? shuffled(y, plan.groups) : y;
}

ConvolutionsImpl::ConvolutionsImpl(const std::vector<search::Convolution>& convolutions) {
  for (const search::Convolution& convolution : convolutions) {
    units.emplace_back(convolution);
    register_module(std::to_string(units.size() - 1), units.back());
  }
}

Tensor ConvolutionsImpl::forward(Tensor x) {
  for (ConvolutionUnit& unit : units) x = unit->forward(x);
  return x;
}

CandidateBlockImpl::CandidateBlockImpl(std::string name, const search::Block& block)
    : candidate(std::move(name)), residual(block.residual), units(block.convolutions) {
  register_module("units", units);
}

Tensor CandidateBlockImpl::forward(const Tensor& x) {
  const Tensor y = units->forward(x);
  return residual ? x + y : y;
}

MixedLayerImpl::MixedLayerImpl(const search::Space& space, int64_t layer, search::Precision precision) {
  const search::LayerInfo& info = space.layers()[layer];
  for (size_t k = 0; k < info.candidates.size(); ++k) {
    blocks.push_back(info.offered[k]
                         ? CandidateBlock(info.candidates[k], search::block_at(space, layer, k, precision))
                         : CandidateBlock(nullptr));
  }
  register_list(*this, "blocks", blocks);
}

Tensor MixedLayerImpl::forward(const Tensor& x, const Tensor& weights) {
  Tensor total;
  for (size_t k = 0; k < blocks.size(); ++k) {
    if (blocks[k].is_empty()) continue;
    const Tensor part = weights[static_cast<int64_t>(k)] * blocks[k]->forward(x);
    total = total.defined() ? total + part : part;
  }
  return total;
}

ClassifierImpl::ClassifierImpl(const search::FixedPart& fixed)
    : linear(fixed.pooled_channels, fixed.classes) {
  register_module("linear", linear);
}

Tensor ClassifierImpl::forward(const Tensor& x) { return linear->forward(x.mean({2, 3})); }

NetworkImpl::NetworkImpl(const search::Space& space, const std::vector<int64_t>& arch,
                         search::Precision precision)
    : stem(list_of(search::fixed_part(space, precision).stem)),
      head(list_of(search::fixed_part(space, precision).head)),
      classifier(search::fixed_part(space, precision)) {
  space.check({arch.begin(), arch.end()});
  for (size_t layer = 0; layer < arch.size(); ++layer) {
    const std::string& name = space.layers()[layer].candidates[arch[layer]];
    blocks.emplace_back(name, search::block_at(space, layer, arch[layer], precision));
  }
  register_module("stem", stem);
  register_list(*this, "blocks", blocks);
  register_module("head", head);
  register_module("classifier", classifier);
}

Tensor NetworkImpl::forward(const Tensor& images) {
  Tensor x = stem->forward(images);
  for (CandidateBlock& block : blocks) x = block->forward(x);
  return classifier->forward(head->forward(x));
}

SupernetImpl::SupernetImpl(const search::Space& of_space, search::Precision of_precision)
    : space(of_space),
      precision(of_precision),
      stem(list_of(search::fixed_part(space, precision).stem)),
      head(list_of(search::fixed_part(space, precision).head)),
      classifier(search::fixed_part(space, precision)) {
  for (size_t layer = 0; layer < space.layers().size(); ++layer) layers.emplace_back(space, layer, precision);
  register_module("stem", stem);
  register_list(*this, "layers", layers);
  register_module("head", head);
  register_module("classifier", classifier);
}

Tensor SupernetImpl::forward(const Tensor& images, const Tensor& weights) {
  Tensor x = stem->forward(images);
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    x = layers[layer]->forward(x, weights[static_cast<int64_t>(layer)]);
  }
  return classifier->forward(head->forward(x));
}

Network SupernetImpl::network(const std::vector<int64_t>& arch) const {
  Network network(space, arch, precision);
  copy_weights(*stem, *network->stem);
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    copy_weights(*layers[layer]->blocks[arch[layer]], *network->blocks[layer]);
  }
  copy_weights(*head, *network->head);
  copy_weights(*classifier, *network->classifier);
  return network;
}

}  // namespace fbnet_supernet
