#include "latgrad/net/init_net.h"

#include <gtest/gtest.h>

#include "expect_error.h"
#include "latgrad/base/error.h"
#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/netdef.h"
#include "temporary_folder.h"

namespace latgrad::net {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// The parameters that one fill operator makes, by text and by binary.
TensorInfo filled(const std::string& op_text) {
  const std::string text = "op { output: \"p\" " + op_text + " }";
  Net by_text;
  add_init_net(by_text, text, "init.pbtxt");
  Net by_binary;
  add_init_net(by_binary, netdef_binary(parse_netdef_text(text, "")), "init.pb");
  EXPECT_EQ(by_text.parameters, by_binary.parameters);
  return by_text.parameters.at("p");
}

TEST(InitNetTest, KnowsTheTypeThatEachOperatorFills) {
  const std::string shape = " arg { name: \"shape\" ints: 2 ints: 3 }";
  const std::pair<const char*, DataType> kCases[] = {
      {"GivenTensorFill", DataType::kFloat},
      {"GivenTensorDoubleFill", DataType::kDouble},
      {"GivenTensorBoolFill", DataType::kBool},
      {"GivenTensorIntFill", DataType::kInt32},
      {"GivenTensorInt16Fill", DataType::kInt16},
      {"GivenTensorInt64Fill", DataType::kInt64},
      {"GivenTensorStringFill", DataType::kString},
      {"GivenTensorByteStringToUInt8Fill", DataType::kUint8},
      {"Int8GivenTensorFill", DataType::kUint8},
      {"Int8GivenIntTensorFill", DataType::kInt32},
      {"ConstantFill", DataType::kFloat},
      {"XavierFill", DataType::kFloat},
      {"MSRAFill", DataType::kFloat},
      {"UniformFill", DataType::kFloat},
      {"GaussianFill", DataType::kFloat},
      {"UniformIntFill", DataType::kInt32},
  };
  for (const auto& [type, dtype] : kCases) {
    EXPECT_EQ(filled("type: \"" + std::string(type) + "\"" + shape), (TensorInfo{{2, 3}, dtype})) << type;
  }
}

TEST(InitNetTest, ReadsDtypeByNumberByNameOrFromTheValue) {
  EXPECT_EQ(filled("type: \"ConstantFill\" arg { name: \"dtype\" i: 10 }").dtype, DataType::kInt64);
  EXPECT_EQ(filled("type: \"ConstantFill\" arg { name: \"dtype\" s: \"INT32\" }").dtype, DataType::kInt32);
  EXPECT_EQ(filled("type: \"ConstantFill\" arg { name: \"value\" i: 1 }").dtype, DataType::kInt64);
  EXPECT_EQ(filled("type: \"ConstantFill\" arg { name: \"value\" f: 1 }").dtype, DataType::kFloat);
  EXPECT_EQ(filled("type: \"GivenTensorFill\" arg { name: \"dtype\" i: 13 }").dtype, DataType::kDouble);
}

TEST(InitNetTest, FillsAScalarWithoutShape) {
  EXPECT_EQ(filled("type: \"GivenTensorFill\" arg { name: \"values\" floats: 1 }").shape, Shape{});
}

TEST(InitNetTest, StepsOverValuesWhereverTheyStand) {
  Net init;
  Operator op;
  op.type = "GivenTensorFill";
  op.outputs = {"w"};
  Argument values;
  values.name = "values";
  values.floats.assign(1000, 1.0f);
  Argument shape;
  shape.name = "shape";
  shape.ints = {10, 100};
  op.args = {values, shape};
  init.ops = {op};
  Net net;
  add_init_net(net, netdef_binary(init), "init.pb");
  EXPECT_EQ(net.parameters.at("w").shape, (Shape{10, 100}));
  // The name behind the value, one byte string: arg { s: "abc" name: "values" }.
  const std::string arg = std::string(
      "\x22\x03"
      "abc\x0a\x06values");
  const std::string type = "Int8GivenTensorFill";
  const std::string body = "\x12\x01p\x22" + std::string(1, static_cast<char>(type.size())) + type + "\x2a" +
                           std::string(1, static_cast<char>(arg.size())) + arg;
  Net second;
  add_init_net(second, "\x12" + std::string(1, static_cast<char>(body.size())) + body, "init.pb");
  EXPECT_EQ(second.parameters.at("p"), (TensorInfo{{}, DataType::kUint8}));
}

TEST(InitNetTest, FindsValuesThatEndBehindTheFile) {
  Net init;
  Operator op;
  op.type = "Int8GivenTensorFill";
  op.outputs = {"w"};
  op.args = {Argument::of_string("values", std::string(1000, 'x'))};
  init.ops = {op};
  const std::string bytes = netdef_binary(init);
  for (const size_t cut : {size_t{1}, size_t{500}, bytes.size() - 10}) {
    Net net;
    LATGRAD_EXPECT_ERROR(add_init_net(net, bytes.substr(0, bytes.size() - cut), "init.pb"), ParseError,
                         AllOf(HasSubstr("must end within its message"), HasSubstr("(init.pb, byte ")));
  }
}

TEST(InitNetTest, TakesTheShapeOfAnInputThatWasFilledBefore) {
  Net net;
  add_init_net(
      net,
      "op { output: \"a\" type: \"XavierFill\" arg { name: \"shape\" ints: 4 } }"
      "op { input: \"a\" output: \"b\" type: \"ConstantFill\" arg { name: \"extra_shape\" ints: 2 } }",
      "init.pbtxt");
  EXPECT_EQ(net.parameters.at("b").shape, (Shape{4, 2}));
}

TEST(InitNetTest, RefusesWhatFillsNothing) {
  const auto expect = [](const std::string& text, const std::string& message) {
    Net net;
    LATGRAD_EXPECT_ERROR(add_init_net(net, text, "init.pbtxt"), NetError,
                         AllOf(HasSubstr(message), HasSubstr("init.pbtxt, op 0")));
  };
  expect("op { type: \"XavierFill\" }", "XavierFill must have 1 output, got 0");
  expect("op { type: \"XavierFill\" output: \"w\" arg { name: \"shape\" ints: -1 } }",
         "a dimension must not be negative, got [-1]");
  expect(
      "op { type: \"XavierFill\" output: \"w\" arg { name: \"shape\" ints: 2147483647 ints: 2147483647 ints: "
      "8 } }",
      "a shape must have fewer than 2^63 elements");
  expect("op { type: \"XavierFill\" output: \"w\" arg { name: \"shape\" ints: 4294967296 } }",
         "shape must fit in 32 bits, got 4294967296");
  expect("op { type: \"XavierFill\" output: \"w\" arg { name: \"shape\" s: \"3\" } }",
         "shape must be a list of integers");
  expect("op { type: \"ConstantFill\" output: \"w\" arg { name: \"dtype\" i: 99 } }", "dtype must be");
}

TEST(InitNetTest, RunsWhateverElseMakesParameters) {
  Net net;
  add_init_net(net,
               "op { type: \"Load\" output: \"w\" output: \"b\" }"
               "op { type: \"GivenTensorIntFill\" output: \"k\" arg { name: \"shape\" ints: 3 }"
               "     arg { name: \"values\" ints: 1 ints: 2 ints: 3 } }"
               "op { type: \"Cast\" input: \"k\" output: \"k64\" arg { name: \"to\" i: 10 } }"
               "op { type: \"XavierFill\" output: \"flat\" arg { name: \"shape\" ints: 12 } }"
               "op { type: \"Reshape\" input: \"flat\" output: \"m\" output: \"old\" arg { name: \"shape\" "
               "ints: 4 ints: -1 } }"
               "op { type: \"Copy\" input: \"w\" output: \"w2\" }"
               "op { type: \"ConstantFill\" input: \"w2\" output: \"v\" }",
               "init.pbtxt");
  EXPECT_EQ(net.parameters.at("k64"), (TensorInfo{{3}, DataType::kInt64}));
  EXPECT_EQ(net.parameter_values.at("k64"), (Values{1, 2, 3}));
  EXPECT_EQ(net.parameters.at("m").shape, (Shape{4, 3}));
  EXPECT_FALSE(net.parameters.contains("w"));
  EXPECT_EQ(net.unfilled_parameters.at("w"), "op 0 \"Load\" of init.pbtxt");
  EXPECT_EQ(net.unfilled_parameters.at("v"), "op 6 \"ConstantFill\" of init.pbtxt");
}

TEST(InitNetTest, WhoReadsAParameterThatIsLoadedIsToldSo) {
  Net net = parse_netdef_text(
      "op { type: \"FC\" input: \"x\" input: \"w\" input: \"b\" output: \"y\" } external_input: \"x\" "
      "external_input: \"w\" external_input: \"b\"",
      "model.pbtxt");
  net.inputs["x"] = {{1, 4}};
  add_init_net(net, "op { type: \"Load\" output: \"w\" output: \"b\" }", "init.pbtxt");
  LATGRAD_EXPECT_ERROR(
      infer_shapes(net), NetError,
      AllOf(HasSubstr("op 0 \"Load\" of init.pbtxt makes this one"), HasSubstr("blob \"w\"")));
  net.parameters = {{"w", {{3, 4}}}, {"b", {{3}}}};
  EXPECT_EQ(infer_shapes(net).blobs.at("y").shape, (Shape{1, 3}));
}

TEST(InitNetTest, WritesFillOperatorsThatGiveTheSameParameters) {
  Net net = parse_netdef_text(
      "name: \"n\" op { type: \"Int8Conv\" input: \"x\" input: \"u8\" input: \"i32\" output: \"y\" }", "");
  net.parameters = {
      {"float", {{2, 3}, DataType::kFloat}}, {"u8", {{4, 1, 1, 4}, DataType::kUint8}},
      {"i32", {{4}, DataType::kInt32}},      {"i32_plain", {{1}, DataType::kInt32}},
      {"u8_plain", {{7}, DataType::kUint8}}, {"i64", {{2}, DataType::kInt64}},
      {"bool", {{2}, DataType::kBool}},      {"double", {{2}, DataType::kDouble}},
      {"string", {{2}, DataType::kString}},  {"i16", {{2}, DataType::kInt16}},
      {"half", {{2}, DataType::kFloat16}},   {"i8", {{2}, DataType::kInt8}},
      {"scalar", {{}, DataType::kFloat}},
  };
  const std::string text = netdef_text(init_net(net));
  Net again;
  add_init_net(again, text, "init.pbtxt");
  EXPECT_EQ(again.parameters, net.parameters);
  const Net init = parse_netdef_text(text, "");
  EXPECT_EQ(init.name, "n_init");
  std::map<std::string, std::string> types;
  for (const Operator& op : init.ops) types[op.outputs[0]] = op.type;
  EXPECT_EQ(types["float"], "GivenTensorFill");
  EXPECT_EQ(types["u8"], "Int8GivenTensorFill");
  EXPECT_EQ(types["i32"], "Int8GivenIntTensorFill");
  EXPECT_EQ(types["i32_plain"], "GivenTensorIntFill");
}

}  // namespace
}  // namespace latgrad::net
