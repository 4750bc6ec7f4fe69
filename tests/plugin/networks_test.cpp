// The modules of a space; that they are those of Python is tested there, in test_fbnet_supernet_cpp.py.

#include "latgrad/plugin/networks.h"

#include <gmock/gmock.h>
#include <torch/script.h>
#include <torch/torch.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "latgrad/lut/record_json.h"
#include "latgrad/plugin/operators.h"
#include "plugin/made_up_table.h"
#include "shared_data.h"

namespace latgrad {
namespace {

using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using torch::Tensor;
using Shapes = c10::Dict<std::string, std::vector<int64_t>>;

c10::intrusive_ptr<SearchSpace> tiny() {
  return c10::make_intrusive<SearchSpace>(source_file("data/spaces/tiny.textproto").string());
}

Tensor sample_of(const Tensor& arch) { return torch::one_hot(arch, 4).to(torch::kFloat); }

void expect_value_error(const std::function<void()>& action, const std::string& message) {
  try {
    action();
    ADD_FAILURE() << "expected: " << message;
  } catch (const c10::ValueError& error) {
    EXPECT_THAT(error.what_without_backtrace(), HasSubstr(message));
  }
}

SearchSpace::Operator make_operator(const std::string& type, std::vector<std::string> inputs,
                                    const std::string& output) {
  const auto arguments = c10::impl::toTypedDict<std::string, c10::IValue>(
      c10::impl::GenericDict(c10::StringType::get(), c10::AnyType::get()));
  return {type, std::move(inputs), {output}, arguments};
}

TEST(FragmentModuleTest, IdentityGivesItsInput) {
  FragmentModule identity(tiny()->block(0, 1));
  const Tensor x = torch::randn({1, 8, 4, 4});
  EXPECT_TRUE(identity->forward(x).is_same(x));
  EXPECT_TRUE(identity->parameters().empty());
}

TEST(FragmentModuleTest, OverwritesNothingThatIsReadAgain) {
  Shapes parameters;
  parameters.insert("a_w", std::vector<int64_t>{2, 2, 1, 1});
  FragmentModule module(
      SearchSpace::Fragment{"x",
                            "y",
                            {make_operator("Conv", {"x", "a_w"}, "a"), make_operator("Relu", {"a"}, "b"),
                             make_operator("Sum", {"a", "b"}, "c"), make_operator("Relu", {"x"}, "d"),
                             make_operator("Sum", {"c", "d"}, "y")},
                            parameters});
  module->eval();
  const Tensor x = torch::randn({1, 2, 3, 3});
  const Tensor before = x.clone();
  const auto conv = std::dynamic_pointer_cast<torch::nn::SequentialImpl>(module->named_children()["a"]);
  const Tensor a = conv->forward(x);
  EXPECT_TRUE(torch::allclose(module->forward(x), a + a.relu() + x.relu()));
  EXPECT_TRUE(torch::equal(x, before));
}

TEST(FragmentModuleTest, RefusesWhatNoModuleComputes) {
  const SearchSpace::Operator unknown = make_operator("Softplus", {"x"}, "y");
  expect_value_error(
      [&] {
        FragmentModule(SearchSpace::Fragment{"x", "y", {unknown}, Shapes()});
      },
      "no module for operators of type Softplus; there are those of Add, AveragePool, ");
  const SearchSpace::Operator leaky = make_operator("Relu", {"x"}, "y");
  std::get<3>(leaky).insert("slope", 0.1);
  expect_value_error(
      [&] {
        FragmentModule(SearchSpace::Fragment{"x", "y", {leaky}, Shapes()});
      },
      "the module for Relu must know every argument, got slope");
  const SearchSpace::Operator pool = make_operator("AveragePool", {"x"}, "y");
  expect_value_error(
      [&] {
        FragmentModule(SearchSpace::Fragment{"x", "y", {pool}, Shapes()});
      },
      "must be over the whole map");
}

TEST(FragmentModuleTest, RefusesFormsThatNoModuleComputes) {
  Shapes parameters;
  parameters.insert("p_w", std::vector<int64_t>{2, 2, 1, 1});
  const auto refused = [&](const SearchSpace::Operator& op, const std::string& message) {
    expect_value_error([&] { FragmentModule(SearchSpace::Fragment{"x", "y", {op}, parameters}); }, message);
  };
  refused(make_operator("Conv", {"x", "x"}, "y"), "Conv must read xp or xpp");
  refused(make_operator("Mul", {"x", "p_w"}, "y"), "Mul must read xx");
  refused(make_operator("BatchMatMul", {"p_w", "x"}, "y"), "BatchMatMul must read xp or xx");
  refused(make_operator("Sum", {"x", "x", "x"}, "y"), "Sum must read xx");
  refused(make_operator("Softmax", {"x"}, "y"), "Softmax needs the argument axis");
  refused(make_operator("Clip", {"x"}, "y"), "Clip needs the argument min");
  SearchSpace::Operator moments = make_operator("LayerNormalization", {"x", "p_w", "p_w"}, "y");
  std::get<2>(moments).push_back("mean");
  refused(moments, "write one blob");
  const SearchSpace::Operator padded = make_operator("Conv", {"x", "p_w"}, "y");
  std::get<3>(padded).insert("pad_t", int64_t{2});
  refused(padded, "the same padding on opposite sides");
  expect_value_error(
      [&] {
        FragmentModule(SearchSpace::Fragment{
            "x",
            "y",
            {make_operator("Conv", {"x", "p_w"}, "a"), make_operator("Conv", {"a", "p_w"}, "y")},
            parameters});
      },
      "parameters of their own, got p twice");
}

FragmentModule block_of(const std::string& parts) {
  const SearchSpace space(SearchSpace::State{SearchSpace::kStateVersion, R"(
    name: "s" input { height: 12 width: 12 }
    stage { name: "a" channels: 12 layers: 2 }
    head { classes: 5 }
  )" + parts});
  return FragmentModule(space.block(1, 0, "fp32"));
}

Tensor convolved(const FragmentModule& block, const std::string& name, const Tensor& x) {
  const auto child = block->named_children()[name];
  if (const auto both = std::dynamic_pointer_cast<torch::nn::SequentialImpl>(child)) return both->forward(x);
  return std::dynamic_pointer_cast<torch::nn::Conv2dImpl>(child)->forward(x);
}

Tensor linear(const FragmentModule& block, const std::string& name, const Tensor& x) {
  return std::dynamic_pointer_cast<torch::nn::LinearImpl>(block->named_children()[name])->forward(x);
}

Tensor normalised(const FragmentModule& block, const std::string& name, const Tensor& x) {
  return std::dynamic_pointer_cast<torch::nn::LayerNormImpl>(block->named_children()[name])->forward(x);
}

TEST(FragmentModuleTest, SqueezesAndExcites) {
  torch::manual_seed(0);
  FragmentModule block = block_of(R"(
    candidate { name: "c" block {
      expand: 2 depthwise { kernel: 3 } activation: HARD_SWISH squeeze_excite { gate: HARD_SIGMOID } } })");
  block->eval();
  const Tensor x = torch::randn({2, 12, 6, 6});
  const Tensor map =
      torch::hardswish(convolved(block, "dw", torch::hardswish(convolved(block, "expand", x))));
  const Tensor squeezed = convolved(block, "se_reduce", map.mean({2, 3}, true)).relu();
  const Tensor gate = torch::hardsigmoid(convolved(block, "se_expand", squeezed));
  EXPECT_TRUE(torch::allclose(block->forward(x), x + convolved(block, "project", map * gate), 1e-4, 1e-5));
}

TEST(FragmentModuleTest, Attends) {
  torch::manual_seed(0);
  FragmentModule block = block_of(R"(
    stem { channels: 12 kernel: 4 stride: 4 pad: 0 activation: NONE } sequence { }
    candidate { name: "c" transformer { heads: 3 } })");
  const Tensor x = torch::randn({2, 9, 12});
  const Tensor qkv = linear(block, "qkv", normalised(block, "norm1", x)).reshape({2, 9, 3, 3, 4});
  const auto part = [&](int64_t i) { return qkv.select(2, i).transpose(1, 2); };
  const Tensor attention = (part(0).matmul(part(1).transpose(2, 3)) / 2).softmax(-1);
  const Tensor mixed = attention.matmul(part(2)).transpose(1, 2).reshape({2, 9, 12});
  const Tensor y = x + linear(block, "proj", mixed);
  const Tensor mlp = torch::gelu(linear(block, "fc1", normalised(block, "norm2", y)));
  EXPECT_TRUE(torch::allclose(block->forward(x), y + linear(block, "fc2", mlp), 1e-4, 1e-5));
}

TEST(MixedLayerTest, IsTheSumOfWeightTimesOutputOverTheOfferedBlocks) {
  using torch::nn::AnyModule;
  torch::nn::Conv2d first(torch::nn::Conv2dOptions(2, 2, 1)), second(torch::nn::Conv2dOptions(2, 2, 1));
  MixedLayer layer(std::vector<AnyModule>{AnyModule(first), AnyModule(), AnyModule(second)});
  EXPECT_THAT(layer->named_parameters().keys(), IsSupersetOf({"blocks.0.weight", "blocks.2.weight"}));
  const Tensor x = torch::randn({2, 2, 3, 3});
  const Tensor weights = torch::tensor({0.25, 7.0, 0.75}, torch::kDouble);
  const Tensor expected = 0.25 * first->forward(x) + 0.75 * second->forward(x);
  EXPECT_TRUE(torch::allclose(layer->forward(x, weights), expected));
  // A sample of its own for each element of the batch.
  const Tensor each = torch::stack({weights, weights.flip(0)});
  EXPECT_TRUE(torch::allclose(layer->forward(x, each)[1],
                              0.75 * first->forward(x)[1] + 0.25 * second->forward(x)[1]));
  expect_value_error([&] { layer->forward(x, torch::ones({2})); }, "one number for each of the 3 candidates");
  expect_value_error([&] { layer->forward(x, torch::ones({3, 3})); }, "must have the batch of x");
  expect_value_error([&] { layer->forward(x, torch::ones({})); }, "[candidates] or [batch, candidates]");
  expect_value_error([] { MixedLayer(std::vector<AnyModule>(2)); }, "at least one candidate, got 2");
}

TEST(MixedLayerTest, RefusesBlocksOfDifferentShapes) {
  using torch::nn::AnyModule;
  MixedLayer layer(std::vector<AnyModule>{AnyModule(torch::nn::Conv2d(torch::nn::Conv2dOptions(2, 2, 1))),
                                          AnyModule(torch::nn::Conv2d(torch::nn::Conv2dOptions(2, 3, 1)))});
  expect_value_error(
      [&] {
        layer->forward(torch::zeros({1, 2, 1, 1}), torch::ones({2}));
      },
      "blocks must agree in the shape of their output, got [1, 3, 1, 1] of block 1");
}

TEST(SupernetTest, WithAOneHotSampleIsTheNetwork) {
  const auto space = tiny();
  Supernet supernet(space);
  supernet->eval();
  const Tensor images = torch::randn({2, 3, 32, 32});
  for (const char* name : {"smallest", "largest"}) {
    const Tensor arch = space->parse_architecture(name);
    Network network = supernet->network(arch);
    network->eval();
    EXPECT_TRUE(
        torch::allclose(supernet->forward(images, sample_of(arch)), network->forward(images), 1e-4, 1e-5));
  }
}

TEST(SupernetTest, GradientReachesThetaByTheBlocks) {
  Supernet supernet(tiny());
  const Tensor theta = torch::zeros({4, 4}).requires_grad_();
  supernet->forward(torch::randn({2, 3, 32, 32}), theta.softmax(-1)).square().sum().backward();
  EXPECT_GT(theta.grad()[1].abs().sum().item<double>(), 0);
}

TEST(SupernetTest, NetworkIsACopy) {
  const auto space = tiny();
  Supernet supernet(space);
  Network network = supernet->network(space->parse_architecture("largest"));
  const torch::NoGradGuard no_grad;
  for (Tensor& parameter : network->parameters()) parameter.fill_(3);
  for (const Tensor& parameter : supernet->parameters()) EXPECT_FALSE(parameter.eq(3).all().item<bool>());
}

TEST(SupernetTest, RefusesWhatDoesNotFit) {
  const auto space = tiny();
  Supernet supernet(space);
  expect_value_error(
      [&] {
        supernet->forward(torch::zeros({1, 3, 32, 32}), torch::zeros({4, 5}));
      },
      "weights must be [..., 4, 4], got [4, 5]");
  expect_value_error(
      [&] {
        supernet->network(torch::tensor({2, 0, 0, 0}));
      },
      "layer 0 (counted from 0) must be one of");
  expect_value_error([&] { supernet->network(torch::zeros({4})); }, "uint8 or int64");
  expect_value_error([&] { Supernet(space, "int4"); }, "int4");
}

TEST(PricedNetworkTest, ScriptedClassifiesAndKnowsItsLatency) {
  const auto lut = std::filesystem::path(::testing::TempDir()) / "networks-op_lut_database.json";
  const std::string file = source_file("data/spaces/tiny.textproto").string();
  lut::write_records(testing::made_up_records(search::Space::load(file), search::Precision::kInt8), lut);
  const auto model = c10::make_intrusive<LatencyModel>(file, lut.string());
  std::filesystem::remove(lut);
  const auto space = tiny();
  const Tensor arch = space->parse_architecture("largest");
  Network network(space, arch);
  PricedNetwork priced(network, model, arch, "p90");
  EXPECT_EQ(priced->latency_us(), model->estimate(arch, "p90").item<double>());
  EXPECT_EQ(priced->latency_us("p50"), model->estimate(arch).item<double>());
  EXPECT_EQ(priced->architecture(), model->decode(arch));

  const auto saved = (std::filesystem::path(::testing::TempDir()) / "network.pt").string();
  priced->save_script(saved);
  EXPECT_TRUE(network->is_training());
  network->eval();
  torch::jit::Module loaded = torch::jit::load(saved);
  std::filesystem::remove(saved);
  const Tensor images = torch::randn({3, 3, 32, 32});  // not the batch of the space
  EXPECT_TRUE(torch::allclose(loaded.forward({images}).toTensor(), network->forward(images)));
  EXPECT_EQ(loaded.run_method("latency_us").toDouble(), priced->latency_us());
  EXPECT_EQ(loaded.run_method("latency_us", "p50").toDouble(), priced->latency_us("p50"));
  for (const auto& parameter : priced->named_parameters()) {
    bool found = false;
    for (const auto& scripted : loaded.named_parameters()) found = found || scripted.name == parameter.key();
    EXPECT_TRUE(found) << parameter.key();
  }
  expect_value_error([&] { PricedNetwork(network, model, arch, "p75"); }, "p75");
}

}  // namespace
}  // namespace latgrad
