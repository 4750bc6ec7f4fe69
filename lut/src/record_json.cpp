#include "latgrad/lut/record_json.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <simdjson.h>

#include <cmath>

#include "latgrad/base/error.h"
#include "latgrad/base/json_string.h"
#include "latgrad/base/replace_file.h"
#include "latgrad/lut/table.h"
#include "python_text.h"

namespace latgrad::lut {

namespace {

std::string checked_string(std::string_view field, const std::string& text) {
  if (!simdjson::validate_utf8(text)) {
    throw ValueError(fmt::format("{} must be valid UTF-8", field), {.field = std::string(field)});
  }
  return base::json_string(text);
}

std::string checked_time(std::string_view field, double time_us) {
  if (!std::isfinite(time_us) || time_us < 0) {
    throw ValueError(fmt::format("{} must be finite and not negative, got {}", field, time_us),
                     {.field = std::string(field)});
  }
  return python_repr(time_us);
}

}  // namespace

std::string record_json(const Record& record) {
  std::vector<std::string> args;
  for (const std::string& text : record.op_args) args.push_back(checked_string("op_args", text));
  std::vector<std::string> shapes;
  for (const net::Shape& shape : record.input_shapes) shapes.push_back(net::to_string(shape));
  std::vector<int> dtypes;
  for (const net::DataType dtype : record.input_dtypes) dtypes.push_back(static_cast<int>(dtype));
  const std::string p50 = checked_time("runtime_us_p50", record.p50_us);
  return fmt::format(
      R"({{"op_type": {}, "op_args": [{}], "input_shapes": [{}], "input_dtypes": [{}], )"
      R"("runtime_us_p0": {}, "runtime_us_p10": {}, "runtime_us_p50": {}, "runtime_us_p90": {}, )"
      R"("runtime_us_p100": {}, "device": {}{}}})",
      checked_string("op_type", record.op_type), fmt::join(args, ", "), fmt::join(shapes, ", "),
      fmt::join(dtypes, ", "), checked_time("runtime_us_p0", record.p0_us),
      checked_time("runtime_us_p10", record.p10_us), record.p50_is_integer ? python_int(record.p50_us) : p50,
      checked_time("runtime_us_p90", record.p90_us), checked_time("runtime_us_p100", record.p100_us),
      checked_string("device", record.device),
      record.error_us
          ? fmt::format(R"(, "runtime_us_error": {})", checked_time("runtime_us_error", *record.error_us))
          : "");
}

void write_records(const std::vector<Record>& records, const std::filesystem::path& path) {
  std::string lines;
  for (const Record& record : records) {
    lines += record_json(record);
    lines += '\n';
  }
  base::replace_file(path, lines);
}

}  // namespace latgrad::lut
