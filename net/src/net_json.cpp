#include "latgrad/net/net_json.h"

#include <map>

#include "latgrad/base/json.h"
#include "latgrad/net/memory.h"

namespace latgrad::net {
namespace {

using base::Json;

template <typename Blobs>
Json shapes_of(const Blobs& blobs) {
  Json shapes = Json::object();
  // Appended, not looked up: a network has many blobs.
  for (const auto& [blob, info] : blobs)
    shapes.get_ref<Json::object_t&>().emplace_back(blob, Json(info.shape));
  return shapes;
}

Json shapes_list(const std::vector<TensorInfo>& tensors) {
  Json shapes = Json::array();
  for (const TensorInfo& tensor : tensors) shapes.push_back(tensor.shape);
  return shapes;
}

Json operator_json(const Operator& op, const OpShapes& shapes) {
  return {{"type", op.type},
          {"name", op.name},
          {"inputs", op.inputs},
          {"outputs", op.outputs},
          {"input_shapes", shapes.known ? shapes_list(shapes.inputs) : Json()},
          {"output_shapes", shapes.known ? shapes_list(shapes.outputs) : Json()},
          {"macs", base::or_null(shapes.macs)}};
}

}  // namespace

std::string net_json(const Net& net, const NetShapes& shapes) {
  const ParameterCount params = count_parameters(net, shapes);
  const MemoryUse memory = memory_use(net, shapes);
  Json json = {{"name", net.name}, {"inputs", shapes_of(net.inputs)}, {"outputs", net.external_outputs}};
  json["parameters"] = shapes_of(net.parameters);
  // Those that no operator writes, too.
  std::map<std::string, TensorInfo, std::less<>> values = net.constants;
  json["operators"] = Json::array();
  for (size_t i = 0; i < net.ops.size(); ++i) {
    json["operators"].push_back(operator_json(net.ops[i], shapes.ops[i]));
    for (size_t j = 0; j < net.ops[i].outputs.size() && shapes.ops[i].known; ++j) {
      values[net.ops[i].outputs[j]] = shapes.ops[i].outputs[j];
    }
  }
  json["values"] = shapes_of(values);
  json["macs"] = base::or_null(count_macs(shapes).total());
  json["params"] = params.complete ? Json(params.weights) : Json();
  json["other_params"] = params.complete ? Json(params.others) : Json();
  json["peak_activation_bytes"] = memory.complete ? Json(memory.peak_activation_bytes) : Json();
  json["peak_op"] = memory.peak_op;
  json["live_bytes"] = memory.live_bytes;
  json["weight_bytes"] = Json::object();
  for (const auto& [dtype, bytes] : memory.weight_bytes)
    json["weight_bytes"][std::string(to_string(dtype))] = bytes;
  return base::json_text(json);
}

}  // namespace latgrad::net
