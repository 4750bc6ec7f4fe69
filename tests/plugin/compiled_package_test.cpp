// A module that Python compiled ahead of time (AOTInductor) runs in C++, where the plugin is linked and there
// is no Python.

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cstdlib>

#include "latgrad/plugin/latency_model.h"
#include "latgrad/plugin/operators.h"
#include "latgrad/search/saved_model.h"

#if __has_include(<torch/csrc/inductor/aoti_package/model_package_loader.h>)
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#define LATGRAD_HAS_PACKAGE_LOADER
#endif

namespace latgrad {
namespace {

TEST(CompiledPackageTest, RunsWithoutPython) {
#ifdef LATGRAD_HAS_PACKAGE_LOADER
  const char* file = std::getenv("LATGRAD_COMPILED_PACKAGE");
  if (file == nullptr) GTEST_SKIP() << "LATGRAD_COMPILED_PACKAGE names no package: run by ctest, with Python";
  torch::inductor::AOTIModelPackageLoader package(file);
  // As compile_package.py makes them.
  const auto table_us = torch::arange(20.0f).reshape({4, 5}) + 1;
  const auto fleet_us = torch::stack({table_us, 2 * table_us});
  const auto chain_us = torch::arange(100.0f).reshape({4, 5, 5}) + 1;
  const auto arch = torch::tensor({0, 1, 2, 3}, torch::kLong);
  const auto valid = torch::arange(20).reshape({4, 5}).remainder(3) != 1;
  const auto noise = torch::linspace(-1, 1, 20).reshape({4, 5});
  const auto theta = torch::randn({4, 5});

  const auto outputs = package.run({theta});
  const auto [weights, sample_us] = gumbel_latency_sample(theta, fleet_us, noise, 0.7, valid, /*hard=*/false);
  const std::vector<at::Tensor> wanted = {expected_latency(theta.softmax(-1), table_us),
                                          softmax_latency(theta, table_us, valid),
                                          weights,
                                          sample_us,
                                          arch_latency(arch, table_us),
                                          chain_latency(theta.softmax(-1), chain_us),
                                          chain_arch_latency(arch, chain_us)};
  ASSERT_EQ(outputs.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i)
    EXPECT_TRUE(torch::allclose(outputs[i], wanted[i])) << "output " << i;
#else
  GTEST_SKIP() << "AOTInductor packages came with torch 2.6";
#endif
}

// As compile_package.py saves it: the space tiny, the first candidate of every layer, priced by p90.
TEST(CompiledPackageTest, ANetworkHasItsPriceBesideIt) {
#ifdef LATGRAD_HAS_PACKAGE_LOADER
  const char* file = std::getenv("LATGRAD_COMPILED_NETWORK");
  if (file == nullptr) GTEST_SKIP() << "LATGRAD_COMPILED_NETWORK names no package: run by ctest, with Python";
  const auto model = load_latency_model(file);
  const search::SavedModel saved = search::load_latency_model(file);  // without torch
  ASSERT_TRUE(saved.architecture.has_value());
  EXPECT_EQ(saved.statistic, "p90");
  const double latency_us = saved.estimate_us(*saved.architecture, saved.statistic);
  const std::vector<int64_t> choices(saved.architecture->begin(), saved.architecture->end());
  const auto arch = torch::tensor(choices, torch::kLong);
  EXPECT_DOUBLE_EQ(latency_us, model->estimate(arch, "p90").item<double>());
  EXPECT_EQ(saved.decode(*saved.architecture), model->decode(arch));

  torch::inductor::AOTIModelPackageLoader package(file);
  const auto outputs = package.run({torch::zeros(model->input_dims().begin()->value())});
  ASSERT_EQ(outputs.size(), 1u);
  EXPECT_EQ(outputs[0].dim(), 2);
#else
  GTEST_SKIP() << "AOTInductor packages came with torch 2.6";
#endif
}

}  // namespace
}  // namespace latgrad
