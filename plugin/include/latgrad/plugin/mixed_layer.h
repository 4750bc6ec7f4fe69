// One searched layer of a supernet, as a module.
//
//   latgrad::MixedLayer layer({AnyModule(conv3x3), AnyModule(conv5x5), AnyModule()});   // the third is not
//   offered Tensor y = layer->forward(x, weights[0]);    // weights [L, C] of all layers, this is the first
//
// The weights are architecture probabilities, or the Gumbel-softmax sample of which the latency is taken,
// too. The twin in Python is latgrad.MixedLayer. Not synchronised, as every module.

#pragma once

#include <torch/nn.h>

#include <cstdint>
#include <vector>

#include "latgrad/plugin/export.h"

namespace latgrad {

class LATGRAD_PLUGIN_EXPORT MixedLayerImpl : public torch::nn::Module {
 public:
  // C modules that take the layer's input, a tensor, and agree in the shape of their output, a tensor; empty
  // where the space offers no candidate. Block `k` is the submodule `blocks.k`. A candidate that is not
  // offered never runs, and its weight is not read.
  // Errors: where no candidate is offered.
  explicit MixedLayerImpl(std::vector<torch::nn::AnyModule> blocks);

  // The sum over the offered candidates of weight times output. `weights` is [C], one sample for the whole
  // batch, or [N, C], one per element of the batch; they are converted to the dtype of the outputs.
  // Errors: where a shape does not fit.
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& weights);

  int64_t num_candidates() const { return static_cast<int64_t>(blocks_.size()); }
  bool is_offered(int64_t candidate) const;
  // A candidate that is offered.
  torch::nn::Module& block(int64_t candidate) const { return *blocks_[candidate].ptr(); }

 private:
  std::vector<torch::nn::AnyModule> blocks_;
};
TORCH_MODULE(MixedLayer);

}  // namespace latgrad
