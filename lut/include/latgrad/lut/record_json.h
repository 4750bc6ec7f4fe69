// Writes records in the published format.

#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "latgrad/lut/table.h"

namespace latgrad::lut {

// The record as one line of JSON, without the newline; keys in the published order. Numbers read back
// as the same.
// Errors: ValueError for text that is not UTF-8, a time that is negative or not finite.
std::string record_json(const Record& record);

// Writes to a temporary file and renames.
// Errors: IoError; ValueError as record_json.
void write_records(const std::vector<Record>& records, const std::filesystem::path& path);

}  // namespace latgrad::lut
