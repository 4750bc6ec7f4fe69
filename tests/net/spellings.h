// Every combination of the spellings of a window, and what Caffe2 makes of it: for the tests of all who read
// windows.

#pragma once

#include <string>
#include <vector>

#include "latgrad/net/net.h"
#include "net/one_operator.h"

namespace latgrad::net::test {

struct Spelled {
  std::vector<Argument> args;

  std::string text() const {
    std::string text;
    for (const Argument& arg : args) {
      text += arg.name + "=" + (arg.i ? std::to_string(*arg.i) : to_string(arg.ints)) + " ";
    }
    return text;
  }
};

// The values that the slow, obvious reading gives.
struct Caffe2Window {
  std::vector<int64_t> kernel, stride, dilation, pads;

  bool fits(size_t rank) const {
    return kernel.size() == rank && stride.size() == rank && dilation.size() == rank &&
           pads.size() == 2 * rank && kernel != std::vector<int64_t>(rank, 0);
  }
  std::vector<Argument> as_lists() const {
    return {ints("kernels", kernel), ints("strides", stride), ints("dilations", dilation),
            ints("pads", pads)};
  }
};

// Line by line the constructor of ConvPoolOpBase.
inline Caffe2Window caffe2_window(const Spelled& spelled) {
  const auto find = [&](const std::string& name) -> const Argument* {
    for (const Argument& arg : spelled.args) {
      if (arg.name == name) return &arg;
    }
    return nullptr;
  };
  const auto read = [&](const std::string& list, const std::string& single,
                        const std::vector<std::string>& parts) {
    std::vector<int64_t> values;
    if (const Argument* arg = find(list)) values = arg->ints;
    bool has_parts = true;
    for (const std::string& part : parts) has_parts = has_parts && find(part) != nullptr;
    if (const Argument* arg = find(single)) {
      values.resize(parts.size(), *arg->i);
    } else if (has_parts) {
      for (const std::string& part : parts) values.push_back(*find(part)->i);
    }
    return values;
  };
  Caffe2Window window{read("kernels", "kernel", {"kernel_h", "kernel_w"}),
                      read("strides", "stride", {"stride_h", "stride_w"}),
                      read("dilations", "dilation", {"dilation_h", "dilation_w"}),
                      read("pads", "pad", {"pad_t", "pad_l", "pad_b", "pad_r"})};
  if (window.kernel.empty()) window.kernel = {0, 0};
  if (window.stride.empty()) window.stride.assign(window.kernel.size(), 1);
  if (window.dilation.empty()) window.dilation.assign(window.kernel.size(), 1);
  if (window.pads.empty()) window.pads.assign(2 * window.kernel.size(), 0);
  return window;
}

inline std::vector<Spelled> spelled_windows() {
  // Distinct values, so that every mix-up shows.
  const std::vector<std::vector<Argument>> kernels = {
      {},
      {ints("kernels", {3, 4})},
      {i("kernel", 5)},
      {i("kernel_h", 6), i("kernel_w", 7)},
      {i("kernel_h", 6)},
      {ints("kernels", {3, 4}), i("kernel", 5)},
      {ints("kernels", {3}), i("kernel", 5)},
      {ints("kernels", {3}), i("kernel_h", 6)},
      {ints("kernels", {3, 4}), i("kernel_h", 6), i("kernel_w", 7)},
      {i("kernel", 5), i("kernel_h", 6), i("kernel_w", 7)},
      {ints("kernels", {}), i("kernel_w", 7), i("kernel_h", 6)},
      {ints("kernels", {3, 4, 2})},
      {ints("kernels", {3, 4, 2}), i("kernel", 5)},
  };
  const auto others = [](const std::string& list, const std::string& single, int64_t first) {
    return std::vector<std::vector<Argument>>{
        {},
        {ints(list, {first, first + 1})},
        {i(single, first)},
        {i(single + "_h", first), i(single + "_w", first + 1)},
        {i(single + "_w", first + 1)},
        {i(single, first), ints(list, {first + 1})},
        {i(single, first), i(single + "_h", first + 1), i(single + "_w", first + 2)},
    };
  };
  const std::vector<std::vector<Argument>> pads = {
      {},
      {ints("pads", {1, 2, 3, 4})},
      {i("pad", 2)},
      {i("pad_t", 1), i("pad_l", 2), i("pad_b", 3), i("pad_r", 4)},
      {i("pad_t", 1), i("pad_l", 2)},
      {ints("pads", {1, 2}), i("pad", 3)},
      {i("pad", 2), i("pad_t", 1), i("pad_l", 2), i("pad_b", 3), i("pad_r", 4)},
  };
  std::vector<Spelled> all;
  for (const auto& kernel : kernels) {
    for (const auto& stride : others("strides", "stride", 2)) {
      for (const auto& dilation : others("dilations", "dilation", 2)) {
        for (const auto& pad : pads) {
          Spelled& spelled = all.emplace_back();
          for (const auto* part : {&pad, &kernel, &dilation, &stride}) {
            spelled.args.insert(spelled.args.end(), part->begin(), part->end());
          }
        }
      }
    }
  }
  return all;
}

}  // namespace latgrad::net::test
