// {"format": "latgrad latency model", "version": 1,
//  "space": "...", "precision": "int8", "devices": ["pixel"], "num_candidates": 9,
//  "layers": [{"name": "layer1", "candidates": ["k3_e1", ...], "offered": [true, ...]}, ...],
//  "latency_us": {"p50": {"fixed": [D], "table": [D, L, C] as nested lists}, ...},
//  "errors": {"noise": 0.01, "factor_us": [R, L * C + 1] as nested lists}}
//
// `errors` is there where the model was calibrated: the covariance of the candidates of all layers, and last
// of the fixed part, is factor^T factor. `space` and `precision` are missing where the model was made of a
// table. With a network stand beside them "architecture": [1, 0, ...], by index from 0, and "statistic":
// "p50", which prices it.

#include "latgrad/search/saved_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "latgrad/base/error.h"
#include "latgrad/base/json.h"
#include "latgrad/base/mapped_file.h"
#include "latgrad/base/zip_archive.h"
#include "student_t.h"

namespace latgrad::search {
namespace {

using base::Json;
using base::JsonValue;

constexpr std::string_view kFormat = "latgrad latency model";
constexpr int64_t kVersion = 1;
constexpr int64_t kMaxCandidates = int64_t{1} << 20;

size_t num_blocks(const SavedModel& model) { return model.layers.size() * model.num_candidates + 1; }

// A list of so many costs.
void add_costs(const JsonValue& value, size_t size, std::vector<double>& costs) {
  const auto items = value.list();
  if (items.size() != size) value.fail(fmt::format("have {} numbers", size));
  for (const JsonValue& item : items) {
    const double cost = item.number();
    if (!(cost >= 0 && std::isfinite(cost))) item.fail("be finite and not negative");
    costs.push_back(cost);
  }
}

std::vector<JsonValue> list_of(const JsonValue& value, size_t size, std::string_view what) {
  auto items = value.list();
  if (items.size() != size) value.fail(fmt::format("have one entry for each of the {} {}", size, what));
  return items;
}

SavedModel::Layer read_layer(const JsonValue& value) {
  SavedModel::Layer layer{value.at("name").text(), value.at("candidates").texts(), {}};
  const JsonValue offered = value.at("offered");
  for (const JsonValue& item : list_of(offered, layer.candidates.size(), "candidates")) {
    layer.offered.push_back(item.boolean());
  }
  if (std::ranges::find(layer.offered, true) == layer.offered.end()) offered.fail("offer a candidate");
  return layer;
}

SavedModel::Figures read_figures(std::string_view statistic, const JsonValue& value,
                                 const SavedModel& model) {
  SavedModel::Figures figures{std::string(statistic), {}, {}};
  add_costs(value.at("fixed"), model.devices.size(), figures.fixed_us);
  for (const JsonValue& device : list_of(value.at("table"), model.devices.size(), "devices")) {
    for (const JsonValue& layer : list_of(device, model.layers.size(), "layers")) {
      add_costs(layer, model.num_candidates, figures.table_us);
    }
  }
  return figures;
}

SavedModel::Errors read_errors(const JsonValue& value, const SavedModel& model) {
  const JsonValue noise = value.at("noise");
  SavedModel::Errors errors{noise.number(), {}};
  if (!(errors.noise >= 0 && std::isfinite(errors.noise))) noise.fail("be finite and not negative");
  for (const JsonValue& row : value.at("factor_us").list()) {
    for (const JsonValue& item :
         list_of(row, num_blocks(model), "candidates of all layers and the fixed part")) {
      errors.factor_us.push_back(item.number());
      if (!std::isfinite(errors.factor_us.back())) item.fail("be finite");
    }
  }
  return errors;
}

void check_architecture(const SavedModel& model, const Architecture& arch) {
  if (arch.size() != model.layers.size()) {
    throw ValueError(fmt::format("an architecture must have a candidate for each of the {} layers, got {}",
                                 model.layers.size(), arch.size()));
  }
  for (size_t i = 0; i < arch.size(); ++i) {
    const SavedModel::Layer& layer = model.layers[i];
    if (arch[i] < 0 || static_cast<size_t>(arch[i]) >= layer.offered.size() || !layer.offered[arch[i]]) {
      throw ValueError(fmt::format("an architecture must choose candidates that are offered, got {} in {}",
                                   arch[i], layer.name));
    }
  }
}

}  // namespace

double SavedModel::estimate_us(const Architecture& arch, std::string_view statistic, size_t device) const {
  check_architecture(*this, arch);
  const auto by = std::ranges::find(figures, statistic, &Figures::statistic);
  if (by == figures.end()) {
    throw ValueError(fmt::format("the model must have the statistic, got \"{}\"", statistic));
  }
  if (device >= devices.size()) {
    throw ValueError(
        fmt::format("a device must be one of the model's {}, from 0, got {}", devices.size(), device));
  }
  double sum_us = by->fixed_us[device];
  for (size_t layer = 0; layer < arch.size(); ++layer) {
    sum_us +=
        by->table_us[(device * layers.size() + layer) * num_candidates + static_cast<size_t>(arch[layer])];
  }
  return sum_us;
}

Interval SavedModel::interval_us(const Architecture& arch) const {
  const double mean_us = estimate_us(arch);
  if (!errors) throw ValueError("the model says nothing of its errors: it was not calibrated");
  const size_t blocks = num_blocks(*this);
  double variance_us2 = 0;
  for (auto row = errors->factor_us.begin(); row != errors->factor_us.end();
       row += static_cast<std::ptrdiff_t>(blocks)) {
    double sum_us = row[static_cast<std::ptrdiff_t>(blocks) - 1];
    for (size_t layer = 0; layer < arch.size(); ++layer) {
      sum_us += row[static_cast<std::ptrdiff_t>(layer * num_candidates) + arch[layer]];
    }
    variance_us2 += sum_us * sum_us;
  }
  return internal::measured_interval(mean_us, std::sqrt(variance_us2), errors->noise);
}

std::vector<std::string> SavedModel::decode(const Architecture& arch) const {
  check_architecture(*this, arch);
  std::vector<std::string> names;
  for (size_t layer = 0; layer < arch.size(); ++layer) names.push_back(layers[layer].candidates[arch[layer]]);
  return names;
}

std::string saved_model_text(const SavedModel& model) {
  Json document = {{"format", kFormat}, {"version", kVersion}};
  if (!model.space.empty()) {
    document["space"] = model.space;
    document["precision"] = model.precision;
  }
  document["devices"] = model.devices;
  document["num_candidates"] = model.num_candidates;
  Json layers = Json::array();
  for (const SavedModel::Layer& layer : model.layers) {
    layers.push_back({{"name", layer.name}, {"candidates", layer.candidates}, {"offered", layer.offered}});
  }
  document["layers"] = layers;
  Json latency_us = Json::object();
  for (const SavedModel::Figures& figures : model.figures) {
    Json table = Json::array();
    auto at = figures.table_us.begin();
    for (size_t device = 0; device < model.devices.size(); ++device) {
      Json rows = Json::array();
      for (size_t layer = 0; layer < model.layers.size(); ++layer) {
        const auto end = at + static_cast<std::ptrdiff_t>(model.num_candidates);
        rows.push_back(std::vector<double>(at, end));
        at = end;
      }
      table.push_back(rows);
    }
    latency_us[figures.statistic] = {{"fixed", figures.fixed_us}, {"table", table}};
  }
  document["latency_us"] = latency_us;
  if (model.errors) {
    Json rows = Json::array();
    const auto blocks = static_cast<std::ptrdiff_t>(num_blocks(model));
    for (auto row = model.errors->factor_us.begin(); row != model.errors->factor_us.end(); row += blocks) {
      rows.push_back(std::vector<double>(row, row + blocks));
    }
    document["errors"] = {{"noise", model.errors->noise}, {"factor_us", rows}};
  }
  if (model.architecture) {
    document["architecture"] = *model.architecture;
    document["statistic"] = model.statistic;
  }
  return base::json_text(document);
}

SavedModel parse_saved_model(std::string_view text, const std::string& source) {
  const base::JsonDocument document(text, "a saved latency model", {.file = source});
  const JsonValue root = document.root();
  const JsonValue format = root.at("format");
  if (format.text() != kFormat) format.fail(fmt::format("be \"{}\"", kFormat));
  const JsonValue version = root.at("version");
  if (version.integer() != kVersion) {
    version.fail(fmt::format("be {}: the model was saved by another version of latgrad", kVersion));
  }
  SavedModel model;
  if (const auto space = root.find("space")) {
    model.space = space->text();
    model.precision = root.at("precision").text();
  }
  const JsonValue devices = root.at("devices");
  model.devices = devices.texts();
  if (model.devices.empty()) devices.fail("name a device");
  model.num_candidates = static_cast<size_t>(root.at("num_candidates").integer(1, kMaxCandidates));
  const JsonValue layers = root.at("layers");
  for (const JsonValue& layer : layers.list()) {
    model.layers.push_back(read_layer(layer));
    if (model.layers.back().candidates.size() > model.num_candidates) {
      layer.fail(fmt::format("have at most {} candidates", model.num_candidates));
    }
  }
  if (model.layers.empty()) layers.fail("hold a layer");
  const JsonValue latency_us = root.at("latency_us");
  for (const auto& [statistic, figures] : latency_us.members()) {
    model.figures.push_back(read_figures(statistic, figures, model));
  }
  if (model.figures.empty()) latency_us.fail("have a statistic");
  if (const auto errors = root.find("errors")) {
    if (model.devices.size() != 1) errors->fail("be absent where there are several devices");
    model.errors = read_errors(*errors, model);
  }
  if (const auto architecture = root.find("architecture")) {
    model.statistic = root.at("statistic").text();
    Architecture arch;
    for (const int64_t choice : architecture->integers(0, kMaxCandidates))
      arch.push_back(static_cast<int>(choice));
    try {
      model.estimate_us(arch, model.statistic);  // checks both
    } catch (const ValueError& error) {
      throw ParseError(error.message(), architecture->place());
    }
    model.architecture = std::move(arch);
  }
  return model;
}

SavedModel load_latency_model(const std::filesystem::path& path) {
  const base::MappedFile file(path);
  const std::string source = path.string();
  if (!base::is_zip(file.bytes())) return parse_saved_model(file.bytes(), source);
  const base::ZipArchive package(file.bytes(), source);
  for (const std::string& name : package.names()) {
    if (name == kSavedModelName || name.ends_with(fmt::format("/{}", kSavedModelName))) {
      return parse_saved_model(package.read(name, base::kMaxJsonBytes), source);
    }
  }
  throw ParseError(
      fmt::format("a package must hold {} among its extra files; latgrad.save_network writes one",
                  kSavedModelName),
      {.file = source});
}

}  // namespace latgrad::search
