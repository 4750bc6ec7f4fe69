// Data sets: what the supernet learns.

#pragma once

#include <ATen/CPUGeneratorImpl.h>
#include <torch/types.h>

#include <array>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

// Every random choice follows from the seed and the place where it is made, so that a run which is continued
// makes the same choices, and no state of a generator is saved.
enum Place { kImages, kSplit, kOrder, kGumbel, kDraws };
template <typename... Numbers>
at::Generator generator(int64_t seed, Place place, Numbers... numbers) {
  std::seed_seq sequence{seed, seed >> 32, int64_t{place}, int64_t{numbers}...};
  std::array<uint32_t, 2> words = {};
  sequence.generate(words.begin(), words.end());
  return at::make_generator<at::CPUGeneratorImpl>(uint64_t{words[0]} << 32 | words[1]);
}

using Batch = std::pair<torch::Tensor, torch::Tensor>;  // images or logits, float32; labels, int64

struct ImageSet {
  torch::Tensor images;  // uint8 [N, 3, H, W]
  torch::Tensor labels;  // int64 [N]

  // Pixels about zero mean and unit spread, channels last in memory.
  Batch load(const torch::Tensor& indices) const;
};

struct DataSet {
  ImageSet train, test;
  int64_t classes = 0;
};

// What `data` of the settings names: CIFAR-10 from its binary files, or images of noise that repeats itself
// at an offset, which is the class: no single pixel tells it, only products of pixels that are an offset
// apart. Errors: for a file that is missing or not a whole number of records.
DataSet load_images(const nlohmann::json& settings, int64_t size);
