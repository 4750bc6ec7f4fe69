#include "latgrad/net/onnx.h"

#include <google/protobuf/arena.h>

#include "latgrad/base/replace_file.h"
#include "onnx_reader.h"
#include "onnx_wire.h"
#include "onnx_writer.h"

namespace latgrad::net {

NetAndShapes read_onnx(std::string_view bytes, const std::string& source,
                       const std::vector<InputShape>& inputs, const OnnxTrace& trace) {
  google::protobuf::Arena arena;
  auto* model = google::protobuf::Arena::CreateMessage<onnx::ModelProto>(&arena);
  parse_onnx(bytes, source, *model);
  return OnnxReader(*model, source).read(inputs, trace);
}

std::string onnx_bytes(const Net& net, const OnnxOptions& options) {
  onnx::ModelProto model;
  OnnxWriter(net, options).write(model);
  return model.SerializeAsString();
}

void write_onnx(const Net& net, const std::filesystem::path& path, const OnnxOptions& options) {
  base::replace_file(path, onnx_bytes(net, options));
}

}  // namespace latgrad::net
