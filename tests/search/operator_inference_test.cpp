#include "latgrad/search/operator_inference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <set>
#include <string>

#include "expect_error.h"
#include "latgrad/base/error.h"
#include "latgrad/net/netdef.h"

namespace latgrad::search {
namespace {

using ::testing::Each;
using ::testing::Ge;
using ::testing::HasSubstr;

constexpr size_t kLayers = 8;
constexpr size_t kCandidates = 4;
constexpr size_t kOperators = 1 + kLayers * kCandidates;  // a stem, then candidates
constexpr size_t kFeatures = 3;

// Operators with known times, networks of one candidate per layer behind a stem.
struct World {
  World(double deviation, double noise, uint64_t seed) : random(seed) {
    for (size_t op = 0; op < kOperators; ++op) {
      features.push_back({1, uniform(10, 100), op % 2 == 0 ? uniform(5, 50) : 0});
      const double line_us = 0.5 * features[op][0] + 0.2 * features[op][1] + 0.4 * features[op][2];
      times_us.push_back(line_us * (1 + deviation * uniform(-1, 1)));
    }
    for (size_t i = 0; i < 120; ++i) networks.push_back(network(noise));
  }

  double uniform(double low, double high) {
    return low + (high - low) * static_cast<double>(random() % 1'000'000) / 1e6;
  }

  NetworkTime network(double noise) {
    NetworkTime made{.operators = {0}};
    for (size_t layer = 0; layer < kLayers; ++layer) {
      if (random() % 4 == 0) continue;  // a skip: networks differ in how many operators they have
      made.operators.push_back(1 + layer * kCandidates + random() % kCandidates);
    }
    made.time_us = sum(made, times_us) + call_us;
    made.time_us *= 1 + noise * uniform(-1, 1);
    return made;
  }

  static double sum(const NetworkTime& network, const std::vector<double>& times_us) {
    double sum_us = 0;
    for (const size_t op : network.operators) sum_us += times_us[op];
    return sum_us;
  }

  // Of networks that were not measured.
  double mape(const InferredTimes& inferred) {
    double error = 0;
    for (int i = 0; i < 200; ++i) {
      const NetworkTime fresh = network(0);
      error += std::abs(sum(fresh, inferred.operators_us) / fresh.time_us - 1) / 200;
    }
    return error;
  }

  std::mt19937_64 random;
  double call_us = 30;
  std::vector<std::vector<double>> features;
  std::vector<double> times_us;
  std::vector<NetworkTime> networks;
};

TEST(OperatorInferenceTest, ALineIsFoundExactly) {
  World world(0, 0, 1);
  const InferredTimes inferred = infer_operator_times(world.features, world.networks);
  EXPECT_LT(inferred.left_out_mape, 1e-6);
  EXPECT_LT(world.mape(inferred), 1e-6);
  for (size_t op = 1; op < kOperators; ++op) {
    EXPECT_NEAR(inferred.operators_us[op], world.times_us[op], 1e-3 * world.times_us[op]);
  }
  // What a call takes is in the operator that all networks have.
  EXPECT_NEAR(inferred.operators_us[0], world.times_us[0] + world.call_us, 0.01);
}

TEST(OperatorInferenceTest, DeviationsAreFoundUnderNoise) {
  World world(0.4, 0.01, 2);
  const InferredTimes inferred = infer_operator_times(world.features, world.networks);
  EXPECT_GT(inferred.deviation, 0);
  EXPECT_GT(inferred.line_mape, 0.03);
  EXPECT_LT(inferred.left_out_mape, 0.01);
  EXPECT_LT(world.mape(inferred), 0.006);
  EXPECT_THAT(inferred.operators_us, Each(Ge(0)));
  // The error that it tells is that of networks it has not seen, with their noise of 0.5 % on average.
  EXPECT_GT(inferred.left_out_mape, world.mape(inferred));
}

// What few networks say of many operators is little, but the line holds.
TEST(OperatorInferenceTest, FewNetworksStillHaveTheLine) {
  World world(0.1, 0.01, 3);
  world.networks.resize(20);
  const InferredTimes inferred = infer_operator_times(world.features, world.networks);
  EXPECT_LT(world.mape(inferred), 0.03);
}

TEST(OperatorInferenceTest, NoTimeIsNegative) {
  World world(0, 0, 4);
  // A feature that makes networks faster: the line leaves it out rather than let an operator take less than
  // nothing.
  for (NetworkTime& network : world.networks) {
    for (const size_t op : network.operators) network.time_us -= 0.35 * world.features[op][2];
  }
  const InferredTimes inferred = infer_operator_times(world.features, world.networks);
  EXPECT_THAT(inferred.operators_us, Each(Ge(0)));
  EXPECT_LT(inferred.left_out_mape, 0.02);
}

// Columns that are the same, or nearly, do not stop the search.
TEST(OperatorInferenceTest, FeaturesMayDependOnEachOther) {
  World world(0, 0, 7);
  for (auto& features : world.features) {
    features.push_back(features[1]);
    features.push_back(features[1] * (1 + 1e-13) + features[0]);
    features.push_back(2 * features[2] + features[0]);
  }
  const InferredTimes inferred = infer_operator_times(world.features, world.networks);
  EXPECT_LT(inferred.left_out_mape, 1e-5);
  EXPECT_LT(world.mape(inferred), 1e-5);
}

// A network of a thousand times the size counts as much as the others.
TEST(OperatorInferenceTest, ErrorsAreRelative) {
  World world(0, 0.02, 5);
  for (auto& features : world.features) {
    for (double& feature : features) feature *= 1e3;
  }
  for (NetworkTime& network : world.networks) network.time_us *= 1e3;
  World small(0, 0.02, 5);
  const InferredTimes large_times = infer_operator_times(world.features, world.networks);
  const InferredTimes small_times = infer_operator_times(small.features, small.networks);
  EXPECT_NEAR(large_times.left_out_mape, small_times.left_out_mape, 1e-9);
  EXPECT_NEAR(large_times.operators_us[3] / 1e3, small_times.operators_us[3],
              1e-6 * small_times.operators_us[3]);
}

TEST(OperatorInferenceTest, Misuse) {
  World world(0, 0, 6);
  std::vector<NetworkTime> networks = world.networks;
  networks.resize(19);
  LATGRAD_EXPECT_ERROR(infer_operator_times(world.features, networks), ValueError,
                       HasSubstr("inferred from at least 20 networks, got 19"));
  LATGRAD_EXPECT_ERROR(infer_operator_times({}, world.networks), ValueError, HasSubstr("number of features"));
  std::vector<std::vector<double>> ragged = world.features;
  ragged[3].pop_back();
  LATGRAD_EXPECT_ERROR(infer_operator_times(ragged, world.networks), ValueError,
                       HasSubstr("number of features"));
  networks = world.networks;
  networks[4].operators.push_back(kOperators);
  LATGRAD_EXPECT_ERROR(infer_operator_times(world.features, networks), ValueError,
                       HasSubstr("an operator must be below 33, got 33"));
  for (const double wrong : {0.0, -1.0, std::numeric_limits<double>::infinity()}) {
    networks = world.networks;
    networks[7].time_us = wrong;
    LATGRAD_EXPECT_ERROR(infer_operator_times(world.features, networks), ValueError,
                         HasSubstr("the time of a network must be positive and finite"));
  }
}

std::vector<double> features_of(const char* op, const net::Shape& input, const net::Shape& weight = {}) {
  net::Net net =
      net::parse_netdef_text(std::string("op { input: \"x\" output: \"y\" ") + op + " }", "op.pbtxt");
  net.inputs["x"] = {input, net::DataType::kFloat};
  if (!weight.empty()) net.parameters["w"] = {weight, net::DataType::kFloat};
  return physical_features(net.ops[0], net::infer_shapes(net).ops[0]);
}

// Where the features of the kind begin.
size_t kind_in(const std::vector<double>& features) {
  const size_t first = static_cast<size_t>(std::distance(
      features.begin(), std::ranges::find_if(features, [](double value) { return value > 0; })));
  EXPECT_EQ(features[first], 1);
  EXPECT_EQ(std::accumulate(features.begin(), features.end(), 0.0),
            std::accumulate(features.begin() + static_cast<std::ptrdiff_t>(first),
                            features.begin() + static_cast<std::ptrdiff_t>(first) + 4, 0.0));
  return first;
}

TEST(PhysicalFeaturesTest, TellKindsApart) {
  const net::Shape image{1, 8, 6, 6};
  const std::vector<double> pointwise =
      features_of("input: \"w\" type: \"Conv\" arg { name: \"kernel\" i: 1 }", image, {16, 8, 1, 1});
  const std::vector<double> dense =
      features_of("input: \"w\" type: \"Conv\" arg { name: \"kernel\" i: 3 } arg { name: \"pad\" i: 1 }",
                  image, {16, 8, 3, 3});
  const std::vector<double> depthwise =
      features_of("input: \"w\" type: \"Conv\" arg { name: \"kernel\" i: 3 } arg { name: \"group\" i: 8 }",
                  image, {8, 1, 3, 3});
  const std::vector<double> groups =
      features_of("input: \"w\" type: \"Conv\" arg { name: \"kernel\" i: 1 } arg { name: \"group\" i: 2 }",
                  image, {16, 4, 1, 1});
  const std::vector<double> relu = features_of("type: \"Relu\"", image);
  const std::vector<double> shuffle =
      features_of("type: \"ChannelShuffle\" arg { name: \"group\" i: 2 }", image);
  std::set<size_t> kinds;
  for (const auto& features : {pointwise, dense, depthwise, groups, relu, shuffle})
    kinds.insert(kind_in(features));
  EXPECT_EQ(kinds.size(), 6U);
  net::Net quantised = net::parse_netdef_text(R"(op { input: "x" input: "w" output: "y" type: "Int8Conv"
      arg { name: "kernel" i: 1 } arg { name: "order" s: "NHWC" } })",
                                              "op.pbtxt");
  quantised.inputs["x"] = {{1, 6, 6, 8}, net::DataType::kUint8};
  quantised.parameters["w"] = {{16, 1, 1, 8}, net::DataType::kUint8};
  kinds.insert(kind_in(physical_features(quantised.ops[0], net::infer_shapes(quantised).ops[0])));
  EXPECT_EQ(kinds.size(), 7U);
  const size_t first = kind_in(pointwise);
  EXPECT_EQ(pointwise[first + 1], 36 * 16 * 8);
  EXPECT_EQ(pointwise[first + 2], 4 * 36 * (8 + 16));
  EXPECT_EQ(pointwise[first + 3], 4 * 16 * 8);
}

}  // namespace
}  // namespace latgrad::search
