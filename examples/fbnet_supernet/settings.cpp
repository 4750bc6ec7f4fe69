#include "settings.h"

#include <simdjson.h>

#include <stdexcept>
#include <string_view>

#include "json.h"
#include "run_folder.h"

namespace fbnet_supernet {

namespace {

// visit(name, value) for each; options are const, or not.
template <typename Training, typename Visit>
void for_each_training_setting(Training& options, const Visit& visit) {
  visit("epochs", options.epochs);
  visit("batch", options.batch);
  visit("learning_rate", options.learning_rate);
  visit("momentum", options.momentum);
  visit("weight_decay", options.weight_decay);
  visit("seed", options.seed);
}

template <typename Search, typename Visit>
void for_each_search_setting(Search& options, const Visit& visit) {
  visit("space", options.space);
  visit("width", options.width);
  visit("depth", options.depth);
  visit("resolution", options.resolution);
  visit("lut", options.lut);
  visit("device", options.device);
  visit("precision", options.precision);
  visit("statistic", options.statistic);
  visit("data", options.data);
  visit("data_folder", options.data_folder);
  visit("train_images", options.train_images);
  visit("test_images", options.test_images);
  visit("loss", options.loss);
  visit("alpha", options.alpha);
  visit("beta", options.beta);
  visit("weight", options.weight);
  visit("target_ms", options.target_ms);
  visit("theta_fraction", options.theta_fraction);
  visit("warm_up_epochs", options.warm_up_epochs);
  visit("theta_learning_rate", options.theta_learning_rate);
  visit("theta_weight_decay", options.theta_weight_decay);
  visit("temperature", options.temperature);
  visit("temperature_decay", options.temperature_decay);
  visit("hard", options.hard);
  visit("samples", options.samples);
  for_each_training_setting(options.training, visit);
}

void read(simdjson::dom::element element, bool& value) { value = element.get_bool(); }
void read(simdjson::dom::element element, int64_t& value) { value = element.get_int64(); }
void read(simdjson::dom::element element, double& value) { value = element.get_double(); }
void read(simdjson::dom::element element, std::string& value) {
  value = std::string_view(element.get_string());
}
template <typename T>
void read(simdjson::dom::element element, std::optional<T>& value) {
  if (element.is_null()) {
    value.reset();
  } else {
    read(element, value.emplace());
  }
}

}  // namespace

Settings settings_of(const SearchOptions& options) {
  Settings settings;
  for_each_search_setting(
      options, [&](const char* name, const auto& value) { settings.emplace_back(name, json(value)); });
  return settings;
}

Settings settings_of(const RetrainOptions& options, const std::string& precision) {
  Settings settings;
  for_each_training_setting(options.training, [&](const char* name, const auto& value) {
    settings.emplace_back(name, json(value));
  });
  settings.emplace_back("precision", json(precision));
  return settings;
}

SearchOptions read_search_settings(const std::filesystem::path& run) {
  SearchOptions options;
  simdjson::dom::parser parser;
  simdjson::dom::object settings;
  const std::string config = read_config(run);
  try {
    settings = parser.parse(config)["settings"];
    for_each_search_setting(options, [&](const char* name, auto& value) { read(settings[name], value); });
  } catch (const simdjson::simdjson_error& error) {
    throw std::runtime_error((run / "config.json").string() +
                             " must hold every setting of a search: " + error.what());
  }
  return options;
}

}  // namespace fbnet_supernet
