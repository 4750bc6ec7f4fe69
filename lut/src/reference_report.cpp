#include "latgrad/lut/reference_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "latgrad/lut/estimate.h"
#include "python_text.h"

namespace latgrad::lut {

namespace {

std::string python_number(double value, bool is_integer) {
  return is_integer ? python_int(value) : python_repr(value);
}

}  // namespace

std::string reference_report(const net::Net& net, const net::NetShapes& shapes, const Table& table,
                             const Estimate& estimate) {
  std::string text;
  // Python's sum starts with the integer 0 and stays one until the first float.
  bool total_is_integer = true;
  for (size_t i = 0; i < net.ops.size(); ++i) {
    const OpEstimate& op = estimate.ops[i];
    if (!op.time_us) {
      text += "No match found in the database!\n";
      continue;
    }
    total_is_integer = total_is_integer && op.time_is_integer;
    std::vector<std::string> input_shapes;
    for (const net::TensorInfo& input : shapes.ops[i].inputs)
      input_shapes.push_back(net::to_string(input.shape));
    std::vector<std::string> times;
    for (const uint32_t record : op.records) {
      times.push_back(python_number(table.time_us(record, Statistic::kP50), table.p50_is_integer(record)));
    }
    text += fmt::format("op type {} with input [{}]\n", op.type_after_lookup, fmt::join(input_shapes, ", "));
    text += fmt::format("run_time: [{}]\n", fmt::join(times, ", "));
  }
  text += fmt::format("All operators found in the table? {}\n", estimate.all_found ? "True" : "False");
  text +=
      fmt::format("The network run-time latency is {}\n", python_number(estimate.found_us, total_is_integer));
  return text;
}

}  // namespace latgrad::lut
