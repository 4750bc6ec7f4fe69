// Real networks and recorded outputs that are not ours to redistribute: ../shared beside the checkout.
//
//   TEST(ZooTest, ShapesMatch) {
//     LATGRAD_NEED_SHARED("zoo");
//     auto net = read_net(shared_data("zoo/FBNet-A/int8"));

#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

inline std::filesystem::path shared_data(const std::string& relative) {
  return std::filesystem::path(LATGRAD_SHARED_DIR) / relative;
}

// A file of this repository.
inline std::filesystem::path source_file(const std::string& relative) {
  return std::filesystem::path(LATGRAD_SOURCE_DIR) / relative;
}

#define LATGRAD_NEED_SHARED(folder)                                                \
  if (!std::filesystem::exists(shared_data(folder))) {                             \
    GTEST_SKIP() << "needs " << shared_data(folder) << ", which is not published"; \
  }
