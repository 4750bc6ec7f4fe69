#include "calibration.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "classes/error_translation.h"
#include "latgrad/search/calibrated_model.h"
#include "latgrad/search/calibrator.h"

namespace latgrad {
namespace {

std::vector<search::TimedNetwork> networks_of(const search::Space& space,
                                              const search::SpaceOperators& operators, const at::Tensor& arch,
                                              const at::Tensor& times_us) {
  const auto num_layers = static_cast<int64_t>(space.layers().size());
  TORCH_CHECK_VALUE(arch.dim() == 2 && arch.size(1) == num_layers &&
                        (arch.scalar_type() == at::kLong || arch.scalar_type() == at::kByte),
                    "architectures must be [N, ", num_layers, "], uint8 or int64, got ", arch.scalar_type(),
                    " ", arch.sizes());
  TORCH_CHECK_VALUE(
      times_us.dim() == 1 && times_us.size(0) == arch.size(0) && at::isFloatingType(times_us.scalar_type()),
      "times must be [", arch.size(0), "], one for each architecture, floating point, got ",
      times_us.scalar_type(), " ", times_us.sizes());
  const at::Tensor choices = arch.detach().cpu().to(at::kLong).contiguous();
  const at::Tensor times = times_us.detach().cpu().to(at::kDouble).contiguous();
  std::vector<search::TimedNetwork> networks;
  for (int64_t i = 0; i < arch.size(0); ++i) {
    const int64_t* row = choices.data_ptr<int64_t>() + i * num_layers;
    search::Architecture one;
    for (int64_t layer = 0; layer < num_layers; ++layer) {
      // Out of the range of an int is out of every range.
      one.push_back(row[layer] < 0 || row[layer] > 1'000'000 ? -1 : static_cast<int>(row[layer]));
    }
    space.check(one);
    networks.push_back({operators.of(one), times.data_ptr<double>()[i]});
  }
  return networks;
}

}  // namespace

std::tuple<std::string, at::Tensor> calibrate(const std::string& space_path,
                                              const std::string& precision_name, const std::string& device,
                                              const at::Tensor& arch, const at::Tensor& times_us,
                                              const c10::List<at::Tensor>& source_archs,
                                              const c10::List<at::Tensor>& source_times_us,
                                              const c10::List<std::string>& luts, int64_t seed) {
  return translate_errors([&] {
    const search::Space space = search::Space::load(space_path);
    const search::Precision precision = search::parse_precision(precision_name);
    const search::SpaceOperators operators(space, precision);
    search::Calibrator calibrator(operators.keys(), operators.physical(), typical_networks(space, operators),
                                  /*of_one_space=*/true);
    TORCH_CHECK_VALUE(source_archs.size() == source_times_us.size(),
                      "each source must have architectures and times, got ", source_archs.size(), " and ",
                      source_times_us.size());
    for (size_t i = 0; i < source_archs.size(); ++i) {
      calibrator.add_source(networks_of(space, operators, source_archs.get(i), source_times_us.get(i)));
    }
    for (const std::string& lut : luts.vec()) calibrator.add_source(lut::Table::load(lut), "");
    const search::Calibration calibration =
        calibrator.calibrate(networks_of(space, operators, arch, times_us), static_cast<uint64_t>(seed));
    at::Tensor left_out = at::empty({arch.size(0), 3}, at::kDouble);
    auto rows = left_out.accessor<double, 2>();
    for (int64_t i = 0; i < arch.size(0); ++i) {
      const search::Interval& interval = calibration.left_out[static_cast<size_t>(i)];
      rows[i][0] = interval.mean_us;
      rows[i][1] = interval.low_us;
      rows[i][2] = interval.high_us;
    }
    return std::make_tuple(
        saved_model_text(calibrated_model(space, precision, operators, device, calibration.posterior)),
        std::move(left_out));
  });
}

}  // namespace latgrad
