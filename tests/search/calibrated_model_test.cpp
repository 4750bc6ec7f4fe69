#include "latgrad/search/calibrated_model.h"

#include <gmock/gmock.h>

#include <cmath>
#include <random>
#include <vector>

#include "latgrad/search/calibrator.h"
#include "latgrad/search/random_architecture.h"
#include "shared_data.h"

namespace latgrad::search {
namespace {

TEST(CalibratedModelTest, ItsPricesAndIntervalsAreThoseOfThePosterior) {
  const Space space = Space::load(source_file("data/spaces/fbnet_cifar.textproto"));
  const SpaceOperators operators(space, Precision::kFp32);
  const Calibrator calibrator(operators.keys(), operators.physical(), typical_networks(space, operators),
                              /*of_one_space=*/true);
  std::mt19937_64 random(3);
  std::vector<TimedNetwork> measured;
  for (int i = 0; i < 25; ++i) {
    std::vector<uint32_t> network = operators.of(random_architecture(space, random));
    double time_us = 500;
    for (const uint32_t op : network) time_us += 10 + operators.physical()[op][1] * 2e-5 + (op % 7) * 3;
    measured.push_back({std::move(network), time_us});
  }
  const Calibration calibration = calibrator.calibrate(measured);
  const SavedModel model =
      calibrated_model(space, Precision::kFp32, operators, "phone", calibration.posterior);
  ASSERT_TRUE(model.errors.has_value());
  const size_t blocks = space.layers().size() * space.max_candidates() + 1;
  EXPECT_LT(model.errors->factor_us.size() / blocks, operators.keys().size());  // fewer rows than unknowns
  for (int i = 0; i < 50; ++i) {
    const Architecture arch = random_architecture(space, random);
    const Interval exact = calibration.posterior.price(operators.of(arch));
    const Interval saved = model.interval_us(arch);
    EXPECT_NEAR(saved.mean_us, exact.mean_us, 0.1);
    EXPECT_NEAR(saved.high_us - saved.mean_us, exact.high_us - exact.mean_us,
                0.01 * (exact.high_us - exact.mean_us));
    EXPECT_NEAR(saved.mean_us - saved.low_us, exact.mean_us - exact.low_us,
                0.01 * (exact.mean_us - exact.low_us));
  }
}

}  // namespace
}  // namespace latgrad::search
