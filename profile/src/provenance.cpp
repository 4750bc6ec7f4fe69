#include "latgrad/profile/provenance.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>
#include <fstream>
#include <iterator>
#include <memory>

#include "latgrad/base/base64.h"
#include "latgrad/base/error.h"
#include "latgrad/base/json.h"
#include "latgrad/lut/companion_path.h"
#include "latgrad/runner/protocol.h"
#include "percent_json.h"

namespace latgrad::profile {
namespace {

namespace fs = std::filesystem;
using base::Json;
using base::json_line;
using base::json_text;
using base::JsonDocument;

constexpr const char* kProtocol =
    "Operators are timed inside whole networks: the networks of the plan, and random architectures of its "
    "spaces in which the candidates that still lack samples take turns. Each visit packs the weights of one "
    "network, runs it once and `warmup` more times, and then `samples_per_visit` times while reading the "
    "steady clock between operators. Rounds visit all networks in random order until half the 95 % "
    "confidence interval of each operator's time is below "
    "`target`, or the budget is spent. The reference network runs right before and after each sample, and "
    "every time is a ratio to the mean of the two, given in microseconds of the reference on the undisturbed "
    "machine, `reference.time_us` (the 10th percentile of its times, or that of the table that is extended). "
    "A sample whose two reference times differ by more than `flank_tolerance` is discarded and measured "
    "again; `slowdowns` lists the reference's times of all visits, relative to the undisturbed machine. "
    "p50 is the centre of all samples that count, by Hodges and Lehmann, times `burst_factor`, by which the "
    "networks of this run took longer than the sums of these centres; so sums of p50 are the times of "
    "networks. The other percentiles are of the samples themselves, interpolated linearly.";

constexpr const char* kNetworkProtocol =
    "The engine times whole networks: the given ones, and those architectures of the spaces, among many "
    "random "
    "ones, that tell most of all of them. Each visit loads one network, runs it `warmup` times, and then "
    "`samples_per_visit` times, each between two runs of the reference network; the time is a ratio to the "
    "mean "
    "of the two, given in microseconds of the reference on the undisturbed machine, `reference.time_us` (the "
    "10th percentile of its times). A sample whose two reference times differ by more than `flank_tolerance` "
    "is "
    "discarded. The time of a network is the centre of its visits, by Hodges and Lehmann. The times of "
    "operators "
    "are inferred from these: a line through what operators do, and a deviation of each, as a Gaussian "
    "posterior "
    "whose covariance is in the .posterior.json. `inferred` says what each network is predicted to take by "
    "the "
    "others, and between which times nine of ten lie. All percentiles of a record are its one time.";

Json rounded_or_null(const std::optional<double>& number, int decimals) {
  return number ? Json(base::rounded(*number, decimals)) : Json();
}

Json inferred_json(const std::optional<Inference>& inference) {
  if (!inference) return nullptr;
  Json networks = Json::array();
  for (const InferredFrom& network : inference->networks) {
    networks.push_back({{"name", network.name},
                        {"time_us", base::rounded(network.time.measured_us, 3)},
                        {"visits", network.visits},
                        {"left_out_us", base::rounded(network.time.predicted_us, 3)},
                        {"low_us", base::rounded(network.low_us, 3)},
                        {"high_us", base::rounded(network.high_us, 3)}});
  }
  const Agreement& left_out = inference->left_out;
  return {{"mape_percent", base::rounded(100 * left_out.mape, 3)},
          {"inside_their_interval", inference->covered},
          {"worst_percent", base::rounded(100 * left_out.worst_error, 3)},
          {"kendall_tau", rounded_or_null(left_out.tau, 4)},
          {"networks", std::move(networks)}};
}

Json inferred_operators_json(const std::vector<MeasuredOperator>& operators) {
  Json list = Json::array();
  for (const MeasuredOperator& op : operators) {
    list.push_back({{"operator", op.description}, {"p50_us", op.times.p50_us}, {"networks", op.visits}});
  }
  return list;
}

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json machine_json(const runner::Machine& machine) {
  return {{"model", text_or_null(machine.cpu_model)},
          {"family", text_or_null(machine.cpu_family)},
          {"model_number", text_or_null(machine.cpu_model_number)},
          {"architecture", text_or_null(machine.architecture)},
          {"logical_cores", machine.logical_cores},
          {"caches", text_or_null(machine.caches)},
          {"governor", text_or_null(machine.governor)},
          {"frequency", text_or_null(machine.frequency)}};
}

Json extends_json(const Provenance& p) {
  if (p.extends.empty()) return nullptr;
  Json extended;
  if (!p.extended_provenance.empty()) {
    extended = JsonDocument(p.extended_provenance, "the provenance of the table to extend").root().json();
  }
  return {{"table", p.extends}, {"records", p.records_taken_over}, {"provenance", std::move(extended)}};
}

Json reference_json(const Provenance& p) {
  if (!p.reference) return nullptr;
  Json json = {{"name", p.reference->name},
               {"time_us", base::rounded(p.reference->time_us, 3)},
               {"now_us", base::rounded(p.reference_now_us, 3)},
               {"operators", JsonDocument(runner::chain_json(p.reference->chain), "a chain").root().json()}};
  if (!p.reference->onnx.empty()) json["onnx_base64"] = base::to_base64(p.reference->onnx);
  return json;
}

Json slowdowns_json(const std::vector<double>& slowdowns) {
  Json list = Json::array();
  for (const double slowdown : slowdowns) list.push_back(base::rounded(slowdown, 3));
  return list;
}

Json operators_json(const std::vector<MeasuredOperator>& operators) {
  Json list = Json::array();
  for (const MeasuredOperator& op : operators) {
    list.push_back({{"operator", op.description},
                    {"p50_us", op.times.p50_us},
                    {"samples", op.samples},
                    {"visits", op.visits},
                    {"spread", base::rounded(op.times.spread(), 3)},
                    {"median_error_percent", percent_or_null(op.relative_error)}});
  }
  return list;
}

Json missing_json(const std::vector<MissingOperator>& missing) {
  Json list = Json::array();
  for (const MissingOperator& op : missing) {
    list.push_back({{"operator", op.description}, {"reason", op.reason}});
  }
  return list;
}

// The provenance next to a table if it is one JSON object, else nothing.
std::unique_ptr<JsonDocument> read_document(const fs::path& table) {
  std::ifstream file(provenance_path(table), std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  try {
    auto document = std::make_unique<JsonDocument>(text, "the provenance");
    return document->root().json().is_object() ? std::move(document) : nullptr;
  } catch (const ParseError&) {
    return nullptr;
  }
}

}  // namespace

double median_spread(const std::vector<MeasuredOperator>& operators) {
  if (operators.empty()) return 0;
  std::vector<double> spreads;
  for (const MeasuredOperator& op : operators) spreads.push_back(op.times.spread());
  return percentile(std::move(spreads), 50);
}

std::string provenance_json(const Provenance& p) {
  const runner::RunnerInfo& runner = p.runner;
  return json_text({
      {"table", p.table},
      {"device", p.device},
      {"cpu", machine_json(runner.machine)},
      {"system", text_or_null(runner.machine.system)},
      {"engine",
       {{"name", runner.engine}, {"int8", text_or_null(runner.int8)}, {"fp32", text_or_null(runner.fp32)}}},
      {"framework", text_or_null(runner.framework)},
      {"latgrad", LATGRAD_VERSION},
      {"runner", {{"program", runner.program}, {"command", p.runner_command}}},
      {"threads", runner.threads},
      {"pinned_to_cores", runner.cores},
      {"date_utc", p.date_utc},
      {"elapsed_s", base::rounded(p.elapsed_s, 1)},
      {"load_average", {rounded_or_null(p.load_at_start, 2), rounded_or_null(p.load_at_end, 2)}},
      {"warmup", p.options.warmup},
      {"samples_per_visit", p.options.samples_per_visit},
      {"target_percent", 100 * p.options.target},
      {"budget_s", p.options.budget_s},
      {"flank_tolerance", p.options.flank_tolerance},
      {"seed", p.options.seed},
      {"budget_spent", p.budget_spent},
      {"resumed", p.resumed},
      {"visits", p.visits},
      {"samples", p.samples},
      {"discarded_samples", p.discarded_samples},
      {"unsteadiness_percent", percent_or_null(p.unsteadiness)},
      {"burst_factor", base::rounded(p.burst_factor, 5)},
      {"slowdowns", slowdowns_json(p.slowdowns)},
      {"protocol", p.inference ? kNetworkProtocol : kProtocol},
      {"extends", extends_json(p)},
      {"median_spread", p.inference ? Json() : Json(base::rounded(median_spread(p.operators), 3))},
      {"operators", p.inference ? inferred_operators_json(p.operators) : operators_json(p.operators)},
      {"inferred", inferred_json(p.inference)},
      {"missing", missing_json(p.missing)},
      {"reference", reference_json(p)},
  });
}

fs::path provenance_path(const fs::path& table) { return lut::companion_path(table, "provenance"); }

std::string read_provenance(const fs::path& table) {
  const auto document = read_document(table);
  return document ? json_line(document->root().json()) : "";
}

Origin origin_of(const runner::RunnerInfo& runner) {
  return {runner.machine.cpu_model, runner.engine, runner.framework, runner.threads};
}

std::optional<Origin> read_origin(const fs::path& table) {
  const auto document = read_document(table);
  if (!document) return std::nullopt;
  const base::JsonValue root = document->root();
  // Fields that a runner did not report are null.
  const auto text = [](const base::JsonValue& value) { return value.is_null() ? "" : value.text(); };
  try {
    return Origin{text(root.at("cpu").at("model")), text(root.at("engine").at("name")),
                  text(root.at("framework")), static_cast<int>(root.at("threads").integer(0, INT32_MAX))};
  } catch (const ParseError&) {
    return std::nullopt;
  }
}

std::optional<Reference> read_reference(const fs::path& table) {
  const auto document = read_document(table);
  if (!document) return std::nullopt;
  const auto value = document->root().find("reference");
  if (!value || value->is_null()) return std::nullopt;
  try {
    Reference reference{.name = value->at("name").text(),
                        .chain = runner::parse_chain(json_line(value->at("operators").json())),
                        .time_us = value->at("time_us").number()};
    if (const auto onnx = value->find("onnx_base64")) {
      const std::optional<std::string> model = base::from_base64(onnx->text());
      if (!model) return std::nullopt;
      reference.onnx = *model;
    }
    return reference.is_known() && !reference.chain.empty() ? std::optional(std::move(reference))
                                                            : std::nullopt;
  } catch (const ParseError&) {
    return std::nullopt;
  }
}

std::string differences(const Origin& there, const Origin& here) {
  std::string text;
  auto compare = [&](std::string_view what, const auto& of_there, const auto& of_here) {
    if (of_there == of_here) return;
    text += fmt::format("{}{} {} there, {} here", text.empty() ? "" : "; ", what, of_there, of_here);
  };
  compare("CPU", json_line(Json(there.cpu_model)), json_line(Json(here.cpu_model)));
  compare("engine", there.engine, here.engine);
  compare("framework", there.framework, here.framework);
  compare("threads", there.threads, here.threads);
  return text;
}

std::string date_utc() { return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr))); }

}  // namespace latgrad::profile
