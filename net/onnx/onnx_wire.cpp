#include "onnx_wire.h"

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <climits>
#include <span>

#include "latgrad/base/error.h"
#include "onnx_types.h"

namespace latgrad::net {
namespace {

using google::protobuf::internal::WireFormatLite;

// Shapes, bounds and scales are shorter.
constexpr size_t kShortBytes = 1024;
constexpr int kMaxNesting = 64;

// Messages, their fields that may hold the data of tensors, and notes that nobody reads: exporters write
// kilobytes about each node.
enum class Kind {
  kModel,
  kGraph,
  kFunction,
  kNode,
  kAttribute,
  kSparseTensor,
  kTensor,
  kData,
  kNote,
  kEntry
};
struct Field {
  Kind message;
  int number;
  Kind kind;
};
constexpr Field kFields[] = {
    {Kind::kGraph, 10, Kind::kNote},     // doc_string
    {Kind::kGraph, 13, Kind::kNote},     // value_info
    {Kind::kGraph, 14, Kind::kNote},     // quantization_annotation
    {Kind::kGraph, 16, Kind::kNote},     // metadata_props
    {Kind::kNode, 6, Kind::kNote},       // doc_string
    {Kind::kNode, 10, Kind::kNote},      // device_configurations
    {Kind::kFunction, 8, Kind::kNote},   // doc_string
    {Kind::kFunction, 12, Kind::kNote},  // value_info
    {Kind::kFunction, 14, Kind::kNote},  // metadata_props
    {Kind::kTensor, 12, Kind::kNote},    // doc_string
    {Kind::kTensor, 16, Kind::kNote},    // metadata_props
    {Kind::kModel, onnx::ModelProto::kGraphFieldNumber, Kind::kGraph},
    {Kind::kModel, onnx::ModelProto::kFunctionsFieldNumber, Kind::kFunction},
    {Kind::kGraph, onnx::GraphProto::kNodeFieldNumber, Kind::kNode},
    {Kind::kGraph, onnx::GraphProto::kInitializerFieldNumber, Kind::kTensor},
    {Kind::kGraph, onnx::GraphProto::kSparseInitializerFieldNumber, Kind::kSparseTensor},
    {Kind::kFunction, onnx::FunctionProto::kNodeFieldNumber, Kind::kNode},
    {Kind::kFunction, onnx::FunctionProto::kAttributeProtoFieldNumber, Kind::kAttribute},
    {Kind::kNode, onnx::NodeProto::kAttributeFieldNumber, Kind::kAttribute},
    {Kind::kNode, onnx::NodeProto::kMetadataPropsFieldNumber, Kind::kEntry},
    {Kind::kAttribute, onnx::AttributeProto::kTFieldNumber, Kind::kTensor},
    {Kind::kAttribute, onnx::AttributeProto::kTensorsFieldNumber, Kind::kTensor},
    {Kind::kAttribute, onnx::AttributeProto::kGFieldNumber, Kind::kGraph},
    {Kind::kAttribute, onnx::AttributeProto::kGraphsFieldNumber, Kind::kGraph},
    {Kind::kSparseTensor, onnx::SparseTensorProto::kValuesFieldNumber, Kind::kTensor},
    {Kind::kSparseTensor, onnx::SparseTensorProto::kIndicesFieldNumber, Kind::kTensor},
    {Kind::kTensor, onnx::TensorProto::kFloatDataFieldNumber, Kind::kData},
    {Kind::kTensor, onnx::TensorProto::kInt32DataFieldNumber, Kind::kData},
    {Kind::kTensor, onnx::TensorProto::kStringDataFieldNumber, Kind::kData},
    {Kind::kTensor, onnx::TensorProto::kInt64DataFieldNumber, Kind::kData},
    {Kind::kTensor, onnx::TensorProto::kRawDataFieldNumber, Kind::kData},
    {Kind::kTensor, onnx::TensorProto::kDoubleDataFieldNumber, Kind::kData},
    {Kind::kTensor, onnx::TensorProto::kUint64DataFieldNumber, Kind::kData},
};

// Copies the wire format, but not the data of long tensors.
class Pruner {
 public:
  Pruner(std::string_view bytes, const std::string& source) : bytes_(bytes), source_(source) {}

  std::string prune() {
    std::string pruned;
    copy_message(Kind::kModel, bytes_.size(), pruned);
    return pruned;
  }

 private:
  [[noreturn]] void fail(std::string_view what) const {
    throw ParseError(fmt::format("the ONNX model is malformed: {}", what),
                     {.file = source_, .byte = static_cast<int64_t>(at_)});
  }

  // Up to the byte `end`.
  uint64_t read_varint(size_t end) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ >= end) fail("a number must end within its message");
      const auto byte = static_cast<unsigned char>(bytes_[at_++]);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    fail("a number must have at most 10 bytes");
  }

  void skip(size_t count, size_t end) {
    if (count > end - at_) {
      fail(fmt::format("a field of {} bytes must end within its message, which has {} left", count,
                       end - at_));
    }
    at_ += count;
  }

  static void append_varint(std::string& out, uint64_t value) {
    for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>((value & 0x7f) | 0x80));
    out.push_back(static_cast<char>(value));
  }

  // Of the entries only latgrad's own count: those that begin with a key that begins so.
  static bool is_left_out(const Field& field, std::string_view content) {
    if (field.kind != Kind::kEntry) return field.kind == Kind::kNote;
    constexpr size_t kTagAndLength = 2;
    return content.size() > kShortBytes || content.size() < kTagAndLength ||
           !content.substr(kTagAndLength).starts_with(kOwnNote);
  }

  void copy_message(Kind message, size_t end, std::string& out) {
    if (++nesting_ > kMaxNesting) fail(fmt::format("graphs may be nested {} deep", kMaxNesting));
    while (at_ < end) copy_field(message, end, out);
    --nesting_;
  }

  void copy_field(Kind message, size_t end, std::string& out) {
    const size_t begin = at_;
    const uint64_t tag = read_varint(end);
    const auto number = tag >> 3;
    if (number == 0 || tag > UINT32_MAX) fail("a field must begin with a valid tag");
    switch (tag & 7) {
      case WireFormatLite::WIRETYPE_VARINT:
        read_varint(end);
        break;
      case WireFormatLite::WIRETYPE_FIXED64:
        skip(sizeof(uint64_t), end);
        break;
      case WireFormatLite::WIRETYPE_FIXED32:
        skip(sizeof(uint32_t), end);
        break;
      case WireFormatLite::WIRETYPE_LENGTH_DELIMITED: {
        const size_t length = read_varint(end);
        const size_t content = at_;
        skip(length, end);
        const auto* field = std::ranges::find_if(kFields, [&](const Field& candidate) {
          return candidate.message == message && static_cast<uint64_t>(candidate.number) == number;
        });
        if (field != std::end(kFields) && is_left_out(*field, bytes_.substr(content, length))) return;
        // What is short holds nothing long.
        if (length <= kShortBytes || field == std::end(kFields)) break;
        if (field->kind == Kind::kData) return;
        std::string inner;
        const size_t inner_end = at_;
        at_ = content;
        copy_message(field->kind, inner_end, inner);
        append_varint(out, tag);
        append_varint(out, inner.size());
        out += inner;
        return;
      }
      default:
        fail("a field must have a valid wire type");
    }
    out.append(bytes_, begin, at_ - begin);
  }

  const std::string_view bytes_;
  const std::string& source_;
  size_t at_ = 0;
  int nesting_ = 0;
};

}  // namespace

void parse_onnx(std::string_view bytes, const std::string& source, onnx::ModelProto& model) {
  const std::string pruned = Pruner(bytes, source).prune();
  const google::protobuf::LogSilencer silencer;
  if (pruned.size() >= INT_MAX || !model.ParseFromArray(pruned.data(), static_cast<int>(pruned.size()))) {
    throw ParseError("the ONNX model is malformed: it must be a ModelProto", {.file = source});
  }
}

}  // namespace latgrad::net
