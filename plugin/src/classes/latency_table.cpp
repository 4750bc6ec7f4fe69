#include "latgrad/plugin/latency_table.h"

#include <algorithm>

#include "classes/error_translation.h"
#include "classes/register_classes.h"
#include "latgrad/base/error.h"
#include "latgrad/base/listed.h"
#include "latgrad/lut/estimate.h"
#include "latgrad/lut/record_json.h"
#include "latgrad/lut/table.h"
#include "latgrad/net/netdef.h"
#include "latgrad/net/read_net.h"

namespace latgrad {
namespace {

constexpr size_t kMissingShown = 10;
constexpr char kMissing[] = "missing";

net::DataType parse_dtype(int64_t number) {
  const auto dtype = static_cast<net::DataType>(number);
  const bool in_range = number > 0 && number <= static_cast<int64_t>(net::DataType::kDouble);
  TORCH_CHECK_VALUE(in_range && net::to_string(dtype) != net::to_string(net::DataType::kUndefined),
                    "input_dtypes must hold numbers that Caffe2's TensorProto defines, got ", number);
  return dtype;
}

// Empty where every call must name its device.
std::string default_device(const lut::Table& table) {
  try {
    return table.default_device();
  } catch (const ValueError&) {
    return "";
  }
}

c10::intrusive_ptr<NetEstimate> net_estimate(const net::Net& net, const lut::Estimate& estimate) {
  std::vector<std::string> op_types, outputs, statuses;
  std::vector<double> times_us;
  for (size_t i = 0; i < estimate.ops.size(); ++i) {
    op_types.push_back(net.ops[i].type);
    outputs.push_back(net.ops[i].outputs.empty() ? "" : net.ops[i].outputs.front());
    statuses.emplace_back(lut::to_string(estimate.ops[i].status));
    times_us.push_back(estimate.ops[i].time_us.value_or(0));
  }
  return c10::make_intrusive<NetEstimate>(estimate.found_us, std::move(op_types), std::move(outputs),
                                          std::move(statuses), std::move(times_us));
}

std::string state_text(const c10::Dict<std::string, std::string>& texts, const char* key) {
  const auto found = texts.find(key);
  TORCH_CHECK_VALUE(found != texts.end(), "the state of a LatencyTable must have an entry \"", key,
                    "\", got none");
  return found->value();
}

}  // namespace

NetEstimate::NetEstimate(double found_us, std::vector<std::string> op_types, std::vector<std::string> outputs,
                         std::vector<std::string> statuses, std::vector<double> times_us)
    : found_us_(found_us),
      op_types_(std::move(op_types)),
      outputs_(std::move(outputs)),
      statuses_(std::move(statuses)),
      times_us_(std::move(times_us)) {}

bool NetEstimate::all_found() const {
  return std::find(statuses_.begin(), statuses_.end(), kMissing) == statuses_.end();
}

double NetEstimate::total_us() const {
  if (all_found()) return found_us_;
  std::vector<std::string> missing;
  for (size_t i = 0; i < statuses_.size(); ++i) {
    if (statuses_[i] == kMissing) missing.push_back(c10::str("op ", i, " \"", op_types_[i], "\""));
  }
  TORCH_CHECK(false, "a total needs a time for every operator, but ", missing.size(), " of ",
              statuses_.size(), " are missing: ", base::listed(missing, kMissingShown),
              "; found_us() is the sum of the others");
}

struct LatencyTable::Impl {
  lut::Table table;
  std::string default_device;  // may follow from the name of the file, which a saved table has lost

  // The device that a call prices for. Errors: latgrad::ValueError as Table::resolve_device.
  std::string resolve_device(const std::string& device) const {
    return table.resolve_device(device.empty() ? default_device : device);
  }

  lut::EstimateOptions options(const std::string& device, const std::string& mode,
                               const std::string& statistic) const {
    return {.device = resolve_device(device),
            .mode = lut::parse_mode(mode),
            .statistic = lut::parse_statistic(statistic)};
  }
};

LatencyTable::LatencyTable(const std::string& path)
    : impl_(translate_errors([&] {
        lut::Table table = lut::Table::load(path);
        std::string device = default_device(table);
        return std::make_unique<const Impl>(Impl{std::move(table), std::move(device)});
      })) {}

LatencyTable::LatencyTable(const State& state)
    : impl_(translate_errors([&] {
        const auto& [version, texts] = state;
        TORCH_CHECK_VALUE(version == kStateVersion, "the state of a LatencyTable must have version ",
                          kStateVersion, ", got ", version,
                          ": it was saved by another version of latgrad; load the table anew from its file");
        lut::Table table = lut::Table::parse(state_text(texts, "records"), "saved LatencyTable");
        std::string device = state_text(texts, "default_device");
        TORCH_CHECK_VALUE(device.empty() || table.has_device(device),
                          "the entry \"default_device\" in the state of a LatencyTable must be a device of "
                          "its records, got \"",
                          device, "\"");
        return std::make_unique<const Impl>(Impl{std::move(table), std::move(device)});
      })) {}

LatencyTable::~LatencyTable() = default;

LatencyTable::State LatencyTable::state() const {
  std::string records;
  translate_errors([&] {
    for (size_t i = 0; i < impl_->table.size(); ++i) {
      records += lut::record_json(impl_->table.record(i));
      records += '\n';
    }
  });
  c10::Dict<std::string, std::string> texts;
  texts.insert("records", records);
  texts.insert("default_device", impl_->default_device);
  return {kStateVersion, texts};
}

int64_t LatencyTable::size() const { return static_cast<int64_t>(impl_->table.size()); }
std::vector<std::string> LatencyTable::devices() const { return impl_->table.devices(); }

std::vector<double> LatencyTable::find(const std::string& op_type, const std::vector<std::string>& args,
                                       const std::vector<std::vector<int64_t>>& input_shapes,
                                       const std::vector<int64_t>& input_dtypes, const std::string& device,
                                       const std::string& statistic) const {
  return translate_errors([&] {
    TORCH_CHECK_VALUE(input_shapes.size() == input_dtypes.size(),
                      "input_shapes and input_dtypes must have the same length, got ", input_shapes.size(),
                      " and ", input_dtypes.size());
    lut::OperatorKey key{.op_type = op_type, .args = {}, .input_shapes = input_shapes, .input_dtypes = {}};
    for (const std::string& text : args) key.args.push_back(net::parse_argument_text(text));
    for (const int64_t number : input_dtypes) key.input_dtypes.push_back(parse_dtype(number));
    const lut::Statistic figure = lut::parse_statistic(statistic);
    std::vector<double> times_us;
    for (const uint32_t record : impl_->table.find(key, impl_->resolve_device(device))) {
      times_us.push_back(impl_->table.time_us(record, figure));
    }
    return times_us;
  });
}

c10::intrusive_ptr<NetEstimate> LatencyTable::estimate_net(
    const std::string& model, const std::string& init,
    const c10::Dict<std::string, std::vector<int64_t>>& input_dims, const std::string& device,
    const std::string& mode, const std::string& statistic) const {
  return translate_errors([&] {
    const lut::EstimateOptions options = impl_->options(device, mode, statistic);
    std::vector<net::InputShape> inputs;
    for (const auto& entry : input_dims) inputs.push_back({entry.key(), entry.value(), std::nullopt});
    const auto [net, shapes] =
        net::read_and_infer(model, init.empty() ? std::nullopt : std::optional(init), inputs);
    return net_estimate(net, lut::estimate(net, shapes, impl_->table, options));
  });
}

c10::intrusive_ptr<NetEstimate> LatencyTable::estimate(const c10::intrusive_ptr<Net>& net,
                                                       const std::string& device, const std::string& mode,
                                                       const std::string& statistic) const {
  return translate_errors([&] {
    const auto& [read, shapes] = net->contents();
    return net_estimate(read,
                        lut::estimate(read, shapes, impl_->table, impl_->options(device, mode, statistic)));
  });
}

void register_latency_table(torch::Library& library) {
  library.class_<NetEstimate>("NetEstimate")
      .def("total_us", &NetEstimate::total_us)
      .def("found_us", &NetEstimate::found_us)
      .def("all_found", &NetEstimate::all_found)
      .def("op_types", &NetEstimate::op_types)
      .def("outputs", &NetEstimate::outputs)
      .def("statuses", &NetEstimate::statuses)
      .def("times_us", &NetEstimate::times_us);
  library.class_<LatencyTable>("LatencyTable")
      .def(torch::init<std::string>(), "A latency look-up table in the published format.",
           {torch::arg("path")})
      .def("size", &LatencyTable::size)
      .def("devices", &LatencyTable::devices)
      .def("find", &LatencyTable::find, "",
           {torch::arg("op_type"), torch::arg("args"), torch::arg("input_shapes"), torch::arg("input_dtypes"),
            torch::arg("device") = "", torch::arg("statistic") = "p50"})
      .def("estimate_net", &LatencyTable::estimate_net, "",
           {torch::arg("model"), torch::arg("init") = "",
            torch::arg("input_dims") = c10::Dict<std::string, std::vector<int64_t>>(),
            torch::arg("device") = "", torch::arg("mode") = "ave", torch::arg("statistic") = "p50"})
      .def("estimate", &LatencyTable::estimate, "",
           {torch::arg("net"), torch::arg("device") = "", torch::arg("mode") = "ave",
            torch::arg("statistic") = "p50"})
      // What torch.export looks for: enough for the fake classes of plugin/python/latgrad/tracing.py.
      .def("__obj_flatten__",
           [](const c10::intrusive_ptr<LatencyTable>& self) {
             return std::make_tuple(std::make_tuple(std::string("size"), self->size()));
           })
      .def_pickle([](const c10::intrusive_ptr<LatencyTable>& self) { return self->state(); },
                  [](const LatencyTable::State& state) { return c10::make_intrusive<LatencyTable>(state); });
}

}  // namespace latgrad
