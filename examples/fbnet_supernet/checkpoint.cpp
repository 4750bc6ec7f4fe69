#include "checkpoint.h"

#include <torch/torch.h>

#include <fstream>
#include <stdexcept>

#include "run_folder.h"

namespace fbnet_supernet {

using torch::Tensor;
using torch::serialize::InputArchive;
using torch::serialize::OutputArchive;

namespace {

template <typename T>
void add_nested(OutputArchive& archive, const std::string& name, const T& value) {
  OutputArchive nested(archive.compilation_unit());
  value.save(nested);
  archive.write(name, nested);
}

template <typename T>
void get_nested(InputArchive& archive, const std::string& name, T& value) {
  InputArchive nested;
  archive.read(name, nested);
  value.load(nested);
}

// Float64 holds every one of these numbers exactly.
void add_numbers(OutputArchive& archive, const std::string& name, const std::vector<double>& numbers) {
  archive.write(name, torch::tensor(numbers, torch::kDouble), /*is_buffer=*/true);
}

Tensor get_numbers(InputArchive& archive, const std::string& name) {
  Tensor numbers;
  archive.read(name, numbers, /*is_buffer=*/true);
  return numbers;
}

}  // namespace

void Sums::add(const Tensor& logits, const Tensor& labels, const Tensor& mean_cross_entropy, double step_loss,
               double step_sampled_us) {
  const auto count = static_cast<double>(labels.size(0));
  images += count;
  correct += logits.argmax(1).eq(labels).sum().item<double>();
  cross_entropy += mean_cross_entropy.item<double>() * count;
  steps += 1;
  loss += step_loss;
  sampled_us += step_sampled_us;
}

void add(OutputArchive& archive, const std::string& name, const torch::nn::Module& module) {
  add_nested(archive, name, module);
}

void add(OutputArchive& archive, const std::string& name, const torch::optim::Optimizer& optimizer) {
  add_nested(archive, name, optimizer);
}

void add(OutputArchive& archive, const std::string& name, const Position& position) {
  add_numbers(archive, name,
              {static_cast<double>(position.epoch), static_cast<double>(position.step), position.seconds});
}

void add(OutputArchive& archive, const std::string& name, const Sums& sums) {
  add_numbers(archive, name,
              {sums.images, sums.correct, sums.cross_entropy, sums.steps, sums.loss, sums.sampled_us});
}

void get(InputArchive& archive, const std::string& name, torch::nn::Module& module) {
  get_nested(archive, name, module);
}

void get(InputArchive& archive, const std::string& name, torch::optim::Optimizer& optimizer) {
  get_nested(archive, name, optimizer);
}

void get(InputArchive& archive, const std::string& name, Position& position) {
  const Tensor numbers = get_numbers(archive, name);
  position = {.epoch = numbers[0].item<int64_t>(),
              .step = numbers[1].item<int64_t>(),
              .seconds = numbers[2].item<double>()};
}

void get(InputArchive& archive, const std::string& name, Sums& sums) {
  const Tensor numbers = get_numbers(archive, name);
  const auto number = [&](int64_t index) { return numbers[index].item<double>(); };
  sums = {.images = number(0),
          .correct = number(1),
          .cross_entropy = number(2),
          .steps = number(3),
          .loss = number(4),
          .sampled_us = number(5)};
}

void replace_checkpoint(const std::filesystem::path& path, OutputArchive& archive) {
  archive.save_to(temporary_of(path).string());
  replace_by_temporary(path);
}

void restore_checkpoint(const std::filesystem::path& path,
                        const std::function<void(InputArchive&)>& restore) {
  if (!std::ifstream(path)) throw std::runtime_error(path.string() + " cannot be read");
  const auto fail = [&](const std::string& reason) {
    throw std::runtime_error(path.string() + " is damaged or of another program (" +
                             reason.substr(0, reason.find('\n')) +
                             "). Delete it, and the same command begins anew");
  };
  try {
    InputArchive archive;
    archive.load_from(path.string());
    restore(archive);
  } catch (const c10::Error& error) {
    fail(error.what_without_backtrace());
  } catch (const std::exception& error) {
    fail(error.what());
  }
}

}  // namespace fbnet_supernet
