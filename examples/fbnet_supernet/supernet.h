// The networks of a search space, as modules: its supernet, and each of its architectures.
//
//   Supernet supernet(space, Precision::kInt8);
//   auto [weights, sampled_us] = latgrad::gumbel_latency(theta, table_us, temperature, valid);
//   Tensor logits = supernet->forward(images, weights);    // the blocks of layer l mixed by weights[l]
//   Network network = supernet->network({0, 3, 8});        // one architecture, with a copy of the weights
//
// No block is written here: the space says of which convolutions it is made, the same that a LatencyModel
// prices. Behind each convolution stands a normalisation, as in training; in the network that is priced it
// has become part of the convolution. Parameters have the names that latgrad.Supernet and latgrad.Network
// give them in Python. L layers, C candidates of the widest layer.

#pragma once

#include <latgrad/search/blocks.h>
#include <latgrad/search/space.h>
#include <torch/nn.h>

#include <cstdint>
#include <string>
#include <vector>

namespace fbnet_supernet {

// A convolution, a normalisation and, where the space says so, a ReLU and a channel shuffle.
struct ConvolutionUnitImpl : torch::nn::Module {
  explicit ConvolutionUnitImpl(const latgrad::search::Convolution& convolution);
  torch::Tensor forward(const torch::Tensor& x);  // [N, in_channels, H, W]

  latgrad::search::Convolution plan;
  torch::nn::Conv2d conv;
  torch::nn::BatchNorm2d norm;
};
TORCH_MODULE(ConvolutionUnit);

// Convolutions in order; none is the identity.
struct ConvolutionsImpl : torch::nn::Module {
  explicit ConvolutionsImpl(const std::vector<latgrad::search::Convolution>& convolutions);
  torch::Tensor forward(torch::Tensor x);

  std::vector<ConvolutionUnit> units;
};
TORCH_MODULE(Convolutions);

// One candidate of one layer.
struct CandidateBlockImpl : torch::nn::Module {
  CandidateBlockImpl(std::string candidate, const latgrad::search::Block& block);
  torch::Tensor forward(const torch::Tensor& x);

  std::string candidate;  // its name
  bool residual;          // x is added to the result
  Convolutions units;
};
TORCH_MODULE(CandidateBlock);

// The candidates of one layer, mixed by weights.
struct MixedLayerImpl : torch::nn::Module {
  MixedLayerImpl(const latgrad::search::Space& space, int64_t layer, latgrad::search::Precision precision);
  // The sum over the candidates that are offered of weight times output; `weights` is [C].
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& weights);

  std::vector<CandidateBlock> blocks;  // by candidate; empty where it is not offered
};
TORCH_MODULE(MixedLayer);

// The average pool over the whole map and the fully connected layer.
struct ClassifierImpl : torch::nn::Module {
  explicit ClassifierImpl(const latgrad::search::FixedPart& fixed);
  torch::Tensor forward(const torch::Tensor& x);

  torch::nn::Linear linear;
};
TORCH_MODULE(Classifier);

// One architecture: what LatencyModel::estimate(arch) is the price of. Its weights are random.
struct NetworkImpl : torch::nn::Module {
  // Errors: latgrad::ValueError for an architecture that the space does not have.
  NetworkImpl(const latgrad::search::Space& space, const std::vector<int64_t>& arch,
              latgrad::search::Precision precision);
  torch::Tensor forward(const torch::Tensor& images);  // [N, 3, H, W] to logits [N, classes]

  Convolutions stem;
  std::vector<CandidateBlock> blocks;
  Convolutions head;
  Classifier classifier;
};
TORCH_MODULE(Network);

// Every candidate of every layer.
struct SupernetImpl : torch::nn::Module {
  SupernetImpl(const latgrad::search::Space& space, latgrad::search::Precision precision);
  torch::Tensor forward(const torch::Tensor& images, const torch::Tensor& weights);  // weights [L, C]
  // Errors: as Network.
  Network network(const std::vector<int64_t>& arch) const;

  latgrad::search::Space space;
  latgrad::search::Precision precision;
  Convolutions stem;
  std::vector<MixedLayer> layers;
  Convolutions head;
  Classifier classifier;
};
TORCH_MODULE(Supernet);

}  // namespace fbnet_supernet
