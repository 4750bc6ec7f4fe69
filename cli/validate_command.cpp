#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "command.h"
#include "latgrad/base/json.h"
#include "latgrad/base/replace_file.h"
#include "latgrad/profile/progress.h"
#include "latgrad/profile/provenance.h"
#include "latgrad/profile/scatter_svg.h"
#include "latgrad/profile/validate.h"
#include "measuring_options.h"
#include "missing_operators.h"
#include "net_options.h"
#include "option_check.h"
#include "output.h"
#include "pricing_options.h"
#include "quantities.h"
#include "runner_options.h"
#include "space_lookup.h"
#include "text_table.h"

namespace latgrad::cli {

using base::Json;

namespace {

constexpr const char* kDescription =
    "Measure whole networks and compare them with the predictions of a look-up table";

constexpr const char* kFooter =
    "Runs networks and architectures of a space from end to end on the machine that the table was measured\n"
    "on, and reports how far the sums over the table are off (MAPE: the mean absolute error in percent),\n"
    "in which direction (bias), and whether they rank the networks as the measurement does (Kendall's tau,\n"
    "1 if they always do). In parentheses: 95 % intervals over networks, by bootstrap.\n\n"
    "Examples:\n"
    "  latgrad validate --lut mine.json --space fbnet --plot mine.svg\n"
    "  latgrad validate --lut mine.json --net models/FBNet-C/int8 --net models/FBNet-A/int8\n"
    "  latgrad validate --lut pi.json --space fbnet --named --runner 'ssh pi latgrad-runner' --json\n\n"
    "Exit codes: 0 complete, 3 some networks cannot be priced or measured (they are listed), 1 error,\n"
    "2 wrong usage.";

constexpr size_t kListedMissing = 20;
constexpr size_t kRandomByDefault = 20;
// Up to this difference, the machine counts as equally fast as when the table was measured.
constexpr double kSameSpeed = 0.02;

constexpr size_t kNameColumns = 60;

struct ValidateCommandOptions {
  PricingOptions pricing;
  std::string space;
  std::string precision = "int8";
  profile::NetFiles networks;
  size_t random = kRandomByDefault;
  bool named = false;
  profile::RoundOptions rounds = profile::kValidateRounds;
  RunnerOptions runner;
  std::string plot;
  bool json = false;
  bool quiet = false;
};

// Refuses what would fail only after the measurement.
void check_plot(const std::string& text) {
  const std::filesystem::path path(text);
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  if (std::filesystem::is_directory(path) || !std::filesystem::is_directory(folder)) {
    throw ValueError(fmt::format("the plot must be a file in a folder that exists, got \"{}\"", text));
  }
}

struct Report {
  const ValidateCommandOptions& options;
  const Pricing& pricing;
  std::string space_name;                         // empty: none
  std::optional<runner::RunnerInfo> runner = {};  // nothing where there was nothing to measure
  std::string table_differs = {};  // how the table's machine differs; empty: it does not, or unknown
  profile::ValidateResult result = {};
  std::vector<profile::UnpricedSubject> unpriced = {};

  bool is_complete() const { return unpriced.empty() && result.unmeasured.empty(); }
};

// ---- JSON ----

Json bounds_json(const std::optional<profile::Bounds>& bounds, double unit) {
  if (!bounds) return nullptr;
  return {bounds->low * unit, bounds->high * unit};
}

Json agreement_json(const profile::ValidateResult& result, const std::optional<profile::Agreement>& maybe) {
  if (!maybe) return nullptr;
  const profile::Agreement& agreement = *maybe;
  return {{"networks", agreement.pairs},
          {"mape_percent", 100 * agreement.mape},
          {"mape_percent_95", bounds_json(agreement.mape_interval, 100)},
          {"bias_percent", 100 * agreement.bias},
          {"worst_percent", 100 * agreement.worst_error},
          {"worst", result.nets[agreement.worst].name},
          {"kendall_tau", base::or_null(agreement.tau)},
          {"kendall_tau_95", bounds_json(agreement.tau_interval, 1)}};
}

Json nets_json(const profile::ValidateResult& result) {
  Json nets = Json::array();
  for (const profile::ValidatedNet& net : result.nets) {
    std::optional<profile::Bounds> bounds;
    if (net.interval) bounds = {net.interval->low_us, net.interval->high_us};
    nets.push_back({{"name", net.name},
                    {"from_space", net.from_space},
                    {"measured_us", net.time.measured_us},
                    {"measured_us_95", bounds_json(bounds, 1)},
                    {"predicted_us", net.time.predicted_us},
                    {"error_percent", 100 * net.time.error()},
                    {"median_error_percent", net.relative_error ? Json(100 * *net.relative_error) : Json()},
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

Json unmeasured_json(const profile::ValidateResult& result) {
  Json unmeasured = Json::array();
  for (const profile::UnmeasuredNet& net : result.unmeasured) {
    unmeasured.push_back({{"name", net.name}, {"reasons", net.reasons}});
  }
  return unmeasured;
}

// Operators without a record, each with the networks that need it.
MissingOperators missing_operators(const std::vector<profile::UnpricedSubject>& unpriced) {
  MissingOperators missing;
  for (const profile::UnpricedSubject& subject : unpriced) {
    for (const lut::OperatorKey& key : subject.missing) missing.add(key, subject.name);
    for (const std::string& type : subject.unknown_types) missing.add_unknown(type, subject.name);
  }
  return missing;
}

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

std::string report_json(const Report& report) {
  const profile::ValidateResult& result = report.result;
  Json unpriced = Json::array();
  for (const profile::UnpricedSubject& subject : report.unpriced) unpriced.push_back(subject.name);
  return base::json_text(
      {{"lut", report.pricing.lut.string()},
       {"device", report.pricing.options.device},
       {"space", text_or_null(report.space_name)},
       {"runner", runner_json(report.runner)},
       {"table_differs", text_or_null(report.table_differs)},
       {"agreement", agreement_json(result, result.agreement)},
       {"agreement_now", agreement_json(result, result.agreement_now)},
       {"networks", nets_json(result)},
       {"unpriced", std::move(unpriced)},
       {"missing", missing_operators(report.unpriced).json()},
       {"unmeasured", unmeasured_json(result)},
       {"operators_now_percent", result.operators_now ? Json(100 * (*result.operators_now - 1)) : Json()},
       {"rounds", result.rounds},
       {"runs", result.runs},
       {"discarded_runs", result.discarded_runs},
       {"elapsed_s", result.elapsed_s},
       {"budget_spent", result.budget_spent}});
}

// ---- text ----

// Architectures that digits cannot express are named by all of their blocks.
std::string short_name(const std::string& name) {
  return name.size() <= kNameColumns ? name : name.substr(0, kNameColumns - 3) + "...";
}

std::string percent(double fraction) { return fmt::format("{:+.2f}%", 100 * fraction); }

std::string bounds_text(const std::optional<profile::Bounds>& bounds, double unit, int digits) {
  if (!bounds) return "";
  return fmt::format("  ({:.{}f} to {:.{}f})", unit * bounds->low, digits, unit * bounds->high, digits);
}

std::string agreement_text(const profile::ValidateResult& result) {
  const profile::Agreement& agreement = *result.agreement;
  std::string text = fmt::format("networks     {}\nMAPE         {:.2f}%{}\nbias         {}\n",
                                 agreement.pairs, 100 * agreement.mape,
                                 bounds_text(agreement.mape_interval, 100, 2), percent(agreement.bias));
  text += fmt::format("worst        {} ({})\n", percent(agreement.worst_error),
                      short_name(result.nets[agreement.worst].name));
  if (agreement.tau) {
    text += fmt::format("Kendall tau  {:.3f}{}\n", *agreement.tau, bounds_text(agreement.tau_interval, 1, 3));
  } else {
    text += "Kendall tau  none: there is no order to compare\n";
  }
  return text;
}

std::string nets_text(const profile::ValidateResult& result) {
  TextTable table({{"network", Align::kLeft},
                   {"measured ms", Align::kRight},
                   {"+-", Align::kRight},
                   {"predicted ms", Align::kRight},
                   {"error", Align::kRight}});
  for (const profile::ValidatedNet& net : result.nets) {
    table.add_row({short_name(net.name), fmt::format("{:.3f}", net.time.measured_us / 1e3),
                   net.relative_error ? fmt::format("{:.2f}%", 100 * *net.relative_error) : "?",
                   fmt::format("{:.3f}", net.time.predicted_us / 1e3), percent(net.time.error())});
  }
  return table.text();
}

// Networks whose time is known less precisely than requested: part of their error is the measurement's.
size_t count_unsettled(const Report& report) {
  size_t count = 0;
  for (const profile::ValidatedNet& net : report.result.nets) {
    if (!net.relative_error || *net.relative_error > report.options.rounds.target) ++count;
  }
  return count;
}

std::string missing_text(const Report& report) {
  if (report.unpriced.empty()) return "";
  const MissingOperators missing = missing_operators(report.unpriced);
  std::string text = fmt::format("\nNot compared, because the table lacks {} for {}:\n{}",
                                 format_count(missing.size(), "operator"), report.pricing.options.device,
                                 missing.text(kListedMissing));
  std::string what;
  if (!report.options.space.empty()) {
    what =
        fmt::format(" --space {} --precision {}", shell_word(report.options.space), report.options.precision);
  }
  what += net_arguments(report.options.networks);
  return text + fmt::format("Measure them on that device:  latgrad profile{}{}\n", what,
                            extended_table(report.pricing.lut));
}

std::string unmeasured_text(const Report& report) {
  if (report.result.unmeasured.empty()) return "";
  std::string text = "\nNot compared, because the runner cannot run them:\n";
  for (const profile::UnmeasuredNet& net : report.result.unmeasured) {
    text += fmt::format("  {}\n    {}\n", short_name(net.name), fmt::join(net.reasons, "\n    "));
  }
  return text;
}

std::string report_text(const Report& report) {
  const profile::ValidateResult& result = report.result;
  std::string text = fmt::format("Whole networks compared with the sums for {}\n", report.pricing.text());
  if (result.agreement) {
    text += fmt::format("\n{}\n{}", nets_text(result), agreement_text(result));
    if (result.operators_now && std::abs(*result.operators_now - 1) > kSameSpeed) {
      text += fmt::format(
          "\nThe operators' times differ from the table by {}: the machine is {} than when the table was "
          "measured.\nWith sums of the operator times measured in this run: MAPE {:.2f}%, bias {}{}\n",
          percent(*result.operators_now - 1), *result.operators_now > 1 ? "slower" : "faster",
          100 * result.agreement_now->mape, percent(result.agreement_now->bias),
          result.agreement_now->tau ? fmt::format(", Kendall tau {:.3f}", *result.agreement_now->tau) : "");
    }
    if (result.discarded_runs > 0) {
      text += fmt::format("\nThe machine drifted: {} of {} network runs were discarded.\n",
                          result.discarded_runs, result.runs);
    }
    if (const size_t unsettled = count_unsettled(report); unsettled > 0) {
      text += fmt::format("\nNot known to within {:g}%: {}; use a larger --budget or a quieter machine\n",
                          100 * report.options.rounds.target, format_count(unsettled, "measured time"));
    }
  } else {
    text += "\nNo network was measured.\n";
  }
  return text + missing_text(report) + unmeasured_text(report);
}

// ---- the run ----

std::string plot(const Report& report) {
  std::vector<profile::ScatterPoint> points;
  for (const profile::ValidatedNet& net : report.result.nets) {
    points.push_back({net.name, net.time.measured_us, net.time.predicted_us,
                      net.from_space ? profile::PointGroup::kArchitecture : profile::PointGroup::kNetwork});
  }
  return profile::scatter_svg({.title = "Whole networks: predicted by the table and measured",
                               .subtitle = report.pricing.options.device,
                               .points = std::move(points),
                               .agreement = *report.result.agreement});
}

profile::Subjects make_subjects(const ValidateCommandOptions& options, const search::Space* space,
                                const Pricing& pricing) {
  const std::vector<profile::NamedNet> nets = profile::read_nets(options.networks);
  return profile::make_subjects({.nets = nets,
                                 .space = space,
                                 .precision = search::parse_precision(options.precision),
                                 .named = options.named,
                                 .random = options.random,
                                 .seed = options.rounds.seed},
                                pricing.table, pricing.options);
}

// Fills in the results of the runner.
void measure(const std::vector<profile::Subject>& subjects, Report& report) {
  const ValidateCommandOptions& options = report.options;
  const std::unique_ptr<runner::Runner> runner = start_runner(options.runner);
  report.runner = runner->open(options.runner.settings);
  if (const std::optional<profile::Origin> there = profile::read_origin(report.pricing.lut)) {
    report.table_differs = profile::differences(*there, profile::origin_of(*report.runner));
  }
  if (!report.table_differs.empty()) {
    write_error(fmt::format("latgrad: warning: {} was measured elsewhere: {}\n", report.pricing.lut.string(),
                            report.table_differs));
  }
  profile::Progress progress(std::cerr,
                             options.quiet ? profile::Progress::Style::kQuiet : profile::stderr_style(),
                             profile::stderr_columns());
  report.result =
      profile::validate(subjects, *runner, options.rounds, [&progress](const profile::ValidateVisit& visit) {
        progress.show(visit.settled, visit.total, visit.left_s, visit.next.name);
      });
  progress.clear();
}

int run(const ValidateCommandOptions& options) {
  const bool any_of_space = !options.space.empty() && (options.random > 0 || options.named);
  if (options.networks.nets.empty() && !any_of_space) {
    throw CLI::RequiredError("--net, or --space with --random or --named");
  }
  const Pricing pricing = load_pricing(options.pricing);
  std::optional<search::Space> space;
  if (!options.space.empty()) space = load_space(options.space);
  profile::Subjects subjects = make_subjects(options, space ? &*space : nullptr, pricing);
  Report report{.options = options, .pricing = pricing, .space_name = space ? space->name() : ""};
  report.unpriced = std::move(subjects.unpriced);
  if (!subjects.priced.empty()) measure(subjects.priced, report);

  if (!options.plot.empty()) {
    if (report.result.agreement) {
      base::replace_file(options.plot, plot(report));
    } else {
      write_error("latgrad: no plot, because no network was measured\n");
    }
  }
  if (options.json) {
    write_output(report_json(report));
  } else {
    write_text(report_text(report));
  }
  return report.is_complete() ? kComplete : kSomethingMissing;
}

void declare_what(CLI::App& app, ValidateCommandOptions& options) {
  app.add_option("--lut", options.pricing.lut,
                 "The look-up table: one record per line (.json), or the same as .json.gz or .zip")
      ->type_name("FILE")
      ->required();
  app.add_option(
         "--device", options.pricing.device,
         "Device whose records to use [the only one in the table, or the one that its file is named after]")
      ->type_name("NAME");
  CLI::Option* space =
      app.add_option("--space", options.space,
                     "Search space whose architectures to measure: a file, or the name of one that comes "
                     "with latgrad")
          ->type_name("SPACE");
  add_precision_option(app, options.precision);
  app.get_option("--precision")->description("Arithmetic of the architectures");
  app.add_option("--random", options.random, "How many random architectures of the space")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(0, 10'000))
      ->needs(space);
  app.add_flag("--named", options.named, "Also measure the architectures that the space names")->needs(space);
  add_net_options(app, options.networks);
}

void declare_how(CLI::App& app, ValidateCommandOptions& options) {
  profile::RoundOptions& rounds = options.rounds;
  add_measuring_options(app, "each network's median", rounds.target, rounds.budget_s);
  app.add_option("--seed", rounds.seed, "Seed of the architectures, the order and the bootstrap")
      ->type_name("N")
      ->capture_default_str();
}

}  // namespace

Command add_validate_command(CLI::App& parent) {
  CLI::App* app = parent.add_subcommand("validate", kDescription);
  app->footer(kFooter);
  auto options = std::make_shared<ValidateCommandOptions>();
  declare_what(*app, *options);
  declare_how(*app, *options);
  add_runner_options(*app, options->runner);
  app->add_option("--plot", options->plot, "Draw predicted against measured times as an SVG file")
      ->type_name("FILE")
      ->check(valid_by(check_plot));
  app->add_flag("--json", options->json, "Print JSON: agreement, networks, unpriced, missing, unmeasured");
  app->add_flag("--quiet,-q", options->quiet, "Show no progress");
  return {app, [options] { return run(*options); }};
}

}  // namespace latgrad::cli
