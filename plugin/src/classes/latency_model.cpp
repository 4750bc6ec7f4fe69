#include "latgrad/plugin/latency_model.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "classes/error_translation.h"
#include "classes/offered_mask.h"
#include "classes/register_classes.h"
#include "latgrad/base/listed.h"
#include "latgrad/lut/describe.h"
#include "latgrad/lut/statistic.h"
#include "latgrad/net/init_net.h"
#include "latgrad/net/netdef.h"
#include "latgrad/plugin/operators.h"
#include "latgrad/search/latency_model.h"
#include "latgrad/search/lowering.h"
#include "latgrad/search/space.h"

namespace latgrad {

struct LatencyModel::Impl {
  search::Space space;
  search::Precision precision;
  std::string device;
  // S statistics, in the order of lut::kStatistics.
  at::Tensor fixed_us;  // float64 [S], contiguous
  at::Tensor table_us;  // float64 [S, L, C], contiguous
  at::Tensor valid;     // bool [L, C], contiguous
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

// The index of a statistic in the tensors of a model. Errors: c10::ValueError.
int64_t index_of(const std::string& statistic) {
  return translate_errors([&] { return static_cast<int64_t>(lut::parse_statistic(statistic)); });
}

template <typename Map>
auto state_entry(const Map& map, const char* key) {
  const auto found = map.find(key);
  TORCH_CHECK_VALUE(found != map.end(), "the state of a LatencyModel must have an entry \"", key,
                    "\", got none");
  return found->value();
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
        const search::LatencyModel model =
            search::build_latency_model(space, lut::Table::load(lut_path), options);
        TORCH_CHECK_VALUE(model.missing.empty(), missing_report(model.missing, lut_path));
        const auto num_layers = static_cast<int64_t>(model.num_layers);
        const auto num_candidates = static_cast<int64_t>(model.num_candidates);
        at::Tensor fixed_us = at::empty({kNumStatistics}, at::kDouble);
        at::Tensor table_us = at::empty({kNumStatistics, num_layers, num_candidates}, at::kDouble);
        double* fixed = fixed_us.data_ptr<double>();
        double* table = table_us.data_ptr<double>();
        for (const search::Prices& prices : model.prices) {
          *fixed++ = prices.fixed_us;
          table = std::copy(prices.table_us.begin(), prices.table_us.end(), table);
        }
        at::Tensor valid = at::empty({num_layers, num_candidates}, at::kBool);
        std::copy(model.valid.begin(), model.valid.end(), valid.data_ptr<bool>());
        return std::make_unique<const Impl>(Impl{std::move(space), options.precision, model.device,
                                                 std::move(fixed_us), std::move(table_us), std::move(valid)});
      })) {}

LatencyModel::LatencyModel(const State& state)
    : impl_(translate_errors([&] {
        const auto& [version, texts, tensors] = state;
        TORCH_CHECK_VALUE(
            version == kStateVersion, "the state of a LatencyModel must have version ", kStateVersion,
            ", got ", version,
            ": it was saved by another version of latgrad; build the model anew from its space and "
            "LUT, or load it with that version");
        search::Space space = search::Space::parse(state_entry(texts, "space"), "saved LatencyModel");
        const at::Tensor offered = offered_mask(space);
        at::Tensor fixed_us = state_times(tensors, "fixed_us", {kNumStatistics});
        at::Tensor table_us =
            state_times(tensors, "table_us", {kNumStatistics, offered.size(0), offered.size(1)});
        at::Tensor valid = state_tensor(tensors, "valid", at::kBool, offered.sizes());
        TORCH_CHECK_VALUE(valid.equal(offered),
                          "the entry \"valid\" in the state of a LatencyModel must say what "
                          "its space offers, but differs");
        return std::make_unique<const Impl>(
            Impl{std::move(space), search::parse_precision(state_entry(texts, "precision")),
                 state_entry(texts, "device"), std::move(fixed_us), std::move(table_us), std::move(valid)});
      })) {}

LatencyModel::~LatencyModel() = default;

LatencyModel::State LatencyModel::state() const {
  c10::Dict<std::string, std::string> texts;
  texts.insert("space", space());
  texts.insert("precision", precision());
  texts.insert("device", device());
  c10::Dict<std::string, at::Tensor> tensors;
  tensors.insert("fixed_us", impl_->fixed_us.clone());
  tensors.insert("table_us", impl_->table_us.clone());
  tensors.insert("valid", valid());
  return {kStateVersion, texts, tensors};
}

at::Tensor LatencyModel::table_us(const std::string& statistic) const {
  return impl_->table_us[index_of(statistic)].clone();
}

double LatencyModel::fixed_us(const std::string& statistic) const {
  return impl_->fixed_us.data_ptr<double>()[index_of(statistic)];
}

at::Tensor LatencyModel::spread_us() const { return table_us("p90") - table_us("p10"); }
at::Tensor LatencyModel::valid() const { return impl_->valid.clone(); }
int64_t LatencyModel::layers() const { return impl_->valid.size(0); }

std::vector<std::string> LatencyModel::candidates(int64_t layer) const {
  TORCH_CHECK_VALUE(layer >= 0 && layer < layers(), "layer must be from 0 to ", layers() - 1, ", got ",
                    layer);
  return impl_->space.layers()[layer].candidates;
}

std::string LatencyModel::space() const {
  return translate_errors([&] { return impl_->space.text(); });
}

std::string LatencyModel::precision() const { return std::string(search::to_string(impl_->precision)); }
std::string LatencyModel::device() const { return impl_->device; }

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
  for (int64_t i = 0; i < indexes.numel(); ++i) {
    const int64_t layer = i % num_layers;
    const auto& info = impl_->space.layers()[layer];
    const auto size = static_cast<int64_t>(info.candidates.size());
    TORCH_CHECK_VALUE(choice[i] >= 0 && choice[i] < size, "arch must index the ", size,
                      " candidates of layer ", layer, " (counted from 0), got ", choice[i]);
    TORCH_CHECK_VALUE(info.offered[choice[i]], "arch must choose candidates that are offered, got ",
                      choice[i], " \"", info.candidates[choice[i]], "\" in layer ", layer,
                      " (counted from 0)");
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
  const auto& layers = impl_->space.layers();
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
    names.push_back(impl_->space.layers()[layer].candidates[choice[layer]]);
  }
  return names;
}

at::Tensor LatencyModel::estimate(const at::Tensor& arch, const std::string& statistic) const {
  return arch_latency(checked(arch), impl_->table_us[index_of(statistic)]) + fixed_us(statistic);
}

std::string LatencyModel::netdef(const at::Tensor& arch) const {
  const std::vector<int> choice = one_architecture(arch);
  return translate_errors(
      [&] { return net::netdef_text(search::lower(impl_->space, choice, impl_->precision)); });
}

std::string LatencyModel::init_netdef(const at::Tensor& arch) const {
  const std::vector<int> choice = one_architecture(arch);
  return translate_errors(
      [&] { return net::netdef_text(net::init_net(search::lower(impl_->space, choice, impl_->precision))); });
}

c10::Dict<std::string, std::vector<int64_t>> LatencyModel::input_dims() const {
  // The input does not depend on the architecture: any that is offered will do.
  std::vector<int> choice;
  for (const auto& layer : impl_->space.layers()) {
    const auto first = std::find(layer.offered.begin(), layer.offered.end(), true);
    choice.push_back(static_cast<int>(first - layer.offered.begin()));
  }
  c10::Dict<std::string, std::vector<int64_t>> dims;
  translate_errors([&] {
    for (const auto& [name, input] : search::lower(impl_->space, choice, impl_->precision).inputs) {
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
      .def("table_us", &LatencyModel::table_us, "", {torch::arg("statistic") = "p50"})
      .def("fixed_us", &LatencyModel::fixed_us, "", {torch::arg("statistic") = "p50"})
      .def("spread_us", &LatencyModel::spread_us)
      .def("valid", &LatencyModel::valid)
      .def("layers", &LatencyModel::layers)
      .def("candidates", &LatencyModel::candidates, "", {torch::arg("layer")})
      .def("space", &LatencyModel::space)
      .def("precision", &LatencyModel::precision)
      .def("device", &LatencyModel::device)
      .def("encode", &LatencyModel::encode, "", {torch::arg("names")})
      .def("decode", &LatencyModel::decode, "", {torch::arg("arch")})
      .def("estimate", &LatencyModel::estimate, "", {torch::arg("arch"), torch::arg("statistic") = "p50"})
      .def("netdef", &LatencyModel::netdef, "", {torch::arg("arch")})
      .def("init_netdef", &LatencyModel::init_netdef, "", {torch::arg("arch")})
      .def("input_dims", &LatencyModel::input_dims)
      // What torch.export looks for: enough for the fake classes of plugin/python/latgrad/tracing.py.
      .def("__obj_flatten__",
           [](const c10::intrusive_ptr<LatencyModel>& self) {
             return std::make_tuple(std::make_tuple(std::string("table_us"), self->table_us("p50")));
           })
      .def_pickle([](const c10::intrusive_ptr<LatencyModel>& self) { return self->state(); },
                  [](const LatencyModel::State& state) { return c10::make_intrusive<LatencyModel>(state); });
}

}  // namespace latgrad
