// Bytes that stand for the parts of an operator key: equal exactly when the parts are the same by meaning.
//
//   std::string bytes;
//   append_arguments(bytes, "Conv", key.args);
//   append_inputs(bytes, key.input_shapes, key.input_dtypes);
//
// The bytes live in memory only. O(arguments * log(arguments) + dimensions).

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "latgrad/lut/operator_key.h"

namespace latgrad::lut {

// Variable length, 7 bits a byte: the dimensions of mobile networks take one or two bytes.
inline void append_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}
// Reads what append_varint wrote and moves `at` behind it. Precondition: `at` points at such bytes.
uint64_t read_varint(const char*& at);

// What counts of the arguments, however they are ordered and spelled.
void append_arguments(std::string& out, std::string_view op_type, std::span<const net::Argument> args);

// Precondition: no dimension is negative.
void append_inputs(std::string& out, std::span<const net::Shape> shapes,
                   std::span<const net::DataType> dtypes);
// The inverse. Precondition: `bytes` come from append_inputs.
void read_inputs(std::string_view bytes, std::vector<net::Shape>& shapes, std::vector<net::DataType>& dtypes);

// The published tool keeps these out of the comparison, whatever their value.
bool is_output_scale(const net::Argument& arg);     // Y_scale, Y_zero_point
bool mentions_workspace(const net::Argument& arg);  // `ws_nbytes_limit` stands in its name or in a string
// Both, and what only says how memory is used or initialised.
bool never_counts(const net::Argument& arg);
// Whether the argument says what its absence says.
bool is_default(const net::Argument& arg, std::string_view op_type);

}  // namespace latgrad::lut
