// Searches a network for images and for the latency of a device at once, by the supernet of a search space:
//
//   example_fbnet_supernet search RUN --space fbnet_cifar --width 0.25 --depth 0.5 --lut mine.json
//   example_fbnet_supernet retrain RUN      # the architecture that was found, from scratch
//   latgrad report RUN                      # a page with all of it
//
// RUN is a folder that holds the whole search (docs/run-format.md). Interrupted, by Ctrl-C or anything else,
// the same command continues it.

#include <c10/util/Exception.h>
#include <latgrad/search/scaling.h>
#include <torch/torch.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "choice.h"
#include "images.h"
#include "options.h"
#include "prices.h"
#include "retraining.h"
#include "run_folder.h"
#include "search.h"
#include "settings.h"
#include "spaces.h"
#include "stop_request.h"

namespace fbnet_supernet {

namespace {

// The side of the square images that the space takes.
int64_t image_size(const latgrad::search::Space& space) {
  const std::vector<int64_t> shape = space.input_shape();  // NCHW
  if (shape[1] != 3 || shape[2] != shape[3]) {
    throw std::runtime_error("the space must take square images of three channels, got " +
                             std::to_string(shape[1]) + " x " + std::to_string(shape[2]) + " x " +
                             std::to_string(shape[3]));
  }
  return shape[2];
}

Prices open_prices(const std::filesystem::path& run, const SearchOptions& options) {
  const std::filesystem::path space = run / "space.textproto";
  const std::filesystem::path lut = options.lut ? std::filesystem::path(*options.lut) : run / "lut.json";
  if (!options.lut && !std::filesystem::exists(lut)) {
    throw std::runtime_error(
        "a latency table is needed, --lut or " + lut.string() +
        ". Measure it on this machine, then give the same command again:\n  latgrad profile --space " +
        space.string() + " --precision " + options.precision + " --output " + lut.string());
  }
  return Prices(space, lut, options.device, options.precision, options.statistic);
}

void print(const char* name, const PricedArchitecture& entry) {
  std::printf("%-8s  %9.3f  %9.2f ", name, entry.latency_us / 1000, entry.log_probability);
  for (const std::string& block : entry.blocks) std::printf(" %s", block.c_str());
  std::printf("\n");
}

// Chooses, exports and tells.
void finish(const RunFolder& folder, const SearchOptions& options, const Prices& prices,
            const Search& search) {
  const std::optional<double> target_us = options.target_us();
  const Choice choice = choose(search.theta(), prices, target_us, options.samples, options.training.seed);
  const Network network = search.supernet()->network(choice.chosen.architecture);
  std::vector<JsonObject> samples;
  for (const PricedArchitecture& sample : choice.samples) samples.push_back(sample.describe());
  JsonObject result;
  result.add("epochs", options.training.epochs)
      .add("target_us", target_us)
      .add("arg_max", choice.arg_max.describe())
      .add("samples", samples)
      .add("chosen", choice.chosen.describe().add("why", choice.why))
      .add("operators", export_network(folder / "chosen", *network, prices, choice.chosen));
  write_text(folder / "result.json", result.lines());

  std::printf("\n%-8s  %9s  %9s\n", "", "ms", "log-prob.");
  print("arg-max", choice.arg_max);
  for (const PricedArchitecture& sample : choice.samples) print("sample", sample);
  print("chosen", choice.chosen);
  std::printf("\nChosen is %s. ", choice.why.c_str());
  if (target_us) std::printf("It takes %.1f%% of the target. ", 100 * choice.chosen.latency_us / *target_us);
  std::printf("Exported to %s\n", (folder / "chosen").c_str());
  std::printf("Next: example_fbnet_supernet retrain %s    latgrad report %s\n", folder.path().c_str(),
              folder.path().c_str());
}

void run(const SearchOptions& options) {
  namespace search = latgrad::search;
  search::Scale scale{.width = options.width, .depth = options.depth};
  if (options.resolution > 0) scale.resolution = options.resolution;
  const search::Space unscaled = search::Space::load(find_space(options.space));
  const DataSet data = load_images(options, image_size(search::scaled(unscaled, scale)));
  scale.classes = data.classes;
  const search::Space space = search::scaled(unscaled, scale);

  const RunFolder folder(options.execution.run, settings_of(options));
  folder.write_basis("space.textproto", space.text(), "the space");
  const Prices prices = open_prices(folder.path(), options);
  folder.write_basis("latency.json", prices.describe().lines(), "the table");
  Search searched(folder, options, prices, data.train);
  std::printf("%s: %zu layers, %lld images of %lld classes, architectures from %.3f to %.3f ms on %s\n",
              space.name().c_str(), space.layers().size(), static_cast<long long>(data.train.count()),
              static_cast<long long>(data.classes), prices.fastest_us() / 1000, prices.slowest_us() / 1000,
              prices.model->device().c_str());
  searched.run(options.execution.save_every_s);
  finish(folder, options, prices, searched);
}

void run(const RetrainOptions& options) {
  const std::filesystem::path& path = options.execution.run;
  const SearchOptions searched = read_search_settings(path);
  const std::vector<int64_t> arch = read_chosen_architecture(path);
  const Prices prices = open_prices(path, searched);
  const DataSet data = load_images(searched, image_size(prices.space));
  const RunFolder folder(path / "retrain", settings_of(options, searched.precision));
  Retraining retraining(folder, options.training, prices, arch, data);
  retraining.run(options.execution.save_every_s);
  std::printf("%s\n", retraining.finish().c_str());
}

int parse_and_run(int argc, char** argv) {
  const Parsed parsed = parse_options(argc, argv);
  if (const int* exit_code = std::get_if<int>(&parsed)) return *exit_code;
  listen_for_stop_requests();
  const auto run_command = [](const auto& options) {
    if (options.execution.threads > 0) torch::set_num_threads(static_cast<int>(options.execution.threads));
    run(options);
  };
  if (const auto* search = std::get_if<SearchOptions>(&parsed)) run_command(*search);
  if (const auto* retrain = std::get_if<RetrainOptions>(&parsed)) run_command(*retrain);
  return 0;
}

}  // namespace

}  // namespace fbnet_supernet

int main(int argc, char** argv) {
  const auto fail = [](const char* message) {
    std::fprintf(stderr, "example_fbnet_supernet: error: %s\n", message);
    return 1;
  };
  try {
    return fbnet_supernet::parse_and_run(argc, argv);
  } catch (const fbnet_supernet::Stopped&) {
    std::fputs("Stopped; the same command continues.\n", stderr);
    return 128 + fbnet_supernet::requested_stop();
  } catch (const c10::Error& error) {
    return fail(error.what_without_backtrace());
  } catch (const std::exception& error) {
    return fail(error.what());
  }
}
