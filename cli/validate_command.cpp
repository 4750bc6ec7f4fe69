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
#include "dims.h"
#include "json_writer.h"
#include "latgrad/base/replace_file.h"
#include "latgrad/profile/progress.h"
#include "latgrad/profile/provenance.h"
#include "latgrad/profile/scatter_svg.h"
#include "latgrad/profile/validate.h"
#include "measuring_options.h"
#include "missing_operators.h"
#include "option_check.h"
#include "output.h"
#include "pricing_options.h"
#include "quantities.h"
#include "runner_options.h"
#include "space_lookup.h"
#include "text_table.h"

namespace latgrad::cli {

namespace {

constexpr const char* kDescription =
    "Measure whole networks, and compare with what a look-up table predicts for them";

constexpr const char* kFooter =
    "Runs given networks and architectures of a space from end to end on the machine that the table was\n"
    "measured on, and says how far the sums over the table are off (MAPE: the mean absolute error in "
    "percent),\n"
    "in which direction (bias), and whether they order the networks as the measurement does (Kendall's tau, "
    "1\n"
    "where they always do). In parentheses: 95 % intervals over networks, by bootstrap.\n\n"
    "Examples:\n"
    "  latgrad validate --lut mine.json --space fbnet --plot mine.svg\n"
    "  latgrad validate --lut mine.json --net models/FBNet-C/int8 --net models/FBNet-A/int8\n"
    "  latgrad validate --lut pi.json --space fbnet --named --runner 'ssh pi latgrad-runner' --json\n\n"
    "Exit codes: 0 complete, 3 some networks cannot be priced or measured (they are listed), 1 error,\n"
    "2 wrong usage.";

constexpr size_t kListedMissing = 20;
constexpr size_t kRandomByDefault = 20;
// Within this, the machine is as fast as when the table was measured.
constexpr double kSameSpeed = 0.02;

constexpr size_t kNameColumns = 60;

struct ValidateCommandOptions {
  PricingOptions pricing;
  std::string space;
  std::string precision = "int8";
  std::vector<std::filesystem::path> nets;
  std::vector<std::string> inputs;
  size_t random = kRandomByDefault;
  bool named = false;
  profile::RoundOptions rounds = profile::kValidateRounds;
  RunnerOptions runner;
  std::string plot;
  bool json = false;
  bool quiet = false;
};

// What could only fail after the measurement.
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
  std::string table_differs = {};                 // how the table's machine differs; empty: not, or unknown
  profile::ValidateResult result = {};
  std::vector<profile::UnpricedSubject> unpriced = {};

  bool is_complete() const { return unpriced.empty() && result.unmeasured.empty(); }
};

// ---- JSON ----

void write_bounds(JsonWriter& json, std::string_view name, const std::optional<profile::Bounds>& bounds,
                  double unit) {
  json.key(name);
  if (bounds) {
    json.value(std::vector<double>{bounds->low * unit, bounds->high * unit});
  } else {
    json.raw("null");
  }
}

void write_agreement(JsonWriter& json, const char* name, const profile::ValidateResult& result,
                     const std::optional<profile::Agreement>& maybe) {
  json.key(name);
  if (!maybe) {
    json.raw("null");
    return;
  }
  const profile::Agreement& agreement = *maybe;
  json.begin_object();
  json.member("networks", agreement.pairs);
  json.member("mape_percent", 100 * agreement.mape);
  write_bounds(json, "mape_percent_95", agreement.mape_interval, 100);
  json.member("bias_percent", 100 * agreement.bias);
  json.member("worst_percent", 100 * agreement.worst_error);
  json.member("worst", result.nets[agreement.worst].name);
  json.member("kendall_tau", agreement.tau);
  write_bounds(json, "kendall_tau_95", agreement.tau_interval, 1);
  json.end_object();
}

void write_nets(JsonWriter& json, const profile::ValidateResult& result) {
  json.key("networks");
  json.begin_array();
  for (const profile::ValidatedNet& net : result.nets) {
    json.begin_object(JsonWriter::Layout::kInline);
    json.member("name", net.name);
    json.member("from_space", net.from_space);
    json.member("measured_us", net.time.measured_us);
    std::optional<profile::Bounds> bounds;
    if (net.interval) bounds = {net.interval->low_us, net.interval->high_us};
    write_bounds(json, "measured_us_95", bounds, 1);
    json.member("predicted_us", net.time.predicted_us);
    json.member("error_percent", 100 * net.time.error());
    json.member("median_error_percent",
                net.relative_error ? std::optional<double>(100 * *net.relative_error) : std::nullopt);
    json.member("visits", net.visits);
    json.end_object();
  }
  json.end_array();
}

void write_runner(JsonWriter& json, const std::optional<runner::RunnerInfo>& runner) {
  json.key("runner");
  if (!runner) {
    json.raw("null");
    return;
  }
  json.begin_object(JsonWriter::Layout::kInline);
  json.member("program", runner->program);
  json.member("framework", runner->framework);
  json.member("engine", runner->engine);
  json.member("threads", runner->threads);
  json.member("cpu", runner->machine.cpu_model);
  json.end_object();
}

// What no record prices, each with the networks that need it.
MissingOperators missing_operators(const std::vector<profile::UnpricedSubject>& unpriced) {
  MissingOperators missing;
  for (const profile::UnpricedSubject& subject : unpriced) {
    for (const lut::OperatorKey& key : subject.missing) missing.add(key, subject.name);
    for (const std::string& type : subject.unknown_types) missing.add_unknown(type, subject.name);
  }
  return missing;
}

std::string report_json(const Report& report) {
  const profile::ValidateResult& result = report.result;
  JsonWriter json;
  json.begin_object();
  json.member("lut", report.pricing.lut.string());
  json.member("device", report.pricing.options.device);
  json.member("space",
              report.space_name.empty() ? std::nullopt : std::optional<std::string>(report.space_name));
  write_runner(json, report.runner);
  json.member("table_differs",
              report.table_differs.empty() ? std::nullopt : std::optional<std::string>(report.table_differs));
  write_agreement(json, "agreement", result, result.agreement);
  write_agreement(json, "agreement_now", result, result.agreement_now);
  write_nets(json, result);
  json.key("unpriced");
  json.begin_array();
  for (const profile::UnpricedSubject& subject : report.unpriced) json.value(subject.name);
  json.end_array();
  json.key("missing");
  missing_operators(report.unpriced).write(json);
  json.key("unmeasured");
  json.begin_array();
  for (const profile::UnmeasuredNet& net : result.unmeasured) {
    json.begin_object(JsonWriter::Layout::kInline);
    json.member("name", net.name);
    json.member("reasons", net.reasons);
    json.end_object();
  }
  json.end_array();
  json.member("operators_now_percent",
              result.operators_now ? std::optional<double>(100 * (*result.operators_now - 1)) : std::nullopt);
  json.member("rounds", result.rounds);
  json.member("runs", result.runs);
  json.member("discarded_runs", result.discarded_runs);
  json.member("elapsed_s", result.elapsed_s);
  json.member("budget_spent", result.budget_spent);
  json.end_object();
  return json.document();
}

// ---- text ----

// Architectures of spaces without digits are named by all of their blocks.
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

// Networks whose time is known less well than was asked for: their errors are partly the measurement's.
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
  std::string text = fmt::format("\nNot compared, as the table lacks {} for {}:\n{}",
                                 format_count(missing.size(), "operator"), report.pricing.options.device,
                                 missing.text(kListedMissing));
  std::string what;
  if (!report.options.space.empty()) {
    what = fmt::format(" --space {} --precision {}", report.options.space, report.options.precision);
  }
  for (const std::filesystem::path& net : report.options.nets) what += fmt::format(" --net {}", net.string());
  return text + fmt::format("Measure them on that device:  latgrad profile{} --lut {}\n", what,
                            report.pricing.lut.string());
}

std::string unmeasured_text(const Report& report) {
  if (report.result.unmeasured.empty()) return "";
  std::string text = "\nNot compared, as the runner cannot run them:\n";
  for (const profile::UnmeasuredNet& net : report.result.unmeasured) {
    text += fmt::format("  {}\n    {}\n", short_name(net.name), fmt::join(net.reasons, "\n    "));
  }
  return text;
}

std::string report_text(const Report& report) {
  const profile::ValidateResult& result = report.result;
  std::string text = fmt::format("Whole networks against the sums for {}\n", report.pricing.text());
  if (result.agreement) {
    text += fmt::format("\n{}\n{}", nets_text(result), agreement_text(result));
    if (result.operators_now && std::abs(*result.operators_now - 1) > kSameSpeed) {
      text += fmt::format(
          "\nThe operators themselves take {} against their times in the table: the machine is {} than when "
          "it was measured.\nBy the sums of their times of now: MAPE {:.2f}%, bias {}{}\n",
          percent(*result.operators_now - 1), *result.operators_now > 1 ? "slower" : "faster",
          100 * result.agreement_now->mape, percent(result.agreement_now->bias),
          result.agreement_now->tau ? fmt::format(", Kendall tau {:.3f}", *result.agreement_now->tau) : "");
    }
    if (result.discarded_runs > 0) {
      text += fmt::format("\nThe machine drifted: {} of {} network runs do not count.\n",
                          result.discarded_runs, result.runs);
    }
    if (const size_t unsettled = count_unsettled(report); unsettled > 0) {
      text +=
          fmt::format("\nNot known within {:g}%: {}; a larger --budget, or a quieter machine, settles them\n",
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
  return profile::scatter_svg({.title = "Whole networks: predicted by the table, and measured",
                               .subtitle = report.pricing.options.device,
                               .points = std::move(points),
                               .agreement = *report.result.agreement});
}

profile::Subjects make_subjects(const ValidateCommandOptions& options, const search::Space* space,
                                const Pricing& pricing) {
  std::vector<profile::DataInput> inputs;
  for (const std::string& text : options.inputs) {
    const InputOption input = parse_input(text);
    inputs.push_back({input.blob, input.shape, input.dtype});
  }
  const std::vector<profile::NamedNet> nets = profile::read_nets(options.nets, inputs);
  return profile::make_subjects({.nets = nets,
                                 .space = space,
                                 .precision = search::parse_precision(options.precision),
                                 .named = options.named,
                                 .random = options.random,
                                 .seed = options.rounds.seed},
                                pricing.table, pricing.options);
}

// Fills in what the runner says.
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
  if (options.nets.empty() && !any_of_space) {
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
      write_error("latgrad: no plot, as no network was measured\n");
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
                 "The look-up table: one record a line (.json), or the same as .json.gz or .zip")
      ->type_name("FILE")
      ->required();
  app.add_option("--device", options.pricing.device,
                 "Which device's records to use [the table's only one, or the one its file is named after]")
      ->type_name("NAME");
  CLI::Option* space =
      app.add_option("--space", options.space,
                     "Search space of which to measure architectures: a file, or the name of one that comes "
                     "with latgrad")
          ->type_name("SPACE");
  add_precision_option(app, options.precision);
  app.get_option("--precision")->description("Arithmetic of the architectures");
  app.add_option("--random", options.random, "How many random architectures of the space")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(0, 10'000))
      ->needs(space);
  app.add_flag("--named", options.named, "Also the architectures that the space names")->needs(space);
  app.add_option("--net", options.nets,
                 "Network to measure: a folder with model.pb or model.pbtxt, or such a file (repeatable)")
      ->type_name("MODEL")
      ->allow_extra_args(false);
  app.add_option("--input", options.inputs, "Shape of a network's data input: data=1,3,224,224 (repeatable)")
      ->type_name("BLOB=DIMS")
      ->allow_extra_args(false)
      ->check(valid_by(parse_input));
}

void declare_how(CLI::App& app, ValidateCommandOptions& options) {
  profile::RoundOptions& rounds = options.rounds;
  add_measuring_options(app, "each network's median", rounds.target, rounds.budget_s);
  app.add_option("--seed", rounds.seed, "Of the architectures, the order and the bootstrap")
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
  app->add_flag("--quiet,-q", options->quiet, "No progress");
  return {app, [options] { return run(*options); }};
}

}  // namespace latgrad::cli
