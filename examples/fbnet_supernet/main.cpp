// Searches a network for images and for the latency of a device at once, by the supernet of a search space:
//
//   example_fbnet_supernet search RUN --space fbnet_cifar --width 0.25 --depth 0.5 --lut mine.json
//   example_fbnet_supernet retrain RUN      # the architecture that was found, from scratch
//   latgrad report RUN                      # a page with all of it
// RUN holds the whole search (docs/run-format.md). Interrupted, the same command continues it.

#include <CLI/CLI.hpp>
#include <algorithm>

#include "search.h"

namespace fs = std::filesystem;

struct Setting {
  const char* name;
  json otherwise;  // the default, which has the type; null: no number
  const char* help;
  CLI::Validator check = CLI::Validator("");
};

const CLI::Validator kPositive = CLI::PositiveNumber, kNotNegative = CLI::NonNegativeNumber;
// Absolute, as a run may be continued from another folder.
const CLI::Validator kPath(
    [](std::string& text) {
      if (fs::exists(text)) text = fs::canonical(text).string();
      return std::string();
    },
    "");

// Of the weights, with FBNet's values.
const std::vector<Setting> kTraining = {{"epochs", 90, "", kPositive},
                                        {"batch", 192, "Images in a step", kPositive},
                                        {"learning_rate", 0.1, "Of SGD; falls as half a cosine", kPositive},
                                        {"momentum", 0.9, "", kNotNegative},
                                        {"weight_decay", 1e-4, "", kNotNegative},
                                        {"seed", 0, "", kNotNegative}};

const std::vector<Setting> kSearch = {
    {"space", "fbnet_cifar", "A space file, or the name of one that comes with latgrad", kPath},
    {"width", 1.0, "Multiply the channels of the space by this", kPositive},
    {"depth", 1.0, "Multiply the layers of every stage by this", kPositive},
    {"resolution", 0, "Of the images; 0: that of the space", kNotNegative},
    {"lut", "", "Latency table; empty: RUN/lut.json", kPath},
    {"device", "", "Device of the table; empty: its only one"},
    {"precision", "int8", "int8 or fp32"},
    {"statistic", "p50", "Of each operator: p0, p10, p50, p90, p100 or mean"},
    {"data", "generated", "What is learnt", CLI::IsMember({"generated", "cifar10"})},
    {"data_folder", ".", "Of CIFAR-10's binary files", kPath},
    {"train_images", 0, "How many; 0: 8000 generated, all of CIFAR-10", kNotNegative},
    {"test_images", 0, "How many; 0: 2000 generated, all of CIFAR-10", kNotNegative},
    {"loss", "fbnet", "Of theta; none: cross-entropy alone",
     CLI::IsMember({"fbnet", "proxylessnas", "proxylessnas_log", "tunas", "hinge", "none"})},
    {"alpha", 0.2, "Of the losses fbnet and proxylessnas_log", kPositive},
    {"beta", 0.6, "Of the losses fbnet and proxylessnas_log", kPositive},
    {"weight", 1.0, "Of the latency in proxylessnas, tunas and hinge", kPositive},
    {"target_ms", nullptr, "Needed by all losses but fbnet and none", kPositive},
    {"theta_fraction", 0.2, "Of the images, for theta", CLI::Range(0.0, 1.0)},
    {"warm_up_epochs", 10, "In which theta rests", kNotNegative},
    {"theta_learning_rate", 0.01, "Of Adam", kPositive},
    {"theta_weight_decay", 5e-4, "Of Adam", kNotNegative},
    {"temperature", 5.0, "Of the Gumbel-softmax in the first epoch", kPositive},
    {"temperature_decay", 0.045, "By exp(-this) each epoch", kNotNegative},
    {"hard", false, "One block a layer, with the gradient of the soft mixture"},
    {"samples", 5, "Architectures drawn and priced at the end", kNotNegative}};

void add_settings(CLI::App& app, const std::vector<Setting>& all, json& settings) {
  for (const Setting& setting : all) {
    json& value = settings[setting.name] = setting.otherwise;
    const auto set = [&value](const auto& given) { value = given; };
    std::string option = std::string("--") + setting.name;
    std::ranges::replace(option, '_', '-');
    CLI::Option* added = value.is_boolean()  ? app.add_flag_function(option, [set](int64_t) { set(true); })
                         : value.is_string() ? app.add_option_function<std::string>(option, set)
                         : value.is_number_integer() ? app.add_option_function<int64_t>(option, set)
                                                     : app.add_option_function<double>(option, set);
    added->description(setting.help)->default_str(value.dump())->transform(setting.check);
  }
}

int main(int argc, char** argv) {
  CLI::App app("Searches a network for images and for a device at once.", "example_fbnet_supernet");
  app.require_subcommand(1);
  app.option_defaults()->take_last();  // so that a script can override what it was given
  json search_settings, retrain_settings;
  fs::path run;
  int threads = 0;
  CLI::App& searching = *app.add_subcommand("search", "Search an architecture");
  add_settings(searching, kSearch, search_settings);
  add_settings(searching, kTraining, search_settings);
  CLI::App& retraining = *app.add_subcommand("retrain", "Train the architecture of a search from scratch");
  add_settings(retraining, kTraining, retrain_settings);
  for (CLI::App* command : {&searching, &retraining}) {
    command->add_option("RUN", run, "Folder of the search")->required();
    command->add_option("--threads", threads, "Of torch; 0: torch decides, 1: the same bits always");
  }
  try {
    app.parse(argc, argv);
    if (threads > 0) torch::set_num_threads(threads);
    if (searching.parsed()) search(run, search_settings);
    if (retraining.parsed()) retrain(run, retrain_settings);
    return 0;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const c10::Error& error) {
    std::fprintf(stderr, "example_fbnet_supernet: error: %s\n", error.what_without_backtrace());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "example_fbnet_supernet: error: %s\n", error.what());
  }
  return 1;
}
