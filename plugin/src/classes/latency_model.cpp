#include "latgrad/plugin/latency_model.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "classes/error_translation.h"
#include "classes/register_classes.h"
#include "latgrad/lut/netdef.h"
#include "latgrad/plugin/operators.h"
#include "latgrad/search/latency_model.h"
#include "latgrad/search/lowering.h"
#include "latgrad/search/space.h"

namespace latgrad {

struct LatencyModel::Impl {
  search::Space space;
  search::Precision precision;
  std::string device;
  double fixed_us;
  at::Tensor table_us;  // float64 [L, C], contiguous
  at::Tensor valid;     // bool [L, C], contiguous
};

namespace {

constexpr size_t kMissingShown = 10;

std::string missing_report(const std::vector<search::MissingOperator>& missing, const std::string& lut) {
  std::ostringstream text;
  text << "the table must hold every operator of the space, but lacks " << missing.size() << " (" << lut
       << "); measure them with `latgrad profile`:";
  for (size_t i = 0; i < std::min(missing.size(), kMissingShown); ++i) {
    text << "\n  " << lut::describe(missing[i].key);
    if (!missing[i].used_by.empty()) text << ", for " << missing[i].used_by.front();
  }
  if (missing.size() > kMissingShown) text << "\n  and " << missing.size() - kMissingShown << " more";
  return text.str();
}

at::Tensor offered_mask(const search::Space& space) {
  const auto& layers = space.layers();
  at::Tensor mask = at::zeros(
      {static_cast<int64_t>(layers.size()), static_cast<int64_t>(space.max_candidates())}, at::kBool);
  auto cells = mask.accessor<bool, 2>();
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    for (size_t i = 0; i < layers[layer].offered.size(); ++i) cells[layer][i] = layers[layer].offered[i];
  }
  return mask;
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

}  // namespace

LatencyModel::LatencyModel(const std::string& space_path, const std::string& lut_path,
                           const std::string& device, const std::string& precision, const std::string& mode)
    : impl_(translate_errors([&] {
        const search::LatencyModelOptions options{
            .precision = search::parse_precision(precision), .device = device, .mode = lut::parse_mode(mode)};
        search::Space space = search::Space::load(space_path);
        const lut::Table table = lut::Table::load(lut_path);
        const search::LatencyModel model = search::build_latency_model(space, table, options);
        TORCH_CHECK_VALUE(model.missing.empty(), missing_report(model.missing, lut_path));
        const std::vector<int64_t> sizes = {static_cast<int64_t>(model.num_layers),
                                            static_cast<int64_t>(model.num_candidates)};
        const search::Prices& medians = model.by(lut::Statistic::kP50);
        at::Tensor table_us = at::empty(sizes, at::kDouble);
        std::copy(medians.table_us.begin(), medians.table_us.end(), table_us.data_ptr<double>());
        at::Tensor valid = at::empty(sizes, at::kBool);
        std::copy(model.valid.begin(), model.valid.end(), valid.data_ptr<bool>());
        return std::make_unique<const Impl>(Impl{std::move(space), options.precision, model.device,
                                                 medians.fixed_us, std::move(table_us), std::move(valid)});
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
        at::Tensor table_us = state_tensor(tensors, "table_us", at::kDouble, offered.sizes());
        at::Tensor valid = state_tensor(tensors, "valid", at::kBool, offered.sizes());
        const double fixed_us = state_tensor(tensors, "fixed_us", at::kDouble, {}).item<double>();
        TORCH_CHECK_VALUE(std::isfinite(fixed_us) && fixed_us >= 0,
                          "the entry \"fixed_us\" in the state of a "
                          "LatencyModel must be finite and not negative, got ",
                          fixed_us);
        TORCH_CHECK_VALUE(
            at::logical_and(table_us >= 0, table_us.isfinite()).all().item<bool>(),
            "the entry \"table_us\" in the state of a LatencyModel must be finite and not negative");
        TORCH_CHECK_VALUE(valid.equal(offered),
                          "the entry \"valid\" in the state of a LatencyModel must say what "
                          "its space offers, but differs");
        return std::make_unique<const Impl>(
            Impl{std::move(space), search::parse_precision(state_entry(texts, "precision")),
                 state_entry(texts, "device"), fixed_us, std::move(table_us), std::move(valid)});
      })) {}

LatencyModel::~LatencyModel() = default;

LatencyModel::State LatencyModel::state() const {
  c10::Dict<std::string, std::string> texts;
  texts.insert("space", space());
  texts.insert("precision", precision());
  texts.insert("device", device());
  c10::Dict<std::string, at::Tensor> tensors;
  tensors.insert("fixed_us", at::scalar_tensor(fixed_us(), at::kDouble));
  tensors.insert("table_us", table_us());
  tensors.insert("valid", valid());
  return {kStateVersion, texts, tensors};
}

at::Tensor LatencyModel::table_us() const { return impl_->table_us.clone(); }
at::Tensor LatencyModel::valid() const { return impl_->valid.clone(); }
double LatencyModel::fixed_us() const { return impl_->fixed_us; }
int64_t LatencyModel::layers() const { return impl_->table_us.size(0); }

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
// check would do for one of them, but counts layers from 1. Errors: as LatencyModel::decode.
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

at::Tensor LatencyModel::estimate(const at::Tensor& arch) const {
  return arch_latency(checked(arch), impl_->table_us) + impl_->fixed_us;
}

std::string LatencyModel::netdef(const at::Tensor& arch) const {
  const std::vector<int> choice = one_architecture(arch);
  return translate_errors(
      [&] { return lut::netdef_text(search::lower(impl_->space, choice, impl_->precision)); });
}

std::string LatencyModel::init_netdef(const at::Tensor& arch) const {
  const std::vector<int> choice = one_architecture(arch);
  return translate_errors(
      [&] { return lut::netdef_text(lut::init_net(search::lower(impl_->space, choice, impl_->precision))); });
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
      .def("table_us", &LatencyModel::table_us)
      .def("valid", &LatencyModel::valid)
      .def("fixed_us", &LatencyModel::fixed_us)
      .def("layers", &LatencyModel::layers)
      .def("candidates", &LatencyModel::candidates, "", {torch::arg("layer")})
      .def("space", &LatencyModel::space)
      .def("precision", &LatencyModel::precision)
      .def("device", &LatencyModel::device)
      .def("encode", &LatencyModel::encode, "", {torch::arg("names")})
      .def("decode", &LatencyModel::decode, "", {torch::arg("arch")})
      .def("estimate", &LatencyModel::estimate, "", {torch::arg("arch")})
      .def("netdef", &LatencyModel::netdef, "", {torch::arg("arch")})
      .def("init_netdef", &LatencyModel::init_netdef, "", {torch::arg("arch")})
      .def("input_dims", &LatencyModel::input_dims)
      .def_pickle([](const c10::intrusive_ptr<LatencyModel>& self) { return self->state(); },
                  [](const LatencyModel::State& state) { return c10::make_intrusive<LatencyModel>(state); });
}

}  // namespace latgrad
