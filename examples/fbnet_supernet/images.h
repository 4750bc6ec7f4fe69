// Data sets: what the supernet learns.
//
//   const DataSet data = load_images(options, /*size=*/32);
//   const auto [pixels, labels] = data.train.load(indices, seed);    // float32 [N, 3, 32, 32], int64 [N]
//
// Pixels are about zero mean and unit spread.

#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <utility>

#include "options.h"

namespace fbnet_supernet {

// Images in memory.
struct ImageSet {
  torch::Tensor images;  // uint8 [N, 3, H, W]
  torch::Tensor labels;  // int64 [N], the indices of their classes
  int64_t size = 0;      // height and width of what load() gives
  bool augment = false;  // whether an image, shifted and mirrored, is still one of its class

  int64_t count() const { return labels.size(0); }

  // A batch, channels last in memory, and its labels; shifted and mirrored at random where the set allows it
  // and a seed is given.
  std::pair<torch::Tensor, torch::Tensor> load(const torch::Tensor& indices,
                                               std::optional<uint64_t> augmentation = std::nullopt) const;
};

struct DataSet {
  ImageSet train;
  ImageSet test;
  int64_t classes = 0;
};

// What `data` of the options names.
// Errors: std::runtime_error as read_cifar10.
DataSet load_images(const SearchOptions& options, int64_t size);

// Images of noise that repeats itself at an offset, which is the class. No file is needed.
//
// Each pixel is the sum of a noise, the same noise shifted, and a weak one of its own; so in each channel. No
// single pixel and no colour tells the class, only products of pixels that are an offset apart: a network
// needs kernels that span it, and many features that are not linear, that is, expansion.
DataSet generate_images(int64_t size, int64_t train, int64_t test, int64_t seed);

// CIFAR-10 from its binary files: data_batch_1.bin to data_batch_5.bin and test_batch.bin. `train`, `test`:
// the first so many images of each; 0 takes all.
// Errors: std::runtime_error where a file is missing or is not a whole number of records.
DataSet read_cifar10(const std::filesystem::path& folder, int64_t size, int64_t train, int64_t test);

}  // namespace fbnet_supernet
