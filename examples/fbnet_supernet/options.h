// What the command line says.
//
//   const Parsed parsed = parse_options(argc, argv);
//   if (const auto* search = std::get_if<SearchOptions>(&parsed)) ...

#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>

namespace fbnet_supernet {

// How a run is executed, which does not change what it finds.
struct ExecutionOptions {
  std::filesystem::path run;  // the folder of the search
  int64_t threads = 0;        // of torch; 0: torch decides; 1: the same bits always
  double save_every_s = 60;   // seconds between checkpoints within an epoch
};

// Of the weights, with FBNet's values.
struct TrainingOptions {
  int64_t epochs = 90;
  int64_t batch = 192;
  double learning_rate = 0.1;  // falls as half a cosine
  double momentum = 0.9;
  double weight_decay = 1e-4;
  int64_t seed = 0;
};

struct SearchOptions {
  std::string space = "fbnet_cifar";  // a name, or a file, absolute
  double width = 1;
  double depth = 1;
  int64_t resolution = 0;  // 0: that of the space

  std::optional<std::string> lut;  // absolute; nothing: lut.json in the folder of the run
  std::string device;              // empty: the table's only one
  std::string precision = "int8";
  std::string statistic = "p50";

  std::string data = "generated";
  std::optional<std::string> data_folder;  // absolute
  int64_t train_images = 0;                // 0: all, or 8000 generated
  int64_t test_images = 0;                 // 0: all, or 2000 generated

  std::string loss = "fbnet";
  double alpha = 0.2;
  double beta = 0.6;
  double weight = 1;
  std::optional<double> target_ms;

  double theta_fraction = 0.2;
  int64_t warm_up_epochs = 10;
  double theta_learning_rate = 0.01;
  double theta_weight_decay = 5e-4;
  double temperature = 5;
  double temperature_decay = 0.045;
  bool hard = false;

  int64_t samples = 5;

  TrainingOptions training;
  ExecutionOptions execution;

  std::optional<double> target_us() const {
    return target_ms ? std::optional(*target_ms * 1000) : std::nullopt;
  }
};

struct RetrainOptions {
  TrainingOptions training;
  ExecutionOptions execution;
};

// A command, or the exit code of a command line that has been answered already: 0 for --help, 2 for a wrong
// one.
using Parsed = std::variant<SearchOptions, RetrainOptions, int>;

// Prints the help, or what is wrong with the command line.
Parsed parse_options(int argc, char** argv);

}  // namespace fbnet_supernet
