#include "latgrad/net/read_net.h"

#include <fmt/format.h>

#include <filesystem>
#include <string_view>
#include <vector>

#include "latgrad/base/error.h"
#include "latgrad/base/foreign_file.h"
#include "latgrad/base/mapped_file.h"
#include "latgrad/net/init_net.h"
#include "latgrad/net/netdef.h"
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
  const auto found = first_that_exists(
      {model / "model.pb", model / "model.pbtxt", model / "predict_net.pb", model / "predict_net.pbtxt"});
  if (!found) {
    throw IoError("a model folder must hold model.pb, model.pbtxt, predict_net.pb or predict_net.pbtxt",
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

}  // namespace

Net read_net(const fs::path& model, const std::optional<fs::path>& init) {
  const fs::path file = model_file(model);
  const base::MappedFile mapped(file);
  const std::string_view bytes = mapped.bytes();
  base::refuse_foreign_file(bytes, "a Caffe2 network", file.string());
  Net net =
      is_binary(bytes) ? parse_netdef_binary(bytes, file.string()) : parse_netdef_text(bytes, file.string());
  // Many a foreign or cut file is a well-formed NetDef of unknown fields alone.
  if (net.ops.empty()) {
    throw ParseError("a network must have at least one operator, got none", {.file = file.string()});
  }
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

}  // namespace latgrad::net
