#include "options.h"

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <set>
#include <system_error>

namespace fbnet_supernet {

namespace {

constexpr const char* kDescription =
    "Searches a network for images and for the latency of a device at once, by the supernet of a search\n"
    "space.\n\n"
    "RUN is a folder that holds the whole search (docs/run-format.md). Interrupted, by Ctrl-C or anything\n"
    "else, the same command continues it.";

constexpr const char* kFooter =
    "Example:\n"
    "  example_fbnet_supernet search RUN --width 0.25 --depth 0.5 --lut mine.json\n"
    "  example_fbnet_supernet retrain RUN      the architecture that was found, from scratch\n"
    "  latgrad report RUN                      a page with all of it";

const std::set<std::string> kNeedTarget = {"proxylessnas", "proxylessnas_log", "tunas", "hinge"};

// A number for which `holds` holds.
CLI::Validator number(const std::string& rule, std::function<bool(double)> holds) {
  return CLI::Validator(
      [rule, holds](std::string& text) -> std::string {
        double value = 0;
        if (CLI::detail::lexical_cast(text, value) && std::isfinite(value) && holds(value)) return "";
        return "must be " + rule + ", got " + text;
      },
      "");
}

CLI::Validator positive() {
  return number("positive", [](double value) { return value > 0; });
}
CLI::Validator not_negative() {
  return number("0 or more", [](double value) { return value >= 0; });
}
CLI::Validator at_least_one() {
  return number("1 or more", [](double value) { return value >= 1; });
}
CLI::Validator proper_fraction() {
  return number("between 0 and 1", [](double value) { return value > 0 && value < 1; });
}

// An option whose help tells its default.
template <typename T>
CLI::Option* add(CLI::App& app, const char* name, T& value, const char* help) {
  return app.add_option(name, value, help)->capture_default_str();
}

void add_training_options(CLI::App& app, TrainingOptions& training, ExecutionOptions& execution) {
  CLI::App& weights = *app.add_option_group("training of the weights (SGD; the rate falls as half a cosine)");
  add(weights, "--epochs", training.epochs, "")->check(at_least_one());
  add(weights, "--batch", training.batch, "Images in a step")->check(at_least_one());
  add(weights, "--learning-rate", training.learning_rate, "")->check(positive());
  add(weights, "--momentum", training.momentum, "")->check(not_negative());
  add(weights, "--weight-decay", training.weight_decay, "")->check(not_negative());
  CLI::App& running = *app.add_option_group("running");
  add(running, "--seed", training.seed, "")->check(not_negative());
  add(running, "--threads", execution.threads, "Of torch; 0: torch decides, 1: the same bits always")
      ->check(not_negative());
  add(running, "--save-every-s", execution.save_every_s, "Seconds between checkpoints within an epoch")
      ->check(positive());
}

CLI::App& add_search(CLI::App& parent, SearchOptions& options) {
  CLI::App& app = *parent.add_subcommand("search", "Search an architecture");
  app.add_option("RUN", options.execution.run, "Folder of the search, new or to be continued")->required();
  CLI::App& space = *app.add_option_group("space");
  add(space, "--space", options.space, "A space file, or the name of one that comes with latgrad");
  add(space, "--width", options.width, "Multiply the channels by this")->check(positive());
  add(space, "--depth", options.depth, "Multiply the layers of every stage by this")->check(positive());
  add(space, "--resolution", options.resolution, "Of the images; 0: that of the space")
      ->check(not_negative());
  CLI::App& latency = *app.add_option_group("latency");
  latency.add_option("--lut", options.lut, "Latency table [RUN/lut.json]");
  latency.add_option("--device", options.device, "Device of the table [its only one]");
  add(latency, "--precision", options.precision, "")->check(CLI::IsMember({"int8", "fp32"}));
  add(latency, "--statistic", options.statistic, "Of each operator")
      ->check(CLI::IsMember({"p0", "p10", "p50", "p90", "p100", "mean"}));
  CLI::App& images = *app.add_option_group("images");
  add(images, "--data", options.data, "What is learnt")
      ->check(CLI::IsMember({"generated", "cifar10", "images"}));
  images.add_option("--data-folder", options.data_folder, "Of CIFAR-10's binary files");
  add(images, "--train-images", options.train_images,
      "How many are generated (0: 8000) or read of CIFAR-10 (0: all)")
      ->check(not_negative());
  add(images, "--test-images", options.test_images, "The same of test images (0: 2000 generated)")
      ->check(not_negative());
  CLI::App& loss = *app.add_option_group("loss of theta");
  add(loss, "--loss", options.loss, "none: cross-entropy alone, for comparison")
      ->check(CLI::IsMember({"fbnet", "proxylessnas", "proxylessnas_log", "tunas", "hinge", "none"}));
  add(loss, "--alpha", options.alpha, "Of fbnet and proxylessnas_log")->check(positive());
  add(loss, "--beta", options.beta, "Of fbnet and proxylessnas_log")->check(positive());
  add(loss, "--weight", options.weight, "Of the latency in proxylessnas, tunas and hinge")->check(positive());
  loss.add_option("--target-ms", options.target_ms, "Needed by proxylessnas, proxylessnas_log, tunas, hinge")
      ->check(positive());
  CLI::App& theta = *app.add_option_group("training of theta (Adam)");
  add(theta, "--theta-fraction", options.theta_fraction, "Of the images")->check(proper_fraction());
  add(theta, "--warm-up-epochs", options.warm_up_epochs, "In which theta rests")->check(not_negative());
  add(theta, "--theta-learning-rate", options.theta_learning_rate, "")->check(positive());
  add(theta, "--theta-weight-decay", options.theta_weight_decay, "")->check(not_negative());
  add(theta, "--temperature", options.temperature, "Of the Gumbel-softmax in the first epoch")
      ->check(positive());
  add(theta, "--temperature-decay", options.temperature_decay, "By exp(-this) each epoch")
      ->check(not_negative());
  theta.add_flag("--hard", options.hard, "One block a layer, with the gradient of the soft mixture");
  CLI::App& end = *app.add_option_group("the end");
  add(end, "--samples", options.samples, "Architectures drawn and priced")->check(not_negative());
  add_training_options(app, options.training, options.execution);
  return app;
}

CLI::App& add_retrain(CLI::App& parent, RetrainOptions& options) {
  CLI::App& app =
      *parent.add_subcommand("retrain", "Train the architecture that a search has chosen from scratch");
  app.add_option("RUN", options.execution.run, "Folder of a search that has ended")->required();
  add_training_options(app, options.training, options.execution);
  return app;
}

// What no single option can check.
void check(const SearchOptions& options) {
  if (kNeedTarget.contains(options.loss) && !options.target_ms) {
    throw CLI::ValidationError("--loss " + options.loss + " needs --target-ms");
  }
  if (options.data == "images") {
    throw CLI::ValidationError(
        "--data images needs a decoder, which LibTorch has not: take examples/python/fbnet_supernet.py");
  }
  if (options.data == "cifar10" && !options.data_folder) {
    throw CLI::ValidationError("--data cifar10 needs --data-folder");
  }
}

// Paths are settings of a run, which may be continued from another folder.
std::string absolute(const std::string& path) { return std::filesystem::weakly_canonical(path).string(); }

}  // namespace

Parsed parse_options(int argc, char** argv) {
  CLI::App app(kDescription, "example_fbnet_supernet");
  app.footer(kFooter);
  app.require_subcommand(1);
  app.option_defaults()->take_last();  // so that a script can override what it was given
  SearchOptions search;
  RetrainOptions retrain;
  CLI::App& search_command = add_search(app, search);
  CLI::App& retrain_command = add_retrain(app, retrain);
  try {
    app.parse(argc, argv);
    if (search_command.parsed()) check(search);
  } catch (const CLI::CallForHelp&) {
    const CLI::App& asked = search_command.parsed()    ? search_command
                            : retrain_command.parsed() ? retrain_command
                                                       : app;
    std::fputs(asked.help().c_str(), stdout);
    return 0;
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "example_fbnet_supernet: error: %s\n", error.what());
    return 2;
  }
  if (retrain_command.parsed()) return retrain;
  std::error_code none;
  if (std::filesystem::is_regular_file(search.space, none)) search.space = absolute(search.space);
  if (search.lut) search.lut = absolute(*search.lut);
  if (search.data_folder) search.data_folder = absolute(*search.data_folder);
  return search;
}

}  // namespace fbnet_supernet
