// A smaller or larger version of a space: for a supernet on a small machine, or other images.
//
//   Space small = scaled(Space::load("data/spaces/fbnet_cifar.textproto"), {.width = 0.25, .depth = 0.5});
//   std::ofstream("small.textproto") << small.text();    // and so `latgrad profile --space small.textproto`
//
// The result is a space like any other: its own file is trained, priced and measured.

#pragma once

#include <cstdint>
#include <optional>

#include "latgrad/search/space.h"

namespace latgrad::search {

struct Scale {
  // Of the channels of stem, stages and head, and of expand_channels: rounded to a multiple of 8, at least 8,
  // and never more than 10 % below the exact number.
  double width = 1;
  // Of the layers of every stage: rounded up, so that each keeps one.
  double depth = 1;
  std::optional<int64_t> resolution = {};  // height and width of the image
  std::optional<int64_t> classes = {};

  bool operator==(const Scale&) const = default;
};

// The name says what was scaled: "fbnet_cifar_w0.25_d0.5". If the depth changes the number of layers, the
// named architectures no longer fit and are left out. Errors: ValueError for a width or depth that is not
// from 1/1024 to 1024, and if the result breaks a rule of spaces. Source of the rounding: MobileNet's
// published code (make_divisible).
Space scaled(const Space& space, const Scale& scale);

}  // namespace latgrad::search
