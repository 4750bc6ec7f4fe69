#include "latgrad/net/netdef.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/text_format.h>

#include "latgrad/base/proto_text.h"
#include "latgrad/base/replace_file.h"
#include "netdef_proto.h"
#include "netdef_wire.h"
#include "operator_place.h"

namespace latgrad::net {
namespace {

// The operator that an error in the text falls into: the last one, where it is not complete.
Place place_in_netdef(const google::protobuf::Message& parsed,
                      const google::protobuf::TextFormat::ParseInfoTree& locations,
                      const std::string& source) {
  const auto& message = static_cast<const netdef::NetDef&>(parsed);
  const int last = message.op_size() - 1;
  if (last < 0) return {.file = source};
  const auto* field = netdef::NetDef::descriptor()->FindFieldByNumber(netdef::NetDef::kOpFieldNumber);
  const bool is_complete = locations.GetLocation(field, last).line >= 0;
  if (is_complete) return {.file = source};
  const Net net = from_proto(message);
  return operator_place(source, net.ops.size() - 1, net.ops.back());
}

}  // namespace

Net parse_netdef_text(std::string_view text, const std::string& source) {
  netdef::NetDef message;
  base::parse_proto_text(text, "NetDef", source, message, {.place_of_error = place_in_netdef});
  Net net = from_proto(message);
  net.source = source;
  return net;
}

Net parse_netdef_binary(std::string_view bytes, const std::string& source) {
  return read_netdef_wire(bytes, source, LongValues::kKeep);
}

std::string netdef_text(const Net& net) {
  netdef::NetDef message;
  to_proto(net, message);
  return base::print_proto_text(message);
}

std::string netdef_binary(const Net& net) {
  netdef::NetDef message;
  to_proto(net, message);
  const google::protobuf::LogSilencer silencer;
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

void write_netdef(const Net& net, const std::filesystem::path& path) {
  base::replace_file(path, path.extension() == ".pb" ? netdef_binary(net) : netdef_text(net));
}

std::string argument_text(const Argument& arg) {
  netdef::Argument message;
  to_proto(arg, message);
  return base::print_proto_text(message);
}

Argument parse_argument_text(std::string_view text) {
  netdef::Argument message;
  base::parse_proto_text(text, "Argument", "", message);
  return from_proto(message);
}

}  // namespace latgrad::net
