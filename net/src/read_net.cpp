#include "latgrad/net/read_net.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include "latgrad/base/error.h"
#include "latgrad/base/foreign_file.h"
#include "latgrad/base/mapped_file.h"
#include "latgrad/net/init_net.h"
#include "latgrad/net/inline_branches.h"
#include "latgrad/net/netdef.h"
#include "latgrad/net/onnx.h"
#include "shapes_json.h"
#include "text_or_binary.h"

namespace latgrad::net {
namespace {

namespace fs = std::filesystem;

std::optional<fs::path> first_that_exists(const std::vector<fs::path>& candidates) {
  for (const fs::path& path : candidates) {
    std::error_code ignored;  // a folder that cannot be searched has no candidates
    if (fs::is_regular_file(path, ignored)) return path;
  }
  return std::nullopt;
}

fs::path model_file(const fs::path& model) {
  std::error_code ignored;  // opening the path will tell
  if (!fs::is_directory(model, ignored)) return model;
  const auto found = first_that_exists({model / "model.pb", model / "model.pbtxt", model / "predict_net.pb",
                                        model / "predict_net.pbtxt", model / "model.onnx"});
  if (!found) {
    throw IoError(
        "a model folder must hold model.pb, model.pbtxt, predict_net.pb, predict_net.pbtxt or model.onnx",
        {.file = model.string()});
  }
  return *found;
}

std::optional<fs::path> init_beside(const fs::path& file) {
  const fs::path folder = file.parent_path();
  const std::string stem = file.stem().string();
  std::vector<fs::path> candidates = {folder / (stem + "_init.pb"), folder / (stem + "_init.pbtxt")};
  if (const size_t at = stem.find("predict_net"); at != std::string::npos) {
    std::string init_stem = stem;
    init_stem.replace(at, std::string_view("predict_net").size(), "init_net");
    candidates.push_back(folder / (init_stem + ".pb"));
    candidates.push_back(folder / (init_stem + ".pbtxt"));
  }
  return first_that_exists(candidates);
}

// Many a foreign or cut file is well-formed, of unknown fields alone.
void check_has_operators(const Net& net) {
  if (net.ops.empty()) {
    throw ParseError("a network must have at least one operator, got none", {.file = net.source});
  }
}

// A name that ends in .onnx settles what the first bytes leave open.
bool is_onnx_file(std::string_view bytes, const fs::path& file) {
  return base::is_onnx(bytes) || (file.extension() == ".onnx" && !base::foreign_format(bytes));
}

Net read_caffe2_net(std::string_view bytes, const fs::path& file, const std::optional<fs::path>& init) {
  base::refuse_foreign_file(bytes, "a Caffe2 network or an ONNX model", file.string());
  Net net =
      is_binary(bytes) ? parse_netdef_binary(bytes, file.string()) : parse_netdef_text(bytes, file.string());
  check_has_operators(net);
  const auto init_file = init ? init : init_beside(file);
  if (init_file) {
    const base::MappedFile mapped_init(*init_file);
    add_init_net(net, mapped_init.bytes(), init_file->string());
  }
  if (const auto shapes = first_that_exists({file.parent_path() / "shapes.json"})) {
    const base::MappedFile mapped_shapes(*shapes);
    add_shapes_json(net, mapped_shapes.bytes(), shapes->string());
  }
  return net;
}

struct Read {
  Net net;
  std::optional<NetShapes> shapes;  // where the format is read with them
};

Read read(const fs::path& model, const std::optional<fs::path>& init, const std::vector<InputShape>& inputs) {
  const fs::path file = model_file(model);
  const base::MappedFile mapped(file);
  if (is_onnx_file(mapped.bytes(), file)) {
    if (init) {
      throw ValueError("an ONNX model needs no init net: its initializers tell the shapes",
                       {.file = init->string()});
    }
    auto [net, shapes] = read_onnx(mapped.bytes(), file.string(), inputs);
    check_has_operators(net);
    return {std::move(net), std::move(shapes)};
  }
  Net net = read_caffe2_net(mapped.bytes(), file, init);
  for (const InputShape& input : inputs) {
    if (is_read_from_outside(net, input.blob)) set_input(net, input.blob, input.shape, input.dtype);
  }
  return {std::move(net), std::nullopt};
}

}  // namespace

Net read_net(const fs::path& model, const std::optional<fs::path>& init,
             const std::vector<InputShape>& inputs) {
  return std::move(read(model, init, inputs).net);
}

NetAndShapes read_and_infer(const fs::path& model, const std::optional<fs::path>& init,
                            const std::vector<InputShape>& inputs) {
  auto [net, shapes] = read(model, init, inputs);
  for (const InputShape& input : inputs) {
    // The output of an operator of unknown type, or an error.
    if (!is_read_from_outside(net, input.blob)) set_input(net, input.blob, input.shape, input.dtype);
  }
  inline_branches(net);
  const auto is_known = [](const OpShapes& op) { return op.known; };
  // An operator that is not known is an error there.
  if (!shapes || !std::ranges::all_of(shapes->ops, is_known))
    shapes = infer_shapes(net, {.list_blobs = false});
  return {std::move(net), *std::move(shapes)};
}

}  // namespace latgrad::net
