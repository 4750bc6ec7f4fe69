#include <torch/nn.h>

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

// What computes an operator, and its module where it has parameters.
struct OperatorModule {
  std::function<Tensor(const std::vector<Tensor>&)> run;
  std::shared_ptr<nn::Module> module = nullptr;
};

// What an operator's module is made of.
struct Context {
  const Arguments& arguments;
  std::vector<int64_t> weight;  // the shape of its first parameter; empty where it has none
  bool in_place;                // nothing else needs what the operator reads

  int64_t integer(const std::string& name, int64_t when_absent) const {
    const auto found = arguments.find(name);
    return found == arguments.end() ? when_absent : found->value().toInt();
  }
};

OperatorModule make_conv(const Context& context) {
  const int64_t groups = context.integer("group", 1);
  const std::vector<int64_t>& weight = context.weight;
  // Without a bias, as the normalisation has one.
  nn::Conv2d conv(nn::Conv2dOptions(weight[1] * groups, weight[0], {weight[2], weight[3]})
                      .stride(context.integer("stride", 1))
                      .padding(context.integer("pad", 0))
                      .dilation(context.integer("dilation", 1))
                      .groups(groups)
                      .bias(false));
  nn::init::kaiming_normal_(conv->weight, 0, torch::kFanOut, torch::kReLU);
  nn::Sequential both({{"conv", conv}, {"norm", nn::BatchNorm2d(weight[0])}});
  return {.run = [both](const std::vector<Tensor>& in) mutable { return both->forward(in[0]); },
          .module = both.ptr()};
}

OperatorModule make_fully_connected(const Context& context) {
  nn::Linear linear(context.weight[1], context.weight[0]);
  return {
      .run = [linear](const std::vector<Tensor>& in) mutable { return linear->forward(in[0].flatten(1)); },
      .module = linear.ptr()};
}

OperatorModule make_relu(const Context& context) {
  if (context.in_place) return {[](const std::vector<Tensor>& in) { return Tensor(in[0]).relu_(); }};
  return {[](const std::vector<Tensor>& in) { return in[0].relu(); }};
}

// torch::channel_shuffle, which has no derivative in torch 1.13.
OperatorModule make_channel_shuffle(const Context& context) {
  return {[groups = context.integer("group", 1)](const std::vector<Tensor>& in) {
    const Tensor& x = in[0];
    return x.unflatten(1, {groups, x.size(1) / groups}).transpose(1, 2).flatten(1, 2);
  }};
}

OperatorModule make_sum(const Context&) {
  return {[](const std::vector<Tensor>& in) { return in[0] + in[1]; }};
}

OperatorModule make_average_pool(const Context& context) {
  TORCH_CHECK_VALUE(context.integer("global_pooling", 0) == 1,
                    "AveragePool must be over the whole map (global_pooling: 1)");
  return {[](const std::vector<Tensor>& in) { return in[0].mean({2, 3}, /*keepdim=*/true); }};
}

// The arguments that a type may have, and what makes its module.
struct OperatorType {
  std::set<std::string> arguments;
  OperatorModule (*make)(const Context&);
};

// A new type of operator takes an entry here, and one in fragments.py.
const std::map<std::string, OperatorType>& operator_types() {
  static const std::map<std::string, OperatorType> types = {
      {"AveragePool", {{"global_pooling", "order"}, make_average_pool}},
      {"ChannelShuffle", {{"group"}, make_channel_shuffle}},
      {"Conv", {{"kernel", "stride", "pad", "group", "dilation", "order"}, make_conv}},
      {"FC", {{}, make_fully_connected}},
      {"Relu", {{}, make_relu}},
      {"Sum", {{}, make_sum}}};
  return types;
}

OperatorModule make_module(const std::string& type, const Context& context) {
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
  return found->second.make(context);
}

}  // namespace

FragmentModuleImpl::FragmentModuleImpl(const SearchSpace::Fragment& fragment) {
  const auto& [source, result, operators, parameters] = fragment;
  std::map<std::string, size_t> places = {{source, 0}};
  std::map<std::string, std::string> written_by;  // the type of the operator
  std::map<std::string, int> readers = {{result, 1}};
  for (const auto& [type, inputs, outputs, arguments] : operators) {
    places[outputs.front()] = places.size();
    written_by[outputs.front()] = type;
    for (const std::string& blob : inputs) ++readers[blob];
  }
  for (const auto& [type, inputs, outputs, arguments] : operators) {
    const std::string& read = inputs.front();
    // A normalisation does not need what it wrote to be differentiated.
    Context context{
        .arguments = arguments, .weight = {}, .in_place = readers[read] == 1 && written_by[read] == "Conv"};
    Step step;
    std::string name;
    for (const std::string& blob : inputs) {
      if (!parameters.contains(blob)) {
        step.inputs.push_back(places.at(blob));
      } else if (name.empty()) {
        name = blob.substr(0, blob.size() - 2);  // without "_w"
        context.weight = parameters.at(blob);
      }
    }
    OperatorModule made = make_module(type, context);
    if (made.module) register_module(name, made.module);
    step.run = std::move(made.run);
    steps_.push_back(std::move(step));
  }
  result_ = places.at(result);
}

Tensor FragmentModuleImpl::forward(const Tensor& x) {
  std::vector<Tensor> blobs = {x};
  for (const Step& step : steps_) {
    std::vector<Tensor> inputs;
    for (const size_t place : step.inputs) inputs.push_back(blobs[place]);
    blobs.push_back(step.run(inputs));
  }
  return blobs[result_];
}

}  // namespace latgrad
