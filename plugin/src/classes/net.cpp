#include "latgrad/plugin/net.h"

#include <optional>
#include <string_view>
#include <utility>

#include "classes/error_translation.h"
#include "classes/register_classes.h"
#include "latgrad/net/inline_branches.h"
#include "latgrad/net/join_nets.h"
#include "latgrad/net/net_json.h"
#include "latgrad/net/onnx.h"
#include "latgrad/net/read_net.h"

namespace latgrad {
namespace {

net::NetAndShapes with_shapes(net::Net net) {
  net::NetShapes shapes = net::infer_shapes(net, {.allow_unknown = true, .list_blobs = false});
  return {std::move(net), std::move(shapes)};
}

}  // namespace

Net::Net(net::NetAndShapes contents)
    : contents_(std::make_unique<const net::NetAndShapes>(std::move(contents))) {}

Net::~Net() = default;

c10::intrusive_ptr<Net> Net::read(const std::string& model, const std::string& init,
                                  const c10::Dict<std::string, std::vector<int64_t>>& input_dims) {
  return translate_errors([&] {
    std::vector<net::InputShape> inputs;
    for (const auto& entry : input_dims) inputs.push_back({entry.key(), entry.value(), std::nullopt});
    net::Net net = net::read_net(model, init.empty() ? std::nullopt : std::optional(init), inputs);
    for (const net::InputShape& input : inputs) {
      if (!net::is_read_from_outside(net, input.blob)) net::set_input(net, input.blob, input.shape);
    }
    net::inline_branches(net);
    return c10::make_intrusive<Net>(with_shapes(std::move(net)));
  });
}

c10::intrusive_ptr<Net> Net::read_trace(const at::Tensor& onnx, const std::vector<std::string>& data_inputs,
                                        const std::string& source) {
  TORCH_CHECK_VALUE(onnx.dtype() == at::kByte && onnx.dim() == 1 && onnx.device().is_cpu(),
                    "the bytes of a model must be uint8 [n] on the CPU, got ", onnx.dtype(), " ",
                    onnx.sizes(), " on ", onnx.device());
  return translate_errors([&] {
    const at::Tensor bytes = onnx.contiguous();
    const std::string_view view(reinterpret_cast<const char*>(bytes.data_ptr<uint8_t>()),
                                static_cast<size_t>(bytes.numel()));
    net::NetAndShapes read =
        net::read_onnx(view, source, {}, {.data_inputs = data_inputs, .merges_norms = true});
    return c10::make_intrusive<Net>(std::move(read));
  });
}

c10::intrusive_ptr<Net> Net::join(const std::vector<std::string>& names,
                                  const std::vector<c10::intrusive_ptr<Net>>& parts) {
  TORCH_CHECK_VALUE(names.size() == parts.size(), "each part must have a name, got ", names.size(),
                    " names of ", parts.size(), " parts");
  return translate_errors([&] {
    std::vector<net::NetPart> named;
    for (size_t i = 0; i < parts.size(); ++i) named.push_back({names[i], parts[i]->contents().net});
    return c10::make_intrusive<Net>(with_shapes(net::join_nets(named)));
  });
}

std::string Net::text() const {
  return translate_errors([&] { return net::net_json(contents_->net, contents_->shapes); });
}

void Net::write_onnx(const std::string& path, bool weights, int64_t seed) const {
  translate_errors([&] {
    net::write_onnx(contents_->net, path,
                    {.weights = weights ? net::OnnxWeights::kRandom : net::OnnxWeights::kLeftOut,
                     .seed = static_cast<uint64_t>(seed)});
  });
}

void register_net(torch::Library& library) {
  library.class_<Net>("Net")
      .def_static("read",
                  [](const std::string& model, const std::string& init,
                     const c10::Dict<std::string, std::vector<int64_t>>& input_dims) {
                    return Net::read(model, init, input_dims);
                  })
      .def_static("read_trace",
                  [](const at::Tensor& onnx, const std::vector<std::string>& data_inputs,
                     const std::string& source) { return Net::read_trace(onnx, data_inputs, source); })
      .def_static("join",
                  [](const std::vector<std::string>& names,
                     const std::vector<c10::intrusive_ptr<Net>>& parts) { return Net::join(names, parts); })
      .def("text", &Net::text)
      .def("write_onnx", &Net::write_onnx);
}

}  // namespace latgrad
