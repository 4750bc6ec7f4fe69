#include "prices.h"

#include <latgrad/plugin/operators.h>
#include <torch/torch.h>

#include <limits>

namespace fbnet_supernet {

using torch::Tensor;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

Prices::Prices(const std::filesystem::path& space_file, const std::filesystem::path& lut_file,
               const std::string& device, const std::string& precision, const std::string& by)
    : lut(lut_file),
      statistic(by),
      space(latgrad::search::Space::load(space_file)),
      model(c10::make_intrusive<latgrad::LatencyModel>(space_file.string(), lut.string(), device, precision)),
      table_us(model->table_us(statistic)),
      valid(model->valid()),
      fixed_us(model->fixed_us(statistic)) {}

double Prices::exact_us(const Tensor& arch) const { return model->estimate(arch, statistic).item<double>(); }

double Prices::expected_us(const Tensor& theta) const {
  return fixed_us + latgrad::softmax_latency(theta.to(torch::kDouble), table_us, valid).item<double>();
}

double Prices::fastest_us() const {
  return table_us.masked_fill(valid.logical_not(), kInfinity).amin(-1).sum().item<double>() + fixed_us;
}

double Prices::slowest_us() const { return table_us.amax(-1).sum().item<double>() + fixed_us; }

Tensor Prices::masked(const Tensor& theta) const {
  return theta.detach().to(torch::kDouble).masked_fill(valid.logical_not(), -kInfinity);
}

Tensor Prices::arg_max(const Tensor& theta) const { return masked(theta).argmax(-1); }

double Prices::entropy(const Tensor& theta) const {
  const Tensor probs = masked(theta).softmax(-1);
  return -torch::special::xlogy(probs, probs).sum(-1).mean().item<double>();
}

JsonObject Prices::describe() const {
  std::vector<JsonObject> layers;
  for (int64_t layer = 0; layer < model->layers(); ++layer) {
    const std::vector<std::string> names = model->candidates(layer);  // fewer than the widest layer's
    std::vector<std::optional<double>> times_us = where_offered(table_us[layer], valid[layer]);
    times_us.resize(names.size());
    layers.push_back(JsonObject().add("candidates", names).add("us", times_us));
  }
  JsonObject description;
  description.add("space", space.name())
      .add("device", model->device())
      .add("precision", model->precision())
      .add("statistic", statistic)
      .add("fixed_us", fixed_us)
      .add("layers", layers);
  return description;
}

std::vector<std::optional<double>> where_offered(const Tensor& values, const Tensor& valid) {
  std::vector<std::optional<double>> offered;
  for (int64_t candidate = 0; candidate < values.size(0); ++candidate) {
    offered.push_back(valid[candidate].item<bool>() ? std::optional(values[candidate].item<double>())
                                                    : std::nullopt);
  }
  return offered;
}

std::vector<int64_t> indices(const Tensor& arch) {
  const Tensor list = arch.contiguous();
  return {list.data_ptr<int64_t>(), list.data_ptr<int64_t>() + list.numel()};
}

}  // namespace fbnet_supernet
