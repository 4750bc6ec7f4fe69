// Arguments that hold a TensorProto.DataType: `dtype` of the fill operators, `to` of Cast.

#pragma once

#include <optional>

#include "latgrad/net/net.h"

namespace latgrad::net {

// By number (`i: 10`) or by Caffe2's name (`s: "INT64"`); nothing for anything else.
// Source: caffe2/utils/cast.h, GetCastDataType.
std::optional<DataType> data_type_argument(const Argument& arg);

}  // namespace latgrad::net
