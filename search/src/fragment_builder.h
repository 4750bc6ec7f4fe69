// Writes a fragment operator by operator, each reading what the one before it wrote.
//
//   FragmentBuilder builder(/*channels=*/16);
//   builder.conv("expand", {.out_channels = 96, .activation = Kind::RELU});
//   builder.conv("project", {.out_channels = 16});
//   builder.add(builder.input(), "sum");
//   return builder.finish();

#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "latgrad/search/fragment.h"
#include "latgrad/space.pb.h"

namespace latgrad::search::internal {

namespace proto = latgrad::space;
using ActivationKind = proto::Activation::Kind;

// How the roles of depthwise convolutions begin: "dw", or "dw1", "dw2", ... where a block has several.
inline constexpr const char* kDepthwiseRole = "dw";

net::Argument integers(std::string name, std::vector<int64_t> values);

struct KernelSize {
  int64_t height = 1;
  int64_t width = 1;
};

// A convolution, and the activation that follows.
struct ConvFields {
  int64_t out_channels = 0;
  KernelSize kernel = {};
  int64_t stride = 1;
  KernelSize pad = {0, 0};  // on either side
  int64_t dilation = 1;
  int64_t groups = 1;
  bool bias = true;
  ActivationKind activation = proto::Activation::NONE;
  bool batch_norm = true;
};

class FragmentBuilder {
 public:
  // `channels` of the fragment's input.
  explicit FragmentBuilder(int64_t channels) : channels_(channels) {}

  const std::string& input() const { return fragment_.input; }
  // What the last operator wrote, and its channels.
  const std::string& last() const { return fragment_.output; }
  int64_t channels() const { return channels_; }
  void set_channels(int64_t channels) { channels_ = channels; }  // where an operator of `simple` changes them
  // The next operator reads this instead.
  void go_on_from(const std::string& blob) { fragment_.output = blob; }

  // Blobs: `<role>_w`, `<role>_b`, and `<role>`, or `<role>_conv` before an activation, which writes
  // `<role>`.
  void conv(const std::string& role, const ConvFields& fields);
  void activation(ActivationKind kind, const std::string& output);
  void shuffle(int64_t groups, const std::string& output);
  void add(const std::string& other, const std::string& output);  // Sum
  // The last times the other, which has a mean for each channel or the same shape.
  void multiply(const std::string& other, const std::string& output);
  void average_pool(const std::string& output);  // over the whole map
  void pool(const std::string& type, int64_t kernel, int64_t stride, const std::string& output);
  void fully_connected(int64_t out_channels, const std::string& output);  // behind a pool

  // Of tokens, [batch, tokens, channels]. Parameters: `<output>_w` and `<output>_b`.
  void layer_norm(const std::string& output);
  // A product with a weight, and a bias, which are two operators.
  void linear(int64_t out_channels, bool bias, const std::string& output);

  // Any other: reads the last and `others`, which may be parameters, and has one output.
  void simple(const std::string& type, const std::vector<std::string>& others,
              std::vector<net::Argument> arguments, const std::string& output);
  void parameter(const std::string& name, net::Shape shape);
  void append(net::Operator op);
  Fragment finish() { return std::move(fragment_); }

 private:
  net::Operator reading_last(std::string type) const;

  Fragment fragment_;
  int64_t channels_;  // of what the last operator wrote
};

}  // namespace latgrad::search::internal
