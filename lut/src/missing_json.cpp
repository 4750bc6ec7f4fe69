#include "latgrad/lut/missing_json.h"

#include <utility>

namespace latgrad::lut {

base::Json missing_json(const MissingOperators& missing) {
  base::Json list = base::Json::array();
  for (const MissingOperators::Entry& entry : missing.entries()) {
    base::Json op = {{"op_type", entry.key.op_type}};
    if (entry.known) {
      op["op_args"] = reference_args(entry.key);
      op["input_shapes"] = entry.key.input_shapes;
      op["input_dtypes"] = entry.key.input_dtypes;
    }
    op["used_by"] = entry.used_by;
    list.push_back(std::move(op));
  }
  return list;
}

}  // namespace latgrad::lut
