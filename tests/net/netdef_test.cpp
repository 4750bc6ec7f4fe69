#include "latgrad/net/netdef.h"

#include <gtest/gtest.h>

#include "expect_error.h"
#include "latgrad/base/error.h"
#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/init_net.h"
#include "latgrad/net/read_net.h"
#include "temporary_folder.h"

namespace latgrad::net {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Every field of the format.
constexpr std::string_view kText = R"(name: "tiny"
op {
  input: "data"
  input: "w"
  input: "b"
  output: "y"
  name: "first"
  type: "Conv"
  arg {
    name: "kernel"
    i: 3
  }
  arg {
    name: "scale"
    f: 0.25
  }
  arg {
    name: "order"
    s: "NCHW"
  }
  arg {
    name: "mixed"
    floats: 1.5
    floats: -2
    ints: 1
    ints: -1
    strings: "a"
    strings: "\377"
  }
  device_option {
    device_type: 1
    device_id: 2
    random_seed: 3
  }
  engine: "NNPACK"
  control_input: "c"
  is_gradient_op: true
}
op {
  input: "y"
  output: "y"
  type: "Relu"
}
type: "dag"
num_workers: 4
device_option {
}
arg {
  name: "net_arg"
  i: 7
}
external_input: "data"
external_input: "w"
external_input: "b"
external_output: "y"
)";

void expect_same(const Net& a, const Net& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.type, b.type);
  EXPECT_EQ(a.num_workers, b.num_workers);
  EXPECT_EQ(a.device_option, b.device_option);
  EXPECT_EQ(a.args, b.args);
  EXPECT_EQ(a.ops, b.ops);
  EXPECT_EQ(a.external_inputs, b.external_inputs);
  EXPECT_EQ(a.external_outputs, b.external_outputs);
}

// The bytes of one field: its tag and then its content with the length before it.
std::string field(int number, const std::string& content) {
  return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(content.size())} + content;
}

TEST(NetdefTest, ReadsEveryFieldOfText) {
  const Net net = parse_netdef_text(kText, "tiny.pbtxt");
  EXPECT_EQ(net.name, "tiny");
  EXPECT_EQ(net.source, "tiny.pbtxt");
  EXPECT_EQ(net.type, "dag");
  EXPECT_EQ(net.num_workers, 4);
  EXPECT_EQ(net.device_option, DeviceOption{});
  ASSERT_EQ(net.ops.size(), 2);
  const Operator& op = net.ops[0];
  EXPECT_EQ(op.type, "Conv");
  EXPECT_EQ(op.inputs, (std::vector<std::string>{"data", "w", "b"}));
  EXPECT_EQ(op.args[0], Argument::of_int("kernel", 3));
  EXPECT_EQ(op.args[1], Argument::of_float("scale", 0.25f));
  EXPECT_EQ(op.args[3].floats, (std::vector<float>{1.5f, -2}));
  EXPECT_EQ(op.args[3].ints, (std::vector<int64_t>{1, -1}));
  EXPECT_EQ(op.args[3].strings, (std::vector<std::string>{"a", "\377"}));
  EXPECT_EQ(op.device_option, (DeviceOption{1, 2, 3}));
  EXPECT_EQ(op.engine, "NNPACK");
  EXPECT_EQ(op.control_inputs, std::vector<std::string>{"c"});
  EXPECT_TRUE(op.is_gradient_op);
  EXPECT_FALSE(net.ops[1].is_gradient_op);
  EXPECT_EQ(net.external_outputs, std::vector<std::string>{"y"});
}

TEST(NetdefTest, PrintsTextAsItCame) { EXPECT_EQ(netdef_text(parse_netdef_text(kText, "")), kText); }

TEST(NetdefTest, BinaryCarriesTheSameAsText) {
  const Net net = parse_netdef_text(kText, "");
  const std::string bytes = netdef_binary(net);
  expect_same(parse_netdef_binary(bytes, ""), net);
  EXPECT_EQ(netdef_binary(parse_netdef_binary(bytes, "")), bytes);
}

TEST(NetdefTest, BinaryIsWhatTheFieldNumbersSay) {
  Net net;
  net.name = "n";
  Operator op;
  op.type = "Relu";
  op.inputs = {"x"};
  op.outputs = {"y"};
  op.args = {Argument::of_int("k", 3)};
  net.ops = {op};
  net.external_inputs = {"x"};
  const std::string expected =
      field(1, "n") +
      field(2, field(1, "x") + field(2, "y") + field(4, "Relu") + field(5, field(1, "k") + "\x18\x03")) +
      field(7, "x");
  EXPECT_EQ(netdef_binary(net), expected);
  expect_same(parse_netdef_binary(expected, ""), net);
}

TEST(NetdefTest, ReadsPackedAndUnpackedLists) {
  const std::string packed = field(1, "a") + field(6, "\x01\x02") + field(5, std::string("\0\0\x80\x3f", 4));
  const std::string unpacked = field(1, "a") + "\x30\x01\x30\x02" + "\x2d" + std::string("\0\0\x80\x3f", 4);
  for (const std::string& arg : {packed, unpacked}) {
    const Net net = parse_netdef_binary(field(2, field(4, "T") + field(5, arg)), "");
    EXPECT_EQ(net.ops.at(0).args.at(0).ints, (std::vector<int64_t>{1, 2}));
    EXPECT_EQ(net.ops.at(0).args.at(0).floats, std::vector<float>{1.0f});
  }
}

TEST(NetdefTest, PassesOverUnknownFields) {
  const Net text = parse_netdef_text(
      "name: \"n\"\nversion: 3\nop { type: \"Relu\" debug_info: \"here\" arg { name: \"k\" n { name: \"sub\" "
      "} } }\n",
      "");
  EXPECT_EQ(text.ops.at(0).type, "Relu");
  // Field 15 as bytes, as varint, as group, as 64 and 32 bits.
  const std::string unknown = field(15, "abc") + "\x78\x05" + "\x7b\x78\x05\x7c" + "\x79" +
                              std::string(8, 'x') + "\x7d" + std::string(4, 'x');
  const Net binary = parse_netdef_binary(unknown + field(2, unknown + field(4, "Relu")), "");
  EXPECT_EQ(binary.ops.at(0).type, "Relu");
}

TEST(NetdefTest, PrintsNothingOnStderr) {
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  parse_netdef_text("name: \"n\"\nversion: 3\n", "");
  EXPECT_THROW(parse_netdef_text("name: {", ""), ParseError);
  EXPECT_THROW(parse_netdef_binary("\x0a\x7f", ""), ParseError);
  Net net;
  net.name = "\xff\xfe";  // not UTF-8
  netdef_text(net);
  EXPECT_EQ(parse_netdef_binary(netdef_binary(net), "").name, net.name);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
}

TEST(NetdefTest, NamesFileAndLineOfATextError) {
  LATGRAD_EXPECT_ERROR(
      parse_netdef_text("name: \"n\"\nop {\n  type: 7\n}\n", "model.pbtxt"), ParseError,
      AllOf(HasSubstr("NetDef text is malformed: "), HasSubstr("(model.pbtxt, line 3, op 0)")));
  LATGRAD_EXPECT_ERROR(parse_netdef_text("op {\n  type: \"Relu\"\n", "cut.pbtxt"), ParseError,
                       HasSubstr("cut.pbtxt"));
}

TEST(NetdefTest, NamesTheOperatorAroundATextError) {
  const std::string first = "op { input: \"x\" output: \"y\" type: \"Conv\" }\n";
  const auto expect = [&](const std::string& rest, const std::string& place) {
    LATGRAD_EXPECT_ERROR(parse_netdef_text(first + rest, "m.pbtxt"), ParseError, HasSubstr(place));
  };
  expect("op { input: \"y\" output: \"z\" type: \"Relu\"\n engine: }\n",
         "(m.pbtxt, line 3, op 1 \"Relu\", blob \"z\")");
  expect("op { input: \"y\"\n arg { name: 3 } }\n", "(m.pbtxt, line 3, op 1, blob \"y\")");
  expect("op { input: \"y\"\n type: \"Relu\"\n", "op 1 \"Relu\", blob \"y\")");
  // Between and behind the operators.
  expect("name: 7\n", "(m.pbtxt, line 2)");
  LATGRAD_EXPECT_ERROR(parse_netdef_text("name: 7", "m.pbtxt"), ParseError, HasSubstr("(m.pbtxt, line 1)"));
}

TEST(NetdefTest, PassesOverAByteOrderMark) {
  EXPECT_EQ(parse_netdef_text("\xef\xbb\xbfname: \"n\"", "").name, "n");
  LATGRAD_EXPECT_ERROR(parse_netdef_text("\xef\xbb\xbf\nname: 7", "m.pbtxt"), ParseError,
                       HasSubstr("(m.pbtxt, line 2)"));
}

TEST(NetdefTest, NamesTheOperatorAroundABinaryError) {
  const std::string conv = field(2, field(1, "x") + field(2, "y") + field(4, "Conv"));
  const std::string relu = field(1, "y") + field(2, "z") + field(4, "Relu");
  const auto expect = [&](const std::string& bytes, const std::string& message, const std::string& place) {
    LATGRAD_EXPECT_ERROR(parse_netdef_binary(conv + bytes, "m.pb"), ParseError,
                         AllOf(HasSubstr(message), HasSubstr(place)));
  };
  // Cut: behind its type, in its type, in its output, in its input, in its length.
  const std::string long_relu = field(2, relu + field(7, "NNPACK"));
  const auto cut = [&](size_t size) { return long_relu.substr(0, size); };
  const std::string message = "a field of 20 bytes must end within its message, which has ";
  expect(cut(14), message + "12 left", "(m.pb, byte 16, op 1 \"Relu\", blob \"z\")");
  expect(cut(12), message + "10 left", "(m.pb, byte 16, op 1, blob \"z\")");
  expect(cut(7), message + "5 left", "(m.pb, byte 16, op 1, blob \"y\")");
  expect(cut(4), message + "2 left", "(m.pb, byte 16, op 1)");
  expect(cut(1), "a length must be a number below 2^31", "op 1)");
  // Malformed inside.
  expect(field(2, relu + "\x2a\x7f"), "a field of 127 bytes must end", "op 1 \"Relu\", blob \"z\")");
  // Behind the operators.
  expect("\x0a\x7f", "a field of 127 bytes must end", "(m.pb, byte 16)");
}

TEST(NetdefTest, NamesFileAndByteOfABinaryError) {
  const std::string bytes = field(1, "net") + field(2, field(4, "Relu"));
  LATGRAD_EXPECT_ERROR(parse_netdef_binary(bytes.substr(0, bytes.size() - 1), "cut.pb"), ParseError,
                       AllOf(HasSubstr("a field of 6 bytes must end within its message, which has 5 left"),
                             HasSubstr("(cut.pb, byte 7, op 0)")));
  LATGRAD_EXPECT_ERROR(parse_netdef_binary("\x0a\xff\xff\xff\xff\xff", "bad.pb"), ParseError,
                       HasSubstr("a length must be a number below 2^31 (bad.pb, byte"));
  LATGRAD_EXPECT_ERROR(parse_netdef_binary(std::string(3, '\0'), "zero.pb"), ParseError,
                       HasSubstr("a field must begin with a valid tag (zero.pb, byte 1)"));
  // A length beyond its message, though the file has the bytes.
  LATGRAD_EXPECT_ERROR(parse_netdef_binary("\x12\x02\x0a\x7f" + std::string(200, 'x'), "nested.pb"),
                       ParseError,
                       HasSubstr("a field of 127 bytes must end within its message, which has 0 left"));
}

TEST(NetdefTest, BoundsTheDepthOfUnknownFields) {
  std::string text;
  for (int depth = 0; depth < 100000; ++depth) text += "a {";
  EXPECT_THROW(parse_netdef_text(text, ""), ParseError);
  EXPECT_THROW(parse_netdef_binary(std::string(100000, '\x7b'), ""), ParseError);
}

TEST(NetdefTest, EveryCutAndEveryChangedByteGivesANetOrAnError) {
  const std::string bytes = netdef_binary(parse_netdef_text(kText, ""));
  size_t errors = 0;
  const auto probe = [&](const std::string& corrupt) {
    try {
      Net net = parse_netdef_binary(corrupt, "corrupt.pb");
      netdef_text(net);
      net.inputs["data"] = {{1, 3, 8, 8}, DataType::kFloat};
      infer_shapes(net, {.allow_unknown = true});
    } catch (const Error&) {
      ++errors;
    }
    Net init;
    try {
      add_init_net(init, corrupt, "corrupt.pb");
    } catch (const Error&) {
    }
  };
  for (size_t size = 0; size < bytes.size(); ++size) probe(bytes.substr(0, size));
  EXPECT_GT(errors, bytes.size() / 2);
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (const unsigned char value : {0x00, 0x01, 0x12, 0x7f, 0x80, 0xff}) {
      std::string corrupt = bytes;
      corrupt[at] = static_cast<char>(value);
      probe(corrupt);
    }
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(~flipped[at]);
    probe(flipped);
  }
}

class ReadNetTest : public testing::Test {
 protected:
  TemporaryFolder folder_;
  const Net net_ = parse_netdef_text(kText, "");
  const std::string init_ =
      "op { output: \"w\" type: \"GivenTensorFill\" arg { name: \"shape\" ints: 1 ints: 3 } }";
};

TEST_F(ReadNetTest, TellsTextAndBinaryApartByContent) {
  folder_.write("model.pb", std::string(kText));
  folder_.write("other.pbtxt", netdef_binary(net_));
  expect_same(read_net(folder_ / "model.pb"), net_);
  expect_same(read_net(folder_ / "other.pbtxt"), net_);
}

TEST_F(ReadNetTest, PrefersTheBinaryOfAFolder) {
  folder_.write("model.pbtxt", std::string(kText));
  EXPECT_EQ(read_net(folder_.path()).source, (folder_ / "model.pbtxt").string());
  folder_.write("model.pb", netdef_binary(net_));
  EXPECT_EQ(read_net(folder_.path()).source, (folder_ / "model.pb").string());
}

TEST_F(ReadNetTest, FindsTheInitNetBesideTheModel) {
  folder_.write("a.pb", netdef_binary(net_));
  EXPECT_TRUE(read_net(folder_ / "a.pb").parameters.empty());
  folder_.write("a_init.pbtxt", init_);
  EXPECT_EQ(read_net(folder_ / "a.pb").parameters.at("w").shape, (Shape{1, 3}));
  folder_.write("predict_net.pb", netdef_binary(net_));
  folder_.write("init_net.pb", init_);
  EXPECT_EQ(read_net(folder_ / "predict_net.pb").parameters.size(), 1);
}

TEST_F(ReadNetTest, TakesTheInitNetThatTheCallerNames) {
  folder_.write("model.pb", netdef_binary(net_));
  folder_.write("elsewhere", init_);
  EXPECT_EQ(read_net(folder_.path(), folder_ / "elsewhere").parameters.size(), 1);
  LATGRAD_EXPECT_ERROR(read_net(folder_.path(), folder_ / "absent"), IoError, HasSubstr("absent"));
}

TEST_F(ReadNetTest, ReadsShapesJson) {
  folder_.write("model.pb", netdef_binary(net_));
  folder_.write("model_init.pbtxt", init_);
  folder_.write("shapes.json",
                R"({"inputs": {"data": [1, 3, 8, 8]}, "params": {"w": [9], "b": [16]}, "blobs": 0})");
  const Net net = read_net(folder_.path());
  EXPECT_EQ(net.inputs.at("data"), (TensorInfo{{1, 3, 8, 8}, DataType::kFloat}));
  EXPECT_EQ(net.parameters.at("w").shape, (Shape{1, 3})) << "the init net comes first";
  EXPECT_EQ(net.parameters.at("b"), (TensorInfo{{16}, DataType::kFloat}));
}

TEST_F(ReadNetTest, GivesParametersOfShapesJsonTheTypeThatTheirOperatorReads) {
  folder_.write("model.pbtxt", R"(op { type: "Int8Conv" input: "x" input: "w" input: "b" output: "y" })");
  folder_.write("shapes.json", R"({"params": {"w": [1, 1, 1, 1], "b": [1]}})");
  const Net net = read_net(folder_.path());
  EXPECT_EQ(net.parameters.at("w").dtype, DataType::kUint8);
  EXPECT_EQ(net.parameters.at("b").dtype, DataType::kInt32);
}

TEST_F(ReadNetTest, RefusesMalformedShapesJson) {
  folder_.write("model.pb", netdef_binary(net_));
  const auto expect = [&](const std::string& json, const std::string& message) {
    folder_.write("shapes.json", json);
    LATGRAD_EXPECT_ERROR(read_net(folder_.path()), ParseError,
                         AllOf(HasSubstr(message), HasSubstr("shapes.json")));
  };
  expect("{", "the shapes must hold JSON");
  expect("", "the shapes must hold JSON");
  expect("[]", "the shapes must be an object, got []");
  expect(R"({"inputs": []})", "inputs must be an object");
  expect(R"({"inputs": {"data": 3}})", "data must be a list, got 3");
  expect(R"({"params": {"w": [1, 2.5]}})", "w must be an integer of 64 bits, got 2.5");
  expect(R"({"params": {"w": [1, -2]}})", "a dimension must not be negative, got [1, -2]");
  expect(R"({"params": {"w": [1, -2]}})", "shapes.json, field \"params/w\")");
  expect(R"({"params": {"w": [4294967296, 4294967296]}})", "fewer than 2^63 elements");
}

TEST_F(ReadNetTest, RefusesWhatIsNoNetwork) {
  LATGRAD_EXPECT_ERROR(read_net(folder_ / "absent.pb"), IoError, HasSubstr("absent.pb"));
  LATGRAD_EXPECT_ERROR(read_net(folder_.path()), IoError, HasSubstr("a model folder must hold model.pb"));
  folder_.write("empty.pb", "");
  LATGRAD_EXPECT_ERROR(read_net(folder_ / "empty.pb"), ParseError,
                       AllOf(HasSubstr("a network must have at least one operator"), HasSubstr("empty.pb")));
}

TEST_F(ReadNetTest, ReadsANetworkThatWasCutOff) {
  folder_.write("shapes.json", R"({"params": {"w": [1, 1, 1, 1], "fc_w": [2, 9], "fc_b": [2]}})");
  folder_.write("model.pbtxt", R"(op { type: "Conv" input: "x" input: "w" output: "y" })");
  EXPECT_THAT(unread_parameters(read_net(folder_.path())), ElementsAre("fc_b", "fc_w"));
}

TEST_F(ReadNetTest, CallsFilesOfOtherToolsByTheirName) {
  const struct {
    std::string bytes;
    const char* name;
  } kFiles[] = {
      {"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n", "a Git LFS pointer"},
      {"\n<!DOCTYPE html>\n<html>", "an HTML page"},
      {"ir_version: 8 graph {}", "an ONNX model as text"},
      {std::string("\x1c\0\0\0TFL3", 8), "a TensorFlow Lite model"},
      {std::string("PK\x03\x04") + "net/constants.pkl", "a TorchScript archive"},
      {std::string("PK\x03\x04") + "readme.txt", "a zip archive"},
      {std::string("\x80\x02}q\0", 5), "a Python pickle"},
      {std::string("\x1f\x8b\x08\0", 4), "a gzip file"},
  };
  for (const auto& [bytes, name] : kFiles) {
    folder_.write("model.pb", bytes);
    LATGRAD_EXPECT_ERROR(
        read_net(folder_ / "model.pb"), ParseError,
        AllOf(HasSubstr("a Caffe2 network or an ONNX model is needed, but this is "), HasSubstr(name)));
    folder_.write("model.pb", netdef_binary(net_));
    folder_.write("init.pb", bytes);
    LATGRAD_EXPECT_ERROR(read_net(folder_ / "model.pb", folder_ / "init.pb"), ParseError,
                         AllOf(HasSubstr("a Caffe2 init net is needed, but this is "), HasSubstr(name)));
  }
}

TEST_F(ReadNetTest, TakesNoNameOfANetworkForAnotherFormat) {
  for (const char* name : {"UNET3D", "myTFLnet", "ET12", "PKnet"}) {
    Net net = net_;
    net.name = name;
    folder_.write("named.pb", netdef_binary(net));
    EXPECT_EQ(read_net(folder_ / "named.pb").name, name);
  }
}

TEST_F(ReadNetTest, ReadsWhatItWrote) {
  for (const char* name : {"out.pb", "out.pbtxt"}) {
    write_netdef(net_, folder_ / name);
    expect_same(read_net(folder_ / name), net_);
  }
  EXPECT_EQ(folder_.read("out.pbtxt"), kText);
  EXPECT_EQ(folder_.read("out.pb"), netdef_binary(net_));
  LATGRAD_EXPECT_ERROR(write_netdef(net_, folder_ / "no_such_folder" / "out.pb"), IoError,
                       HasSubstr("no_such_folder"));
}

}  // namespace
}  // namespace latgrad::net
