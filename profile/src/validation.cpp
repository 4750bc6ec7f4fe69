#include "latgrad/profile/validation.h"

#include <fmt/format.h>

#include <utility>

#include "latgrad/base/json.h"
#include "latgrad/lut/missing_json.h"
#include "latgrad/profile/choose_reference.h"
#include "latgrad/profile/provenance.h"
#include "latgrad/profile/scatter_svg.h"
#include "latgrad/profile/steadiness.h"
#include "latgrad/search/posterior_file.h"
#include "percent_json.h"
#include "reference_json.h"

namespace latgrad::profile {
namespace {

using base::Json;

Json bounds_json(const std::optional<Bounds>& bounds, double unit) {
  if (!bounds) return nullptr;
  return {bounds->low * unit, bounds->high * unit};
}

Json agreement_json(const ValidateResult& result, const std::optional<Agreement>& maybe) {
  if (!maybe) return nullptr;
  const Agreement& agreement = *maybe;
  return {{"networks", agreement.pairs},
          {"mape_percent", 100 * agreement.mape},
          {"mape_percent_95", bounds_json(agreement.mape_interval, 100)},
          {"bias_percent", 100 * agreement.bias},
          {"worst_percent", 100 * agreement.worst_error},
          {"worst", result.nets[agreement.worst].name},
          {"within_5_percent", agreement.within_5_percent},
          {"within_10_percent", agreement.within_10_percent},
          {"kendall_tau", base::or_null(agreement.tau)},
          {"kendall_tau_95", bounds_json(agreement.tau_interval, 1)}};
}

Json nets_json(const ValidateResult& result) {
  Json nets = Json::array();
  const bool is_priced = result.agreement.has_value();
  for (const ValidatedNet& net : result.nets) {
    std::optional<Bounds> bounds;
    if (net.interval) bounds = {net.interval->low_us, net.interval->high_us};
    std::optional<Bounds> predicted;
    if (net.predicted) predicted = {net.predicted->low_us, net.predicted->high_us};
    nets.push_back({{"name", net.name},
                    {"from_space", net.from_space},
                    {"measured_us", net.time.measured_us},
                    {"measured_us_95", bounds_json(bounds, 1)},
                    {"predicted_us", is_priced ? Json(net.time.predicted_us) : Json()},
                    {"predicted_us_90", bounds_json(predicted, 1)},
                    {"error_percent", is_priced ? Json(100 * net.time.error()) : Json()},
                    {"median_error_percent", net.relative_error ? Json(100 * *net.relative_error) : Json()},
                    {"nodes_us", net.nodes_us > 0 ? Json(base::rounded(net.nodes_us, 3)) : Json()},
                    {"visits", net.visits}});
  }
  return nets;
}

Json runner_json(const std::optional<runner::RunnerInfo>& runner) {
  if (!runner) return nullptr;
  return {{"program", runner->program},
          {"framework", runner->framework},
          {"engine", runner->engine},
          {"threads", runner->threads},
          {"cpu", runner->machine.cpu_model}};
}

Json unmeasured_json(const ValidateResult& result) {
  Json unmeasured = Json::array();
  for (const UnmeasuredNet& net : result.unmeasured) {
    unmeasured.push_back({{"name", net.name}, {"reasons", net.reasons}});
  }
  return unmeasured;
}

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

}  // namespace

std::string report_json(const ValidationReport& report) {
  const ValidateResult& result = report.result;
  return base::json_text(
      {{"lut", text_or_null(report.lut)},
       {"device", text_or_null(report.pricing.device)},
       {"space", text_or_null(report.space_name)},
       {"runner", runner_json(report.runner)},
       {"table_differs", text_or_null(report.table_differs)},
       {"agreement", agreement_json(result, result.agreement)},
       {"inside_their_interval", base::or_null(result.covered)},
       {"agreement_now", agreement_json(result, result.agreement_now)},
       {"networks", nets_json(result)},
       {"unpriced", report.unpriced},
       {"missing", lut::missing_json(report.missing)},
       {"unmeasured", unmeasured_json(result)},
       {"operators_now_percent", result.operators_now ? Json(100 * (*result.operators_now - 1)) : Json()},
       {"rounds", result.rounds},
       {"runs", result.runs},
       {"discarded_runs", result.discarded_runs},
       {"reference", reference_json(result.reference, result.reference_now_us)},
       {"unsteadiness_percent", percent_or_null(result.unsteadiness)},
       {"elapsed_s", result.elapsed_s},
       {"budget_spent", result.budget_spent}});
}

std::string report_plot(const ValidationReport& report) {
  std::vector<ScatterPoint> points;
  for (const ValidatedNet& net : report.result.nets) {
    points.push_back({net.name, net.time.measured_us, net.time.predicted_us,
                      net.from_space ? PointGroup::kArchitecture : PointGroup::kNetwork});
  }
  return scatter_svg({.title = "Whole networks: predicted by the table and measured",
                      .subtitle = report.pricing.device,
                      .points = std::move(points),
                      .agreement = *report.result.agreement});
}

ValidationReport run_validation(const ValidationOptions& options, runner::Runner& runner, Progress& progress,
                                const ValidationHooks& hooks) {
  ValidationReport report{.lut = options.lut.string(), .pricing = {}};
  std::optional<lut::Table> table;
  std::optional<search::OperatorPosterior> posterior;
  if (!options.lut.empty()) {
    table = lut::Table::load(options.lut);
    report.pricing.device = table->resolve_device(options.device);
    posterior = search::load_posterior(options.lut, *table);
  }
  std::optional<search::Space> space;
  if (!options.space.empty()) {
    space = search::Space::load(options.space);
    report.space_name = space->name();
  }
  std::vector<NamedNet> nets = read_nets(options.networks);
  nets.insert(nets.end(), options.nets.begin(), options.nets.end());
  Subjects subjects =
      make_subjects({.nets = nets,
                     .space = space ? &*space : nullptr,
                     .precision = options.precision,
                     .named = options.named,
                     .random = options.random,
                     .seed = options.rounds.seed},
                    table ? &*table : nullptr, report.pricing, posterior ? &*posterior : nullptr);
  for (const UnpricedSubject& subject : subjects.unpriced) {
    report.unpriced.push_back(subject.name);
    for (const lut::OperatorKey& key : subject.missing) report.missing.add(key, subject.name);
    for (const std::string& type : subject.unknown_types) report.missing.add_unknown(type, subject.name);
  }
  if (subjects.priced.empty()) return report;

  report.runner = runner.open(options.runner);
  if (const std::optional<Origin> there = options.lut.empty() ? std::nullopt : read_origin(options.lut)) {
    report.table_differs = differences(*there, origin_of(*report.runner));
  }
  if (!report.table_differs.empty() && hooks.on_warning) {
    hooks.on_warning(fmt::format("{} was measured elsewhere: {}", report.lut, report.table_differs));
  }
  std::vector<Reference> references =
      choose_references(options.lut, space ? std::span(&*space, 1) : std::span<const search::Space>(),
                        {&options.precision, 1}, nets);
  if (!report.table_differs.empty()) {
    for (Reference& reference : references) reference.time_us = 0;  // of another machine
  }
  const ValidateHooks visits{.on_visit =
                                 [&progress](const ValidateVisit& visit) {
                                   progress.show(
                                       visit.settled, visit.total, visit.left_s,
                                       with_steadiness(visit.unsteadiness, kSteady, visit.next.name));
                                 },
                             .stop_requested = hooks.stop_requested};
  if (timed_by(*report.runner) == Timed::kNetworks) {
    NetworkTimer timer(references, runner);
    if (!timer.reference() && !timer.unsupported_reference().empty() && hooks.on_warning) {
      hooks.on_warning(timer.unsupported_reference() + "; times are as they come");
    }
    report.result = validate(subjects.priced, timer, options.rounds, visits, options.nodes);
  } else {
    std::optional<Reference> reference;
    if (!references.empty()) reference = runnable(std::move(references.front()), runner);
    report.result =
        validate(subjects.priced, reference ? &*reference : nullptr, runner, options.rounds, visits);
  }
  progress.clear();
  return report;
}

}  // namespace latgrad::profile
