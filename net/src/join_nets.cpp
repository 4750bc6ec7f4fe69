#include "latgrad/net/join_nets.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "latgrad/base/error.h"
#include "latgrad/net/infer_shapes.h"

namespace latgrad::net {
namespace {

std::vector<std::string> data_inputs(const Net& net) {
  std::vector<std::string> inputs;
  for (const std::string& blob : net.external_inputs) {
    if (net.inputs.contains(blob)) inputs.push_back(blob);
  }
  return inputs;
}

class Joiner {
 public:
  Net join(const std::vector<NetPart>& parts) && {
    if (parts.empty()) throw ValueError("a network must be joined of at least one part, got none");
    joined_.name = parts.front().net.name;
    joined_.source = parts.front().net.source;
    joined_.has_exact_parameters = true;
    for (const NetPart& part : parts) add(part);
    for (const auto& [blob, info] : outputs_) joined_.external_outputs.push_back(blob);
    return std::move(joined_);
  }

 private:
  using Outputs = std::vector<std::pair<std::string, TensorInfo>>;

  void add(const NetPart& part) {
    prefix_ = part.name + "/";
    names_.clear();
    connect(part);
    for (const Operator& op : part.net.ops) {
      Operator own = op;
      own.name = fmt::format("/{}{}{}", part.name, op.name.starts_with('/') ? "" : "/", op.name);
      for (std::string& blob : own.inputs) blob = name_of(blob);
      for (std::string& blob : own.outputs) blob = name_of(blob);
      joined_.ops.push_back(std::move(own));
    }
    for (const auto& [blob, info] : part.net.parameters) joined_.parameters.emplace(name_of(blob), info);
    for (const auto& [blob, values] : part.net.parameter_values) {
      joined_.parameter_values.emplace(name_of(blob), values);
    }
    for (const auto& [blob, info] : part.net.constants) joined_.constants.emplace(name_of(blob), info);

    const NetShapes shapes = infer_shapes(part.net, {.allow_unknown = true});
    Outputs outputs;
    for (const std::string& blob : part.net.external_outputs) {
      const auto known = shapes.blobs.find(blob);
      const auto input = part.net.inputs.find(blob);
      const auto constant = part.net.constants.find(blob);
      outputs.emplace_back(name_of(blob), known != shapes.blobs.end()      ? known->second
                                          : input != part.net.inputs.end() ? input->second
                                          : constant != part.net.constants.end()
                                              ? constant->second
                                              : TensorInfo{{}, DataType::kUndefined});
    }
    outputs_ = std::move(outputs);
    last_ = part.name;
  }

  void connect(const NetPart& part) {
    const std::vector<std::string> inputs = data_inputs(part.net);
    if (last_.empty()) {
      for (const std::string& blob : inputs) {
        joined_.inputs.emplace(name_of(blob), part.net.inputs.at(blob));
        joined_.external_inputs.push_back(name_of(blob));
      }
      return;
    }
    if (inputs.size() != outputs_.size()) {
      throw ValueError(fmt::format("{} must read as many tensors as {} writes, {}, got {}", part.name, last_,
                                   outputs_.size(), inputs.size()));
    }
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Shape& given = outputs_[i].second.shape;
      const Shape& read = part.net.inputs.at(inputs[i]).shape;
      if (outputs_[i].second.dtype != DataType::kUndefined && given != read) {
        throw ValueError(fmt::format("{} must read what {} writes, {}, got {}", part.name, last_,
                                     to_string(given), to_string(read)));
      }
      names_.emplace(inputs[i], outputs_[i].first);
    }
  }

  std::string name_of(const std::string& blob) {
    return names_.try_emplace(blob, prefix_ + blob).first->second;
  }

  Net joined_;
  Outputs outputs_;  // of the last part
  std::string last_;
  std::string prefix_;
  std::map<std::string, std::string> names_;  // of the part's blobs
};

}  // namespace

Net join_nets(const std::vector<NetPart>& parts) { return Joiner().join(parts); }

}  // namespace latgrad::net
