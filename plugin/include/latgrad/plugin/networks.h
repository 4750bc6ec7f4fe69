// The networks of a search space, as modules: its supernet, and each of its architectures.
//
//   auto space = c10::make_intrusive<latgrad::SearchSpace>("data/spaces/fbnet_cifar.textproto");
//   latgrad::Supernet supernet(space, "int8");
//   auto [weights, sampled_us] = latgrad::gumbel_latency(theta, table_us, temperature, valid);
//   Tensor logits = supernet->forward(images, weights);      // the blocks of layer l mixed by weights[l]
//
//   latgrad::Network network = supernet->network(arch);      // one architecture, with the supernet's weights
//   latgrad::PricedNetwork(network, model, arch)->save_script("network.pt");
//
// No block is written here: the space says of which operators it is made, the same that a LatencyModel
// prices. Behind each convolution stands a batch normalisation, as in training; in the network that is priced
// it has become part of the convolution. The twins in Python (latgrad.Supernet, ...) have the same names,
// also of parameters: a state of one loads into the other. L layers, C candidates of the widest layer;
// `precision` is int8 or fp32. Not synchronised, as every module.

#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/nn.h>

#include <functional>
#include <string>
#include <vector>

#include "latgrad/plugin/export.h"
#include "latgrad/plugin/latency_model.h"
#include "latgrad/plugin/mixed_layer.h"
#include "latgrad/plugin/search_space.h"

namespace latgrad {

// A fragment of a space (SearchSpace::stem, block, head, classifier), with random weights. A submodule with
// parameters is called as these are in the fragment: that of `expand_w` is `expand`, which has `conv` and
// `norm`.
class LATGRAD_PLUGIN_EXPORT FragmentModuleImpl : public torch::nn::Module {
 public:
  // Errors: for an operator of an unknown type or with an unknown argument.
  explicit FragmentModuleImpl(const SearchSpace::Fragment& fragment);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  // An operator: reads blobs, by their places among those that are written, and writes the next ones.
  struct Step {
    std::vector<size_t> inputs;
    std::function<std::vector<torch::Tensor>(const std::vector<torch::Tensor>&)> run;
  };
  std::vector<Step> steps_;
  size_t result_ = 0;  // which of the blobs, counted from the input, is the output
};
TORCH_MODULE(FragmentModule);

// One architecture: what LatencyModel::estimate(arch) is the price of. Its weights are random.
class LATGRAD_PLUGIN_EXPORT NetworkImpl : public torch::nn::Module {
 public:
  // `arch` is uint8 or int64 [L].
  // Errors: for an architecture that the space does not have, and for an unknown precision.
  NetworkImpl(const c10::intrusive_ptr<SearchSpace>& space, const torch::Tensor& arch,
              const std::string& precision = "int8");
  torch::Tensor forward(const torch::Tensor& images);  // [N, channels, H, W] to logits [N, classes]

  FragmentModule stem;
  torch::nn::Sequential blocks;
  FragmentModule head;
  FragmentModule classifier;
};
TORCH_MODULE(Network);

// Every candidate of every layer, mixed by weights.
class LATGRAD_PLUGIN_EXPORT SupernetImpl : public torch::nn::Module {
 public:
  // Errors: for an unknown precision.
  explicit SupernetImpl(c10::intrusive_ptr<SearchSpace> space, const std::string& precision = "int8");

  // `weights` is [L, C], or [N, L, C] for a sample of its own for every image. Returns logits [N, classes].
  // Errors: where a shape does not fit.
  torch::Tensor forward(const torch::Tensor& images, const torch::Tensor& weights);

  // The network of one architecture, uint8 or int64 [L], with a copy of this supernet's weights.
  // Errors: for an architecture that the space does not have.
  Network network(const torch::Tensor& arch) const;

  FragmentModule stem;
  std::vector<MixedLayer> layers;
  FragmentModule head;
  FragmentModule classifier;

 private:
  c10::intrusive_ptr<SearchSpace> space_;
  std::string precision_;
};
TORCH_MODULE(Supernet);

// A network that carries its latency in itself, to be saved.
class LATGRAD_PLUGIN_EXPORT PricedNetworkImpl : public torch::nn::Module {
 public:
  // `model` is that of the network's space, `arch` its architecture, uint8 or int64 [L]; `statistic` is by
  // which latency_us() prices it, as in LatencyModel.
  // Errors: for an architecture that the model's space does not have, and for an unknown statistic.
  PricedNetworkImpl(Network network, c10::intrusive_ptr<LatencyModel> model, const torch::Tensor& arch,
                    std::string statistic = "p50");

  torch::Tensor forward(const torch::Tensor& images) { return network->forward(images); }
  // The exact price, stem and head included; by the network's own statistic where none is given.
  // Errors: for an unknown statistic.
  double latency_us(const std::string& statistic = "") const;
  std::vector<std::string> architecture() const;  // the name of the chosen candidate of every layer

  // This network as a TorchScript module in evaluation mode, which shares its weights. It has the methods
  // forward(images), latency_us(statistic=None) and architecture(), and loads where neither the space nor the
  // table is: after linking latgrad::plugin, or `import latgrad` in Python.
  torch::jit::Module scripted();
  // Writes scripted() beside `path` under a temporary name and renames.
  // Errors: where the file cannot be written.
  void save_script(const std::string& path);

  Network network;

 private:
  c10::intrusive_ptr<LatencyModel> model_;
  torch::Tensor arch_;  // int64 [L]
  std::string statistic_;
};
TORCH_MODULE(PricedNetwork);

}  // namespace latgrad
