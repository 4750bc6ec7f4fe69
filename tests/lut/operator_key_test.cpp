#include "latgrad/lut/operator_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "latgrad/lut/describe.h"
#include "latgrad/net/netdef.h"
#include "latgrad/net/registry.h"
#include "net/spellings.h"

namespace latgrad::lut {
namespace {

using testing::ElementsAre;

net::Argument ints(std::string name, std::vector<int64_t> values) {
  net::Argument arg;
  arg.name = std::move(name);
  arg.ints = std::move(values);
  return arg;
}

net::Argument number(std::string name, int64_t value) {
  return net::Argument::of_int(std::move(name), value);
}

std::string conv(std::vector<net::Argument> args) {
  return canonical({"Conv", std::move(args), {{1, 3, 8, 8}, {4, 3, 3, 3}}, {net::DataType::kFloat}});
}

std::string relu(std::vector<net::Argument> args) { return canonical({"Relu", std::move(args), {{1}}, {}}); }

TEST(CanonicalTest, OrderOfArgumentsDoesNotMatter) {
  EXPECT_EQ(conv({number("kernel", 3), number("stride", 2), number("other", 1)}),
            conv({number("other", 1), number("stride", 2), number("kernel", 3)}));
}

TEST(CanonicalTest, EverySpellingOfAKernelIsTheSame) {
  const std::string kernel = conv({number("kernel", 3)});
  EXPECT_EQ(conv({ints("kernels", {3, 3})}), kernel);
  EXPECT_EQ(conv({number("kernel_h", 3), number("kernel_w", 3)}), kernel);
  EXPECT_EQ(conv({number("kernel_w", 5), number("kernel_h", 3)}), conv({ints("kernels", {3, 5})}));
  EXPECT_NE(conv({ints("kernels", {3, 5})}), conv({ints("kernels", {5, 3})}));
  EXPECT_NE(conv({number("kernel", 5)}), kernel);
}

TEST(CanonicalTest, EverySpellingOfAStrideDilationAndPadIsTheSame) {
  const net::Argument kernel = number("kernel", 3);
  EXPECT_EQ(conv({kernel, ints("strides", {2, 2})}), conv({kernel, number("stride", 2)}));
  EXPECT_EQ(conv({kernel, number("stride_h", 2), number("stride_w", 2)}),
            conv({kernel, number("stride", 2)}));
  EXPECT_EQ(conv({kernel, ints("dilations", {2, 2})}), conv({kernel, number("dilation", 2)}));
  EXPECT_EQ(conv({kernel, number("dilation_h", 2), number("dilation_w", 2)}),
            conv({kernel, number("dilation", 2)}));
  EXPECT_EQ(conv({kernel, ints("pads", {1, 1, 1, 1})}), conv({kernel, number("pad", 1)}));
  EXPECT_EQ(conv({kernel, number("pad_r", 4), number("pad_t", 1), number("pad_l", 2), number("pad_b", 3)}),
            conv({kernel, ints("pads", {1, 2, 3, 4})}));
  EXPECT_NE(conv({kernel, ints("pads", {0, 0, 1, 1})}), conv({kernel, number("pad", 1)}));
}

TEST(CanonicalTest, DefaultsOfAWindowMayBeSaid) {
  const std::string bare = conv({number("kernel", 3)});
  for (const net::Argument& stated :
       {number("stride", 1), number("pad", 0), number("dilation", 1), number("group", 1),
        number("legacy_pad", 0), number("global_pooling", 0), number("exhaustive_search", 0),
        net::Argument::of_string("order", "NCHW"), ints("pads", {0, 0, 0, 0})}) {
    EXPECT_EQ(conv({number("kernel", 3), stated}), bare) << stated.name;
  }
  for (const net::Argument& other :
       {number("stride", 2), number("pad", 1), number("dilation", 2), number("group", 2),
        number("legacy_pad", 3), number("global_pooling", 1), number("exhaustive_search", 1),
        net::Argument::of_string("order", "NHWC")}) {
    EXPECT_NE(conv({number("kernel", 3), other}), bare) << other.name;
  }
}

TEST(CanonicalTest, DefaultsOfAWindowAreThoseOfEveryConvolutionAndPool) {
  for (const char* type :
       {"Conv", "ConvRelu", "Int8Conv", "Int8ConvRelu", "ConvTranspose", "Int8ConvTranspose", "MaxPool",
        "AveragePool", "Int8MaxPool", "Int8AveragePool", "Conv2D"}) {
    const OperatorKey bare{type, {number("kernel", 2)}, {}, {}};
    const OperatorKey stated{type, {ints("kernels", {2, 2}), number("stride", 1)}, {}, {}};
    EXPECT_EQ(canonical(bare), canonical(stated)) << type;
  }
}

TEST(CanonicalTest, DefaultOrderIsThatOfShapeInference) {
  const auto with_order = [](const std::string& type, const std::string& order) {
    std::vector<net::Argument> args;
    if (!order.empty()) args.push_back(net::Argument::of_string("order", order));
    return canonical({type, args, {{1, 4, 4, 8}}, {net::DataType::kUint8}});
  };
  for (const char* type : {"Int8Conv", "Int8ConvRelu", "Int8AveragePool", "Int8Concat"}) {
    EXPECT_EQ(with_order(type, "NHWC"), with_order(type, "")) << type;
    EXPECT_NE(with_order(type, "NCHW"), with_order(type, "")) << type;
  }
  EXPECT_EQ(with_order("Concat", "NCHW"), with_order("Concat", ""));
  EXPECT_NE(with_order("Concat", "NHWC"), with_order("Concat", ""));
}

TEST(CanonicalTest, KernelDoesNotCountWithGlobalPooling) {
  const auto pool = [](const std::string& type, std::vector<net::Argument> args) {
    args.push_back(number("global_pooling", 1));
    return canonical({type, std::move(args), {{1, 8, 7, 7}}, {net::DataType::kFloat}});
  };
  const auto average = [&](std::vector<net::Argument> args) { return pool("AveragePool", std::move(args)); };
  const std::string bare = average({});
  EXPECT_EQ(average({number("kernel", 7)}), bare);
  EXPECT_EQ(average({ints("kernels", {7, 7})}), bare);
  EXPECT_EQ(average({ints("kernels", {7, 7, 7}), ints("strides", {1, 1, 1})}), bare);
  EXPECT_EQ(average({number("kernel_h", 7), number("kernel_w", 5)}), bare);
  EXPECT_EQ(average({number("stride", 1), number("pad", 0), number("dilation", 1)}), bare);
  EXPECT_NE(average({number("stride", 2)}), bare);
  EXPECT_NE(average({number("pad", 1)}), bare);
  EXPECT_NE(canonical({"AveragePool", {number("kernel", 7)}, {{1, 8, 7, 7}}, {net::DataType::kFloat}}), bare);
  // A transposed convolution knows no global pooling, and 0 turns it off.
  EXPECT_NE(pool("ConvTranspose", {number("kernel", 7)}), pool("ConvTranspose", {number("kernel", 5)}));
  EXPECT_NE(conv({number("kernel", 7), number("global_pooling", 0)}),
            conv({number("kernel", 5), number("global_pooling", 0)}));
}

TEST(CanonicalTest, OtherOperatorsKeepWhatOnlyAWindowHasByDefault) {
  EXPECT_NE(relu({number("stride", 1)}), relu({}));
  EXPECT_NE(relu({number("group", 1)}), relu({}));
  EXPECT_NE(relu({number("stride", 7)}), relu({}));
  EXPECT_EQ(relu({net::Argument::of_string("order", "NCHW")}), relu({}));
  EXPECT_EQ(relu({number("exhaustive_search", 0)}), relu({}));
}

TEST(CanonicalTest, DefaultsOfSingleOperatorsMayBeSaid) {
  const auto key = [](std::string type, std::vector<net::Argument> args) {
    return canonical({std::move(type), std::move(args), {{1, 8}, {4, 8}, {4}}, {}});
  };
  const struct {
    std::vector<const char*> types;
    net::Argument stated;
  } kCases[] = {
      {{"FC", "FCTransposed", "Int8FC", "Int8FCRelu", "Softmax", "Int8Softmax", "LogSoftmax", "Flatten",
        "Int8Flatten"},
       number("axis", 1)},
      {{"FC", "FCTransposed", "Int8FC", "Int8FCRelu"}, number("axis_w", 1)},
      {{"Concat", "Int8Concat", "Split"}, number("add_axis", 0)},
      {{"Add", "Sub", "Mul", "Div"}, number("broadcast", 0)},
      {{"ConvTranspose", "Int8ConvTranspose"}, number("adj", 0)},
  };
  for (const auto& [types, stated] : kCases) {
    for (const char* type : types) EXPECT_EQ(key(type, {stated}), key(type, {})) << type << stated.name;
    EXPECT_NE(key(types[0], {number(stated.name, 2)}), key(types[0], {})) << stated.name;
    EXPECT_NE(key("Relu", {stated}), key("Relu", {})) << stated.name;
  }
  EXPECT_NE(key("Concat", {number("axis", 1)}), key("Concat", {}));  // the order decides
}

TEST(CanonicalTest, WindowsOfOneAndThreeAxesAreReadFromLists) {
  EXPECT_EQ(conv({ints("kernels", {3})}),
            conv({ints("kernels", {3}), ints("strides", {1}), ints("pads", {0, 0})}));
  EXPECT_EQ(conv({ints("kernels", {3, 3, 3})}),
            conv({ints("kernels", {3, 3, 3}), ints("dilations", {1, 1, 1})}));
  EXPECT_NE(conv({ints("kernels", {3})}), conv({number("kernel", 3)}));
  EXPECT_NE(conv({ints("kernels", {3, 3, 3})}), conv({number("kernel", 3)}));
}

TEST(CanonicalTest, ArgumentsThatDoNotFitTheWindowCount) {
  const net::Argument kernel = number("kernel", 3);
  EXPECT_NE(conv({kernel, ints("strides", {1, 1, 1})}), conv({kernel}));
  EXPECT_NE(conv({kernel, net::Argument::of_float("stride", 1)}), conv({kernel}));
  // Caffe2 passes over these.
  EXPECT_EQ(conv({kernel, number("stride_h", 2)}), conv({kernel}));
  EXPECT_EQ(conv({kernel, ints("kernels", {5, 5})}), conv({ints("kernels", {5, 5})}));
}

// Shape inference and the kernels read them so, too: tests/net/arguments_test.cpp.
TEST(CanonicalTest, EveryCombinationOfSpellingsIsReadAsCaffe2ReadsIt) {
  for (const net::test::Spelled& spelled : net::test::spelled_windows()) {
    const net::test::Caffe2Window expected = net::test::caffe2_window(spelled);
    if (!expected.fits(2)) continue;
    EXPECT_EQ(conv(spelled.args), conv(expected.as_lists())) << spelled.text();
  }
}

// Walks the registry: what a row calls a default is one.
TEST(CanonicalTest, DefaultsOfEveryOperatorTypeMayBeSaid) {
  size_t defaults = 0;
  for (const net::OperatorType* row : net::operator_types()) {
    for (const net::DefaultArgument& entry : row->defaults) {
      net::Argument said;
      said.name = entry.name;
      net::Argument other = said;
      if (const auto* i = std::get_if<int64_t>(&entry.value)) {
        said.i = *i;
        other.i = *i + 1;
      } else if (const auto* f = std::get_if<float>(&entry.value)) {
        said.f = *f;
        other.f = *f / 2 + 1.25F;
      } else {
        said.s = std::get<std::string_view>(entry.value);
        other.s = "other";
      }
      const auto key = [row](std::vector<net::Argument> args) {
        return canonical({std::string(row->type), std::move(args), {{1, 8}}, {net::DataType::kFloat}});
      };
      EXPECT_EQ(key({said}), key({})) << row->type << " " << entry.name;
      EXPECT_NE(key({other}), key({})) << row->type << " " << entry.name;
      ++defaults;
    }
  }
  EXPECT_GT(defaults, 80);
}

TEST(CanonicalTest, HintsToAnEngineDoNotCount) {
  for (const net::Argument& hint :
       {number("cudnn_exhaustive_search", 0), number("use_cudnn", 1), number("exhaustive_search", 0),
        number("enable_tensor_core", 1), number("deterministic", 0), number("float16_compute", 0),
        number("shared_buffer", 1), number("init_params", 1), number("init_params", 0)}) {
    EXPECT_EQ(relu({hint}), relu({})) << hint.name;
    EXPECT_EQ(conv({number("kernel", 3), hint}), conv({number("kernel", 3)})) << hint.name;
    EXPECT_EQ(canonical({"Custom", {hint}, {}, {}}), canonical({"Custom", {}, {}, {}})) << hint.name;
  }
  // These choose another algorithm.
  EXPECT_NE(relu({number("use_cudnn", 0)}), relu({}));
  EXPECT_NE(relu({number("cudnn_exhaustive_search", 1)}), relu({}));
  EXPECT_NE(relu({number("enable_tensor_core", 0)}), relu({}));
  EXPECT_NE(relu({number("float16_compute", 1)}), relu({}));
}

TEST(CanonicalTest, FloatsAreComparedByValue) {
  const auto with = [](float value) { return relu({net::Argument::of_float("alpha", value)}); };
  EXPECT_EQ(with(0.0F), with(-0.0F));
  EXPECT_EQ(with(std::numeric_limits<float>::quiet_NaN()), with(-std::numeric_limits<float>::quiet_NaN()));
  EXPECT_EQ(relu({net::parse_argument_text("name: \"alpha\"\nf: 0.1\n")}), with(0.1F));
  EXPECT_EQ(relu({net::parse_argument_text("name: \"alpha\"\nf: 0.100000001490116\n")}), with(0.1F));
  EXPECT_NE(with(0.1F), with(0.2F));
}

TEST(CanonicalTest, ValuesOfDifferentTypeDiffer) {
  EXPECT_NE(relu({net::Argument::of_float("x", 1)}), relu({number("x", 1)}));
  EXPECT_NE(relu({net::Argument::of_string("x", "1")}), relu({number("x", 1)}));
  EXPECT_NE(relu({ints("x", {1})}), relu({number("x", 1)}));
  EXPECT_NE(relu({number("x", -1)}), relu({number("x", 1)}));
}

TEST(CanonicalTest, NamesAndValuesCannotRunIntoEachOther) {
  EXPECT_NE(relu({net::Argument::of_string("a", "bc")}), relu({net::Argument::of_string("ab", "c")}));
  EXPECT_NE(relu({ints("a", {1, 2})}), relu({ints("a", {1}), ints("b", {2})}));
  EXPECT_NE(canonical({"Sum", {}, {{1, 2}, {3}}, {}}), canonical({"Sum", {}, {{1}, {2, 3}}, {}}));
  EXPECT_NE(canonical({"Sum", {}, {{}, {3}}, {}}), canonical({"Sum", {}, {{3}, {}}, {}}));
}

TEST(CanonicalTest, OutputScaleAndWorkspaceNeverCount) {
  net::Argument mention;
  mention.name = "hints";
  mention.strings = {"a", "x ws_nbytes_limit y"};
  EXPECT_EQ(
      relu({net::Argument::of_float("Y_scale", 0.5F), number("Y_zero_point", 3), number("ws_nbytes_limit", 9),
            number("my_ws_nbytes_limit_2", 1), net::Argument::of_string("s", "ws_nbytes_limit"), mention}),
      relu({}));
  EXPECT_NE(relu({number("Y_scales", 1)}), relu({}));
}

TEST(CanonicalTest, EqualRepetitionsCountOnceAndContradictionsCount) {
  const net::Argument kernel = number("kernel", 3);
  EXPECT_EQ(conv({kernel, kernel}), conv({kernel}));
  EXPECT_EQ(relu({number("x", 1), number("x", 1)}), relu({number("x", 1)}));
  EXPECT_NE(conv({kernel, number("kernel", 5)}), conv({kernel}));
  EXPECT_NE(conv({kernel, number("kernel", 5)}), conv({number("kernel", 5)}));
  EXPECT_EQ(conv({kernel, number("kernel", 5)}), conv({number("kernel", 5), kernel}));
  EXPECT_EQ(relu({number("x", 1), number("x", 2), number("x", 1)}), relu({number("x", 2), number("x", 1)}));
  EXPECT_NE(relu({net::Argument::of_string("order", "NCHW"), net::Argument::of_string("order", "NHWC")}),
            relu({net::Argument::of_string("order", "NHWC")}));
}

TEST(CanonicalTest, TypeShapesAndDtypesCount) {
  const OperatorKey key{"Relu", {}, {{1, 2}}, {net::DataType::kFloat}};
  EXPECT_EQ(canonical(key), canonical(key));
  EXPECT_NE(canonical(key), canonical({"Relu6", {}, {{1, 2}}, {net::DataType::kFloat}}));
  EXPECT_NE(canonical(key), canonical({"Relu", {}, {{2, 1}}, {net::DataType::kFloat}}));
  EXPECT_NE(canonical(key), canonical({"Relu", {}, {{1, 2}}, {net::DataType::kUint8}}));
  EXPECT_NE(canonical(key), canonical({"Relu", {}, {{1, 2}}, {}}));
}

TEST(ReferenceArgsTest, AreSortedTextWithoutScalesAndWorkspace) {
  const OperatorKey key{
      "Int8Conv",
      {number("stride", 2), net::Argument::of_string("order", "NHWC"), number("ws_nbytes_limit", 1),
       net::Argument::of_float("Y_scale", 0.5F), number("Y_zero_point", 0), number("kernel", 3)},
      {},
      {}};
  EXPECT_THAT(reference_args(key), ElementsAre("name: \"kernel\"\ni: 3\n", "name: \"order\"\ns: \"NHWC\"\n",
                                               "name: \"stride\"\ni: 2\n"));
}

TEST(ReferenceArgsTest, KeepsTheOrderOfEqualNames) {
  const OperatorKey key{"Relu", {number("x", 2), number("a", 0), number("x", 1)}, {}, {}};
  EXPECT_THAT(reference_args(key),
              ElementsAre("name: \"a\"\ni: 0\n", "name: \"x\"\ni: 2\n", "name: \"x\"\ni: 1\n"));
}

TEST(OperatorKeyTest, TakesTypeArgumentsAndInputs) {
  net::Operator op;
  op.type = "Sum";
  op.args = {number("x", 1)};
  net::OpShapes shapes;
  shapes.inputs = {{{1, 2}, net::DataType::kFloat}, {{}, net::DataType::kInt32}};
  const OperatorKey key = operator_key(op, shapes);
  EXPECT_EQ(key.op_type, "Sum");
  EXPECT_EQ(key.args, op.args);
  EXPECT_THAT(key.input_shapes, ElementsAre(net::Shape{1, 2}, net::Shape{}));
  EXPECT_THAT(key.input_dtypes, ElementsAre(net::DataType::kFloat, net::DataType::kInt32));
}

TEST(DescribeTest, IsOneShortLine) {
  const OperatorKey depthwise{"Int8ConvRelu",
                              {number("kernel", 5), number("stride", 2), number("pad", 2),
                               number("group", 144), net::Argument::of_string("order", "NHWC"),
                               number("ws_nbytes_limit", 1), net::Argument::of_float("Y_scale", 0.5F)},
                              {{1, 56, 56, 144}, {144, 5, 5, 1}, {144}},
                              {}};
  EXPECT_EQ(describe(depthwise), "Int8ConvRelu [1,56,56,144] w[144,5,5,1] k5 s2 p2 g144");
  EXPECT_EQ(describe({"Int8Sum", {}, {{1, 7, 7, 8}, {1, 7, 7, 8}}, {}}), "Int8Sum [1,7,7,8] [1,7,7,8]");
  EXPECT_EQ(describe({"Conv",
                      {ints("kernels", {1, 7}), ints("pads", {0, 3, 0, 3}), number("dilation", 2),
                       number("exhaustive_search", 1), net::Argument::of_string("order", "NHWC")},
                      {{1, 9, 9, 8}, {8, 1, 7, 8}},
                      {}}),
            "Conv [1,9,9,8] w[8,1,7,8] k1x7 s1 p0x3x0x3 d2 exhaustive_search=1 order=NHWC");
  EXPECT_EQ(describe({"AveragePool", {number("global_pooling", 1), number("kernel", 7)}, {{1, 8, 7, 7}}, {}}),
            "AveragePool [1,8,7,7] global_pooling=1");
  EXPECT_EQ(describe({"LeakyRelu", {net::Argument::of_float("alpha", 0.1F)}, {{}}, {}}),
            "LeakyRelu [] alpha=0.1");
}

}  // namespace
}  // namespace latgrad::lut
