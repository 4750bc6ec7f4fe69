#include "latgrad/plugin/mixed_layer.h"

#include <memory>
#include <string>
#include <utility>

namespace latgrad {

using torch::Tensor;

MixedLayerImpl::MixedLayerImpl(std::vector<torch::nn::AnyModule> blocks) : blocks_(std::move(blocks)) {
  const auto offered = register_module("blocks", std::make_shared<torch::nn::Module>());
  for (size_t k = 0; k < blocks_.size(); ++k) {
    if (!blocks_[k].is_empty()) offered->register_module(std::to_string(k), blocks_[k].ptr());
  }
  TORCH_CHECK_VALUE(!offered->children().empty(), "blocks must offer at least one candidate, got ",
                    blocks_.size(), ", all of them empty");
}

bool MixedLayerImpl::is_offered(int64_t candidate) const {
  return candidate >= 0 && candidate < num_candidates() && !blocks_[candidate].is_empty();
}

Tensor MixedLayerImpl::forward(const Tensor& x, const Tensor& weights) {
  TORCH_CHECK_VALUE(weights.dim() == 1 || weights.dim() == 2,
                    "weights must be [candidates] or [batch, candidates], got ", weights.sizes());
  TORCH_CHECK_VALUE(weights.size(-1) == num_candidates(), "weights must have one number for each of the ",
                    num_candidates(), " candidates in its last dimension, got ", weights.sizes());
  TORCH_CHECK_VALUE(weights.dim() == 1 || (x.dim() > 0 && weights.size(0) == x.size(0)),
                    "weights per element must have the batch of x, got ", weights.sizes(), " for x ",
                    x.sizes());
  Tensor total;
  for (int64_t k = 0; k < num_candidates(); ++k) {
    if (!is_offered(k)) continue;
    const Tensor output = blocks_[k].forward(x);
    Tensor weight = weights.select(-1, k).to(output.scalar_type());
    if (weights.dim() == 2) {
      std::vector<int64_t> shape(output.dim(), 1);
      shape.front() = -1;
      weight = weight.reshape(shape);
    }
    TORCH_CHECK_VALUE(!total.defined() || output.sizes() == total.sizes(),
                      "blocks must agree in the shape of their output, got ", output.sizes(), " of block ", k,
                      " and ", total.defined() ? total.sizes() : output.sizes(), " before it");
    total = total.defined() ? total + weight * output : weight * output;
  }
  return total;
}

}  // namespace latgrad
