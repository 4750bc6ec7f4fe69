// Architectures with their measured times, as people keep them: a CSV file.
//
//   arch,pixel3_ms,raspi4_ms
//   7818488874147327324245,17.55775,30.25286
//
//   Measurements measured = read_measurements("sources.csv", space);
//   measured.columns[1].times_us[0];       // 30252.86
//
// The first line names the columns. `arch` is what Space::parse_architecture reads; a name ends in its unit:
// _us, _ms or _s. An empty cell was not measured. Linear in the file.

#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "latgrad/search/space.h"

namespace latgrad::search {

struct MeasuredColumn {
  std::string name;                             // without the unit: "pixel3"
  std::string unit;                             // "ms"
  std::vector<std::optional<double>> times_us;  // by architecture
};

struct Measurements {
  std::vector<std::string> names;  // as the file writes them
  std::vector<Architecture> architectures;
  std::vector<MeasuredColumn> columns;
};

// Errors: IoError; ParseError with file and line for a file without the column `arch`, a column without a
// unit, two of one name, a line of another length, a time that is not positive and finite, no line; for an
// architecture that is not one of the space, with the reason.
Measurements read_measurements(const std::filesystem::path& path, const Space& space);

// Microseconds in the unit of a column: 1000 for "ms".
double unit_us(std::string_view unit);

}  // namespace latgrad::search
