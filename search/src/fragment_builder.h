// Writes a fragment operator by operator, each reading what the one before it wrote.
//
//   FragmentBuilder builder(/*channels=*/16);
//   builder.conv("expand", {.out_channels = 96, .relu = true});
//   builder.conv("project", {.out_channels = 16});
//   builder.add_input();
//   return builder.finish();

#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "latgrad/search/fragment.h"

namespace latgrad::search::internal {

// How the roles of depthwise convolutions begin: "dw", or "dw1", "dw2", ... where a block has several.
inline constexpr const char* kDepthwiseRole = "dw";

// A square convolution, and whether a ReLU follows.
struct ConvFields {
  int64_t out_channels = 0;
  int64_t kernel = 1;
  int64_t stride = 1;
  int64_t pad = 0;  // on all four sides
  int64_t dilation = 1;
  int64_t groups = 1;
  bool bias = true;
  bool relu = false;
};

class FragmentBuilder {
 public:
  // `channels` of the fragment's input.
  explicit FragmentBuilder(int64_t channels) : channels_(channels) {}

  // Blobs: `<role>_w`, `<role>_b`, and `<role>`, or `<role>_conv` before a ReLU, which writes `<role>`.
  void conv(const std::string& role, const ConvFields& fields);
  void shuffle(int64_t groups, const std::string& output);
  void add_input();                                                       // writes "sum"
  void average_pool(const std::string& output);                           // over the whole map
  void fully_connected(int64_t out_channels, const std::string& output);  // behind a pool
  Fragment finish() { return std::move(fragment_); }

 private:
  net::Operator reading_last(std::string type) const;
  void parameter(net::Operator& op, const std::string& name, net::Shape shape);
  void append(net::Operator op, const std::string& output);

  Fragment fragment_;
  int64_t channels_;  // of what the last operator wrote
};

}  // namespace latgrad::search::internal
