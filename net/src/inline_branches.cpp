#include "latgrad/net/inline_branches.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "latgrad/base/error.h"
#include "latgrad/net/infer_shapes.h"

namespace latgrad::net {
namespace {

constexpr size_t kMaxOperators = 1'000'000;

const Net* branch(const Operator& op, std::string_view name) {
  const Argument* arg = op.find_arg(name);
  return arg == nullptr || arg->nets.empty() ? nullptr : &arg->nets[0];
}

std::vector<Operator> operators_of(const Net* net) {
  return net == nullptr ? std::vector<Operator>() : net->ops;
}

// The operators that stand for the `If`; nothing where nobody knows.
std::optional<std::vector<Operator>> decided(const Operator& op, const NetShapes& shapes) {
  if (op.type != "If" || op.inputs.empty()) return std::nullopt;
  std::vector<Operator> then_ops = operators_of(branch(op, "then_net"));
  std::vector<Operator> else_ops = operators_of(branch(op, "else_net"));
  if (const auto it = shapes.values.find(op.inputs[0]); it != shapes.values.end() && it->second.size() == 1) {
    return it->second[0] != 0 ? std::move(then_ops) : std::move(else_ops);
  }
  if (then_ops.empty()) return else_ops;
  if (else_ops.empty()) return then_ops;
  return std::nullopt;
}

bool has_branches(const Net& net) {
  return std::ranges::any_of(net.ops, [](const Operator& op) { return op.type == "If"; });
}

}  // namespace

void inline_branches(Net& net) {
  for (bool changed = true; changed && has_branches(net);) {
    changed = false;
    const NetShapes shapes = infer_shapes(net, {.allow_unknown = true, .allow_open_inputs = true});
    std::vector<Operator> ops;
    for (Operator& op : net.ops) {
      if (auto chosen = decided(op, shapes)) {
        std::ranges::move(*chosen, std::back_inserter(ops));
        changed = true;
      } else {
        ops.push_back(std::move(op));
      }
    }
    if (ops.size() > kMaxOperators) {
      throw NetError(
          fmt::format("a network must have at most {} operators, got {}", kMaxOperators, ops.size()),
          {.file = net.source});
    }
    net.ops = std::move(ops);
  }
}

}  // namespace latgrad::net
