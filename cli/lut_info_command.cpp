#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "command.h"
#include "latgrad/base/json.h"
#include "latgrad/lut/table.h"
#include "latgrad/net/netdef.h"
#include "latgrad/profile/provenance.h"
#include "latgrad/profile/statistics.h"
#include "latgrad/profile/steadiness.h"
#include "output.h"
#include "quantities.h"
#include "runner_options.h"
#include "text_table.h"

namespace latgrad::cli {

namespace {

constexpr const char* kDescription =
    "Show what a look-up table holds: devices, operator types, repeated records";

constexpr const char* kFooter =
    "Examples:\n"
    "  latgrad lut info SM-G950U-7.0-24-op_lut_database.json.zip\n"
    "  latgrad lut info mine.json --now                 how fast the machine is now, by the table's "
    "reference\n\n"
    "Exit codes: 0 complete, 1 error (the file is not a table), 2 wrong usage.";

// How long the reference runs for --now.
constexpr double kNow_s = 3;

struct InfoOptions {
  std::string file;
  bool now = false;
  RunnerOptions runner;
  bool json = false;
};

struct TableInfo {
  size_t records = 0;
  std::map<std::string, size_t> devices;
  std::map<std::string, size_t> op_types;
  std::map<std::vector<net::DataType>, size_t> dtypes;
  size_t repeated_operators = 0;  // operators with several records for one device
  size_t repeated_records = 0;    // the records of these operators
  std::optional<double> min_p50_us;
  std::optional<double> max_p50_us;
  // (p90 - p10) / p50, over the records whose p50 is not zero.
  size_t estimated = 0;  // records whose time was not measured
  std::optional<double> median_spread;
  std::optional<double> max_spread;
  std::optional<profile::Reference> reference;  // that the provenance names
  std::optional<profile::Steadiness> now;
};

lut::OperatorKey key_of(const lut::Record& record) {
  lut::OperatorKey key{record.op_type, {}, record.input_shapes, record.input_dtypes};
  for (const std::string& arg : record.op_args) key.args.push_back(net::parse_argument_text(arg));
  return key;
}

TableInfo inspect(const lut::Table& table) {
  TableInfo info;
  info.records = table.size();
  std::vector<double> spreads;
  for (size_t i = 0; i < table.size(); ++i) {
    const lut::Record record = table.record(i);
    ++info.devices[record.device];
    ++info.op_types[record.op_type];
    ++info.dtypes[record.input_dtypes];
    // Counted once, at its first record.
    const auto same = table.find(key_of(record), record.device);
    if (same.size() > 1 && same.front() == i) {
      ++info.repeated_operators;
      info.repeated_records += same.size();
    }
    info.min_p50_us = std::min(info.min_p50_us.value_or(record.p50_us), record.p50_us);
    info.max_p50_us = std::max(info.max_p50_us.value_or(record.p50_us), record.p50_us);
    if (record.error_us) ++info.estimated;
    if (record.p50_us > 0) spreads.push_back((record.p90_us - record.p10_us) / record.p50_us);
  }
  if (!spreads.empty()) {
    info.max_spread = std::ranges::max(spreads);
    info.median_spread = profile::percentile(std::move(spreads), 50);
  }
  return info;
}

std::string names(const std::vector<net::DataType>& dtypes) {
  std::vector<std::string_view> result;
  for (const net::DataType dtype : dtypes) result.push_back(net::to_string(dtype));
  return result.empty() ? "no input" : fmt::format("{}", fmt::join(result, ", "));
}

// The most frequent first, then by key.
template <typename Key>
std::vector<std::pair<Key, size_t>> by_frequency(const std::map<Key, size_t>& counts) {
  std::vector<std::pair<Key, size_t>> sorted(counts.begin(), counts.end());
  std::ranges::stable_sort(sorted, std::greater<>(), &std::pair<Key, size_t>::second);
  return sorted;
}

template <typename Key>
base::Json counts_json(const char* key_name, const std::map<Key, size_t>& counts) {
  base::Json list = base::Json::array();
  for (const auto& [key, count] : by_frequency(counts)) list.push_back({{key_name, key}, {"records", count}});
  return list;
}

base::Json reference_json(const TableInfo& info) {
  if (!info.reference) return nullptr;
  base::Json reference = {{"name", info.reference->name}, {"time_us", info.reference->time_us}};
  if (info.now) {
    reference["now_us"] = base::rounded(info.now->reference_us, 3);
    reference["factor"] = base::rounded(info.now->reference_us / info.reference->time_us, 4);
    reference["unsteadiness_percent"] = base::rounded(100 * info.now->unsteadiness, 2);
  }
  return reference;
}

std::string reference_text(const TableInfo& info) {
  if (!info.reference) return "";
  std::string text =
      fmt::format("reference {}: {:.3f} ms\n", info.reference->name, info.reference->time_us / 1000);
  if (info.now) {
    text += fmt::format("now       {:.3f} ms, {:.3f} times as long; the machine is {}\n",
                        info.now->reference_us / 1000, info.now->reference_us / info.reference->time_us,
                        profile::steadiness_text(info.now->unsteadiness));
  }
  return text;
}

std::string info_json(const TableInfo& info, const std::string& file) {
  return base::json_text({{"lut", file},
                          {"records", info.records},
                          {"devices", counts_json("device", info.devices)},
                          {"op_types", counts_json("op_type", info.op_types)},
                          {"input_dtypes", counts_json("input_dtypes", info.dtypes)},
                          {"repeated_operators", info.repeated_operators},
                          {"repeated_records", info.repeated_records},
                          {"min_p50_us", base::or_null(info.min_p50_us)},
                          {"max_p50_us", base::or_null(info.max_p50_us)},
                          {"estimated_records", info.estimated},
                          {"median_spread", base::or_null(info.median_spread)},
                          {"max_spread", base::or_null(info.max_spread)},
                          {"reference", reference_json(info)}});
}

template <typename Key, typename ToText>
std::string counts_text(const char* heading, const std::map<Key, size_t>& counts, ToText to_text) {
  TextTable table({{heading, Align::kLeft}, {"records", Align::kRight}});
  for (const auto& [key, count] : by_frequency(counts)) table.add_row({to_text(key), std::to_string(count)});
  return '\n' + table.text();
}

std::string info_text(const TableInfo& info, const std::string& file) {
  const auto same = [](const std::string& text) { return text; };
  std::string text = fmt::format("{}: {}\n", file, format_count(info.records, "record"));
  if (info.records == 0) return text;
  text += counts_text("device", info.devices, same);
  text += counts_text("operator type", info.op_types, same);
  text += counts_text("input types", info.dtypes, names);
  text += fmt::format("\nrepeated  {} in {}\n", format_count(info.repeated_operators, "operator"),
                      format_count(info.repeated_records, "record"));
  text += fmt::format("p50       {} to {} us\n", format_us(*info.min_p50_us), format_us(*info.max_p50_us));
  if (info.estimated > 0) {
    text += fmt::format("estimated {}: times inferred from whole networks\n",
                        format_count(info.estimated, "record"));
  }
  if (info.median_spread) {
    text += fmt::format("spread    {:.1f}% median, {:.1f}% at most: (p90 - p10) / p50\n",
                        100 * *info.median_spread, 100 * *info.max_spread);
  }
  return text + reference_text(info);
}

// The reference of the table, now, on the machine of the runner.
profile::Steadiness measure_now(const InfoOptions& options,
                                const std::optional<profile::Reference>& reference) {
  if (!reference) {
    throw ValueError("--now needs a table whose provenance names its reference, as latgrad profile writes it",
                     {.file = options.file});
  }
  const std::unique_ptr<runner::Runner> runner = start_runner(options.runner);
  const runner::RunnerInfo info = runner->open(options.runner.settings);
  if (const std::optional<profile::Origin> there = profile::read_origin(options.file)) {
    const std::string differs = profile::differences(*there, profile::origin_of(info));
    if (!differs.empty()) {
      throw ValueError(
          "--now compares a table with the machine and engine that it was measured on: " + differs,
          {.file = options.file});
    }
  }
  if (profile::timed_by(info) == profile::Timed::kNetworks) {
    profile::NetworkTimer timer({*reference}, *runner);
    if (!timer.reference()) throw ValueError(timer.unsupported_reference(), {.file = options.file});
    if (const auto now = profile::measure_steadiness(timer, kNow_s)) return *now;
    throw ValueError("the table's reference took no time by the runner's clock", {.file = options.file});
  }
  const std::optional<profile::Steadiness> now = profile::measure_steadiness(*reference, *runner, kNow_s);
  if (!now)
    throw ValueError("the runner can run no operator of the table's reference", {.file = options.file});
  return *now;
}

int run(const InfoOptions& options) {
  TableInfo info = inspect(lut::Table::load(options.file));
  info.reference = profile::read_reference(options.file);
  if (options.now) info.now = measure_now(options, info.reference);
  if (options.json) {
    write_output(info_json(info, options.file));
  } else {
    write_text(info_text(info, options.file));
  }
  return kComplete;
}

}  // namespace

Command add_lut_info_command(CLI::App& parent) {
  CLI::App* group = parent.add_subcommand("lut", "Inspect a look-up table: latgrad lut info FILE");
  group->require_subcommand(1);
  CLI::App* app = group->add_subcommand("info", kDescription);
  app->footer(kFooter);
  auto options = std::make_shared<InfoOptions>();
  app->add_option("FILE", options->file, "The table: .json, .json.gz or .zip")->required();
  app->add_flag(
      "--now", options->now,
      "Run the table's reference network, and say how fast the machine is now: the factor by which its "
      "times are longer");
  add_runner_options(*app, options->runner);
  app->add_flag("--json", options->json, "Print JSON");
  return {app, [options] { return run(*options); }};
}

}  // namespace latgrad::cli
