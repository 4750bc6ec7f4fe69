#include "latgrad/plugin/latency_model.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "classes/error_translation.h"
#include "classes/offered_mask.h"
#include "classes/register_classes.h"
#include "latgrad/base/listed.h"
#include "latgrad/base/parallel_for.h"
#include "latgrad/base/replace_file.h"
#include "latgrad/lut/describe.h"
#include "latgrad/lut/statistic.h"
#include "latgrad/net/init_net.h"
#include "latgrad/net/netdef.h"
#include "latgrad/plugin/operators.h"
#include "latgrad/search/chain_model.h"
#include "latgrad/search/latency_model.h"
#include "latgrad/search/lowering.h"
#include "latgrad/search/saved_model.h"
#include "latgrad/search/space.h"
#include "torch_compat.h"

namespace latgrad {

struct LatencyModel::Impl {
  struct Layer {
    std::string name;
    std::vector<std::string> candidates;
  };

  std::optional<search::Space> space;  // nothing where the model was made of a table
  search::Precision precision = {};
  std::vector<std::string> devices;
  std::vector<Layer> layers;
  // S statistics, in the order of lut::kStatistics; the median alone where the model was made of a table.
  at::Tensor fixed_us;  // float64 [S, D], contiguous
  at::Tensor table_us;  // float64 [S, D, L, C], contiguous
  at::Tensor valid;     // bool [L, C], contiguous
  // Of a calibrated model: float64 [R, L * C + 1], of which factor^T factor is the covariance, and float64
  // [].
  at::Tensor error_factor_us = {};
  at::Tensor noise = {};
  // Of a chain, in place of table_us: float64 [S, L, C, C], contiguous.
  at::Tensor chain_table_us = {};

  const search::Space& space_for(const char* what) const {
    TORCH_CHECK_VALUE(space, "a model made of a table has no space, which ", what, " needs");
    return *space;
  }
  bool has_one_device() const { return devices.size() == 1; }
  bool is_chain() const { return chain_table_us.defined(); }
};

namespace {

constexpr auto kNumStatistics = static_cast<int64_t>(lut::kStatistics.size());
constexpr size_t kMissingShown = 10;

std::string missing_report(const std::vector<search::MissingOperator>& missing, const std::string& lut) {
  std::vector<std::string> operators;
  for (const search::MissingOperator& op : missing) {
    operators.push_back(lut::describe(op.key) + (op.used_by.empty() ? "" : ", for " + op.used_by.front()));
  }
  std::string text =
      c10::str("the table must hold every operator of the space, but lacks ", missing.size(), " (", lut,
               "); measure them with `latgrad profile`:\n", base::listed_lines(operators, kMissingShown));
  text.pop_back();  // the last line's end
  return text;
}

using Names = std::vector<std::string>;

std::string layer_name(size_t layer) { return c10::str("layer", layer + 1); }

std::vector<LatencyModel::Impl::Layer> layers_of(const search::Space& space) {
  std::vector<LatencyModel::Impl::Layer> layers;
  for (const search::LayerInfo& info : space.layers()) {
    layers.push_back({layer_name(layers.size()), info.candidates});
  }
  return layers;
}

// In a saved model a tab ends a name and a line break a list of names.
void check_names(const Names& names, const char* what) {
  std::set<std::string> seen;
  for (const std::string& name : names) {
    TORCH_CHECK_VALUE(!name.empty() && name.find_first_of("\t\n") == std::string::npos, what,
                      " must have names without tabs and line breaks, got \"", name, "\"");
    TORCH_CHECK_VALUE(seen.insert(name).second, what, " must have different names, got \"", name, "\" twice");
  }
}

std::string joined(const Names& names) { return c10::Join("\t", names); }

Names split(const std::string& text, char separator) {
  Names parts;
  for (size_t begin = 0;;) {
    const size_t end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string::npos) return parts;
    begin = end + 1;
  }
}

template <typename Map>
auto state_entry(const Map& map, const char* key) {
  const auto found = map.find(key);
  TORCH_CHECK_VALUE(found != map.end(), "the state of a LatencyModel must have an entry \"", key,
                    "\", got none");
  return found->value();
}

// bool [L, C, C]: of each candidate the predecessors that it fits behind.
at::Tensor fitting_pairs(const search::Space& space) {
  const auto& layers = space.layers();
  const auto width = static_cast<int64_t>(space.max_candidates());
  at::Tensor mask = at::zeros({static_cast<int64_t>(layers.size()), width, width}, at::kBool);
  auto cells = mask.accessor<bool, 3>();
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    const size_t num_predecessors = layer == 0 ? 1 : layers[layer - 1].candidates.size();
    for (size_t i = 0; i < num_predecessors; ++i) {
      for (size_t j = 0; j < layers[layer].candidates.size(); ++j)
        cells[layer][i][j] = space.fits(layer, i, j);
    }
  }
  return mask;
}

// Of a LatencyModel or ChainModel of the core: the fixed part, float64 [S], and the table, [S, entries].
// Errors: where an operator is missing.
template <typename Model>
std::pair<at::Tensor, at::Tensor> prices_of(const Model& model, const std::string& lut) {
  TORCH_CHECK_VALUE(model.missing.empty(), missing_report(model.missing, lut));
  at::Tensor fixed_us = at::empty({kNumStatistics}, at::kDouble);
  at::Tensor table_us = at::empty({kNumStatistics, static_cast<int64_t>(model.valid.size())}, at::kDouble);
  double* fixed = fixed_us.data_ptr<double>();
  double* table = table_us.data_ptr<double>();
  for (const search::Prices& prices : model.prices) {
    *fixed++ = prices.fixed_us;
    table = std::copy(prices.table_us.begin(), prices.table_us.end(), table);
  }
  return {fixed_us, table_us};
}

// A tensor from a saved file may lie on any device and have any form.
at::Tensor state_tensor(const c10::Dict<std::string, at::Tensor>& tensors, const char* key,
                        at::ScalarType dtype, at::IntArrayRef sizes) {
  const at::Tensor tensor = state_entry(tensors, key);
  TORCH_CHECK_VALUE(tensor.defined() && tensor.scalar_type() == dtype && tensor.sizes() == sizes,
                    "the entry \"", key, "\" in the state of a LatencyModel must be ", dtype, " ", sizes,
                    ", got ",
                    tensor.defined() ? c10::str(tensor.scalar_type(), " ", tensor.sizes()) : "nothing");
  return tensor.cpu().contiguous();
}

// The same of one of finite numbers.
at::Tensor state_numbers(const c10::Dict<std::string, at::Tensor>& tensors, const char* key,
                         at::IntArrayRef sizes) {
  at::Tensor numbers = state_tensor(tensors, key, at::kDouble, sizes);
  TORCH_CHECK_VALUE(numbers.isfinite().all().item<bool>(), "the entry \"", key,
                    "\" in the state of a LatencyModel must be finite");
  return numbers;
}

// The same of one that holds times.
at::Tensor state_times(const c10::Dict<std::string, at::Tensor>& tensors, const char* key,
                       at::IntArrayRef sizes) {
  at::Tensor times_us = state_tensor(tensors, key, at::kDouble, sizes);
  const at::Tensor wrong = at::logical_or(times_us < 0, times_us.isfinite().logical_not());
  TORCH_CHECK_VALUE(!wrong.any().item<bool>(), "the entry \"", key,
                    "\" in the state of a LatencyModel must be finite and not negative, got ",
                    times_us.masked_select(wrong)[0].item<double>());
  return times_us;
}

}  // namespace

LatencyModel::LatencyModel(const std::string& space_path, const std::string& lut_path,
                           const std::string& device, const std::string& precision, const std::string& mode)
    : impl_(translate_errors([&] {
        const search::LatencyModelOptions options{
            .precision = search::parse_precision(precision), .device = device, .mode = lut::parse_mode(mode)};
        search::Space space = search::Space::load(space_path);
        const lut::Table table = lut::Table::load(lut_path);
        auto impl = std::make_unique<Impl>();
        impl->precision = options.precision;
        impl->layers = layers_of(space);
        impl->valid = offered_mask(space);
        at::Tensor fixed_us;
        at::Tensor table_us;
        if (space.is_chain()) {
          const search::ChainModel model = search::build_chain_model(space, table, options);
          std::tie(fixed_us, table_us) = prices_of(model, lut_path);
          impl->devices = {model.device};
          impl->chain_table_us = table_us.reshape(
              {kNumStatistics, impl->valid.size(0), impl->valid.size(1), impl->valid.size(1)});
        } else {
          const search::LatencyModel model = search::build_latency_model(space, table, options);
          std::tie(fixed_us, table_us) = prices_of(model, lut_path);
          impl->devices = {model.device};
          impl->table_us = table_us.reshape({kNumStatistics, 1, impl->valid.size(0), impl->valid.size(1)});
        }
        impl->fixed_us = fixed_us.unsqueeze(1);
        impl->space = std::move(space);
        return std::unique_ptr<const Impl>(std::move(impl));
      })) {}

LatencyModel::LatencyModel(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}

c10::intrusive_ptr<LatencyModel> LatencyModel::from_table(const at::Tensor& table_us,
                                                          const std::vector<Names>& candidates,
                                                          const at::Tensor& fixed_us, const Names& devices,
                                                          const at::Tensor& valid, const Names& layers) {
  TORCH_CHECK_VALUE(
      table_us.defined() && (table_us.dim() == 2 || table_us.dim() == 3) &&
          at::isFloatingType(table_us.scalar_type()),
      "table_us must be [layers, candidates] or [devices, layers, candidates], floating point, got ",
      table_us.defined() ? c10::str(table_us.scalar_type(), " ", table_us.sizes()) : "nothing");
  const at::Tensor tables =
      (table_us.dim() == 2 ? table_us.unsqueeze(0) : table_us).detach().cpu().to(at::kDouble);
  const int64_t num_devices = tables.size(0);
  const int64_t num_layers = tables.size(1);
  const int64_t num_candidates = tables.size(2);
  TORCH_CHECK_VALUE(tables.numel() > 0, "table_us must have no empty dimension, got ", table_us.sizes());
  TORCH_CHECK_VALUE(static_cast<int64_t>(devices.size()) == num_devices, "device must name each of the ",
                    num_devices, " devices of table_us, got ", devices.size(), " names");
  check_names(devices, "devices");
  TORCH_CHECK_VALUE(static_cast<int64_t>(candidates.size()) == num_layers,
                    "candidates must have a list of names for each of the ", num_layers, " layers, got ",
                    candidates.size());
  TORCH_CHECK_VALUE(layers.empty() || static_cast<int64_t>(layers.size()) == num_layers,
                    "layers must name each of the ", num_layers, " layers, got ", layers.size(), " names");
  check_names(layers, "layers");

  auto impl = std::make_unique<Impl>();
  at::Tensor named = at::zeros({num_layers, num_candidates}, at::kBool);
  for (int64_t layer = 0; layer < num_layers; ++layer) {
    const Names& names = candidates[layer];
    const auto size = static_cast<int64_t>(names.size());
    const std::string name = layers.empty() ? layer_name(layer) : layers[layer];
    TORCH_CHECK_VALUE(size >= 1 && size <= num_candidates, "candidates must hold 1 to ", num_candidates,
                      " names for each layer, as table_us is wide, got ", size, " for ", name);
    check_names(names, "the candidates of a layer");
    named[layer].narrow(0, 0, size).fill_(true);
    impl->layers.push_back({name, names});
  }
  impl->valid = named;
  if (valid.defined()) {
    TORCH_CHECK_VALUE(valid.scalar_type() == at::kBool && valid.sizes() == named.sizes(),
                      "valid must be bool [layers, candidates], ", named.sizes(), ", got ",
                      valid.scalar_type(), " ", valid.sizes());
    impl->valid = valid.detach().cpu().contiguous().clone();
    TORCH_CHECK_VALUE(!at::logical_and(impl->valid, named.logical_not()).any().item<bool>(),
                      "valid must not offer candidates that have no name");
    const at::Tensor offers = impl->valid.any(1);
    TORCH_CHECK_VALUE(offers.all().item<bool>(), "valid must leave every layer a candidate, got none in ",
                      impl->layers[offers.logical_not().to(at::kLong).argmax().item<int64_t>()].name);
  }
  const auto check_costs = [](const at::Tensor& costs, const char* what) {
    const at::Tensor wrong = at::logical_or(costs < 0, costs.isfinite().logical_not());
    TORCH_CHECK_VALUE(!wrong.any().item<bool>(), what, " must be finite and not negative, got ",
                      costs.masked_select(wrong)[0].item<double>());
  };
  const at::Tensor offered = tables.masked_fill(impl->valid.logical_not(), 0).contiguous();
  check_costs(offered, "table_us of a valid candidate");
  at::Tensor fixed = at::zeros({num_devices}, at::kDouble);
  if (fixed_us.defined()) {
    TORCH_CHECK_VALUE(fixed_us.dim() == 0 || (fixed_us.dim() == 1 && fixed_us.size(0) == num_devices),
                      "fixed_us must be one number, or one for each of the ", num_devices, " devices, got ",
                      fixed_us.sizes());
    fixed += fixed_us.detach().cpu().to(at::kDouble);
    check_costs(fixed, "fixed_us");
  }
  impl->devices = devices;
  impl->fixed_us = fixed.unsqueeze(0);
  impl->table_us = offered.unsqueeze(0);
  return c10::make_intrusive<LatencyModel>(std::unique_ptr<const Impl>(std::move(impl)));
}

namespace {

// The parts of a model made of a table, from what was saved.
c10::intrusive_ptr<LatencyModel> from_table_state(const c10::Dict<std::string, std::string>& texts,
                                                  const c10::Dict<std::string, at::Tensor>& tensors) {
  std::vector<Names> candidates;
  for (const std::string& line : split(state_entry(texts, "candidates"), '\n')) {
    candidates.push_back(split(line, '\t'));
  }
  return LatencyModel::from_table(state_entry(tensors, "table_us"), candidates,
                                  state_entry(tensors, "fixed_us"),
                                  split(state_entry(texts, "devices"), '\t'), state_entry(tensors, "valid"),
                                  split(state_entry(texts, "layers"), '\t'));
}

}  // namespace

LatencyModel::LatencyModel(const State& state)
    : impl_(translate_errors([&] {
        const auto& [version, texts, tensors] = state;
        if (version == kTableStateVersion) return std::move(from_table_state(texts, tensors)->impl_);
        TORCH_CHECK_VALUE(
            version == kStateVersion, "the state of a LatencyModel must have version ", kStateVersion, " or ",
            kTableStateVersion, ", got ", version,
            ": it was saved by another version of latgrad; build the model anew from its space and "
            "LUT, or load it with that version");
        search::Space space = search::Space::parse(state_entry(texts, "space"), "saved LatencyModel");
        const at::Tensor offered = offered_mask(space);
        at::Tensor fixed_us = state_times(tensors, "fixed_us", {kNumStatistics});
        const int64_t num_layers = offered.size(0);
        const int64_t width = offered.size(1);
        at::Tensor table_us;
        at::Tensor chain_table_us;
        if (space.is_chain()) {
          chain_table_us = state_times(tensors, "chain_table_us", {kNumStatistics, num_layers, width, width});
        } else {
          table_us = state_times(tensors, "table_us", {kNumStatistics, num_layers, width}).unsqueeze(1);
        }
        at::Tensor valid = state_tensor(tensors, "valid", at::kBool, offered.sizes());
        TORCH_CHECK_VALUE(valid.equal(offered),
                          "the entry \"valid\" in the state of a LatencyModel must say what "
                          "its space offers, but differs");
        at::Tensor error_factor_us;
        at::Tensor noise;
        if (tensors.contains("error_factor_us")) {
          const at::Tensor factor = tensors.at("error_factor_us");
          error_factor_us =
              state_numbers(tensors, "error_factor_us",
                            {factor.defined() && factor.dim() > 0 ? factor.size(0) : 0, offered.numel() + 1});
          noise = state_times(tensors, "noise", {});
        }
        auto layers = layers_of(space);
        return std::make_unique<const Impl>(Impl{std::move(space),
                                                 search::parse_precision(state_entry(texts, "precision")),
                                                 {state_entry(texts, "device")},
                                                 std::move(layers),
                                                 fixed_us.unsqueeze(1),
                                                 std::move(table_us),
                                                 std::move(valid),
                                                 std::move(error_factor_us),
                                                 std::move(noise),
                                                 std::move(chain_table_us)});
      })) {}

LatencyModel::~LatencyModel() = default;

LatencyModel::State LatencyModel::state() const {
  c10::Dict<std::string, std::string> texts;
  c10::Dict<std::string, at::Tensor> tensors;
  tensors.insert("valid", valid());
  if (!impl_->space) {
    Names candidates;
    for (const Impl::Layer& layer : impl_->layers) candidates.push_back(joined(layer.candidates));
    texts.insert("candidates", c10::Join("\n", candidates));
    texts.insert("layers", joined(layer_names()));
    texts.insert("devices", joined(impl_->devices));
    tensors.insert("fixed_us", impl_->fixed_us[0].clone());
    tensors.insert("table_us", impl_->table_us[0].clone());
    return {kTableStateVersion, texts, tensors};
  }
  texts.insert("space", space());
  texts.insert("precision", precision());
  texts.insert("device", device());
  tensors.insert("fixed_us", impl_->fixed_us.squeeze(1).clone());
  if (impl_->is_chain()) {
    tensors.insert("chain_table_us", impl_->chain_table_us.clone());
  } else {
    tensors.insert("table_us", impl_->table_us.squeeze(1).clone());
  }
  if (impl_->noise.defined()) {
    tensors.insert("error_factor_us", impl_->error_factor_us.clone());
    tensors.insert("noise", impl_->noise.clone());
  }
  return {kStateVersion, texts, tensors};
}

std::string LatencyModel::text(const at::Tensor& arch, const std::string& statistic) const {
  TORCH_CHECK_VALUE(!impl_->is_chain(),
                    "the JSON of a model holds one time for each candidate, which a chain has not: save the "
                    "model by torch.save or torch.jit.save");
  search::SavedModel saved;
  if (impl_->space) {
    saved.space = space();
    saved.precision = precision();
  }
  saved.devices = impl_->devices;
  saved.num_candidates = static_cast<size_t>(impl_->valid.size(1));
  const auto offered = impl_->valid.accessor<bool, 2>();
  for (size_t layer = 0; layer < impl_->layers.size(); ++layer) {
    const auto& [name, candidates] = impl_->layers[layer];
    std::vector<bool> offers;
    for (size_t i = 0; i < candidates.size(); ++i) offers.push_back(offered[layer][i]);
    saved.layers.push_back({name, candidates, std::move(offers)});
  }
  const auto values = [](const at::Tensor& tensor) {
    const at::Tensor dense = tensor.contiguous();
    const double* data = dense.data_ptr<double>();
    return std::vector<double>(data, data + dense.numel());
  };
  for (int64_t i = 0; i < impl_->table_us.size(0); ++i) {
    const std::string name(impl_->space ? lut::to_string(lut::kStatistics[i]) : "p50");
    saved.figures.push_back({name, values(impl_->fixed_us[i]), values(impl_->table_us[i])});
  }
  if (impl_->noise.defined()) {
    saved.errors = search::SavedModel::Errors{noise(), values(impl_->error_factor_us)};
  }
  if (arch.defined()) {
    index_of(statistic);  // checks it
    saved.architecture = one_architecture(arch);
    saved.statistic = statistic;
  }
  return translate_errors([&] { return search::saved_model_text(saved); });
}

void LatencyModel::save(const std::string& path) const {
  const std::string content = text();
  translate_errors([&] { base::replace_file(path, content); });
}

c10::intrusive_ptr<LatencyModel> LatencyModel::load(const std::string& path) {
  return from_saved(translate_errors([&] { return search::load_latency_model(path); }), path);
}

c10::intrusive_ptr<LatencyModel> LatencyModel::parse(const std::string& text) {
  return from_saved(translate_errors([&] { return search::parse_saved_model(text, "the text"); }),
                    "the text");
}

c10::intrusive_ptr<LatencyModel> LatencyModel::from_saved(const search::SavedModel& saved,
                                                          const std::string& path) {
  const auto num_devices = static_cast<int64_t>(saved.devices.size());
  const auto num_layers = static_cast<int64_t>(saved.layers.size());
  const auto num_candidates = static_cast<int64_t>(saved.num_candidates);
  const auto num_figures = static_cast<int64_t>(saved.figures.size());
  at::Tensor fixed_us = at::empty({num_figures, num_devices}, at::kDouble);
  at::Tensor table_us = at::empty({num_figures, num_devices, num_layers, num_candidates}, at::kDouble);
  for (int64_t i = 0; i < num_figures; ++i) {
    const search::SavedModel::Figures& figures = saved.figures[i];
    std::copy(figures.fixed_us.begin(), figures.fixed_us.end(), fixed_us[i].data_ptr<double>());
    std::copy(figures.table_us.begin(), figures.table_us.end(), table_us[i].data_ptr<double>());
  }
  at::Tensor valid = at::zeros({num_layers, num_candidates}, at::kBool);
  auto cells = valid.accessor<bool, 2>();
  for (int64_t layer = 0; layer < num_layers; ++layer) {
    const auto& offered = saved.layers[layer].offered;
    for (size_t i = 0; i < offered.size(); ++i) cells[layer][static_cast<int64_t>(i)] = offered[i];
  }
  if (saved.space.empty()) {
    TORCH_CHECK_VALUE(num_figures == 1 && saved.figures.front().statistic == "p50",
                      "a model made of a table must have one statistic, p50: ", path);
    std::vector<Names> candidates;
    Names layers;
    for (const search::SavedModel::Layer& layer : saved.layers) {
      candidates.push_back(layer.candidates);
      layers.push_back(layer.name);
    }
    return from_table(table_us[0], candidates, fixed_us[0], saved.devices, valid, layers);
  }
  const auto same = [](const search::SavedModel::Figures& figures, lut::Statistic statistic) {
    return figures.statistic == lut::to_string(statistic);
  };
  TORCH_CHECK_VALUE(
      num_devices == 1 && std::ranges::equal(saved.figures, lut::kStatistics, same),
      "the model of a space "
      "must be of one device and have every statistic, in the order in which latgrad writes them: ",
      path);
  c10::Dict<std::string, std::string> texts;
  texts.insert("space", saved.space);
  texts.insert("precision", saved.precision);
  texts.insert("device", saved.devices.front());
  c10::Dict<std::string, at::Tensor> tensors;
  tensors.insert("fixed_us", fixed_us.squeeze(1));
  tensors.insert("table_us", table_us.squeeze(1));
  tensors.insert("valid", valid);
  if (saved.errors) {
    tensors.insert("error_factor_us",
                   at::tensor(saved.errors->factor_us, at::kDouble).reshape({-1, valid.numel() + 1}));
    tensors.insert("noise", at::full({}, saved.errors->noise, at::kDouble));
  }
  return c10::make_intrusive<LatencyModel>(State{kStateVersion, texts, tensors});
}

c10::intrusive_ptr<LatencyModel> load_latency_model(const std::string& path) {
  return LatencyModel::load(path);
}

// The index of a statistic in the tensors. Errors: c10::ValueError.
int64_t LatencyModel::index_of(const std::string& statistic) const {
  if (!impl_->space) {
    TORCH_CHECK_VALUE(statistic == "p50",
                      "statistic must be p50 where the model was made of a table, which has one "
                      "figure for each candidate, got ",
                      statistic);
    return 0;
  }
  return translate_errors([&] { return static_cast<int64_t>(lut::parse_statistic(statistic)); });
}

at::Tensor LatencyModel::table_us(const std::string& statistic) const {
  TORCH_CHECK_VALUE(!impl_->is_chain(),
                    "the model of a chain has a time for each pair of neighbours: chain_table_us()");
  const at::Tensor tables = impl_->table_us[index_of(statistic)];
  return (impl_->has_one_device() ? tables[0] : tables).clone();
}

at::Tensor LatencyModel::chain_table_us(const std::string& statistic) const {
  impl_->space_for("chain_table_us()");
  if (impl_->is_chain()) return impl_->chain_table_us[index_of(statistic)].clone();
  const at::Tensor pairs = chain_valid();
  return table_us(statistic).unsqueeze(1).expand(pairs.sizes()).masked_fill(pairs.logical_not(), 0);
}

at::Tensor LatencyModel::chain_valid() const { return fitting_pairs(impl_->space_for("chain_valid()")); }

double LatencyModel::fixed_us(const std::string& statistic) const {
  TORCH_CHECK_VALUE(impl_->has_one_device(),
                    "a model of several devices has a fixed part on each: fixed_by_device_us()");
  return impl_->fixed_us[index_of(statistic)][0].item<double>();
}

at::Tensor LatencyModel::fixed_by_device_us(const std::string& statistic) const {
  return impl_->fixed_us[index_of(statistic)].clone();
}

at::Tensor LatencyModel::spread_us() const { return table_us("p90") - table_us("p10"); }

at::Tensor LatencyModel::covariance_us2() const {
  TORCH_CHECK_VALUE(impl_->noise.defined(), "the model says nothing of its errors: it was not calibrated");
  return impl_->error_factor_us.t().mm(impl_->error_factor_us);
}

double LatencyModel::noise() const {
  TORCH_CHECK_VALUE(impl_->noise.defined(), "the model says nothing of its errors: it was not calibrated");
  return impl_->noise.item<double>();
}

at::Tensor LatencyModel::valid() const { return impl_->valid.clone(); }
bool LatencyModel::is_chain() const { return impl_->is_chain(); }
int64_t LatencyModel::layers() const { return impl_->valid.size(0); }

std::vector<std::string> LatencyModel::candidates(int64_t layer) const {
  TORCH_CHECK_VALUE(layer >= 0 && layer < layers(), "layer must be from 0 to ", layers() - 1, ", got ",
                    layer);
  return impl_->layers[layer].candidates;
}

std::string LatencyModel::space() const {
  return translate_errors([&] { return impl_->space_for("space()").text(); });
}

std::string LatencyModel::precision() const {
  impl_->space_for("precision()");
  return std::string(search::to_string(impl_->precision));
}

std::string LatencyModel::device() const {
  TORCH_CHECK_VALUE(impl_->has_one_device(), "a model of several devices has no one device: devices()");
  return impl_->devices.front();
}

std::vector<std::string> LatencyModel::devices() const { return impl_->devices; }

std::vector<std::string> LatencyModel::layer_names() const {
  Names names;
  for (const Impl::Layer& layer : impl_->layers) names.push_back(layer.name);
  return names;
}

// Architectures, uint8 or int64 [..., L], as int64 on the CPU, contiguous, every choice valid. The core's own
// check is for one of them. Errors: as LatencyModel::decode.
at::Tensor LatencyModel::checked(const at::Tensor& arch) const {
  const int64_t num_layers = layers();
  TORCH_CHECK_VALUE(arch.scalar_type() == at::kByte || arch.scalar_type() == at::kLong,
                    "arch must be uint8 or int64, got ", arch.scalar_type());
  TORCH_CHECK_VALUE(arch.dim() >= 1 && arch.size(-1) == num_layers, "arch must be [..., ", num_layers,
                    "], one index for each layer, got ", arch.sizes());
  const at::Tensor indexes = arch.cpu().to(at::kLong).contiguous();
  const int64_t* choice = indexes.data_ptr<int64_t>();
  const auto offered = impl_->valid.accessor<bool, 2>();
  for (int64_t i = 0; i < indexes.numel(); ++i) {
    const int64_t layer = i % num_layers;
    const Names& candidates = impl_->layers[layer].candidates;
    const auto size = static_cast<int64_t>(candidates.size());
    TORCH_CHECK_VALUE(choice[i] >= 0 && choice[i] < size, "arch must index the ", size,
                      " candidates of layer ", layer, " (counted from 0), got ", choice[i]);
    TORCH_CHECK_VALUE(offered[layer][choice[i]], "arch must choose candidates that are offered, got ",
                      choice[i], " \"", candidates[choice[i]], "\" in layer ", layer, " (counted from 0)");
    if (!impl_->is_chain() || layer == 0) continue;
    TORCH_CHECK_VALUE(impl_->space->fits(layer, choice[i - 1], choice[i]),
                      "arch must choose neighbours that fit, got \"", candidates[choice[i]], "\" in layer ",
                      layer, " (counted from 0) behind \"",
                      impl_->layers[layer - 1].candidates[choice[i - 1]], "\"");
  }
  return indexes;
}

// Errors: as checked; for a batch.
std::vector<int> LatencyModel::one_architecture(const at::Tensor& arch) const {
  TORCH_CHECK_VALUE(arch.dim() == 1, "arch must be one architecture, [", layers(), "], got ", arch.sizes());
  const at::Tensor indexes = checked(arch);
  const int64_t* begin = indexes.data_ptr<int64_t>();
  return {begin, begin + indexes.numel()};
}

at::Tensor LatencyModel::encode(const std::vector<std::string>& names) const {
  const auto& layers = impl_->layers;
  TORCH_CHECK_VALUE(names.size() == layers.size(), "names must have one candidate for each of the ",
                    layers.size(), " layers, got ", names.size());
  std::vector<int64_t> arch;
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    const auto& candidates = layers[layer].candidates;
    const auto found = std::find(candidates.begin(), candidates.end(), names[layer]);
    TORCH_CHECK_VALUE(found != candidates.end(), "names must hold candidates of their layer, got \"",
                      names[layer], "\" in layer ", layer,
                      " (counted from 0), which has: ", c10::Join(" ", candidates));
    arch.push_back(found - candidates.begin());
  }
  return checked(at::tensor(arch, at::kLong));
}

std::vector<std::string> LatencyModel::decode(const at::Tensor& arch) const {
  const std::vector<int> choice = one_architecture(arch);
  std::vector<std::string> names;
  for (size_t layer = 0; layer < choice.size(); ++layer) {
    names.push_back(impl_->layers[layer].candidates[choice[layer]]);
  }
  return names;
}

at::Tensor LatencyModel::estimate(const at::Tensor& arch, const std::string& statistic) const {
  const int64_t index = index_of(statistic);
  const at::Tensor fixed_us = impl_->fixed_us[index];
  if (impl_->is_chain()) return chain_arch_latency(checked(arch), impl_->chain_table_us[index]) + fixed_us[0];
  const at::Tensor tables = impl_->has_one_device() ? impl_->table_us[index][0] : impl_->table_us[index];
  return arch_latency(checked(arch), tables) + (impl_->has_one_device() ? fixed_us[0] : fixed_us);
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> LatencyModel::search(const at::Tensor& theta, double budget_us,
                                                                    int64_t k,
                                                                    const std::string& statistic) const {
  const at::Tensor table = table_us(statistic);
  TORCH_CHECK_VALUE(impl_->has_one_device(),
                    "a model of several devices has a budget on each: best_architectures takes them");
  TORCH_CHECK_VALUE(theta.sizes() == table.sizes() && at::isFloatingType(theta.scalar_type()),
                    "theta must be floating point ", table.sizes(), ", got ", theta.scalar_type(), " ",
                    theta.sizes());
  TORCH_CHECK_VALUE(!theta.isnan().any().item<bool>(), "theta must have no NaN");
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const at::Tensor scores = theta.detach()
                                .cpu()
                                .to(at::kDouble)
                                .masked_fill(impl_->valid.logical_not(), -kInfinity)
                                .log_softmax(-1);
  TORCH_CHECK_VALUE(!scores.isnan().any().item<bool>(),
                    "theta must be finite for a candidate that is offered in each layer");
  // The fixed part is a last layer of one candidate: what is compared with the budget is the price.
  const auto with_fixed = [&](const at::Tensor& layers, double fixed, double others) {
    at::Tensor last = at::full({1, layers.size(1)}, others, at::kDouble);
    last[0][0].fill_(fixed);
    return at::cat({layers, last});
  };
  auto [arch, score, latency_us] =
      best_architectures(with_fixed(scores, 0, -kInfinity), with_fixed(table, fixed_us(statistic), kInfinity),
                         at::full({}, budget_us, at::kDouble), k);
  return {arch.narrow(1, 0, layers()).contiguous(), score, latency_us};
}

at::Tensor LatencyModel::peak_memory(const at::Tensor& arch) const {
  const search::Space& space = impl_->space_for("peak_memory()");
  const at::Tensor indexes = checked(arch);
  at::Tensor peaks = at::empty(arch.sizes().slice(0, arch.dim() - 1), at::kLong);
  int64_t* peak = peaks.data_ptr<int64_t>();
  const int64_t* choice = indexes.data_ptr<int64_t>();
  const int64_t num_layers = layers();
  translate_errors([&] {
    parallel_for(static_cast<size_t>(peaks.numel()), [&](size_t i) {
      const int64_t* begin = choice + static_cast<int64_t>(i) * num_layers;
      peak[i] = search::peak_activation_bytes(space, {begin, begin + num_layers}, impl_->precision);
    });
  });
  return peaks;
}

std::string LatencyModel::netdef(const at::Tensor& arch) const {
  const std::vector<int> choice = one_architecture(arch);
  return translate_errors([&] {
    return net::netdef_text(search::lower(impl_->space_for("netdef()"), choice, impl_->precision));
  });
}

std::string LatencyModel::init_netdef(const at::Tensor& arch) const {
  const std::vector<int> choice = one_architecture(arch);
  return translate_errors([&] {
    return net::netdef_text(
        net::init_net(search::lower(impl_->space_for("init_netdef()"), choice, impl_->precision)));
  });
}

c10::Dict<std::string, std::vector<int64_t>> LatencyModel::input_dims() const {
  // The input does not depend on the architecture: any that is offered will do.
  std::vector<int> choice;
  const search::Space& space = impl_->space_for("input_dims()");
  for (size_t layer = 0; layer < space.layers().size(); ++layer) {
    const size_t predecessor = layer == 0 ? 0 : static_cast<size_t>(choice.back());
    size_t first = 0;
    while (!space.fits(layer, predecessor, first)) ++first;
    choice.push_back(static_cast<int>(first));
  }
  c10::Dict<std::string, std::vector<int64_t>> dims;
  translate_errors([&] {
    for (const auto& [name, input] : search::lower(space, choice, impl_->precision).inputs) {
      dims.insert(name, input.shape);
    }
  });
  return dims;
}

void register_latency_model(torch::Library& library) {
  library.class_<LatencyModel>("LatencyModel")
      .def(torch::init<std::string, std::string, std::string, std::string, std::string>(),
           "The latency of every candidate of a space, priced with a LUT.",
           {torch::arg("space"), torch::arg("lut"), torch::arg("device") = "",
            torch::arg("precision") = "int8", torch::arg("mode") = "ave"})
      .def_static("from_table",
                  [](const at::Tensor& table_us, const std::vector<Names>& candidates,
                     const Optional<at::Tensor>& fixed_us, const Names& devices,
                     const Optional<at::Tensor>& valid, const Names& layers) {
                    return LatencyModel::from_table(table_us, candidates, fixed_us.value_or(at::Tensor()),
                                                    devices, valid.value_or(at::Tensor()), layers);
                  })
      .def_static("load", &LatencyModel::load)
      .def_static("parse", &LatencyModel::parse)
      .def("text",
           [](const c10::intrusive_ptr<LatencyModel>& self, const Optional<at::Tensor>& arch,
              const std::string& statistic) { return self->text(arch.value_or(at::Tensor()), statistic); },
           "", {torch::arg("arch") = Optional<at::Tensor>(), torch::arg("statistic") = "p50"})
      .def("save", &LatencyModel::save, "", {torch::arg("path")})
      .def("table_us", &LatencyModel::table_us, "", {torch::arg("statistic") = "p50"})
      .def("chain_table_us", &LatencyModel::chain_table_us, "", {torch::arg("statistic") = "p50"})
      .def("chain_valid", &LatencyModel::chain_valid)
      .def("fixed_us", &LatencyModel::fixed_us, "", {torch::arg("statistic") = "p50"})
      .def("fixed_by_device_us", &LatencyModel::fixed_by_device_us, "", {torch::arg("statistic") = "p50"})
      .def("spread_us", &LatencyModel::spread_us)
      .def("covariance_us2", &LatencyModel::covariance_us2)
      .def("noise", &LatencyModel::noise)
      .def("valid", &LatencyModel::valid)
      .def("layers", &LatencyModel::layers)
      .def("candidates", &LatencyModel::candidates, "", {torch::arg("layer")})
      .def("space", &LatencyModel::space)
      .def("precision", &LatencyModel::precision)
      .def("device", &LatencyModel::device)
      .def("devices", &LatencyModel::devices)
      .def("layer_names", &LatencyModel::layer_names)
      .def("encode", &LatencyModel::encode, "", {torch::arg("names")})
      .def("decode", &LatencyModel::decode, "", {torch::arg("arch")})
      .def("estimate", &LatencyModel::estimate, "", {torch::arg("arch"), torch::arg("statistic") = "p50"})
      .def("search", &LatencyModel::search, "",
           {torch::arg("theta"), torch::arg("budget_us"), torch::arg("k") = 1,
            torch::arg("statistic") = "p50"})
      .def("peak_memory", &LatencyModel::peak_memory, "", {torch::arg("arch")})
      .def("netdef", &LatencyModel::netdef, "", {torch::arg("arch")})
      .def("init_netdef", &LatencyModel::init_netdef, "", {torch::arg("arch")})
      .def("input_dims", &LatencyModel::input_dims)
      // What torch.export looks for: enough for the fake classes of plugin/python/latgrad/tracing.py.
      .def("__obj_flatten__",
           [](const c10::intrusive_ptr<LatencyModel>& self) {
             return std::make_tuple(
                 self->is_chain() ? std::make_tuple(std::string("chain_table_us"), self->chain_table_us())
                                  : std::make_tuple(std::string("table_us"), self->table_us()));
           })
      .def_pickle([](const c10::intrusive_ptr<LatencyModel>& self) { return self->state(); },
                  [](const LatencyModel::State& state) { return c10::make_intrusive<LatencyModel>(state); });
}

}  // namespace latgrad
