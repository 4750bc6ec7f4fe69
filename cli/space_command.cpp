#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>

#include "command.h"
#include "latgrad/base/error.h"
#include "latgrad/base/json.h"
#include "latgrad/base/replace_file.h"
#include "latgrad/lut/missing_json.h"
#include "latgrad/search/latency_model.h"
#include "latgrad/search/scaling.h"
#include "net_options.h"
#include "output.h"
#include "pricing_options.h"
#include "quantities.h"
#include "space_lookup.h"
#include "text_table.h"

namespace latgrad::cli {

using base::Json;

namespace {

constexpr const char* kDescription =
    "Show a search space and, with a look-up table, the time of every candidate block of every layer; "
    "optionally scale it and write it as a new space";

constexpr const char* kFooter =
    "Examples:\n"
    "  latgrad space fbnet                                    layers, candidates, named architectures\n"
    "  latgrad space fbnet --lut lut.json                     the table of layers and candidates, in us\n"
    "  latgrad space my.textproto --lut lut.json --missing    what the table lacks for this space\n"
    "  latgrad space fbnet_cifar --width 0.25 --depth 0.5 --write small.textproto\n"
    "                                                         a smaller one, for small machines\n\n"
    "Exit codes: 0 complete, 3 the table lacks an operator of the space, 1 error, 2 wrong usage.";

struct SpaceOptions {
  std::string space;
  PricingOptions pricing;
  std::string precision = "int8";
  search::Scale scale;
  std::filesystem::path write;
  bool json = false;
  bool missing = false;
};

// A space with its prices where there is a table.
struct ShownSpace {
  search::Space space;
  search::Precision precision;
  size_t num_operators;
  std::optional<search::LatencyModel> model = {};
  lut::Statistic statistic = lut::Statistic::kP50;  // of the prices shown
  lut::MissingOperators missing = {};

  // Nothing if an operator is missing or a candidate is not offered. Precondition: a model.
  std::optional<double> fixed_us() const {
    return model->fixed_complete ? std::optional(model->by(statistic).fixed_us) : std::nullopt;
  }
  std::optional<double> candidate_us(size_t layer, size_t candidate) const {
    return model->is_valid(layer, candidate) ? std::optional(model->at(layer, candidate, statistic))
                                             : std::nullopt;
  }
};

struct PricedArchitecture {
  search::Architecture arch;
  double total_us;
};

// Numbers in decimal, the lowest digit first: 9^22 is beyond 64 bits.
void add_digits(std::string& sum, const std::string& digits) {
  int carry = 0;
  for (size_t i = 0; i < digits.size() || carry > 0; ++i) {
    if (i == sum.size()) sum += '0';
    carry += sum[i] - '0' + (i < digits.size() ? digits[i] - '0' : 0);
    sum[i] = static_cast<char>('0' + carry % 10);
    carry /= 10;
  }
}

std::string count_chain(const search::Space& space) {
  std::vector<std::string> paths = {"1"};  // to each candidate of the layer before
  for (size_t layer = 0; layer < space.layers().size(); ++layer) {
    std::vector<std::string> next(space.layers()[layer].candidates.size());
    for (size_t predecessor = 0; predecessor < paths.size(); ++predecessor) {
      for (size_t c = 0; c < next.size(); ++c) {
        if (space.fits(layer, predecessor, c)) add_digits(next[c], paths[predecessor]);
      }
    }
    paths = std::move(next);
  }
  std::string sum;
  for (const std::string& digits : paths) add_digits(sum, digits);
  std::ranges::reverse(sum);
  return sum;
}

std::string count_architectures(const search::Space& space) {
  if (space.is_chain()) return count_chain(space);
  std::string digits = "1";
  for (const search::LayerInfo& layer : space.layers()) {
    const auto offered = static_cast<uint64_t>(std::ranges::count(layer.offered, true));
    uint64_t carry = 0;
    for (char& digit : digits) {
      carry += static_cast<uint64_t>(digit - '0') * offered;
      digit = static_cast<char>('0' + carry % 10);
      carry /= 10;
    }
    for (; carry > 0; carry /= 10) digits += static_cast<char>('0' + carry % 10);
  }
  std::ranges::reverse(digits);
  return digits;
}

// The architecture with the best candidate of each layer, where `better(a, b)` compares times; nothing if the
// fixed part or a whole layer has no price.
template <typename Better>
std::optional<PricedArchitecture> extreme_architecture(const ShownSpace& shown, Better better) {
  const search::LatencyModel& model = *shown.model;
  if (!model.fixed_complete) return std::nullopt;
  PricedArchitecture extreme;
  for (size_t layer = 0; layer < model.num_layers; ++layer) {
    std::optional<size_t> chosen;
    for (size_t c = 0; c < model.num_candidates; ++c) {
      const std::optional<double> us = shown.candidate_us(layer, c);
      if (us && (!chosen || better(*us, *shown.candidate_us(layer, *chosen)))) chosen = c;
    }
    if (!chosen) return std::nullopt;
    extreme.arch.push_back(static_cast<int>(*chosen));
  }
  extreme.total_us = model.estimate_us(extreme.arch, shown.statistic);
  return extreme;
}

Json layers_json(const search::Space& space) {
  Json layers = Json::array();
  for (size_t i = 0; i < space.layers().size(); ++i) {
    const search::LayerInfo& layer = space.layers()[i];
    Json& shown = layers.emplace_back();
    shown = {{"layer", i},  // from 0, like all indices in JSON
             {"input_shape", layer.in_shape()},
             {"output_shape", layer.out_shape()},
             {"stride", layer.stride},
             {"candidates", layer.candidates},
             {"offered", layer.offered}};
    if (space.is_chain()) shown["channels"] = layer.channels;
  }
  return layers;
}

Json named_architectures_json(const search::Space& space) {
  Json named = Json::object();
  for (const auto& [name, arch] : space.architectures()) named[name] = arch;
  return named;
}

Json extreme_json(const search::Space& space, const std::optional<PricedArchitecture>& extreme) {
  if (!extreme) return nullptr;
  return {{"total_us", extreme->total_us},
          {"architecture", extreme->arch},
          {"blocks", space.format_architecture(extreme->arch)}};
}

// Layers of candidates; null where one is not offered or not priced.
Json table_json(const ShownSpace& shown) {
  Json table = Json::array();
  for (size_t layer = 0; layer < shown.space.layers().size(); ++layer) {
    Json row = Json::array();
    for (size_t c = 0; c < shown.space.layers()[layer].candidates.size(); ++c) {
      row.push_back(base::or_null(shown.candidate_us(layer, c)));
    }
    table.push_back(std::move(row));
  }
  return table;
}

void add_model(Json& json, const ShownSpace& shown) {
  json["all_found"] = shown.missing.empty();
  json["fixed_us"] = base::or_null(shown.fixed_us());
  json["table_us"] = table_json(shown);
  json["fastest"] = extreme_json(shown.space, extreme_architecture(shown, std::less<>()));
  json["slowest"] = extreme_json(shown.space, extreme_architecture(shown, std::greater<>()));
  json["missing"] = lut::missing_json(shown.missing);
}

std::string space_json(const ShownSpace& shown, const Pricing* pricing) {
  Json json = {{"space", shown.space.name()},
               {"input_shape", shown.space.input_shape()},
               {"num_architectures", base::verbatim_json(count_architectures(shown.space))},
               {"precision", search::to_string(shown.precision)},
               {"num_operators", shown.num_operators},
               {"layers", layers_json(shown.space)},
               {"named_architectures", named_architectures_json(shown.space)}};
  if (pricing != nullptr) {
    pricing->add_to(json);
    add_model(json, shown);
  }
  return base::json_text(json);
}

std::string shape_text(const net::Shape& shape) { return fmt::format("{}", fmt::join(shape, "x")); }

std::string layers_text(const search::Space& space) {
  TextTable table({{"layer", Align::kRight},
                   {"in", Align::kRight},
                   {"out", Align::kRight},
                   {"stride", Align::kRight},
                   {"candidates", Align::kLeft}});
  for (size_t i = 0; i < space.layers().size(); ++i) {
    const search::LayerInfo& layer = space.layers()[i];
    std::vector<std::string> names;
    for (size_t c = 0; c < layer.candidates.size(); ++c) {
      if (layer.offered[c]) names.push_back(layer.candidates[c]);
    }
    table.add_row({std::to_string(i + 1), shape_text(layer.in_shape()), shape_text(layer.out_shape()),
                   std::to_string(layer.stride), fmt::format("{}", fmt::join(names, " "))});
  }
  return table.text() + (space.is_chain()
                             ? "\nA chain: layers choose their channels, of which the shapes have the most\n"
                             : "");
}

std::string heading(const ShownSpace& shown) {
  return fmt::format("{}: {}, {} architectures, input {}\nPricing all of them needs {} in {}\n",
                     shown.space.name(), format_count(shown.space.layers().size(), "layer"),
                     count_architectures(shown.space), net::to_string(shown.space.input_shape()),
                     format_count(shown.num_operators, "distinct operator"),
                     search::to_string(shown.precision));
}

std::string architectures_text(const search::Space& space) {
  std::string text;
  for (const auto& [name, arch] : space.architectures()) {
    text += fmt::format("  {}: {}\n", name, space.format_architecture(arch));
  }
  return text.empty() ? text : "\nNamed architectures:\n" + text;
}

// The distinct names of candidates, in order of appearance.
std::vector<std::string> candidate_names(const search::Space& space) {
  std::vector<std::string> names;
  std::set<std::string_view> seen;
  for (const search::LayerInfo& layer : space.layers()) {
    for (const std::string& name : layer.candidates) {
      if (seen.insert(name).second) names.push_back(name);
    }
  }
  return names;
}

std::string model_table(const ShownSpace& shown) {
  const std::vector<std::string> names = candidate_names(shown.space);
  std::vector<Column> columns = {{"layer", Align::kRight}};
  for (const std::string& name : names) columns.push_back({name, Align::kRight});
  TextTable table(std::move(columns));
  for (size_t i = 0; i < shown.space.layers().size(); ++i) {
    const search::LayerInfo& layer = shown.space.layers()[i];
    std::vector<std::string> row = {std::to_string(i + 1)};
    for (const std::string& name : names) {
      const auto c =
          static_cast<size_t>(std::ranges::find(layer.candidates, name) - layer.candidates.begin());
      if (c == layer.candidates.size() || !layer.offered[c]) {
        row.emplace_back("-");
      } else {
        const std::optional<double> us = shown.candidate_us(i, c);
        row.push_back(us ? format_us(*us) : "missing");
      }
    }
    table.add_row(std::move(row));
  }
  return table.text();
}

std::string extreme_text(const char* name, const search::Space& space,
                         const std::optional<PricedArchitecture>& extreme) {
  if (!extreme) return "";
  return fmt::format("{}  {}  {}\n", name, format_ms_and_us(extreme->total_us),
                     space.format_architecture(extreme->arch));
}

// Whether a file holds the space exactly as it is shown, and which file.
bool has_file(const SpaceOptions& options) {
  return !options.write.empty() || options.scale == search::Scale{};
}
std::filesystem::path file_of(const SpaceOptions& options) {
  return options.write.empty() ? find_space(options.space) : options.write;
}

std::string model_text(const ShownSpace& shown, const SpaceOptions& options, const Pricing& pricing) {
  std::string text =
      fmt::format("\nMicroseconds on {}; - is not offered\n\n{}\n", pricing.text(), model_table(shown));
  const std::optional<double> fixed_us = shown.fixed_us();
  text += fmt::format("fixed    {}\n", fixed_us ? format_ms_and_us(*fixed_us) : std::string("missing"));
  text += extreme_text("fastest", shown.space, extreme_architecture(shown, std::less<>()));
  text += extreme_text("slowest", shown.space, extreme_architecture(shown, std::greater<>()));
  if (shown.missing.empty()) return text;
  text += fmt::format("\nMissing: {} of {}\n", shown.missing.size(),
                      format_count(shown.num_operators, "distinct operator"));
  text += options.missing ? shown.missing.text(shown.missing.size()) : "  (--missing lists them)\n";
  return text + fmt::format("\n{}:  latgrad profile --space {} --precision {}{}\n",
                            has_file(options) ? "Measure them on that device"
                                              : "Write the space with --write FILE, then run",
                            has_file(options) ? shell_word(file_of(options).string()) : "FILE",
                            options.precision, extended_table(options.pricing.lut));
}

int run(const SpaceOptions& options) {
  const search::Precision precision = search::parse_precision(options.precision);
  search::Space space = search::scaled(load_space(options.space), options.scale);
  if (!options.write.empty()) base::replace_file(options.write, space.text());
  const size_t num_operators = search::required_operators(space, precision).size();
  ShownSpace shown{.space = std::move(space), .precision = precision, .num_operators = num_operators};
  std::optional<Pricing> pricing;
  if (!options.pricing.lut.empty()) {
    if (shown.space.is_chain()) {
      throw ValueError(fmt::format(
          "--lut must be of a space with one time for each candidate, got {}, a chain: latgrad arch prices "
          "its architectures",
          shown.space.name()));
    }
    pricing = load_pricing(options.pricing);
    shown.statistic = pricing->options.statistic;
    shown.model = search::build_latency_model(
        shown.space, pricing->table,
        {.precision = precision, .device = pricing->options.device, .mode = pricing->options.mode});
    for (const search::MissingOperator& op : shown.model->missing) {
      for (const std::string& user : op.used_by) shown.missing.add(op.key, user);
    }
  }
  if (options.json) {
    write_output(space_json(shown, pricing ? &*pricing : nullptr));
  } else if (pricing) {
    write_text(heading(shown) + model_text(shown, options, *pricing));
  } else {
    write_text(heading(shown) + '\n' + layers_text(shown.space) + architectures_text(shown.space));
  }
  return shown.missing.empty() ? kComplete : kSomethingMissing;
}

}  // namespace

Command add_space_command(CLI::App& parent) {
  CLI::App* app = parent.add_subcommand("space", kDescription);
  app->footer(kFooter);
  auto options = std::make_shared<SpaceOptions>();
  app->add_option("SPACE", options->space,
                  "A space file, or the name of one that comes with latgrad: fbnet, ...")
      ->required();
  CLI::Option* lut = add_pricing_options(*app, options->pricing);
  add_precision_option(*app, options->precision);
  app->add_option("--width", options->scale.width, "Multiply the channels by this, rounded to multiples of 8")
      ->capture_default_str();
  app->add_option("--depth", options->scale.depth, "Multiply the layers of every stage by this, rounded up")
      ->capture_default_str();
  app->add_option("--resolution", options->scale.resolution, "Height and width of the image");
  app->add_option("--classes", options->scale.classes, "Number of classes of the network");
  app->add_option("--write", options->write, "Write the scaled space as a file without a base");
  app->add_flag("--json", options->json, "Print JSON");
  app->add_flag("--missing", options->missing, "List every operator that the table lacks")->needs(lut);
  return {app, [options] { return run(*options); }};
}

}  // namespace latgrad::cli
