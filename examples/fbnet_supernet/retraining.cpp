#include "retraining.h"

#include <torch/torch.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include "generator.h"
#include "priced_network.h"
#include "progress.h"
#include "seeds.h"

namespace fbnet_supernet {

namespace F = torch::nn::functional;
using torch::Tensor;

namespace {

Network seeded_network(const Prices& prices, const std::vector<int64_t>& arch, int64_t seed) {
  torch::manual_seed(seed_at(seed, "retraining: weights"));
  return Network(prices.space, arch, latgrad::search::parse_precision(prices.model->precision()));
}

}  // namespace

Retraining::Retraining(const RunFolder& folder, const TrainingOptions& options, const Prices& prices,
                       const std::vector<int64_t>& arch, const DataSet& data)
    : Training(options.epochs),
      folder_(folder),
      options_(options),
      prices_(prices),
      arch_(torch::tensor(arch, torch::kLong)),
      data_(data),
      network_(seeded_network(prices, arch, options.seed)),
      optimizer_(network_->parameters(), torch::optim::SGDOptions(options.learning_rate)
                                             .momentum(options.momentum)
                                             .weight_decay(options.weight_decay)) {
  if (steps() == 0) {
    throw std::runtime_error("the training images must fill a batch of " + std::to_string(options.batch) +
                             ", got " + std::to_string(data.train.count()));
  }
  const std::filesystem::path path = folder_ / "checkpoint.pt";
  if (std::filesystem::exists(path)) {
    restore_checkpoint(path, [&](torch::serialize::InputArchive& archive) {
      get(archive, "network", *network_);
      get(archive, "optimizer", optimizer_);
      get(archive, "position", position_);
      get(archive, "sums", sums_);
    });
  }
  folder_.restart_log(position_.epoch);
}

void Retraining::save() const {
  torch::serialize::OutputArchive archive;
  add(archive, "network", *network_);
  add(archive, "optimizer", optimizer_);
  add(archive, "position", position_);
  add(archive, "sums", sums_);
  replace_checkpoint(folder_ / "checkpoint.pt", archive);
}

void Retraining::begin_epoch() {
  static_cast<torch::optim::SGDOptions&>(optimizer_.param_groups()[0].options()).lr(learning_rate());
}

void Retraining::take_step(int64_t step) {
  network_->train();
  const int64_t size = options_.batch;
  const at::Generator random = generator(seed_at(options_.seed, "retraining: order", position_.epoch));
  const Tensor order = torch::randperm(data_.train.count(), random, torch::kLong);
  const auto [images, labels] =
      data_.train.load(order.slice(0, step * size, (step + 1) * size),
                       seed_at(options_.seed, "retraining: augmentation", position_.epoch, step));
  const Tensor logits = network_->forward(images);
  const Tensor cross_entropy = F::cross_entropy(logits, labels);
  optimizer_.zero_grad();
  cross_entropy.backward();
  optimizer_.step();
  sums_.add(logits, labels, cross_entropy);
}

// Over all test images.
Sums Retraining::test() {
  const torch::NoGradGuard no_grad;
  network_->eval();
  Sums sums;
  for (int64_t first = 0; first < data_.test.count(); first += options_.batch) {
    const int64_t end = std::min(first + options_.batch, data_.test.count());
    const auto [images, labels] = data_.test.load(torch::arange(first, end));
    const Tensor logits = network_->forward(images);
    sums.add(logits, labels, F::cross_entropy(logits, labels));
  }
  return sums;
}

std::string Retraining::finish_epoch(double seconds) {
  const Sums trained = std::exchange(sums_, {});
  const Sums tested = test();
  JsonObject entry;
  entry.add("epoch", position_.epoch)
      .add("learning_rate", learning_rate())
      .add("cross_entropy", trained.cross_entropy / trained.images)
      .add("accuracy", trained.correct / trained.images)
      .add("test_cross_entropy", tested.cross_entropy / tested.images)
      .add("test_accuracy", tested.correct / tested.images)
      .add("seconds", seconds);
  folder_.append_to_log(entry);
  char line[128];
  std::snprintf(line, sizeof line, "%5lld   %7.4f %6.1f%%  %7.4f %6.1f%%   %s",
                static_cast<long long>(position_.epoch), trained.cross_entropy / trained.images,
                100 * trained.correct / trained.images, tested.cross_entropy / tested.images,
                100 * tested.correct / tested.images, duration(seconds).c_str());
  return line;
}

std::string Retraining::finish() {
  const Sums tested = test();
  const std::vector<std::string> blocks = prices_.model->decode(arch_);
  const double latency_us = prices_.exact_us(arch_);
  save_priced_network(*network_, prices_, arch_, folder_ / "network.pt");
  JsonObject result;
  result.add("architecture", indices(arch_))
      .add("blocks", blocks)
      .add("latency_us", latency_us)
      .add("epochs", epochs())
      .add("test_accuracy", tested.correct / tested.images)
      .add("test_cross_entropy", tested.cross_entropy / tested.images);
  write_text(folder_ / "result.json", result.lines());
  char line[128];
  std::snprintf(line, sizeof line, "%.3f ms, test accuracy %.1f%%:", latency_us / 1000,
                100 * tested.correct / tested.images);
  std::string text = line;
  for (const std::string& block : blocks) text += " " + block;
  return text;
}

}  // namespace fbnet_supernet
