#include "latgrad/profile/network_timer.h"

#include <fmt/format.h>

#include "latgrad/base/error.h"
#include "latgrad/net/onnx.h"
#include "latgrad/runner/chain.h"

namespace latgrad::profile {
namespace {

constexpr int kReferencePlace = 0;
constexpr int kNetworkPlace = 1;
constexpr size_t kVisitsOfReference = 4;

// The model, or why there is none.
struct Model {
  std::string onnx = {};
  std::string unsupported = {};
};

Model model_of(const net::Net& net) {
  try {
    return {.onnx = net::onnx_bytes(net, {.weights = net::OnnxWeights::kLeftOut})};
  } catch (const NetError& error) {
    return {.unsupported = std::string("it cannot be written as ONNX: ") + error.what()};
  }
}

}  // namespace

Timed timed_by(const runner::RunnerInfo& runner) {
  return runner.measures_operators ? Timed::kOperators : Timed::kNetworks;
}

NetworkTimer::NetworkTimer(const std::vector<Reference>& references, runner::Runner& runner)
    : runner_(runner) {
  for (const Reference& reference : references) {
    Model model = reference.onnx.empty()
                      ? model_of(reference.net ? *reference.net : runner::chain_net(reference.chain))
                      : Model{.onnx = reference.onnx};
    if (model.unsupported.empty()) {
      model.unsupported = runner.load({.place = kReferencePlace, .onnx = model.onnx}).unsupported;
    }
    if (model.unsupported.empty()) {
      reference_ = reference;
      reference_->onnx = std::move(model.onnx);
      return;
    }
    if (unsupported_reference_.empty()) {
      unsupported_reference_ = fmt::format("the engine cannot run the reference network, {}: {}",
                                           reference.name, model.unsupported);
    }
  }
}

NetworkVisit NetworkTimer::time(const net::Net& net, const RoundOptions& options, bool nodes) {
  NetworkVisit visit;
  Model model = model_of(net);
  visit.unsupported = std::move(model.unsupported);
  if (!visit.unsupported.empty()) return visit;
  if (reference_ && ++visits_ % kVisitsOfReference == 0) {
    const std::string lost = runner_.load({.place = kReferencePlace, .onnx = reference_->onnx}).unsupported;
    if (!lost.empty()) {
      throw runner::RunnerError(
          fmt::format("the engine runs the reference network, {}, no longer: {}", reference_->name, lost));
    }
  }
  runner::Loaded loaded = runner_.load({.place = kNetworkPlace, .onnx = model.onnx, .nodes = nodes});
  visit.unsupported = std::move(loaded.unsupported);
  for (const auto& [node, time_us] : loaded.nodes_us) visit.nodes_us += time_us;
  if (!visit.unsupported.empty()) return visit;
  runner::TimeRequest request{.network = kNetworkPlace,
                              .reference = {},
                              .warmup = options.warmup,
                              .samples = options.samples_per_visit};
  if (reference_) request.reference = kReferencePlace;
  runner::NetworkTimes times = runner_.time(request);
  visit.total_us = std::move(times.network_us);
  visit.flanks = flanks_of(times.reference_us);
  return visit;
}

std::vector<double> NetworkTimer::time_reference(int samples) {
  return runner_.time({.network = kReferencePlace, .reference = {}, .warmup = 1, .samples = samples})
      .network_us;
}

}  // namespace latgrad::profile
