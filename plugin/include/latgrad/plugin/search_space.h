// A search space as the TorchScript class `torch.classes.latgrad.SearchSpace`: what a supernet is built from.
//
//   auto space = c10::make_intrusive<latgrad::SearchSpace>("data/spaces/fbnet_cifar.textproto");
//   auto small = space->scaled(/*width=*/0.25, /*depth=*/0.5);
//   auto [convolutions, residual] = small->block(/*layer=*/2, /*candidate=*/7, "int8");
//
// The same plan gives the operators that a LatencyModel prices: what is trained is what is priced. C++
// without torch takes latgrad/search/blocks.h. Immutable and thread-safe; as an attribute of a module it is
// saved as the text of the space. Layers and candidates count from 0.
//
// A convolution is a dictionary: in_channels, out_channels, kernel, stride, pad, dilation, groups, and as 0
// or 1 bias, relu, shuffled. Square; then the ReLU; then the channel shuffle over `groups`.

#pragma once

#include <ATen/core/Tensor.h>
#include <torch/custom_class.h>

#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "latgrad/plugin/export.h"

namespace latgrad {

class LATGRAD_PLUGIN_EXPORT SearchSpace : public torch::CustomClassHolder {
 public:
  using Convolution = c10::Dict<std::string, int64_t>;
  // What is saved: the version of this form, and the text of the space.
  using State = std::tuple<int64_t, std::string>;
  static constexpr int64_t kStateVersion = 1;

  // Errors: for a file that cannot be read or breaks the format of spaces.
  explicit SearchSpace(const std::string& path);
  // Errors: for a version other than kStateVersion; for a text that breaks the format.
  explicit SearchSpace(const State& state);
  ~SearchSpace() override;

  State state() const;

  std::string name() const;
  std::string text() const;                  // the whole space as one file without `base`
  std::vector<int64_t> input_shape() const;  // NCHW
  int64_t classes() const;                   // of the fully connected layer
  int64_t pooled_channels() const;           // what the fully connected layer reads
  int64_t layers() const;                    // L
  at::Tensor valid() const;                  // bool [L, C], a copy; true where a candidate is offered
  // The names of a layer's candidates by index, those that are not offered among them.
  // Errors: for a layer out of range; a negative one is out of range.
  std::vector<std::string> candidates(int64_t layer) const;

  // A smaller or larger version: latgrad/search/scaling.h. 0 leaves resolution or classes as they are.
  // Errors: for a factor that is not from 1/1024 to 1024; where the result breaks a rule of spaces.
  c10::intrusive_ptr<SearchSpace> scaled(double width = 1, double depth = 1, int64_t resolution = 0,
                                         int64_t classes = 0) const;

  // One candidate of one layer: its convolutions in order, none in an identity, and whether its input is
  // added to the result of the last one. `precision` is int8 or fp32: published networks differ between the
  // two. Errors: for a candidate out of range or not offered; for an unknown precision.
  std::tuple<std::vector<Convolution>, bool> block(int64_t layer, int64_t candidate,
                                                   const std::string& precision = "int8") const;
  // The convolution before the first layer and the one behind the last; empty where there is none.
  // Errors: for an unknown precision.
  std::vector<Convolution> stem(const std::string& precision = "int8") const;
  std::vector<Convolution> head(const std::string& precision = "int8") const;

  // The name of an architecture of the space, digits, or names and indices: int64 [L], and back as names.
  // Errors: for a text that is no architecture of this space; for a wrong shape or dtype, an index that is
  // not offered.
  at::Tensor parse_architecture(const std::string& text) const;
  std::string format_architecture(const at::Tensor& arch) const;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace latgrad
