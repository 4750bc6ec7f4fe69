#include "search.h"

#include <latgrad/plugin/losses.h>
#include <latgrad/plugin/operators.h>
#include <torch/torch.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <tuple>

#include "generator.h"
#include "progress.h"
#include "seeds.h"

namespace fbnet_supernet {

namespace F = torch::nn::functional;
using torch::Tensor;

namespace {

// The first weights of all follow from the seed alone.
Supernet seeded_supernet(const Prices& prices, const SearchOptions& options) {
  torch::manual_seed(seed_at(options.training.seed, "weights"));
  return Supernet(prices.space, latgrad::search::parse_precision(options.precision));
}

}  // namespace

Tensor loss_of(const SearchOptions& options, const Tensor& cross_entropy, const Tensor& latency_us) {
  const double target_us = options.target_us().value_or(0);
  if (options.loss == "fbnet") {
    return latgrad::fbnet_loss(cross_entropy, latency_us, options.alpha, options.beta);
  }
  if (options.loss == "proxylessnas") {
    return latgrad::proxylessnas_loss(cross_entropy, latency_us, target_us, options.weight);
  }
  if (options.loss == "proxylessnas_log") {
    return latgrad::proxylessnas_log_loss(cross_entropy, latency_us, target_us, options.alpha, options.beta);
  }
  if (options.loss == "tunas") {
    return cross_entropy + options.weight * latgrad::tunas_penalty(latency_us, target_us);
  }
  if (options.loss == "hinge") {
    return cross_entropy + options.weight * latgrad::hinge_penalty(latency_us, target_us);
  }
  return cross_entropy;
}

Search::Search(const RunFolder& folder, const SearchOptions& options, const Prices& prices,
               const ImageSet& images)
    : Training(options.training.epochs),
      folder_(folder),
      options_(options),
      prices_(prices),
      images_(images),
      supernet_(seeded_supernet(prices, options)),
      theta_(torch::zeros(prices.table_us.sizes()).requires_grad_()),
      weights_optimizer_(supernet_->parameters(), torch::optim::SGDOptions(options.training.learning_rate)
                                                      .momentum(options.training.momentum)
                                                      .weight_decay(options.training.weight_decay)),
      theta_optimizer_(
          {theta_},
          torch::optim::AdamOptions(options.theta_learning_rate).weight_decay(options.theta_weight_decay)) {
  const at::Generator random = generator(seed_at(options.training.seed, "split"));
  const int64_t count = images.count();
  const Tensor order = torch::randperm(count, random, torch::kLong);
  const auto theta_count = static_cast<int64_t>(static_cast<double>(count) * options.theta_fraction);
  const auto phase = [&](const std::string& name, const Tensor& part) {
    const int64_t steps = part.size(0) / options.training.batch;
    if (steps == 0) {
      throw std::runtime_error("the images that train " + name + " must fill a batch of " +
                               std::to_string(options.training.batch) + ", got " +
                               std::to_string(part.size(0)) + " of " + std::to_string(count) +
                               ": take a smaller --batch or more images");
    }
    return Phase{.name = name, .images = part, .steps = steps};
  };
  weights_ = phase("weights", order.slice(0, theta_count));
  theta_phase_ = phase("theta", order.slice(0, 0, theta_count));
  restore();
}

void Search::restore() {
  const std::filesystem::path path = folder_ / "checkpoint.pt";
  if (std::filesystem::exists(path)) {
    restore_checkpoint(path, [&](torch::serialize::InputArchive& archive) {
      get(archive, "supernet", *supernet_);
      get(archive, "weights_optimizer", weights_optimizer_);
      get(archive, "theta_optimizer", theta_optimizer_);
      get(archive, "position", position_);
      get(archive, "weights_sums", weights_.sums);
      get(archive, "theta_sums", theta_phase_.sums);
      Tensor theta;
      archive.read("theta", theta);
      const torch::NoGradGuard no_grad;
      theta_.copy_(theta);
    });
  }
  folder_.restart_log(position_.epoch);
}

void Search::save() const {
  torch::serialize::OutputArchive archive;
  add(archive, "supernet", *supernet_);
  add(archive, "weights_optimizer", weights_optimizer_);
  add(archive, "theta_optimizer", theta_optimizer_);
  add(archive, "position", position_);
  add(archive, "weights_sums", weights_.sums);
  add(archive, "theta_sums", theta_phase_.sums);
  archive.write("theta", theta_);
  replace_checkpoint(folder_ / "checkpoint.pt", archive);
}

double Search::temperature() const {
  return options_.temperature * std::exp(-options_.temperature_decay * static_cast<double>(position_.epoch));
}

double Search::learning_rate() const {
  return cosine(options_.training.learning_rate, position_.epoch, epochs());
}

std::pair<Tensor, Tensor> Search::batch(const Phase& phase, int64_t step) const {
  const int64_t seed = options_.training.seed;
  const int64_t size = options_.training.batch;
  const at::Generator random = generator(seed_at(seed, "order", phase.name, position_.epoch));
  const Tensor order = torch::randperm(phase.images.size(0), random, torch::kLong);
  const Tensor chosen = phase.images.index_select(0, order.slice(0, step * size, (step + 1) * size));
  return images_.load(chosen, seed_at(seed, "augmentation", phase.name, position_.epoch, step));
}

std::pair<Tensor, Tensor> Search::sample(const Tensor& theta, const Phase& phase, int64_t step) const {
  const at::Generator random =
      generator(seed_at(options_.training.seed, "gumbel", phase.name, position_.epoch, step));
  auto [weights, latency_us] =
      latgrad::gumbel_latency(theta, prices_.table_us, temperature(), prices_.valid, options_.hard, random);
  return {weights, latency_us + prices_.fixed_us};
}

void Search::begin_epoch() {
  static_cast<torch::optim::SGDOptions&>(weights_optimizer_.param_groups()[0].options()).lr(learning_rate());
}

void Search::take_step(int64_t step) {
  if (step < weights_.steps) {
    train_weights(step);
  } else if (theta_moves()) {
    train_theta(step - weights_.steps);
  } else {
    measure(step - weights_.steps);
  }
}

void Search::train_weights(int64_t step) {
  supernet_->train();
  const auto [images, labels] = batch(weights_, step);
  const Tensor weights = sample(theta_.detach(), weights_, step).first;
  const Tensor logits = supernet_->forward(images, weights);
  const Tensor cross_entropy = F::cross_entropy(logits, labels);
  weights_optimizer_.zero_grad();
  cross_entropy.backward();
  weights_optimizer_.step();
  weights_.sums.add(logits, labels, cross_entropy);
}

void Search::train_theta(int64_t step) {
  supernet_->train();
  const auto [images, labels] = batch(theta_phase_, step);
  const auto [weights, latency_us] = sample(theta_, theta_phase_, step);
  const Tensor logits = supernet_->forward(images, weights);
  const Tensor cross_entropy = F::cross_entropy(logits, labels);
  const Tensor loss = loss_of(options_, cross_entropy, latency_us);
  // Of theta alone: the weights rest.
  theta_.mutable_grad() = torch::autograd::grad({loss}, {theta_}).front();
  theta_optimizer_.step();
  theta_phase_.sums.add(logits, labels, cross_entropy, loss.item<double>(), latency_us.item<double>());
}

// What theta would train on, while it rests.
void Search::measure(int64_t step) {
  const torch::NoGradGuard no_grad;
  supernet_->eval();
  const auto [images, labels] = batch(theta_phase_, step);
  const Tensor weights = sample(theta_, theta_phase_, step).first;
  const Tensor logits = supernet_->forward(images, weights);
  theta_phase_.sums.add(logits, labels, F::cross_entropy(logits, labels));
}

std::string Search::heading() const {
  return "epoch     weights: CE, acc.    theta: CE, acc.   expected   arg-max      gap  entropy  temp.\n"
         "                                                       ms        ms       ms     nats";
}

std::string Search::finish_epoch(double seconds) {
  const Sums weights = std::exchange(weights_.sums, {});
  const Sums theta = std::exchange(theta_phase_.sums, {});
  const Tensor arg_max = prices_.arg_max(theta_);
  const double expected_us = prices_.expected_us(theta_);
  const double arg_max_us = prices_.exact_us(arg_max);
  const double entropy = prices_.entropy(theta_);
  const auto while_theta_moves = [&](double value) {
    return theta_moves() ? std::optional(value) : std::nullopt;
  };
  std::vector<std::vector<std::optional<double>>> rows;
  for (int64_t layer = 0; layer < theta_.size(0); ++layer) {
    rows.push_back(where_offered(theta_[layer], prices_.valid[layer]));
  }
  JsonObject entry;
  entry.add("epoch", position_.epoch)
      .add("temperature", temperature())
      .add("learning_rate", learning_rate())
      .add("cross_entropy", weights.cross_entropy / weights.images)
      .add("accuracy", weights.correct / weights.images)
      .add("theta_cross_entropy", theta.cross_entropy / theta.images)
      .add("theta_accuracy", theta.correct / theta.images)
      .add("loss", while_theta_moves(theta.loss / theta.steps))
      .add("sampled_us", while_theta_moves(theta.sampled_us / theta.steps))
      .add("expected_us", expected_us)
      .add("arg_max_us", arg_max_us)
      .add("gap_us", expected_us - arg_max_us)
      .add("theta_entropy", entropy)
      .add("arg_max", indices(arg_max))
      .add("theta", rows)
      .add("seconds", seconds);
  folder_.append_to_log(entry);
  char line[256];
  std::snprintf(line, sizeof line,
                "%5lld  %7.4f %6.1f%%  %7.4f %6.1f%%  %9.3f %9.3f %+8.3f  %7.3f  %6.3f  %s",
                static_cast<long long>(position_.epoch), weights.cross_entropy / weights.images,
                100 * weights.correct / weights.images, theta.cross_entropy / theta.images,
                100 * theta.correct / theta.images, expected_us / 1000, arg_max_us / 1000,
                (expected_us - arg_max_us) / 1000, entropy, temperature(), duration(seconds).c_str());
  return line;
}

}  // namespace fbnet_supernet
