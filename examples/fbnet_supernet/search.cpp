#include "search.h"

#include <latgrad/base/replace_file.h>
#include <latgrad/plugin/latency_table.h>
#include <latgrad/plugin/losses.h>
#include <latgrad/plugin/networks.h>
#include <latgrad/plugin/operators.h>

#include <cmath>
#include <iostream>
#include <numbers>
#include <stdexcept>

#include "images.h"

namespace fs = std::filesystem;
namespace F = torch::nn::functional;
using latgrad::base::replace_file;
using torch::Tensor;
using Model = c10::intrusive_ptr<latgrad::LatencyModel>;

std::string lut_of(const fs::path& run, const json& settings) {
  const std::string own = run / "lut.json", given = settings["lut"], precision = settings["precision"];
  if (given.empty() && !fs::exists(own)) {
    throw std::runtime_error("a latency table is needed, --lut or " + own + ". Measure it, then continue:\n" +
                             "  latgrad profile --space " + (run / "space.textproto").string() +
                             " --precision " + precision + " --output " + own);
  }
  return given.empty() ? own : given;
}

Model model_of(const fs::path& run, const json& settings) {
  const std::string space = run / "space.textproto", lut = lut_of(run, settings);
  const std::string device = settings["device"], precision = settings["precision"];
  return c10::make_intrusive<latgrad::LatencyModel>(space, lut, device, precision);
}

// Numbers of candidates, [L, C], as float64: minus infinity where one is not offered, which softmax takes.
Tensor masked(const Tensor& numbers, const Tensor& valid) {
  return numbers.detach().to(torch::kDouble).masked_fill(valid.logical_not(), -INFINITY);
}

// Numbers as nested lists; JSON writes infinity as null.
json list_of(const Tensor& numbers) {
  if (numbers.dim() == 0 && numbers.is_floating_point()) return numbers.item<double>();
  if (numbers.dim() == 0) return numbers.item<int64_t>();
  json list = json::array();
  for (int64_t i = 0; i < numbers.size(0); ++i) list.push_back(list_of(numbers[i]));
  return list;
}

json describe(const latgrad::LatencyModel& model, const std::string& space, const std::string& statistic) {
  json latency = {{"space", space}, {"device", model.device()}, {"precision", model.precision()}};
  latency.update({{"statistic", statistic}, {"fixed_us", model.fixed_us(statistic)}});
  for (int64_t layer = 0; layer < model.layers(); ++layer) {
    json times_us = list_of(masked(model.table_us(statistic), model.valid())[layer]);
    times_us.get_ref<json::array_t&>().resize(model.candidates(layer).size());  // fewer than the widest's
    latency["layers"].push_back({{"candidates", model.candidates(layer)}, {"us", times_us}});
  }
  return latency;
}

Tensor loss_of(const json& settings, const Tensor& cross_entropy, const Tensor& latency_us) {
  const std::string loss = settings["loss"];
  const double alpha = settings["alpha"], beta = settings["beta"], weight = settings["weight"];
  if (loss == "none") return cross_entropy;
  if (loss == "fbnet") return latgrad::fbnet_loss(cross_entropy, latency_us, alpha, beta);
  const double target = settings["target_ms"].get<double>() * 1000;
  if (loss == "tunas") return cross_entropy + weight * latgrad::tunas_penalty(latency_us, target);
  if (loss == "hinge") return cross_entropy + weight * latgrad::hinge_penalty(latency_us, target);
  if (loss == "proxylessnas") return latgrad::proxylessnas_loss(cross_entropy, latency_us, target, weight);
  return latgrad::proxylessnas_log_loss(cross_entropy, latency_us, target, alpha, beta);
}

// Some images in an order of their own every epoch, in whole batches.
struct Batches {
  Batches(const ImageSet& of, const Tensor& indices, const json& settings, int64_t number)
      : images(of), chosen(indices), seed(settings["seed"]), size(settings["batch"]), phase(number) {
    if (count() > 0) return;
    throw std::runtime_error("the images of a phase must fill a batch of " + std::to_string(size));
  }
  int64_t count() const { return chosen.size(0) / size; }
  Batch load(int64_t epoch, int64_t step) const {
    const Tensor order = torch::randperm(chosen.size(0), generator(seed, kOrder, phase, epoch), torch::kLong);
    return images.load(chosen.index_select(0, order.slice(0, step * size, (step + 1) * size)));
  }

  const ImageSet& images;
  Tensor chosen;  // int64, their indices
  int64_t seed, size, phase;
};

// Calls `step`, which gives the logits, labels and cross-entropy of a batch, so many times: the means.
template <typename Step>
json means(const std::string& prefix, int64_t steps, const Step& step) {
  double images = 0, correct = 0, sum = 0;
  for (int64_t i = 0; i < steps; ++i) {
    const auto [logits, labels, cross_entropy] = step(i);
    images += static_cast<double>(labels.size(0));
    correct += logits.argmax(1).eq(labels).sum().template item<double>();
    sum += cross_entropy.template item<double>() * static_cast<double>(labels.size(0));
  }
  return {{prefix + "cross_entropy", sum / images}, {prefix + "accuracy", correct / images}};
}

torch::optim::SGD sgd(const torch::nn::Module& weights, const json& settings) {
  torch::optim::SGDOptions options(settings["learning_rate"]);
  options.momentum(settings["momentum"]).weight_decay(settings["weight_decay"]);
  return torch::optim::SGD(weights.parameters(), options);
}

// Of the weights: half a cosine.
double learning_rate(const json& settings, int64_t epoch) {
  const double first = settings["learning_rate"], epochs = settings["epochs"];
  return first * 0.5 * (1 + std::cos(std::numbers::pi * static_cast<double>(epoch) / epochs));
}

void descend(torch::optim::SGD& optimizer, const Tensor& cross_entropy, double rate) {
  static_cast<torch::optim::SGDOptions&>(optimizer.param_groups()[0].options()).lr(rate);
  optimizer.zero_grad();
  cross_entropy.backward();
  optimizer.step();
}

// From theta to architectures, priced exactly. Chosen is the most probable one within the target, by exact
// search: the arg-max where it is, or where there is no target. Where none is, the fastest.
json choose(const Tensor& theta, const latgrad::LatencyModel& model, const json& settings) {
  const std::string statistic = settings["statistic"];
  const Tensor logits = masked(theta, model.valid());
  const Tensor log_probs = logits.log_softmax(-1);
  const auto describe = [&](const Tensor& arch) {
    json found = {{"architecture", list_of(arch)}, {"blocks", model.decode(arch)}};
    found["latency_us"] = model.estimate(arch, statistic).item<double>();
    found["log_probability"] = log_probs.gather(1, arch.unsqueeze(1)).sum().item<double>();
    return found;
  };
  const Tensor arg_max = logits.argmax(-1);
  json result = {{"arg_max", describe(arg_max)}, {"samples", json::array()}};
  const int64_t samples = settings["samples"];
  const at::Generator random = generator(settings["seed"], kDraws);
  const Tensor drawn =
      torch::multinomial(logits.softmax(-1), std::max<int64_t>(1, samples), /*replacement=*/true, random).t();
  for (int64_t i = 0; i < samples; ++i) result["samples"].push_back(describe(drawn[i]));

  Tensor chosen = arg_max;
  std::string why = "the arg-max: there is no target";
  if (!settings["target_ms"].is_null()) {
    const double target_us = settings["target_ms"].get<double>() * 1000;
    why = "the arg-max: it is within the target";
    if (result["arg_max"]["latency_us"].get<double>() > target_us) {
      const auto [arch, log_probability, latency_us] = model.search(logits, target_us, 1, statistic);
      const bool is_within = latency_us.isfinite().item<bool>();
      chosen = is_within ? arch[0] : masked(-model.table_us(statistic), model.valid()).argmax(-1);
      why = is_within ? "the most probable within the target, proven; the arg-max is above it"
                      : "the fastest: no architecture is within the target";
    }
  }
  result["chosen"] = describe(chosen);
  result["chosen"]["why"] = why;
  return result;
}

// Writes the network into a folder, and returns its operators with their times.
json export_network(const fs::path& folder, const latgrad::Network& network, const Model& model,
                    const Tensor& arch, const std::string& lut, const std::string& statistic) {
  fs::create_directories(folder);
  latgrad::PricedNetwork(network, model, arch, statistic)->save_script(folder / "network.pt");
  json shapes, operators;  // shapes: of the data input, which a NetDef cannot say
  for (const auto& input : model->input_dims()) shapes["inputs"][input.key()] = input.value();
  replace_file(folder / "shapes.json", shapes.dump());
  replace_file(folder / "model.pbtxt", model->netdef(arch));
  replace_file(folder / "model_init.pbtxt", model->init_netdef(arch));
  const auto estimate = latgrad::LatencyTable(lut).estimate_net(folder, "", model->input_dims(),
                                                                model->device(), "ave", statistic);
  const auto types = estimate->op_types(), outputs = estimate->outputs();
  for (size_t i = 0; i < types.size(); ++i) {
    operators.push_back({{"type", types[i]}, {"output", outputs[i]}, {"us", estimate->times_us()[i]}});
  }
  return operators;
}

void search(const fs::path& run, const json& settings) {
  const std::string given = settings["space"], loss = settings["loss"], statistic = settings["statistic"];
  const std::string named = FBNET_SUPERNET_SPACES "/" + given + ".textproto";
  const auto unscaled = c10::make_intrusive<latgrad::SearchSpace>(fs::exists(named) ? named : given);
  const double width = settings["width"], depth = settings["depth"];
  const int64_t resolution = settings["resolution"], seed = settings["seed"];
  const auto shape = unscaled->scaled(width, depth, resolution)->input_shape();  // NCHW
  const DataSet data = load_images(settings, shape.back());
  const auto space = unscaled->scaled(width, depth, resolution, data.classes);
  if (settings["target_ms"].is_null() && loss != "fbnet" && loss != "none") {
    throw std::runtime_error("--loss " + loss + " needs --target-ms");
  }
  open_run(run, settings);
  write_basis(run / "space.textproto", space->text(), "the space");
  const Model model = model_of(run, settings);
  write_basis(run / "latency.json", describe(*model, space->name(), statistic).dump(2), "the table");
  const Tensor table_us = model->table_us(statistic), valid = model->valid();
  const double fixed_us = model->fixed_us(statistic);

  Training training{.run = run};
  torch::manual_seed(seed);  // the first weights follow from the seed alone
  latgrad::Supernet supernet(space, settings["precision"]);
  training.state.register_module("supernet", supernet);
  const Tensor theta = training.state.register_parameter("theta", torch::zeros(table_us.sizes()));
  torch::optim::SGD weights_optimizer = sgd(*supernet, settings);
  torch::optim::AdamOptions adam(settings["theta_learning_rate"]);
  torch::optim::Adam theta_optimizer({theta}, adam.weight_decay(settings["theta_weight_decay"]));
  training.optimizers = {{"weights_optimizer", &weights_optimizer}, {"theta_optimizer", &theta_optimizer}};

  const double theta_fraction = settings["theta_fraction"], decay = settings["temperature_decay"];
  const int64_t count = data.train.labels.size(0);
  const auto split = static_cast<int64_t>(theta_fraction * static_cast<double>(count));
  const Tensor order = torch::randperm(count, generator(seed, kSplit), torch::kLong);
  const Batches weights_images(data.train, order.slice(0, split), settings, 0);
  const Batches theta_images(data.train, order.slice(0, 0, split), settings, 1);
  std::cout << space->name() << ": " << space->layers() << " layers, " << count << " images of "
            << data.classes << " classes, on " << model->device() << std::endl;

  training.run_epochs(settings["epochs"], [&](int64_t epoch) {
    const double first = settings["temperature"], rate = learning_rate(settings, epoch);
    const double temperature = first * std::exp(-decay * static_cast<double>(epoch));
    const bool theta_moves = epoch >= settings["warm_up_epochs"];
    // Logits, labels and cross-entropy of a batch, and the latency of the sample that mixes the blocks.
    const auto forward = [&](const Batches& batches, const Tensor& from, int64_t step) {
      const auto [images, labels] = batches.load(epoch, step);
      const auto [weights, latency_us] =
          latgrad::gumbel_latency(from, table_us, temperature, valid, settings["hard"],
                                  generator(seed, kGumbel, batches.phase, epoch, step));
      const Tensor logits = supernet->forward(images, weights);
      return std::tuple(std::tuple(logits, labels, F::cross_entropy(logits, labels)), latency_us + fixed_us);
    };
    supernet->train();
    json entry = means("", weights_images.count(), [&](int64_t step) {
      const auto result = std::get<0>(forward(weights_images, theta.detach(), step));
      descend(weights_optimizer, std::get<2>(result), rate);
      return result;
    });
    double loss_sum = 0, sampled_us_sum = 0;
    supernet->train(theta_moves);
    entry.update(means("theta_", theta_images.count(), [&](int64_t step) {
      const torch::AutoGradMode grad_mode(theta_moves);
      const auto [result, latency_us] = forward(theta_images, theta, step);
      if (theta_moves) {
        const Tensor loss = loss_of(settings, std::get<2>(result), latency_us);
        theta.mutable_grad() = torch::autograd::grad({loss}, {theta}).front();  // the weights rest
        theta_optimizer.step();
        loss_sum += loss.item<double>();
        sampled_us_sum += latency_us.item<double>();
      }
      return result;
    }));
    const Tensor logits = masked(theta, valid), probs = logits.softmax(-1), arg_max = logits.argmax(-1);
    const Tensor us = latgrad::softmax_latency(theta.detach().to(torch::kDouble), table_us, valid);
    const double expected_us = us.item<double>() + fixed_us;
    const double arg_max_us = model->estimate(arg_max, statistic).item<double>();
    entry.update({{"temperature", temperature}, {"learning_rate", rate}, {"arg_max", list_of(arg_max)}});
    entry.update({{"expected_us", expected_us}, {"arg_max_us", arg_max_us}, {"theta", list_of(logits)}});
    entry["gap_us"] = expected_us - arg_max_us;
    entry["theta_entropy"] = list_of(-torch::special::xlogy(probs, probs).sum(-1).mean());
    const auto steps = static_cast<double>(theta_images.count());
    entry["loss"] = theta_moves ? json(loss_sum / steps) : json();
    entry["sampled_us"] = theta_moves ? json(sampled_us_sum / steps) : json();
    return entry;
  });

  json result = choose(theta, *model, settings);
  const json chosen = result["chosen"];
  const Tensor arch = torch::tensor(chosen["architecture"].get<std::vector<int64_t>>());
  result["epochs"] = settings["epochs"];
  if (!settings["target_ms"].is_null()) result["target_us"] = settings["target_ms"].get<double>() * 1000;
  result["operators"] =
      export_network(run / "chosen", supernet->network(arch), model, arch, lut_of(run, settings), statistic);
  replace_file(run / "chosen" / "architecture.txt", space->format_architecture(arch) + '\n');
  replace_file(run / "result.json", result.dump(2));
  std::cout << "Chosen is " << chosen["why"].get<std::string>() << ": " << chosen["latency_us"].get<double>()
            << " us " << chosen["blocks"] << "\nExported to " << (run / "chosen").string() << std::endl;
}

void retrain(const fs::path& searched_in, const json& settings) {
  const fs::path run = searched_in / "retrain";
  const json searched = read_settings(searched_in);
  const std::string found = read_file(searched_in / "result.json");
  if (found.empty()) throw std::runtime_error("the search has not ended: continue it by its own command");
  const json chosen = json::parse(found).at("chosen");
  const Tensor arch = torch::tensor(chosen.at("architecture").get<std::vector<int64_t>>());
  const auto space = c10::make_intrusive<latgrad::SearchSpace>(searched_in / "space.textproto");
  const DataSet data = load_images(searched, space->input_shape().back());
  open_run(run, settings);

  Training training{.run = run};
  torch::manual_seed(settings["seed"].get<int64_t>());
  latgrad::Network network(space, arch, searched["precision"]);
  training.state.register_module("network", network);
  torch::optim::SGD optimizer = sgd(*network, settings);
  training.optimizers = {{"optimizer", &optimizer}};
  const Batches batches(data.train, torch::arange(data.train.labels.size(0)), settings, 0);
  const auto forward = [&](const Batch& batch) {
    const Tensor logits = network->forward(batch.first);
    return std::tuple(logits, batch.second, F::cross_entropy(logits, batch.second));
  };
  const auto test = [&] {
    const torch::NoGradGuard no_grad;
    network->eval();
    const auto parts = torch::arange(data.test.labels.size(0)).split(batches.size);
    return means("test_", static_cast<int64_t>(parts.size()),
                 [&](int64_t step) { return forward(data.test.load(parts[step])); });
  };
  training.run_epochs(settings["epochs"], [&](int64_t epoch) {
    const double rate = learning_rate(settings, epoch);
    network->train();
    json entry = means("", batches.count(), [&](int64_t step) {
      const auto result = forward(batches.load(epoch, step));
      descend(optimizer, std::get<2>(result), rate);
      return result;
    });
    entry["learning_rate"] = rate;
    entry.update(test());
    return entry;
  });

  json result = test();
  for (const char* name : {"architecture", "blocks", "latency_us"}) result[name] = chosen.at(name);
  result["epochs"] = settings["epochs"];
  const Model model = model_of(searched_in, searched);
  latgrad::PricedNetwork(network, model, arch, searched["statistic"])->save_script(run / "network.pt");
  replace_file(run / "result.json", result.dump(2));
  std::cout << result["latency_us"].get<double>() << " us, test accuracy " << result["test_accuracy"] << ": "
            << result["blocks"] << std::endl;
}
