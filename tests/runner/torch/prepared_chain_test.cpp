// Chains: who reads what, in which form, for how long, and what happens where an operator cannot run.

#include "prepared_chain.h"

#include <c10/core/InferenceMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "deprecation_guard.h"
#include "runner_keys.h"

namespace latgrad::runner {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PreparedChainTest : public ::testing::Test {
 protected:
  void SetUp() override {
    try {
      at::globalContext().setQEngine(at::QEngine::QNNPACK);
    } catch (const c10::Error&) {
      GTEST_SKIP() << "needs a torch with QNNPACK";
    }
  }

  // With every output kept.
  static PreparedChain run(const Chain& chain) {
    PreparedChain prepared(chain, at::kCPU);
    EXPECT_THAT(prepared.unsupported(), Each(""));
    prepared.keep_outputs();
    prepared.run([](size_t) {});
    return prepared;
  }

  // Why the last operator cannot run.
  static std::string reason(const Chain& chain) {
    return PreparedChain(chain, at::kCPU).unsupported().back();
  }

  c10::InferenceMode inference_mode_;
  DeprecationGuard deprecation_guard_;
};

TEST_F(PreparedChainTest, AnOperatorReadsWhatItsSourcesWrote) {
  const net::Shape shape = {1, 4, 8, 9};
  PreparedChain chain =
      run({link("Negative", {}, {shape}), link("Relu", {}, {shape}, {0}),
           link("Sum", {}, {shape, shape}, {0, 0}), link("Sub", {}, {shape, shape}, {2, 1})});
  EXPECT_TRUE(chain.output(1).equal(at::relu(chain.output(0))));
  EXPECT_TRUE(chain.output(2).equal(chain.output(0) * 2));
  EXPECT_TRUE(chain.output(3).equal(chain.output(2) - chain.output(1)));
}

TEST_F(PreparedChainTest, InputsFromOutsideStayFromRunToRun) {
  PreparedChain chain({link("Negative", {}, {{2, 3}})}, at::kCPU);
  chain.keep_outputs();
  chain.run([](size_t) {});
  const at::Tensor first = chain.output(0);
  chain.run([](size_t) {});
  EXPECT_TRUE(chain.output(0).equal(first));
}

TEST_F(PreparedChainTest, ImagesInNhwcAreChannelsLastFromOperatorToOperator) {
  PreparedChain chain =
      run({link("NCHW2NHWC", {}, {{1, 3, 8, 9}}), link("Int8Quantize", {}, {{1, 8, 9, 3}}, {0}),
           link("Int8Conv", {arg("kernel", 1)}, {{1, 8, 9, 3}, {16, 1, 1, 3}, {16}}, {1}),
           link("Int8Relu", {}, {{1, 8, 9, 16}}, {2}), link("Int8Dequantize", {}, {{1, 8, 9, 16}}, {3}),
           link("Conv", {arg("kernel", 1), nhwc()}, {{1, 8, 9, 16}, {16, 1, 1, 16}}, {4})});
  for (size_t op = 0; op < 6; ++op) {
    EXPECT_TRUE(chain.output(op).is_contiguous(at::MemoryFormat::ChannelsLast)) << op;
    EXPECT_EQ(chain.output(op).size(2), 8) << op;
  }
  EXPECT_EQ(chain.output(3).scalar_type(), at::kQUInt8);
  EXPECT_EQ(chain.output_shape(5), (net::Shape{1, 8, 9, 16}));
}

// One value for each element, in the order of the key, whatever torch's order.
at::Tensor as_in_key(const PreparedChain& chain, size_t op) {
  at::Tensor output = chain.output(op);
  return output.sizes().vec() == chain.output_shape(op) ? output : output.permute({0, 2, 3, 1});
}

TEST_F(PreparedChainTest, OperatorsWithAxesMeanThoseOfTheKey) {
  // Behind NCHW2NHWC images lie channels-last; without it as the key says. Both compute the same.
  const net::Shape shape = {2, 5, 6, 4};
  const std::vector<ChainOperator> readers = {
      link("Reshape", {ints("shape", {2, -1})}, {shape}, {0}),
      link("Flatten", {}, {shape}, {0}),
      link("Transpose", {ints("axes", {3, 1, 0, 2})}, {shape}, {0}),
      link("Slice", {ints("starts", {0, 1, 2, 1}), ints("ends", {-1, 4, 5, 3})}, {shape}, {0}),
      link("Concat", {arg("axis", 3)}, {shape, shape}, {0, 0}),
      link("Concat", {arg("axis", 1), arg("add_axis", 1)}, {shape, shape}, {0, 0}),
      link("Split", {arg("axis", 2), ints("split", {2, 4})}, {shape}, {0}),
      link("ReduceSum", {ints("axes", {2}), arg("keepdims", 0)}, {shape}, {0}),
      link("ReduceSum", {ints("axes", {3}), arg("keepdims", 0)}, {shape}, {0}),
      link("ReduceSum", {ints("axes", {1, 2}), arg("keepdims", 0)}, {shape}, {0}),
      link("ReduceSum", {ints("axes", {-1}), arg("keepdims", 1)}, {shape}, {0}),
      link("ReduceBackSum", {arg("num_reduce_dim", 2)}, {shape}, {0}),
      link("Softmax", {arg("axis", 3)}, {shape}, {0}),
      link("Squeeze", {ints("dims", {0})}, {{1, 10, 6, 4}}, {0}),
      link("ResizeLike", {}, {shape, {12, 20}}, {0}),
  };
  for (const ChainOperator& reader : readers) {
    PreparedChain chain = run({link("NCHW2NHWC", {}, {{2, 4, 5, 6}}), reader});
    // The same reader, handed the image as the key says.
    Kernel kernel = find_kernel(reader.key.op_type)(reader.key, {});
    at::Tensor image = chain.output(0).permute({0, 2, 3, 1}).contiguous();
    std::vector<at::Tensor> inputs;
    for (const Activation& activation : kernel.activations) {
      ASSERT_FALSE(activation.channels_last);
      inputs.push_back(image.reshape(activation.shape));
    }
    const at::Tensor expected = kernel.run(inputs);
    const at::Tensor actual = as_in_key(chain, 1);
    ASSERT_EQ(actual.sizes(), expected.sizes()) << reader.key.op_type;
    EXPECT_TRUE(at::allclose(actual, expected)) << reader.key.op_type;
  }
}

TEST_F(PreparedChainTest, BroadcastsAlongTheKeysAxes) {
  const net::Shape image = {2, 5, 6, 4};
  struct Case {
    std::vector<net::Argument> args;
    net::Shape second;
    net::Shape aligned;
  };
  for (const Case& c : {Case{{}, {4}, {1, 1, 1, 4}}, Case{{}, {6, 4}, {1, 1, 6, 4}},
                        Case{{arg("broadcast", 1), arg("axis", 1)}, {5, 6}, {1, 5, 6, 1}},
                        Case{{arg("broadcast", 1)}, {4}, {1, 1, 1, 4}}}) {
    PreparedChain chain = run({link("NCHW2NHWC", {}, {{2, 4, 5, 6}}), link("Negative", {}, {c.second}),
                               link("Mul", c.args, {image, c.second}, {0, 1})});
    EXPECT_TRUE(as_in_key(chain, 2).equal(as_in_key(chain, 0) * chain.output(1).reshape(c.aligned)))
        << net::to_string(c.second);
  }
}

TEST_F(PreparedChainTest, QuantisedProductsBroadcastOverTheImage) {
  PreparedChain chain = run({link("Int8Relu", {}, {{1, 8, 9, 16}}),
                             link("Int8AveragePool", {arg("global_pooling", 1)}, {{1, 8, 9, 16}}, {0}),
                             link("Int8Mul", {}, {{1, 8, 9, 16}, {1, 1, 1, 16}}, {0, 1})});
  const at::Tensor expected = chain.output(0).dequantize() * chain.output(1).dequantize();
  EXPECT_LE((chain.output(2).dequantize() - expected).abs().max().item<double>(), 0.051);
}

TEST_F(PreparedChainTest, PadsOneSideOfAnImage) {
  const net::Shape shape = {1, 1, 2, 3};
  PreparedChain chain = run({link("Negative", {}, {shape}),
                             link("MaxPool", {arg("kernel", 2), ints("pads", {0, 0, 1, 1})}, {shape}, {0})});
  const at::Tensor padded = at::constant_pad_nd(chain.output(0), {0, 1, 0, 1}, -1e30);
  EXPECT_TRUE(chain.output(1).equal(at::max_pool2d(padded, 2, 1)));
  EXPECT_EQ(chain.output(1).sizes().vec(), shape);
}

TEST_F(PreparedChainTest, SoftmaxSumsToOne) {
  PreparedChain chain = run({link("Softmax", {}, {{1, 10}}), link("Int8Softmax", {}, {{1, 10}})});
  EXPECT_NEAR(chain.output(0).sum().item<double>(), 1, 1e-5);
  EXPECT_NEAR(chain.output(1).dequantize().sum().item<double>(), 1, 10 * 0.5 / 256);
}

TEST_F(PreparedChainTest, ALongChainNeitherGrowsNorVanishes) {
  for (const char* between : {"Relu", "Negative"}) {
    Chain chain;
    const net::Shape image = {1, 16, 7, 7};
    for (int layer = 0; layer < 80; ++layer) {
      const int before = static_cast<int>(chain.size()) - 1;
      chain.push_back(
          link("Conv", {arg("kernel", 3), arg("pad", 1)}, {image, {16, 16, 3, 3}, {16}}, {before}));
      chain.push_back(link(between, {}, {image}, {before + 1}));
    }
    PreparedChain prepared = run(chain);
    const double largest = prepared.output(chain.size() - 1).abs().max().item<double>();
    EXPECT_GT(largest, 1e-6) << between;
    EXPECT_LT(largest, 1e20) << between;
    EXPECT_TRUE(prepared.output(chain.size() - 1).isfinite().all().item<bool>()) << between;
  }
}

TEST_F(PreparedChainTest, AnOutputIsReleasedWithItsLastReader) {
  const net::Shape shape = {1, 4, 8, 9};
  // 0 is read by 1 and, past it, by 3: a residual block. Nothing reads 4.
  PreparedChain chain(
      {link("Negative", {}, {shape}), link("Relu", {}, {shape}, {0}), link("Negative", {}, {shape}, {1}),
       link("Sum", {}, {shape, shape}, {0, 2}), link("Relu", {}, {shape}, {3})},
      at::kCPU);
  for (int run = 0; run < 2; ++run) {
    std::vector<size_t> live;
    chain.run([&](size_t) { live.push_back(chain.live_tensors()); });
    EXPECT_THAT(live, ElementsAre(1, 2, 2, 1, 0));
  }
}

TEST_F(PreparedChainTest, ReadersOfWhatCannotRunGetAnInputFromOutside) {
  const net::Shape shape = {1, 8, 9, 16};
  PreparedChain chain(
      {link("Int8Relu", {}, {shape}), link("Mystery", {}, {shape}, {0}), link("Int8Relu", {}, {shape}, {1})},
      at::kCPU);
  EXPECT_THAT(chain.unsupported(), ElementsAre("", "no kernel for operator type Mystery", ""));
  EXPECT_THAT(chain.operators(), ElementsAre(0, 2));
  chain.keep_outputs();
  chain.run([](size_t) {});
  // As its predecessor would have left it.
  EXPECT_TRUE(chain.output(2).is_contiguous(at::MemoryFormat::ChannelsLast));
}

TEST_F(PreparedChainTest, SaysWhyAnOperatorCannotRun) {
  EXPECT_EQ(reason({link("Mystery", {}, {{1}})}), "no kernel for operator type Mystery");
  EXPECT_EQ(reason({link("Sum", {}, {{1, 2}})}), "Sum must have at least 2 inputs, got 1");
  EXPECT_EQ(reason({link("Sum", {}, {{1, 2}, {2, 1}})}),
            "all inputs must have the shape of the first [1, 2], got [2, 1]");
  EXPECT_EQ(reason({link("Int8Conv", {arg("kernel", 1), arg("stride", 0)}, {{1, 8, 8, 16}, {24, 1, 1, 16}})}),
            "stride must be positive, got 0 (field \"stride\")");
  EXPECT_EQ(reason({link("Relu", {}, {{1, 1 << 20, 1 << 20}})}),
            "an input must have 1 to 268435456 elements to be measured, got 1099511627776");
  EXPECT_EQ(reason({link("Relu", {}, {{0, 3}})}),
            "an input must have 1 to 268435456 elements to be measured, got 0");
  EXPECT_EQ(reason({link("UpsampleNearest", {arg("scale", 1 << 20)}, {{1, 1, 1, 8}})}),
            "an output must have 1 to 268435456 elements to be measured, got 8796093022208");
  EXPECT_EQ(reason({link("PadImage", {arg("pad", 1 << 20)}, {{1, 1, 8, 8}})}),
            "an output must have 1 to 268435456 elements to be measured, got 4398080065600");
  EXPECT_EQ(reason({link("Conv", {arg("kernel", 1), arg("pad", 1 << 20)}, {{1, 1, 8, 8}, {1, 1, 1, 1}})}),
            "an output must have 1 to 268435456 elements to be measured, got 4398080065600");
  EXPECT_EQ(reason({link("Conv", {nhwc()}, {{1, 8, 3}, {4, 3, 3}})}),
            "an image in order NHWC must have 4 dimensions to be measured, got [1, 8, 3]");
  EXPECT_EQ(reason({link("Split", {}, {{1, 8}})}),
            "a split must have the argument split to be measured: the key does not define its outputs");
  EXPECT_EQ(reason({link("LatgradDelay", {}, {})}), "delay_us must be 0 to 10000000, got none");
  EXPECT_EQ(reason({link("LatgradDelay", {arg("delay_us", -1)}, {})}),
            "delay_us must be 0 to 10000000, got -1");
  // Torch's own words where torch refuses, and one line of them.
  EXPECT_THAT(reason({link("Conv", {}, {{1, 16, 8, 8}, {16, 7, 1, 1}})}),
              AllOf(::testing::Not(IsEmpty()), ::testing::Not(HasSubstr("\n"))));
}

TEST_F(PreparedChainTest, SaysWhereAnInputIsNotWhatItsProducerLeaves) {
  EXPECT_EQ(reason({link("Relu", {}, {{1, 4}}), link("Int8Relu", {}, {{1, 4}}, {0})}),
            "input 0 must hold 4 elements of uint8, but operator 0 \"Relu\" leaves 4 of float32");
  EXPECT_EQ(reason({link("Relu", {}, {{1, 4}}), link("Sum", {}, {{1, 5}, {1, 5}}, {kOutside, 0})}),
            "input 1 must hold 5 elements of float32, but operator 0 \"Relu\" leaves 4 of float32");
}

TEST_F(PreparedChainTest, ADelayHasNoTensorForItsReaders) {
  PreparedChain chain({link("LatgradDelay", {arg("delay_us", 100)}, {}), link("Relu", {}, {{1, 4}}, {0})},
                      at::kCPU);
  EXPECT_THAT(chain.unsupported(), Each(""));
  const auto start = std::chrono::steady_clock::now();
  chain.run([](size_t) {});
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::microseconds(100));
}

}  // namespace
}  // namespace latgrad::runner
