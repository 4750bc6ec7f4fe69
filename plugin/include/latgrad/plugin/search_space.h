// A search space as the TorchScript class `torch.classes.latgrad.SearchSpace`: the basis of a supernet.
//
//   auto space = c10::make_intrusive<latgrad::SearchSpace>("data/spaces/fbnet_cifar.textproto");
//   auto small = space->scaled(/*width=*/0.25, /*depth=*/0.5);
//   auto [input, output, operators, parameters] = small->block(/*layer=*/2, /*candidate=*/7, "int8");
//
// A LatencyModel prices the same operators: what is trained is what is priced. C++ without torch takes
// latgrad/search/fragment.h, whose fragments these are. Immutable and thread-safe; as an attribute of a
// module it is saved as the text of the space. Layers and candidates count from 0.

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
  // Type, input blobs, output blobs, arguments: an int, float or string, or a list of them. A convolution
  // without batch normalisation in training has `norm: 0` among them.
  using Operator = std::tuple<std::string, std::vector<std::string>, std::vector<std::string>,
                              c10::Dict<std::string, c10::IValue>>;
  // Input blob, output blob, operators in order, shapes of the parameters by blob. An identity has no
  // operators, and its input is its output.
  using Fragment = std::tuple<std::string, std::string, std::vector<Operator>,
                              c10::Dict<std::string, std::vector<int64_t>>>;
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
  int64_t classes() const;                   // how many logits a network has
  int64_t layers() const;                    // L
  at::Tensor valid() const;                  // bool [L, C], a copy; true where a candidate is offered
  // The names of a layer's candidates by index, including those that are not offered.
  // Errors: for a layer out of range; a negative one is out of range.
  std::vector<std::string> candidates(int64_t layer) const;

  // A smaller or larger version: latgrad/search/scaling.h. 0 leaves resolution or classes as they are.
  // Errors: for a factor that is not from 1/1024 to 1024; where the result breaks a rule of spaces.
  c10::intrusive_ptr<SearchSpace> scaled(double width = 1, double depth = 1, int64_t resolution = 0,
                                         int64_t classes = 0) const;

  // The parts of a network in order: what is before the layers, one candidate of one layer, what is behind
  // them, and the pool and fully connected layer that give the logits. `precision` is int8 or fp32: published
  // networks differ between the two.
  // Errors: for a candidate out of range or not offered; for an unknown precision.
  Fragment stem(const std::string& precision = "int8") const;
  Fragment block(int64_t layer, int64_t candidate, const std::string& precision = "int8") const;
  Fragment head(const std::string& precision = "int8") const;
  Fragment classifier() const;

  // The name of an architecture of the space, digits, or names and indices: int64 [L], and back as names.
  // Errors: for a text that is not an architecture of this space; for a wrong shape or dtype, an index that
  // is not offered.
  at::Tensor parse_architecture(const std::string& text) const;
  std::string format_architecture(const at::Tensor& arch) const;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace latgrad
