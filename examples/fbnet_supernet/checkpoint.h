// What a training keeps in checkpoint.pt, and what it counts between two of them.
//
//   torch::serialize::OutputArchive archive;
//   add(archive, "network", *network);
//   add(archive, "optimizer", optimizer);
//   add(archive, "position", position);
//   replace_checkpoint(path, archive);
//
//   restore_checkpoint(path, [&](auto& archive) { get(archive, "network", *network); ... });
//
// The parameters and buffers of modules are those of the file in Python's torch.jit.load, too.

#pragma once

#include <torch/nn/module.h>
#include <torch/optim/optimizer.h>
#include <torch/serialize/archive.h>

#include <filesystem>
#include <functional>
#include <string>

#include "epochs.h"

namespace fbnet_supernet {

// Sums over the steps of a phase.
struct Sums {
  double images = 0;
  double correct = 0;        // images
  double cross_entropy = 0;  // over the images
  double steps = 0;
  double loss = 0;        // over the steps
  double sampled_us = 0;  // over the steps

  // A step. `logits` [N, classes], `labels` int64 [N], `mean_cross_entropy` [].
  void add(const torch::Tensor& logits, const torch::Tensor& labels, const torch::Tensor& mean_cross_entropy,
           double step_loss = 0, double step_sampled_us = 0);
};

void add(torch::serialize::OutputArchive& archive, const std::string& name, const torch::nn::Module& module);
void add(torch::serialize::OutputArchive& archive, const std::string& name,
         const torch::optim::Optimizer& optimizer);
void add(torch::serialize::OutputArchive& archive, const std::string& name, const Position& position);
void add(torch::serialize::OutputArchive& archive, const std::string& name, const Sums& sums);

// Errors, of all: c10::Error where the archive has no such entry.
void get(torch::serialize::InputArchive& archive, const std::string& name, torch::nn::Module& module);
void get(torch::serialize::InputArchive& archive, const std::string& name,
         torch::optim::Optimizer& optimizer);
void get(torch::serialize::InputArchive& archive, const std::string& name, Position& position);
void get(torch::serialize::InputArchive& archive, const std::string& name, Sums& sums);

// Writes under a temporary name and renames, once the disk has it: whatever ends the process or the machine,
// the old checkpoint is there or the new one.
void replace_checkpoint(const std::filesystem::path& path, torch::serialize::OutputArchive& archive);

// Calls `restore` with the checkpoint.
// Errors: std::runtime_error where the file cannot be read; where it, or an entry that `restore` asks for, is
// no checkpoint of this training, saying what to do.
void restore_checkpoint(const std::filesystem::path& path,
                        const std::function<void(torch::serialize::InputArchive&)>& restore);

}  // namespace fbnet_supernet
