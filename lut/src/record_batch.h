// Records in compact form: every string once, shapes as bytes.
//
// A batch is filled by one thread; Table joins the batches of a file. Ids are those of the batch.

#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "latgrad/lut/table.h"
#include "string_pool.h"

namespace latgrad::lut {

// The error of a record that is no estimate.
inline constexpr float kMeasured = -1;

struct CompactRecord {
  uint32_t op = 0;  // type and arguments
  uint32_t device = 0;
  uint32_t inputs_size = 0;
  bool p50_is_integer = false;
  uint64_t inputs_at = 0;         // shapes and types of the inputs: append_inputs' bytes
  std::array<double, 5> times{};  // microseconds; p0, p10, p50, p90, p100
  float error_us = kMeasured;     // of an estimate: its standard deviation
};

// A type with its arguments as they stand in the file.
struct OpText {
  uint32_t type = 0;
  std::vector<uint32_t> args;  // ids of their texts, in file order
};

class RecordBatch {
 public:
  StringPool types;
  StringPool devices;
  StringPool arg_texts;
  std::vector<CompactRecord> records;
  std::string inputs;  // of all records, one behind the other

  uint32_t intern_op(uint32_t type, std::span<const uint32_t> args);
  const std::vector<OpText>& ops() const { return ops_; }
  std::string_view inputs_of(const CompactRecord& record) const {
    return std::string_view(inputs).substr(record.inputs_at, record.inputs_size);
  }

  // Precondition: the record was checked.
  void add(const Record& record);

 private:
  StringPool op_ids_;
  std::vector<OpText> ops_;
  std::string scratch_;
};

}  // namespace latgrad::lut
