// The latency look-up table (LUT): records in the published format, and a hash index over them.
//
//   Table table = Table::load("SM-G950U-7.0-24-op_lut_database.json.zip");
//   for (size_t r : table.find(key, "SM-G950U-7.0-24")) use(table.time_us(r, Statistic::kP50));
//
// A lookup is O(1) in the size of the table. The table is immutable: any number of threads may read it.

#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "latgrad/lut/operator_key.h"
#include "latgrad/lut/statistic.h"

namespace latgrad::lut {

// One line of the file. Field names of the format: docs/lut-format.md.
struct Record {
  std::string op_type = {};
  std::vector<std::string> op_args = {};  // protobuf text of each argument, in file order
  std::vector<net::Shape> input_shapes = {};
  std::vector<net::DataType> input_dtypes = {};
  double p0_us = 0;
  double p10_us = 0;
  double p50_us = 0;
  double p90_us = 0;
  double p100_us = 0;
  bool p50_is_integer = false;  // printed as `259`, not `259.0`, by the reference tool
  std::string device = {};
  // The standard deviation of a time that was estimated; nothing: it was measured.
  std::optional<double> error_us = {};

  bool operator==(const Record&) const = default;
};

class Table {
 public:
  // Reads `.json` (one object per line), `.json.gz`, or a `.zip` that holds one such `.json`; the content
  // decides. An archive may unpack to at most 1 GiB.
  // Errors: IoError; ParseError with file and line (a key is missing, has another type, a time is
  // negative or not finite, a shape is out of range).
  static Table load(const std::filesystem::path& path);
  // The same from memory, not packed. `source` is named in errors.
  static Table parse(std::string_view json_lines, const std::string& source);
  // Errors: ValueError as parse, with the record's number; ParseError for an argument that is not protobuf
  // text.
  static Table from_records(std::vector<Record> records, std::string source);

  Table(Table&&) noexcept;
  Table& operator=(Table&&) noexcept;
  ~Table();

  size_t size() const;
  Record record(size_t index) const;  // precondition: index < size()
  // One figure of a record, without the copy; precondition: index < size().
  double time_us(size_t index, Statistic statistic) const;
  bool p50_is_integer(size_t index) const;
  // As Record::error_us, to the precision of a float.
  std::optional<double> error_us(size_t index) const;
  const std::vector<std::string>& devices() const;  // distinct, in file order
  bool has_device(std::string_view device) const;
  const std::string& source() const;

  // The device to use if the caller names none: the only one of the table, else the one that the
  // file name starts with (`<device>-op_lut_database.json`).
  // Errors: ValueError that lists the devices.
  const std::string& default_device() const;
  // The device itself, or default_device() if it is empty.
  // Errors: ValueError for a device that the table lacks, listing those that it has; as default_device.
  const std::string& resolve_device(std::string_view device) const;

  // Records that match by meaning, in file order; empty when there is none. A convolution or pool for which
  // none was measured with the same `exhaustive_search` has those with the other.
  std::span<const uint32_t> find(const OperatorKey& key, std::string_view device) const;
  // Records that match as the published tool matches: text against text.
  std::span<const uint32_t> find_reference(const OperatorKey& key, std::string_view device) const;

 private:
  struct Impl;
  explicit Table(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace latgrad::lut
