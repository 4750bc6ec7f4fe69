// A query for one operator: from the command line, or from a line of JSON.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "latgrad/lut/operator_key.h"

namespace latgrad::cli {

struct OperatorQuery {
  lut::OperatorKey key;
  std::string device;  // empty: not named
};

// One object in the record format: op_type, op_args, input_shapes, input_dtypes, and optionally device. Other
// keys, such as the times of a record, are ignored. Errors: ParseError naming the field.
OperatorQuery parse_query(std::string_view json);

// "kernel=3" is an integer, "scale=0.5" a float, "pads=1,1,2,2" a list of either; anything else, and anything
// in double quotes, is a string. Errors: ValueError.
net::Argument parse_argument(std::string_view text);

}  // namespace latgrad::cli
