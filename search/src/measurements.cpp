#include "latgrad/search/measurements.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "latgrad/base/csv.h"
#include "latgrad/base/error.h"
#include "latgrad/base/mapped_file.h"

namespace latgrad::search {
namespace {

constexpr std::array<std::pair<std::string_view, double>, 3> kUnits = {{{"us", 1}, {"ms", 1e3}, {"s", 1e6}}};

// Splits "pixel3_ms"; nothing for a name without a unit.
std::optional<MeasuredColumn> column_named(std::string_view title) {
  const size_t end = title.rfind('_');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view unit = title.substr(end + 1);
  if (std::ranges::none_of(kUnits, [&](const auto& known) { return known.first == unit; }))
    return std::nullopt;
  return MeasuredColumn{std::string(title.substr(0, end)), std::string(unit), {}};
}

struct Header {
  size_t arch = 0;
  std::vector<size_t> times;  // by column of the result: its place in a line
};

Header read_header(const base::CsvReader& csv, std::vector<MeasuredColumn>& columns) {
  const std::vector<std::string>& titles = csv.cells();
  Header header{.arch = static_cast<size_t>(std::ranges::find(titles, "arch") - titles.begin()), .times = {}};
  if (header.arch == titles.size()) {
    csv.fail(fmt::format("the first line must name the columns, one of them arch, got \"{}\"",
                         fmt::join(titles, ",")));
  }
  for (size_t i = 0; i < titles.size(); ++i) {
    if (i == header.arch) continue;
    std::optional<MeasuredColumn> column = column_named(titles[i]);
    if (!column) {
      csv.fail(fmt::format("a column of times must end in its unit, _us, _ms or _s, got \"{}\"", titles[i]));
    }
    for (const MeasuredColumn& other : columns) {
      if (other.name == column->name)
        csv.fail(fmt::format("columns must have different names, got \"{}\" twice", other.name));
    }
    columns.push_back(std::move(*column));
    header.times.push_back(i);
  }
  return header;
}

std::optional<double> time_of(const base::CsvReader& csv, const std::string& cell,
                              const std::string& column) {
  if (cell.empty()) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error != std::errc() || end != cell.data() + cell.size() || !std::isfinite(value) || value <= 0) {
    csv.fail(fmt::format("a time of {} must be a positive number, got \"{}\"", column, cell));
  }
  return value;
}

}  // namespace

double unit_us(std::string_view unit) {
  return std::ranges::find(kUnits, unit, &std::pair<std::string_view, double>::first)->second;
}

Measurements read_measurements(const std::filesystem::path& path, const Space& space) {
  const base::MappedFile file(path);
  base::CsvReader csv(file.bytes(), path.string());
  if (!csv.next())
    throw ParseError("the file must have a line that names its columns", {.file = path.string()});
  Measurements measured;
  const Header header = read_header(csv, measured.columns);
  const size_t width = csv.cells().size();
  while (csv.next()) {
    const std::vector<std::string>& cells = csv.cells();
    if (cells.size() != width) {
      csv.fail(fmt::format("a line must have {} values like the first, got {}", width, cells.size()));
    }
    try {
      measured.architectures.push_back(space.parse_architecture(cells[header.arch]));
      space.check(measured.architectures.back());
    } catch (const ValueError& error) {
      csv.fail(error.message());
    }
    measured.names.push_back(cells[header.arch]);
    for (size_t i = 0; i < measured.columns.size(); ++i) {
      MeasuredColumn& column = measured.columns[i];
      std::optional<double> time = time_of(csv, cells[header.times[i]], column.name);
      if (time) *time *= unit_us(column.unit);
      if (time && !std::isfinite(*time)) csv.fail(fmt::format("a time of {} must be finite", column.name));
      column.times_us.push_back(time);
    }
  }
  if (measured.names.empty()) csv.fail("the file must have a line for an architecture, got none");
  return measured;
}

}  // namespace latgrad::search
