#include "latgrad/net/inline_branches.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "inference.h"
#include "latgrad/base/error.h"

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
std::optional<std::vector<Operator>> decided(const Operator& op, const Inference& inference) {
  if (op.type != "If" || op.inputs.empty()) return std::nullopt;
  std::vector<Operator> then_ops = operators_of(branch(op, "then_net"));
  std::vector<Operator> else_ops = operators_of(branch(op, "else_net"));
  if (const Values* values = inference.values_of(op.inputs[0]); values != nullptr && values->size() == 1) {
    return (*values)[0] != 0 ? std::move(then_ops) : std::move(else_ops);
  }
  if (then_ops.empty()) return else_ops;
  if (else_ops.empty()) return then_ops;
  return std::nullopt;
}

}  // namespace

void inline_branches(Net& net) {
  if (std::ranges::none_of(net.ops, [](const Operator& op) { return op.type == "If"; })) return;
  const Net original = net;  // what the inference reads
  Inference inference(original, {.allow_unknown = true, .allow_open_inputs = true});
  std::vector<Operator> waiting(original.ops.rbegin(), original.ops.rend());  // the next one last
  std::deque<Operator> ops;                                                   // whose addresses stay
  while (!waiting.empty()) {
    Operator op = std::move(waiting.back());
    waiting.pop_back();
    if (auto chosen = decided(op, inference)) {
      std::move(chosen->rbegin(), chosen->rend(), std::back_inserter(waiting));
      continue;
    }
    if (ops.size() >= kMaxOperators) {
      throw NetError(fmt::format("a network must have at most {} operators", kMaxOperators),
                     {.file = net.source});
    }
    inference.step(ops.emplace_back(std::move(op)), ops.size() - 1);
  }
  net.ops.assign(std::move_iterator(ops.begin()), std::move_iterator(ops.end()));
}

}  // namespace latgrad::net
