// Prices an architecture of an installed space with a table made up here, and plans what that table lacks;
// returns 0 when both are right.

#include <latgrad/lut/estimate.h>
#include <latgrad/net/registry.h>
#include <latgrad/profile/plan.h>
#include <latgrad/runner/chain.h>
#include <latgrad/search/latency_model.h>
#include <latgrad/search/lowering.h>

#include <cmath>
#include <iostream>
#include <vector>

#ifdef CONSUMER_HAS_PLUGIN
double expected_latency_of_two_candidates();
#endif

int main() {
  using namespace latgrad;
  const auto space = search::Space::load(LATGRAD_SPACES_DIR "/fbnet.textproto");

  std::vector<lut::Record> records;
  for (const auto& needed : search::required_operators(space, search::Precision::kInt8)) {
    lut::Record record;
    record.op_type = needed.key.op_type;
    record.op_args = lut::reference_args(needed.key);
    record.input_shapes = needed.key.input_shapes;
    record.input_dtypes = needed.key.input_dtypes;
    record.p50_us = 2.0;
    record.device = "two-us-per-operator";
    records.push_back(record);
  }
  const auto table = lut::Table::from_records(records, "made up");

  const auto net = search::lower(space, space.parse_architecture("FBNet-A"), search::Precision::kInt8);
  const auto price = lut::estimate(net, net::infer_shapes(net), table, {});
  if (price.total_us() != 2.0 * static_cast<double>(net.ops.size())) {
    std::cerr << "wrong price of FBNet-A\n";
    return 1;
  }
  profile::Plan plan;
  plan.add_net(net);
  const auto chain = runner::make_chain(net, net::infer_shapes(net));
  plan.drop_known(table, table.default_device());
  if (chain.size() != net.ops.size() || !plan.operators().empty() ||
      net::find_operator_type("Conv") == nullptr) {
    std::cerr << "wrong plan\n";
    return 1;
  }
#ifdef CONSUMER_HAS_PLUGIN
  if (std::abs(expected_latency_of_two_candidates() - 2.5) > 1e-12) {
    std::cerr << "wrong expected latency\n";
    return 1;
  }
#endif
  return 0;
}
