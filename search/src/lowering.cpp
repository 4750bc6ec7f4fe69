#include "latgrad/search/lowering.h"

#include <fmt/format.h>

#include <algorithm>

#include "architecture.h"
#include "latgrad/base/error.h"
#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/memory.h"
#include "latgrad/search/fragment.h"
#include "net_writer.h"

namespace latgrad::search {
namespace {

using internal::NetWriter;

// "layer03": as many digits as the last layer has, two at least, so that names sort.
std::string layer_name(const Space& space, size_t layer) {
  const size_t digits = std::max<size_t>(2, std::to_string(space.layers().size()).size());
  return fmt::format("layer{:0{}}", layer + 1, digits);
}

std::string write_begin(NetWriter& writer, const Space& space, Precision precision) {
  return writer.append(stem_fragment(space, precision), writer.quantize(writer.image()));
}

std::string write_block(NetWriter& writer, const Space& space, const std::string& in, size_t layer,
                        size_t candidate, Precision precision, size_t predecessor) {
  const std::string prefix =
      fmt::format("{}_{}", layer_name(space, layer), space.layers()[layer].candidates[candidate]);
  return writer.append(block_fragment(space, layer, candidate, precision, predecessor), in, prefix);
}

// What a layer's predecessor chose; 0 of the first layer.
size_t predecessor_of(const Architecture& arch, size_t layer) {
  return layer == 0 ? 0 : static_cast<size_t>(arch[layer - 1]);
}

// Published networks spell out the window of the pool over the whole map.
void spell_out_window(net::Operator& pool, const LayerInfo& last) {
  pool.args.erase(pool.args.begin());
  std::vector<net::Argument> window;
  if (last.out_height == last.out_width) {
    window.push_back(net::Argument::of_int("kernel", last.out_height));
  } else {
    window.push_back(net::Argument::of_int("kernel_h", last.out_height));
    window.push_back(net::Argument::of_int("kernel_w", last.out_width));
  }
  window.push_back(net::Argument::of_int("stride", 1));
  pool.args.insert(pool.args.begin(), window.begin(), window.end());
}

void write_end(NetWriter& writer, const Space& space, const std::string& in, Precision precision,
               size_t last) {
  const std::string features = writer.append(head_fragment(space, precision, last), in);
  Fragment classifier = classifier_fragment(space, last);
  if (space.layers().back().tokens == 0) spell_out_window(classifier.ops.front(), space.layers().back());
  const std::string logits = writer.append(classifier, features);
  writer.output(space.impl().file.head().softmax() ? writer.softmax(logits, "softmax")
                                                   : writer.dequantize(logits));
}

std::string net_name(const Space& space, Precision precision) {
  return fmt::format("{}_{}", space.name(), to_string(precision));
}

}  // namespace

net::Net lower(const Space& space, const Architecture& arch, Precision precision) {
  space.check(arch);
  NetWriter writer(space.impl(), precision, net_name(space, precision));
  std::string blob = write_begin(writer, space, precision);
  for (size_t layer = 0; layer < arch.size(); ++layer) {
    blob = write_block(writer, space, blob, layer, static_cast<size_t>(arch[layer]), precision,
                       predecessor_of(arch, layer));
  }
  write_end(writer, space, blob, precision, static_cast<size_t>(arch.back()));
  return writer.finish();
}

net::Net lower_fixed(const Space& space, Precision precision, size_t last_candidate) {
  NetWriter writer(space.impl(), precision, net_name(space, precision) + "_fixed");
  writer.output(write_begin(writer, space, precision));
  const LayerInfo& last = space.layers().back();
  const int64_t channels = internal::last_channels(space.impl(), last_candidate);
  const std::string layers_out =
      last.tokens > 0 ? writer.tokens("layers_out", last.tokens, channels)
                      : writer.activation("layers_out", channels, last.out_height, last.out_width);
  write_end(writer, space, layers_out, precision, last_candidate);
  return writer.finish();
}

int64_t peak_activation_bytes(const Space& space, const Architecture& arch, Precision precision) {
  const net::Net net = lower(space, arch, precision);
  return net::memory_use(net, net::infer_shapes(net, {.list_blobs = false})).peak_activation_bytes;
}

int64_t trained_parameters(const Space& space, const Architecture& arch, Precision precision) {
  space.check(arch);
  const auto last = static_cast<size_t>(arch.back());
  std::vector<Fragment> fragments = {stem_fragment(space, precision), head_fragment(space, precision, last),
                                     classifier_fragment(space, last)};
  for (size_t layer = 0; layer < arch.size(); ++layer) {
    fragments.push_back(block_fragment(space, layer, static_cast<size_t>(arch[layer]), precision,
                                       predecessor_of(arch, layer)));
  }
  int64_t count = 0;
  for (const Fragment& fragment : fragments) {
    for (const auto& [name, info] : fragment.parameters) count += net::num_elements(info.shape);
    for (const net::Operator& op : fragment.ops) {
      if (op.type != "Conv" || fragment.without_norm.contains(op.outputs.front())) continue;
      const int64_t channels = fragment.parameters.at(op.inputs[1]).shape.front();
      count += op.inputs.size() > 2 ? channels : 2 * channels;
    }
  }
  return count;
}

net::Net lower_block(const Space& space, size_t layer, size_t candidate, Precision precision,
                     size_t predecessor) {
  internal::check_pair(space.impl(), layer, predecessor, candidate);  // before the layer is read
  const LayerInfo info = internal::layer_behind(space.impl(), layer, predecessor, candidate);
  const std::string name = layer_name(space, layer);
  NetWriter writer(
      space.impl(), precision,
      fmt::format("{}_{}_{}", net_name(space, precision), name, space.layers()[layer].candidates[candidate]));
  const std::string in =
      info.tokens > 0 ? writer.tokens(name + "_in", info.tokens, info.in_channels)
                      : writer.activation(name + "_in", info.in_channels, info.in_height, info.in_width);
  writer.output(write_block(writer, space, in, layer, candidate, precision, predecessor));
  return writer.finish();
}

}  // namespace latgrad::search
