#include "latgrad/net/onnx.h"

#include <google/protobuf/arena.h>

#include <utility>

#include "onnx_reader.h"
#include "onnx_wire.h"

namespace latgrad::net {

NetAndShapes read_onnx(std::string_view bytes, const std::string& source,
                       const std::vector<InputShape>& inputs) {
  google::protobuf::Arena arena;
  auto* model = google::protobuf::Arena::CreateMessage<onnx::ModelProto>(&arena);
  parse_onnx(bytes, source, *model);
  return OnnxReader(*model, source).read(inputs);
}

}  // namespace latgrad::net
