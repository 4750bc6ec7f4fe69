// Loading and searching a table of 100,000 records, against the obvious ways in the same run.
//
// The table is made here, the same in every run. `times_faster_than_python` is the ratio to
// lut_load_baseline.py, which reads the same file; the bars are 25 on two cores and 15 on one.
// `times_faster_than_scan` is the ratio to comparing record after record, as the published tool does;
// `find` must stay below 1 us and must not grow with the table.

#include <benchmark/benchmark.h>
#include <tbb/global_control.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "latgrad/lut/record_json.h"
#include "latgrad/lut/table.h"
#include "latgrad/net/net.h"

namespace {

using namespace latgrad::lut;
using namespace latgrad::net;

constexpr int kRecords = 100'000;
const std::string kDevice = "SM-G950U-7.0-24";

// Arguments, shapes and times as the published table has them. Different for each index.
OperatorKey make_key(int index) {
  const int64_t side = 7 * (1 + index % 32);
  const int64_t channels = 8 * (1 + index / 32 % 64);
  const int64_t out_channels = 8 * (1 + index / (32 * 64));
  const int64_t kernel = 1 + 2 * (index % 3);
  OperatorKey key{index % 2 == 0 ? "Int8ConvRelu" : "Int8Conv", {}, {}, {}};
  if (index % 5 == 0) key.args.push_back(Argument::of_int("group", 1 + index % 64));
  key.args.push_back(Argument::of_int("kernel", kernel));
  key.args.push_back(Argument::of_string("order", "NHWC"));
  key.args.push_back(Argument::of_int("pad", kernel / 2));
  key.args.push_back(Argument::of_int("stride", 1 + index % 2));
  key.input_shapes = {{1, side, side, channels}, {out_channels, kernel, kernel, channels}, {out_channels}};
  key.input_dtypes = {DataType::kUint8, DataType::kUint8, DataType::kInt32};
  return key;
}

Record make_record(int index) {
  const OperatorKey key = make_key(index);
  const double p50_us = 50 + index % 3000;
  return {key.op_type,      reference_args(key),
          key.input_shapes, key.input_dtypes,
          p50_us * 9 / 10,  p50_us * 19 / 20,
          p50_us,           p50_us * 6 / 5,
          p50_us * 19 / 10, false,
          kDevice};
}

// A file that is removed at the end of the program.
class TableFile {
 public:
  explicit TableFile(int records)
      : path_(std::filesystem::temp_directory_path() /
              ("latgrad_lut_bench_" + std::to_string(records) + ".json")) {
    std::vector<Record> made;
    for (int i = 0; i < records; ++i) made.push_back(make_record(i));
    write_records(made, path_);
  }
  ~TableFile() { std::filesystem::remove(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

const TableFile& large_file() {
  static const TableFile file(kRecords);
  return file;
}

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

double python_load_seconds() {
  static const double seconds = [] {
    const std::string command = std::string("python3 ") + LATGRAD_SOURCE_DIR +
                                "/tests/bench/lut_load_baseline.py " + large_file().path().string();
    std::FILE* output = ::popen(command.c_str(), "r");
    double printed = 0;
    const int values = output == nullptr ? 0 : std::fscanf(output, "%lf", &printed);
    if (output != nullptr) ::pclose(output);
    if (values != 1) throw std::runtime_error("no answer from: " + command);
    return printed;
  }();
  return seconds;
}

// One argument: the number of threads.
void load(benchmark::State& state) {
  const tbb::global_control threads(tbb::global_control::max_allowed_parallelism, state.range(0));
  const double python_seconds = python_load_seconds();
  const Stopwatch stopwatch;
  for (auto _ : state) benchmark::DoNotOptimize(Table::load(large_file().path()));
  const double seconds = stopwatch.seconds() / static_cast<double>(state.iterations());
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * file_size(large_file().path())));
  state.counters["times_faster_than_python"] = python_seconds / seconds;
}
BENCHMARK(load)->ArgName("threads")->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();

// The mean of looking for `keys` one record after the other.
double scan_seconds(const std::vector<Record>& records, const std::vector<OperatorKey>& keys) {
  const Stopwatch stopwatch;
  for (const OperatorKey& key : keys) {
    const std::vector<std::string> args = reference_args(key);
    benchmark::DoNotOptimize(std::ranges::count_if(records, [&](const Record& record) {
      return record.op_type == key.op_type && record.input_shapes == key.input_shapes &&
             record.input_dtypes == key.input_dtypes && record.device == kDevice && record.op_args == args;
    }));
  }
  return stopwatch.seconds() / static_cast<double>(keys.size());
}

// One argument: the size of the table.
void find(benchmark::State& state) {
  const int size = static_cast<int>(state.range(0));
  std::vector<Record> records;
  for (int i = 0; i < size; ++i) records.push_back(make_record(i));
  const Table table = Table::from_records(records, "bench");
  std::vector<OperatorKey> keys;
  // A stride that visits the table in no order that a cache could follow.
  for (int64_t i = 0; i < 1000; ++i) keys.push_back(make_key(static_cast<int>(i * 7919 % size)));
  const double baseline_seconds = scan_seconds(records, {keys.begin(), keys.begin() + 20});
  size_t next = 0;
  const Stopwatch stopwatch;
  for (auto _ : state) {
    const auto found = table.find(keys[next], kDevice);
    if (found.empty()) state.SkipWithError("a record of the table was not found");
    benchmark::DoNotOptimize(found);
    next = (next + 1) % keys.size();
  }
  state.counters["times_faster_than_scan"] =
      baseline_seconds * static_cast<double>(state.iterations()) / stopwatch.seconds();
}
BENCHMARK(find)->ArgName("records")->Arg(1'000)->Arg(kRecords);

}  // namespace

BENCHMARK_MAIN();
