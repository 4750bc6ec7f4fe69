// The one family of errors that latgrad's core throws.
//
//   try {
//     auto table = latgrad::lut::Table::load("pixel-op_lut_database.json");
//   } catch (const latgrad::Error& error) {
//     std::cerr << error.what();  // "rule, actual value (file, line 7)"
//   }
//
// An error is thrown when the job cannot continue. An expected outcome, such as an operator that the table
// lacks, is a return value, never an error.

#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

namespace latgrad {

// Where something went wrong. Empty or absent members are unknown.
struct Place {
  std::string file = {};
  std::optional<int64_t> line = {};      // 1-based
  std::optional<int64_t> byte = {};      // 0-based offset
  std::optional<int64_t> op_index = {};  // 0-based position in the net
  std::string op_type = {};
  std::string blob = {};
  std::string field = {};
};

// Formats as `file, line 7, op 3 "Conv", blob "data"`; empty when nothing is known.
std::string to_string(const Place& place);

// The base class of every error of the core; `what()` is "message (place)".
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, Place place = {});
  const Place& place() const noexcept { return place_; }
  const std::string& message() const noexcept { return message_; }

 private:
  std::string message_;
  Place place_;
};

// A file cannot be opened, read, written or renamed.
class IoError : public Error {
  using Error::Error;
};

// Text or bytes do not follow their format: JSON, NetDef, space, archive.
class ParseError : public Error {
  using Error::Error;
};

// A network is well formed but wrong: unknown operator, dangling blob, shape mismatch.
class NetError : public Error {
  using Error::Error;
};

// A caller's value breaks a rule: unknown device, bad mode, architecture out of range.
class ValueError : public Error {
  using Error::Error;
};

}  // namespace latgrad
