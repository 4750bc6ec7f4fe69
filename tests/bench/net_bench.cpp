// The price of a network in a process that has its table loaded: read model.pb and model_init.pb, infer
// shapes, look up every operator. The network is ChamNet-A, lowered from its space; the bar is 1 ms.
//
// `share_of_reading_text` is the ratio to the same from the text files, in the same run.

#include <benchmark/benchmark.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "latgrad/lut/estimate.h"
#include "latgrad/net/init_net.h"
#include "latgrad/net/netdef.h"
#include "latgrad/net/read_net.h"
#include "latgrad/search/latency_model.h"
#include "latgrad/search/lowering.h"

namespace {

using namespace latgrad;

search::Space space() {
  return search::Space::load(std::filesystem::path(LATGRAD_SOURCE_DIR) / "data/spaces/chamnet_a.textproto");
}

lut::Table complete_table(const search::Space& space, search::Precision precision) {
  std::vector<lut::Record> records;
  for (const search::MissingOperator& needed : search::required_operators(space, precision)) {
    lut::Record record;
    record.op_type = needed.key.op_type;
    record.op_args = lut::reference_args(needed.key);
    record.input_shapes = needed.key.input_shapes;
    record.input_dtypes = needed.key.input_dtypes;
    record.p50_us = 1;
    record.device = "bench";
    records.push_back(record);
  }
  return lut::Table::from_records(std::move(records), "bench");
}

// ChamNet-A as files, removed at the end.
class NetworkFiles {
 public:
  explicit NetworkFiles(const net::Net& net) {
    std::filesystem::create_directories(folder_);
    net::write_netdef(net, folder_ / "model.pb");
    net::write_netdef(net, folder_ / "model.pbtxt");
    net::write_netdef(net::init_net(net), folder_ / "model_init.pb");
  }
  ~NetworkFiles() { std::filesystem::remove_all(folder_); }
  std::filesystem::path binary() const { return folder_ / "model.pb"; }
  std::filesystem::path text() const { return folder_ / "model.pbtxt"; }

 private:
  std::filesystem::path folder_ = std::filesystem::temp_directory_path() / "latgrad_net_bench";
};

double price_us(const std::filesystem::path& model, const lut::Table& table) {
  net::Net net = net::read_net(model);
  net.inputs["data"] = {{1, 3, 224, 224}, net::DataType::kFloat};
  return lut::estimate(net, net::infer_shapes(net), table, {}).total_us().value();
}

// One argument: the precision.
void price_network(benchmark::State& state) {
  const auto precision = static_cast<search::Precision>(state.range(0));
  const search::Space chamnet = space();
  const lut::Table table = complete_table(chamnet, precision);
  const NetworkFiles files(search::lower(chamnet, chamnet.architectures().front().second, precision));

  using Clock = std::chrono::steady_clock;
  constexpr int kTextRuns = 50;
  const auto begin_text = Clock::now();
  for (int i = 0; i < kTextRuns; ++i) benchmark::DoNotOptimize(price_us(files.text(), table));
  const double text_seconds = std::chrono::duration<double>(Clock::now() - begin_text).count() / kTextRuns;

  const auto begin = Clock::now();
  for (auto _ : state) benchmark::DoNotOptimize(price_us(files.binary(), table));
  const double seconds =
      std::chrono::duration<double>(Clock::now() - begin).count() / static_cast<double>(state.iterations());
  state.counters["share_of_reading_text"] = seconds / text_seconds;
}
BENCHMARK(price_network)
    ->ArgName("precision")
    ->Arg(static_cast<int>(search::Precision::kInt8))
    ->Arg(static_cast<int>(search::Precision::kFp32))
    ->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
