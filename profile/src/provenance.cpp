#include "latgrad/profile/provenance.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <simdjson.h>

#include <algorithm>
#include <ctime>
#include <iterator>

#include "latgrad/base/error.h"
#include "latgrad/base/json_string.h"

namespace latgrad::profile {
namespace {

namespace fs = std::filesystem;
using base::json_string;

constexpr const char* kProtocol =
    "Operators are timed inside whole networks: those of the plan, and random architectures of its spaces in "
    "which the candidates that still lack samples take turns. Each visit packs the weights of one network, "
    "runs it once and `warmup` times more, and then `samples_per_visit` times with a look at the steady "
    "clock "
    "between operators. Rounds over all networks, in random order, until half the 95 % confidence interval "
    "of "
    "each operator's median (of its visits' medians, by order statistics) is below `target`, or the budget "
    "is "
    "spent. Every operator is a sentinel: a visit whose operators took longer or shorter than in the fast "
    "visits (the 20th percentile) by more than `drift_tolerance` is discarded and measured again; "
    "`slowdowns` "
    "lists all visits. Percentiles are of all samples that count, linear between them.";

std::string json_number(const std::optional<double>& number, int digits) {
  return number ? fmt::format("{:.{}f}", *number, digits) : "null";
}

std::string json_text_or_null(const std::string& text) { return text.empty() ? "null" : json_string(text); }

std::string json_slowdowns(const std::vector<double>& slowdowns) {
  std::string json = "[";
  for (size_t i = 0; i < slowdowns.size(); ++i) {
    fmt::format_to(std::back_inserter(json), "{}{:.3f}", i == 0 ? "" : ", ", slowdowns[i]);
  }
  return json + "]";
}

std::string machine_json(const runner::Machine& machine) {
  return fmt::format(
      R"({{"model": {}, "family": {}, "model_number": {}, "architecture": {}, "logical_cores": {}, "caches": {}, )"
      R"("governor": {}, "frequency": {}}})",
      json_text_or_null(machine.cpu_model), json_text_or_null(machine.cpu_family),
      json_text_or_null(machine.cpu_model_number), json_text_or_null(machine.architecture),
      machine.logical_cores, json_text_or_null(machine.caches), json_text_or_null(machine.governor),
      json_text_or_null(machine.frequency));
}

std::string extends_json(const Provenance& p) {
  if (p.extends.empty()) return "null";
  return fmt::format(R"({{"table": {}, "records": {}, "provenance": {}}})", json_string(p.extends),
                     p.records_taken_over, p.extended_provenance.empty() ? "null" : p.extended_provenance);
}

}  // namespace

double median_spread(const std::vector<MeasuredOperator>& operators) {
  if (operators.empty()) return 0;
  std::vector<double> spreads;
  for (const MeasuredOperator& op : operators) spreads.push_back(op.times.spread());
  std::nth_element(spreads.begin(), spreads.begin() + spreads.size() / 2, spreads.end());
  return spreads[spreads.size() / 2];
}

std::string provenance_json(const Provenance& p) {
  const runner::RunnerInfo& runner = p.runner;
  std::string json = fmt::format(
      R"({{
  "table": {},
  "device": {},
  "cpu": {},
  "system": {},
  "engine": {{"name": {}, "int8": {}, "fp32": {}}},
  "framework": {},
  "latgrad": {},
  "runner": {{"program": {}, "command": {}}},
  "threads": {},
  "pinned_to_cores": [{}],
  "date_utc": {},
  "elapsed_s": {:.1f},
  "load_average": [{}, {}],
  "warmup": {},
  "samples_per_visit": {},
  "target": {},
  "budget_s": {},
  "drift_tolerance": {},
  "seed": {},
  "budget_spent": {},
  "resumed": {},
  "visits": {},
  "discarded_visits": {},
  "slowdowns": {},
  "protocol": {},
  "extends": {},
  "median_spread": {:.3f},
)",
      json_string(p.table), json_string(p.device), machine_json(runner.machine),
      json_text_or_null(runner.machine.system), json_string(runner.engine), json_text_or_null(runner.int8),
      json_text_or_null(runner.fp32), json_text_or_null(runner.framework), json_string(LATGRAD_VERSION),
      json_string(runner.program), json_string(p.runner_command), runner.threads,
      fmt::join(runner.cores, ", "), json_string(p.date_utc), p.elapsed_s, json_number(p.load_at_start, 2),
      json_number(p.load_at_end, 2), p.options.warmup, p.options.samples_per_visit, p.options.target,
      p.options.budget_s, p.options.drift_tolerance, p.options.seed, p.budget_spent, p.resumed, p.visits,
      p.discarded_visits, json_slowdowns(p.slowdowns), json_string(kProtocol), extends_json(p),
      median_spread(p.operators));
  json += "  \"operators\": [";
  for (const MeasuredOperator& op : p.operators) {
    json += fmt::format(
        "{}\n    {{\"operator\": {}, \"p50_us\": {}, \"samples\": {}, \"visits\": {}, \"spread\": {:.3f}, "
        "\"median_error\": {}}}",
        &op == &p.operators[0] ? "" : ",", json_string(op.description), op.times.p50_us, op.samples,
        op.visits, op.times.spread(), json_number(op.relative_error, 4));
  }
  json += "\n  ],\n  \"missing\": [";
  for (const MissingOperator& op : p.missing) {
    json += fmt::format("{}\n    {{\"operator\": {}, \"reason\": {}}}", &op == &p.missing[0] ? "" : ",",
                        json_string(op.description), json_string(op.reason));
  }
  return json + "\n  ]\n}\n";
}

fs::path provenance_path(const fs::path& table) {
  fs::path name = table.filename();
  if (name.extension() == ".zip" || name.extension() == ".gz") name = name.stem();
  return table.parent_path() / (name.stem().string() + ".provenance.json");
}

std::string read_provenance(const fs::path& table) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.load(provenance_path(table).string()).get(object)) return "";
  return simdjson::minify(object);
}

Origin origin_of(const runner::RunnerInfo& runner) {
  return {runner.machine.cpu_model, runner.engine, runner.framework, runner.threads};
}

std::optional<Origin> read_origin(const fs::path& table) {
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  if (parser.load(provenance_path(table).string()).get(document)) return std::nullopt;
  // What a runner did not say is null.
  auto text = [&](std::string_view pointer) -> std::optional<std::string> {
    simdjson::dom::element element;
    std::string_view value;
    if (document.at_pointer(pointer).get(element)) return std::nullopt;
    if (element.is_null()) return "";
    if (element.get(value)) return std::nullopt;
    return std::string(value);
  };
  std::optional<std::string> cpu_model = text("/cpu/model"), engine = text("/engine/name");
  std::optional<std::string> framework = text("/framework");
  int64_t threads = 0;
  if (!cpu_model || !engine || !framework || document["threads"].get(threads)) return std::nullopt;
  return Origin{*cpu_model, *engine, *framework, static_cast<int>(threads)};
}

std::string differences(const Origin& there, const Origin& here) {
  std::string text;
  auto compare = [&](std::string_view what, const auto& of_there, const auto& of_here) {
    if (of_there == of_here) return;
    text += fmt::format("{}{} {} there, {} here", text.empty() ? "" : "; ", what, of_there, of_here);
  };
  compare("CPU", json_string(there.cpu_model), json_string(here.cpu_model));
  compare("engine", there.engine, here.engine);
  compare("framework", there.framework, here.framework);
  compare("threads", there.threads, here.threads);
  return text;
}

std::string date_utc() { return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr))); }

}  // namespace latgrad::profile
