#include "latgrad/net/input_shape.h"

#include "expect_error.h"
#include "latgrad/base/error.h"

namespace latgrad::net {
namespace {

using ::testing::HasSubstr;
using ::testing::StrEq;

TEST(InputShapeTest, ReadsAShape) {
  EXPECT_EQ(parse_shape("1,56,56,24"), (Shape{1, 56, 56, 24}));
  EXPECT_EQ(parse_shape(" [1, 0] "), (Shape{1, 0}));
  for (const char* text : {"", "1,,2", "1,-2", "1,x", "[1", "1 2", "99999999999999999999"}) {
    LATGRAD_EXPECT_ERROR(
        parse_shape(text), ValueError,
        StrEq("a shape must be DIM,DIM,... of non-negative integers, got \"" + std::string(text) + "\""));
  }
  LATGRAD_EXPECT_ERROR(parse_shape("4294967296,4294967296"), ValueError, HasSubstr("2^63"));
}

TEST(InputShapeTest, ReadsATypeByNumberOrName) {
  EXPECT_EQ(parse_dtype("6"), DataType::kUint8);
  EXPECT_EQ(parse_dtype("uint8"), DataType::kUint8);
  for (const char* text : {"", "0", "11", "14", "undefined", "uint"}) {
    LATGRAD_EXPECT_ERROR(
        parse_dtype(text), ValueError,
        HasSubstr("a dtype must be a number or a name that Caffe2 defines (1 float32, 2 int32, "));
  }
}

TEST(InputShapeTest, ReadsAnInput) {
  const InputShape plain = parse_input_shape("data=1,3,224,224");
  EXPECT_EQ(plain.blob, "data");
  EXPECT_EQ(plain.shape, (Shape{1, 3, 224, 224}));
  EXPECT_FALSE(plain.dtype);
  EXPECT_EQ(parse_input_shape("data=1,224,224,3:uint8").dtype, DataType::kUint8);
  for (const char* text : {"data", "=1,2", ""}) {
    LATGRAD_EXPECT_ERROR(parse_input_shape(text), ValueError,
                         HasSubstr("an input must be BLOB=DIM,DIM,..., got"));
  }
  LATGRAD_EXPECT_ERROR(parse_input_shape("data=1:x"), ValueError, HasSubstr("got \"x\""));
}

}  // namespace
}  // namespace latgrad::net
