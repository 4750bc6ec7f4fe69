// How each operator type of latgrad is written as ONNX, one row per type, family by family. Int8 types are
// not listed: they are the float ones between DequantizeLinear and QuantizeLinear. Nor are types with a fused
// ReLU, which are written as two nodes.

#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "node_writer.h"

namespace latgrad::net::onnx_ops {

// What an operator makes of the dimensions of its input. ONNX has images with the channels first only; where
// an operator has them last, the graph has another order of dimensions than the network.
enum class Dimensions {
  kAsStored,  // their order counts: a transposition goes before the node
  kImage,     // batch, channels, height, width
  kAny,       // element by element: their order does not count where the inputs have one shape
  kRows,      // in order from axis 1 on: it does not count where there is one pixel
};

struct WritingRow {
  std::string_view type;    // latgrad's
  std::string_view target;  // ONNX's; for readers alone where the rule decides
  void (*write)(NodeWriter& writer, std::string_view target);
  Dimensions dimensions = Dimensions::kAsStored;
};

std::span<const WritingRow> activation_writing();
std::span<const WritingRow> conv_writing();
std::span<const WritingRow> elementwise_writing();
std::span<const WritingRow> fc_writing();
std::span<const WritingRow> fill_writing();
std::span<const WritingRow> join_writing();
std::span<const WritingRow> normalise_writing();
std::span<const WritingRow> pool_writing();
std::span<const WritingRow> reduce_writing();
std::span<const WritingRow> reshape_writing();
std::span<const WritingRow> resize_writing();

// Null for a type that has no row. O(1).
const WritingRow* find_writing_row(std::string_view type);
// Every row, family by family.
std::vector<const WritingRow*> writing_rows();

// The same inputs and outputs under another name.
void write_renamed(NodeWriter& writer, std::string_view target);

}  // namespace latgrad::net::onnx_ops
