#include <torch/nn.h>

#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "latgrad/plugin/networks.h"

namespace latgrad {
namespace {

using torch::Tensor;
namespace nn = torch::nn;

using Arguments = c10::Dict<std::string, c10::IValue>;

using Tensors = std::vector<Tensor>;

// What computes an operator, and its module where it has parameters.
struct OperatorModule {
  std::function<Tensors(const Tensors&)> run;
  std::shared_ptr<nn::Module> module = nullptr;
};

// What an operator's module is made of.
struct Context {
  const std::string& type;
  const Arguments& arguments;
  std::vector<std::vector<int64_t>> parameters;  // their shapes
  bool in_place;                                 // nothing else needs what the operator reads

  // Of an argument that must be given.
  const c10::IValue& given(const std::string& name) const {
    const auto found = arguments.find(name);
    TORCH_CHECK_VALUE(found != arguments.end(), "the module for ", type, " needs the argument ", name);
    return found->value();
  }
  int64_t integer(const std::string& name) const { return given(name).toInt(); }
  double number(const std::string& name) const { return given(name).toDouble(); }
  int64_t integer(const std::string& name, int64_t when_absent) const {
    const auto found = arguments.find(name);
    return found == arguments.end() ? when_absent : found->value().toInt();
  }
  double number(const std::string& name, double when_absent) const {
    const auto found = arguments.find(name);
    return found == arguments.end() ? when_absent : found->value().toDouble();
  }
  std::vector<int64_t> integers(const std::string& name) const { return given(name).toIntVector(); }
};

// One output, from a function of what the operator reads.
template <typename Function>
OperatorModule of(Function function, std::shared_ptr<nn::Module> module = nullptr) {
  return {[function](const Tensors& in) mutable { return Tensors{function(in)}; }, std::move(module)};
}

OperatorModule make_conv(const Context& context) {
  const int64_t groups = context.integer("group", 1);
  const int64_t pad = context.integer("pad", 0);
  const bool normalises = context.integer("norm", 1) != 0;
  const auto order = context.arguments.find("order");
  TORCH_CHECK_VALUE(context.integer("pad_t", pad) == context.integer("pad_b", pad) &&
                        context.integer("pad_l", pad) == context.integer("pad_r", pad) &&
                        (order == context.arguments.end() || order->value().toStringRef() == "NCHW"),
                    "Conv must have the same padding on opposite sides, and order NCHW");
  const std::vector<int64_t>& weight = context.parameters.front();
  nn::Conv2d conv(nn::Conv2dOptions(weight[1] * groups, weight[0], {weight[2], weight[3]})
                      .stride(context.integer("stride", 1))
                      .padding({context.integer("pad_t", pad), context.integer("pad_l", pad)})
                      .dilation(context.integer("dilation", 1))
                      .groups(groups)
                      .bias(!normalises && context.parameters.size() > 1));  // a normalisation has one
  nn::init::kaiming_normal_(conv->weight, 0, torch::kFanOut, torch::kReLU);
  if (conv->bias.defined()) nn::init::zeros_(conv->bias);
  if (!normalises) return of([conv](const Tensors& in) mutable { return conv->forward(in[0]); }, conv.ptr());
  nn::Sequential both({{"conv", conv}, {"norm", nn::BatchNorm2d(weight[0])}});
  return of([both](const Tensors& in) mutable { return both->forward(in[0]); }, both.ptr());
}

OperatorModule make_fully_connected(const Context& context) {
  nn::Linear linear(context.parameters.front()[1], context.parameters.front()[0]);
  return of([linear](const Tensors& in) mutable { return linear->forward(in[0].flatten(1)); }, linear.ptr());
}

// A product with a weight, and a bias where there is one.
OperatorModule make_linear(const Context& context) {
  const std::vector<int64_t>& weight = context.parameters.front();
  nn::Linear linear(nn::LinearOptions(weight[0], weight[1]).bias(context.parameters.size() > 1));
  return of([linear](const Tensors& in) mutable { return linear->forward(in[0]); }, linear.ptr());
}

OperatorModule make_matrix_product(const Context& context) {
  if (!context.parameters.empty()) return make_linear(context);
  return of([](const Tensors& in) { return torch::matmul(in[0], in[1]); });
}

OperatorModule make_layer_norm(const Context& context) {
  const std::vector<int64_t>& scale = context.parameters[0];
  TORCH_CHECK_VALUE(
      context.integer("axis", -1) == -1 && scale.size() == 1 && context.parameters[1] == scale,
      "LayerNormalization must be over the last dimension (axis: -1), with a scale and a shift for each "
      "entry");
  nn::LayerNorm norm(
      nn::LayerNormOptions({context.parameters.front()[0]}).eps(context.number("epsilon", 1e-5)));
  return of([norm](const Tensors& in) mutable { return norm->forward(in[0]); }, norm.ptr());
}

// A parameter alone.
struct WeightImpl : nn::Module {
  explicit WeightImpl(const std::vector<int64_t>& shape)
      : weight(register_parameter("weight", torch::randn(shape) * 0.02)) {}
  Tensor weight;
};
TORCH_MODULE(Weight);

// Of two blobs, or of a blob and a parameter that broadcasts.
OperatorModule make_add(const Context& context) {
  if (context.parameters.empty()) return of([](const Tensors& in) { return in[0] + in[1]; });
  Weight weight(context.parameters.front());
  return of([weight](const Tensors& in) { return in[0] + weight->weight; }, weight.ptr());
}

// A token in front of those of each image.
OperatorModule make_concat(const Context& context) {
  TORCH_CHECK_VALUE(context.integer("axis") == 1, "Concat must put a parameter in front of tokens (axis: 1)");
  Weight weight(context.parameters.front());
  return of(
      [weight](const Tensors& in) {
        return torch::cat({weight->weight.expand({in[0].size(0), -1, -1}), in[0]}, 1);
      },
      weight.ptr());
}

OperatorModule make_relu(const Context& context) {
  if (context.in_place) return of([](const Tensors& in) { return Tensor(in[0]).relu_(); });
  return of([](const Tensors& in) { return in[0].relu(); });
}

OperatorModule make_clip(const Context& context) {
  return of([low = context.number("min"), high = context.number("max"),
             in_place = context.in_place](const Tensors& in) {
    return in_place ? Tensor(in[0]).clamp_(low, high) : in[0].clamp(low, high);
  });
}

OperatorModule make_hard_sigmoid(const Context& context) {
  TORCH_CHECK_VALUE(
      std::abs(context.number("alpha", 0.2) - 1.0 / 6) < 1e-6 && context.number("beta", 0.5) == 0.5,
      "the module for HardSigmoid must have alpha 1/6 and beta 0.5, as torch's");
  return of([](const Tensors& in) { return torch::hardsigmoid(in[0]); });
}

template <Tensor (*function)(const Tensor&)>
OperatorModule make_function(const Context&) {
  return of([](const Tensors& in) { return function(in[0]); });
}

Tensor gelu(const Tensor& x) { return torch::gelu(x); }

OperatorModule make_scale(const Context& context) {
  return of([factor = context.number("scale")](const Tensors& in) { return in[0] * factor; });
}

OperatorModule make_softmax(const Context& context) {
  return of([axis = context.integer("axis")](const Tensors& in) { return in[0].softmax(axis); });
}

OperatorModule make_product(const Context&) {
  return of([](const Tensors& in) { return in[0] * in[1]; });
}

// A size of 0 stays what it is.
OperatorModule make_reshape(const Context& context) {
  return of([shape = context.integers("shape")](const Tensors& in) {
    std::vector<int64_t> sizes = shape;
    for (size_t i = 0; i < sizes.size(); ++i) {
      if (sizes[i] == 0) sizes[i] = in[0].size(static_cast<int64_t>(i));
    }
    return in[0].reshape(sizes);
  });
}

OperatorModule make_transpose(const Context& context) {
  return of([axes = context.integers("axes")](const Tensors& in) { return in[0].permute(axes); });
}

OperatorModule make_split(const Context& context) {
  return {[lengths = context.integers("split"), axis = context.integer("axis")](const Tensors& in) {
    return in[0].split_with_sizes(lengths, axis);
  }};
}

// Of each axis but the first, the batch; -1 is the end.
OperatorModule make_slice(const Context& context) {
  return of([starts = context.integers("starts"), ends = context.integers("ends")](const Tensors& in) {
    Tensor x = in[0];
    for (int64_t axis = 1; axis < static_cast<int64_t>(starts.size()); ++axis) {
      const int64_t end = ends[axis] == -1 ? x.size(axis) : ends[axis];
      x = x.narrow(axis, starts[axis], end - starts[axis]);
    }
    return x;
  });
}

OperatorModule make_mean(const Context& context) {
  return of([axes = context.integers("axes"), keep = context.integer("keepdims", 1) == 1](const Tensors& in) {
    return in[0].mean(axes, keep);
  });
}

// torch::channel_shuffle, which has no derivative in torch 1.13.
OperatorModule make_channel_shuffle(const Context& context) {
  return of([groups = context.integer("group")](const Tensors& in) {
    const Tensor& x = in[0];
    return x.unflatten(1, {groups, x.size(1) / groups}).transpose(1, 2).flatten(1, 2);
  });
}

OperatorModule make_sum(const Context&) {
  return of([](const Tensors& in) { return in[0] + in[1]; });
}

OperatorModule make_average_pool(const Context& context) {
  if (context.integer("global_pooling", 0) == 1) {
    return of([](const Tensors& in) { return in[0].mean({2, 3}, /*keepdim=*/true); });
  }
  TORCH_CHECK_VALUE(context.arguments.contains("kernel"),
                    "AveragePool must be over the whole map (global_pooling: 1) or have a kernel");
  return of([kernel = context.integer("kernel", 1), stride = context.integer("stride", 1),
             pad = context.integer("pad", 0)](const Tensors& in) {
    return torch::avg_pool2d(in[0], kernel, stride, pad, /*ceil_mode=*/false, /*count_include_pad=*/false);
  });
}

OperatorModule make_max_pool(const Context& context) {
  return of([kernel = context.integer("kernel"), stride = context.integer("stride", 1),
             pad = context.integer("pad", 0)](const Tensors& in) {
    return torch::max_pool2d(in[0], kernel, stride, pad);
  });
}

// The arguments that a type may have, what makes its module, and what it reads, in order: x for a blob, p for
// a parameter.
struct OperatorType {
  std::set<std::string> arguments;
  OperatorModule (*make)(const Context&);
  std::set<std::string> forms = {"x"};
};

// A new type of operator takes an entry here, and one in fragments.py.
const std::map<std::string, OperatorType>& operator_types() {
  static const std::map<std::string, OperatorType> types = {
      {"Add", {{}, make_add, {"xx", "xp"}}},
      {"AveragePool", {{"global_pooling", "kernel", "stride", "pad", "order"}, make_average_pool}},
      {"BatchMatMul", {{}, make_matrix_product, {"xx", "xp"}}},
      {"ChannelShuffle", {{"group"}, make_channel_shuffle}},
      {"Clip", {{"min", "max"}, make_clip}},
      {"Concat", {{"axis"}, make_concat, {"px"}}},
      {"Conv",
       {{"kernel", "kernel_h", "kernel_w", "stride", "pad", "pad_t", "pad_b", "pad_l", "pad_r", "group",
         "dilation", "order", "norm"},
        make_conv,
        {"xp", "xpp"}}},
      {"FC", {{}, make_fully_connected, {"xpp"}}},
      {"Gelu", {{}, make_function<gelu>}},
      {"HardSigmoid", {{"alpha", "beta"}, make_hard_sigmoid}},
      {"HardSwish", {{}, make_function<torch::hardswish>}},
      {"LayerNormalization", {{"axis", "epsilon"}, make_layer_norm, {"xpp"}}},
      {"Linear", {{}, make_linear, {"xp", "xpp"}}},
      {"MaxPool", {{"kernel", "stride", "pad", "order"}, make_max_pool}},
      {"Mul", {{}, make_product, {"xx"}}},
      {"ReduceMean", {{"axes", "keepdims"}, make_mean}},
      {"Relu", {{}, make_relu}},
      {"Reshape", {{"shape"}, make_reshape}},
      {"Scale", {{"scale"}, make_scale}},
      {"Sigmoid", {{}, make_function<torch::sigmoid>}},
      {"Slice", {{"starts", "ends"}, make_slice}},
      {"Softmax", {{"axis"}, make_softmax}},
      {"Split", {{"split", "axis"}, make_split}},
      {"Sum", {{}, make_sum, {"xx"}}},
      {"Swish", {{}, make_function<torch::silu>}},
      {"Transpose", {{"axes"}, make_transpose}}};
  return types;
}

// The operator reads `form` and writes so many blobs.
OperatorModule make_module(const Context& context, const std::string& form, size_t outputs) {
  const std::string& type = context.type;
  const auto found = operator_types().find(type);
  if (found == operator_types().end()) {
    std::string names;
    for (const auto& [name, other] : operator_types()) names.append(names.empty() ? "" : ", ").append(name);
    TORCH_CHECK_VALUE(false, "no module for operators of type ", type, "; there are those of ", names);
  }
  for (const auto& argument : context.arguments) {
    TORCH_CHECK_VALUE(found->second.arguments.count(argument.key()) > 0, "the module for ", type,
                      " must know every argument, got ", argument.key());
  }
  TORCH_CHECK_VALUE(found->second.forms.count(form) > 0 && (outputs == 1 || type == "Split"),
                    "the module for ", type, " must read ", c10::Join(" or ", found->second.forms),
                    " (x a blob, p a parameter) and write one blob, got ", form, " and ", outputs);
  return found->second.make(context);
}

// A product with a weight and the sum with a bias behind it become one operator, Linear.
std::vector<SearchSpace::Operator> with_biases(const SearchSpace::Fragment& fragment) {
  const auto& [source, result, operators, parameters] = fragment;
  std::map<std::string, int> readers;
  for (const auto& [type, inputs, outputs, arguments] : operators) {
    for (const std::string& blob : inputs) ++readers[blob];
  }
  std::vector<SearchSpace::Operator> joined;
  for (const SearchSpace::Operator& op : operators) {
    const auto& [type, inputs, outputs, arguments] = op;
    if (type == "Add" && !joined.empty() && parameters.contains(inputs[1])) {
      auto& [last_type, last_inputs, last_outputs, last_arguments] = joined.back();
      if (last_type == "BatchMatMul" && parameters.contains(last_inputs[1]) && inputs[0] == last_outputs[0] &&
          readers[inputs[0]] == 1 &&
          parameters.at(inputs[1]) == std::vector<int64_t>{parameters.at(last_inputs[1]).back()}) {
        last_type = "Linear";
        last_inputs.push_back(inputs[1]);
        last_outputs = outputs;
        continue;
      }
    }
    joined.push_back(op);
  }
  return joined;
}

}  // namespace

FragmentModuleImpl::FragmentModuleImpl(const SearchSpace::Fragment& fragment) {
  const auto& [source, result, written, parameters] = fragment;
  const std::vector<SearchSpace::Operator> operators = with_biases(fragment);
  std::map<std::string, size_t> places = {{source, 0}};
  std::map<std::string, std::string> written_by;  // the type of the operator
  std::map<std::string, int> readers = {{result, 1}};
  for (const auto& [type, inputs, outputs, arguments] : operators) {
    for (const std::string& blob : outputs) places.emplace(blob, places.size());
    written_by[outputs.front()] = type;
    for (const std::string& blob : inputs) ++readers[blob];
  }
  for (const auto& [type, inputs, outputs, arguments] : operators) {
    const std::string& read = inputs.front();
    // A normalisation does not need what it wrote to be differentiated.
    Context context{.type = type,
                    .arguments = arguments,
                    .parameters = {},
                    .in_place = readers[read] == 1 && written_by[read] == "Conv"};
    Step step;
    std::string name;
    std::string form;
    for (const std::string& blob : inputs) {
      form += parameters.contains(blob) ? 'p' : 'x';
      if (!parameters.contains(blob)) {
        step.inputs.push_back(places.at(blob));
        continue;
      }
      if (name.empty()) name = blob.substr(0, blob.size() - (blob.ends_with("_w") ? 2 : 0));
      context.parameters.push_back(parameters.at(blob));
    }
    OperatorModule made = make_module(context, form, outputs.size());
    if (made.module) {
      TORCH_CHECK_VALUE(!named_children().contains(name), "operators must have parameters of their own, got ",
                        name, " twice");
      register_module(name, made.module);
    }
    step.run = std::move(made.run);
    steps_.push_back(std::move(step));
  }
  result_ = places.at(result);
}

Tensor FragmentModuleImpl::forward(const Tensor& x) {
  Tensors blobs = {x};
  for (const Step& step : steps_) {
    Tensors inputs;
    for (const size_t place : step.inputs) inputs.push_back(blobs[place]);
    for (Tensor& output : step.run(inputs)) blobs.push_back(std::move(output));
  }
  return blobs[result_];
}

}  // namespace latgrad
