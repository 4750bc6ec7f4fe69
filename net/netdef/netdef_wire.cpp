#include "netdef_wire.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <bit>
#include <climits>
#include <utility>

#include "latgrad/base/error.h"
#include "latgrad/netdef.pb.h"
#include "operator_place.h"

namespace latgrad::net {
namespace {

using google::protobuf::internal::WireFormatLite;

constexpr uint32_t varint_tag(int field) {
  return static_cast<uint32_t>(field) << 3 | WireFormatLite::WIRETYPE_VARINT;
}
constexpr uint32_t bytes_tag(int field) {
  return static_cast<uint32_t>(field) << 3 | WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
}
constexpr uint32_t fixed32_tag(int field) {
  return static_cast<uint32_t>(field) << 3 | WireFormatLite::WIRETYPE_FIXED32;
}

// Shapes, bounds and scales are shorter.
constexpr int kShortValuesBytes = 1024;
constexpr int kMaxNesting = 16;

int num_values(const Argument& arg) {
  return static_cast<int>(arg.floats.size() + arg.ints.size() + arg.strings.size());
}

class WireReader {
 public:
  WireReader(std::string_view bytes, const std::string& source, LongValues long_values)
      : source_(source),
        long_values_(long_values),
        stream_(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int>(bytes.size())) {
    stream_.PushLimit(static_cast<int>(bytes.size()));
  }

  Net read_net() {
    Net net;
    read_net_fields(net);
    return net;
  }

 private:
  void read_net_fields(Net& net) {
    using Message = netdef::NetDef;
    each_field([&](uint32_t tag) {
      switch (tag) {
        case bytes_tag(Message::kNameFieldNumber):
          return set(net.name);
        case bytes_tag(Message::kOpFieldNumber):
          return read_operator(net.ops);
        case bytes_tag(Message::kTypeFieldNumber):
          return set(net.type);
        case varint_tag(Message::kNumWorkersFieldNumber):
          return set(net.num_workers);
        case bytes_tag(Message::kDeviceOptionFieldNumber):
          return read_device(net.device_option);
        case bytes_tag(Message::kArgFieldNumber):
          return read_argument(net.args.emplace_back());
        case bytes_tag(Message::kExternalInputFieldNumber):
          return set(net.external_inputs.emplace_back());
        case bytes_tag(Message::kExternalOutputFieldNumber):
          return set(net.external_outputs.emplace_back());
        default:
          return skip(tag);
      }
    });
  }

  [[noreturn]] void fail(std::string_view what) const { fail_at(stream_.CurrentPosition(), what); }
  [[noreturn]] void fail_at(int64_t byte, std::string_view what) const {
    Place place{.file = source_};
    if (op_ != nullptr) place = operator_place(source_, op_index_, *op_);
    place.byte = byte;
    throw ParseError(fmt::format("NetDef is malformed: {}", what), std::move(place));
  }

  // Calls `read_field(tag)` for every field up to the current limit.
  template <typename ReadField>
  void each_field(const ReadField& read_field) {
    while (const uint32_t tag = stream_.ReadTag()) read_field(tag);
    // A tag of 0 also stands for a byte that is no tag.
    if (!stream_.ConsumedEntireMessage()) fail("a field must begin with a valid tag");
  }

  // Runs `read` on the length-delimited bytes that come next.
  template <typename Read>
  void delimited(const Read& read) {
    const auto limit = stream_.PushLimit(read_length());
    read();
    stream_.PopLimit(limit);
  }

  int read_unchecked_length() {
    int length = 0;
    if (!stream_.ReadVarintSizeAsInt(&length)) fail("a length must be a number below 2^31");
    return length;
  }

  std::string too_long(int length) {
    return fmt::format("a field of {} bytes must end within its message, which has {} left", length,
                       stream_.BytesUntilLimit());
  }

  // Checked against what is left before anyone allocates that much.
  int read_length() {
    const int length = read_unchecked_length();
    if (length > stream_.BytesUntilLimit()) fail(too_long(length));
    return length;
  }

  uint64_t read_varint() {
    uint64_t value = 0;
    if (!stream_.ReadVarint64(&value)) fail("a number must end within its message");
    return value;
  }

  float read_float() {
    uint32_t bits = 0;
    if (!stream_.ReadLittleEndian32(&bits)) fail("a float must end within its message");
    return std::bit_cast<float>(bits);
  }

  void set(std::string& value) {
    const int length = read_length();
    if (!stream_.ReadString(&value, length)) fail("a string must end within its message");
  }
  void set(std::optional<std::string>& value) { set(value.emplace()); }
  template <typename Integer>
  void set(std::optional<Integer>& value) {
    value = static_cast<Integer>(read_varint());
  }

  void skip(uint32_t tag) {
    if (!WireFormatLite::SkipField(&stream_, tag)) fail("a field must end within its message");
  }

  // What is left of the current message. The field at hand has given its tag only.
  void skip_rest() { stream_.Skip(stream_.BytesUntilLimit()); }

  void read_device(std::optional<DeviceOption>& option) {
    using Message = netdef::DeviceOption;
    if (!option) option.emplace();
    delimited([&] {
      each_field([&](uint32_t tag) {
        switch (tag) {
          case varint_tag(Message::kDeviceTypeFieldNumber):
            return set(option->device_type);
          case varint_tag(Message::kDeviceIdFieldNumber):
            return set(option->device_id);
          case varint_tag(Message::kRandomSeedFieldNumber):
            return set(option->random_seed);
          default:
            return skip(tag);
        }
      });
    });
  }

  void read_operator(std::vector<Operator>& ops) {
    op_index_ = ops.size();
    op_ = &ops.emplace_back();
    const int length = read_unchecked_length();
    if (length > stream_.BytesUntilLimit()) fail_in_cut_operator(ops.back(), length);
    const auto limit = stream_.PushLimit(length);
    read_operator_fields(ops.back());
    stream_.PopLimit(limit);
    op_ = nullptr;
  }

  // What is left of the operator tells which one it is.
  [[noreturn]] void fail_in_cut_operator(Operator& op, int length) {
    const int64_t byte = stream_.CurrentPosition();
    const std::string what = too_long(length);
    try {
      read_operator_fields(op);
    } catch (const ParseError&) {  // the cut goes through a field
    }
    fail_at(byte, what);
  }

  void read_operator_fields(Operator& op) {
    using Message = netdef::OperatorDef;
    each_field([&](uint32_t tag) {
      switch (tag) {
        case bytes_tag(Message::kInputFieldNumber):
          return set(op.inputs.emplace_back());
        case bytes_tag(Message::kOutputFieldNumber):
          return set(op.outputs.emplace_back());
        case bytes_tag(Message::kNameFieldNumber):
          return set(op.name);
        case bytes_tag(Message::kTypeFieldNumber):
          return set(op.type);
        case bytes_tag(Message::kArgFieldNumber):
          return read_argument(op.args.emplace_back());
        case bytes_tag(Message::kDeviceOptionFieldNumber):
          return read_device(op.device_option);
        case bytes_tag(Message::kEngineFieldNumber):
          return set(op.engine);
        case bytes_tag(Message::kControlInputFieldNumber):
          return set(op.control_inputs.emplace_back());
        case varint_tag(Message::kIsGradientOpFieldNumber):
          op.is_gradient_op = read_varint() != 0;
          return;
        default:
          return skip(tag);
      }
    });
  }

  void read_subnet(Net& net) {
    if (++nesting_ > kMaxNesting) fail(fmt::format("networks must nest at most {} deep", kMaxNesting));
    const Operator* outer = std::exchange(op_, nullptr);
    const size_t outer_index = op_index_;
    delimited([&] { read_net_fields(net); });
    op_ = outer;
    op_index_ = outer_index;
    --nesting_;
  }

  void read_argument(Argument& arg) {
    using Message = netdef::Argument;
    delimited([&] {
      each_field([&](uint32_t tag) {
        if (tag == bytes_tag(Message::kNameFieldNumber)) return set(arg.name);
        // Every serialiser puts the name first; where it stands last, the values are read and dropped below.
        if (long_values_ == LongValues::kSkip && arg.name == "values" &&
            stream_.BytesUntilLimit() > kShortValuesBytes) {
          return skip_rest();
        }
        switch (tag) {
          case fixed32_tag(Message::kFFieldNumber):
            arg.f = read_float();
            return;
          case varint_tag(Message::kIFieldNumber):
            return set(arg.i);
          case bytes_tag(Message::kSFieldNumber):
            return set(arg.s);
          case fixed32_tag(Message::kFloatsFieldNumber):
            arg.floats.push_back(read_float());
            return;
          case bytes_tag(Message::kFloatsFieldNumber):
            return delimited([&] {
              while (stream_.BytesUntilLimit() > 0) arg.floats.push_back(read_float());
            });
          case varint_tag(Message::kIntsFieldNumber):
            arg.ints.push_back(static_cast<int64_t>(read_varint()));
            return;
          case bytes_tag(Message::kIntsFieldNumber):
            return delimited([&] {
              while (stream_.BytesUntilLimit() > 0) arg.ints.push_back(static_cast<int64_t>(read_varint()));
            });
          case bytes_tag(Message::kStringsFieldNumber):
            return set(arg.strings.emplace_back());
          case bytes_tag(Message::kNFieldNumber):
          case bytes_tag(Message::kNetsFieldNumber):
            return read_subnet(arg.nets.emplace_back());
          default:
            return skip(tag);
        }
      });
    });
    if (long_values_ == LongValues::kSkip && arg.name == "values" && num_values(arg) > kShortValuesBytes) {
      arg = Argument{};
      arg.name = "values";
    }
  }

  const std::string& source_;
  const LongValues long_values_;
  const Operator* op_ = nullptr;  // the one being read, at op_index_
  size_t op_index_ = 0;
  int nesting_ = 0;
  google::protobuf::io::CodedInputStream stream_;
};

}  // namespace

Net read_netdef_wire(std::string_view bytes, const std::string& source, LongValues long_values) {
  // The stream counts in int, and one byte is kept for its end.
  if (bytes.size() >= INT_MAX) {
    throw ParseError(fmt::format("a binary NetDef must be smaller than 2 GiB, got {} bytes", bytes.size()),
                     {.file = source});
  }
  Net net = WireReader(bytes, source, long_values).read_net();
  net.source = source;
  return net;
}

}  // namespace latgrad::net
