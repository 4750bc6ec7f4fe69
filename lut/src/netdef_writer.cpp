#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "latgrad/lut/netdef.h"
#include "latgrad/lut/replace_file.h"
#include "netdef_proto.h"
#include "proto_text.h"

namespace latgrad::lut {

std::string netdef_text(const Net& net) {
  netdef::NetDef message;
  to_proto(net, message);
  return print_proto_text(message);
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
  replace_file(path, path.extension() == ".pb" ? netdef_binary(net) : netdef_text(net));
}

}  // namespace latgrad::lut
