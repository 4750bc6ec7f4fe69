// JSON lines to records, in parallel.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "latgrad/base/error.h"
#include "record_batch.h"

namespace latgrad::lut {

// Reads one JSON object a line; the batches, one behind the other, are the file in its order.
//
// Allowed: blank lines, CRLF, a byte order mark, no newline at the end, other keys, keys in any order.
// Of a repeated key the last one counts, as in Python.
// Errors: ParseError with line and field; the first one in file order, however many threads read.
std::vector<RecordBatch> read_records(std::string_view json_lines, const std::string& source);

// Where the record of that number stands. Linear in the text: for error messages.
Place place_of_record(std::string_view json_lines, const std::string& source, size_t record);

}  // namespace latgrad::lut
