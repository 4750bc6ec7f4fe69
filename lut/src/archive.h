// The text of a LUT file in any packaging: plain, gzip, or a zip that holds one `.json`.
//
//   TableText text = unpack(mapped.bytes(), "SM-G950U-7.0-24-op_lut_database.json.zip");
//   text.view();

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace latgrad::lut {

// What an archive may unpack to at most; a table of 100,000 records has 40 MB.
inline constexpr size_t kMaxUnpackedBytes = size_t{1} << 30;

struct TableText {
  std::string unpacked;    // empty for a plain file
  std::string_view plain;  // empty for an archive; points at the caller's bytes
  std::string member;      // name inside the zip

  std::string_view view() const { return unpacked.empty() ? plain : std::string_view(unpacked); }
};

// Told apart by the first bytes. `bytes` must outlive the result.
// Errors: ParseError for a damaged or truncated archive, one that unpacks to more than `max_bytes`, a zip
// without a `.json` or with several, an encrypted one.
TableText unpack(std::string_view bytes, const std::string& source, size_t max_bytes = kMaxUnpackedBytes);

}  // namespace latgrad::lut
