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
#include "latgrad/base/replace_file.h"
#include "latgrad/profile/progress.h"
#include "latgrad/profile/report.h"
#include "latgrad/profile/validation.h"
#include "measuring_options.h"
#include "net_options.h"
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
    "Measure whole networks, and compare them with the predictions of a look-up table";

constexpr const char* kFooter =
    "Runs networks and architectures of a space from end to end on the machine that the table was measured\n"
    "on, and reports how far the sums over the table are off (MAPE: the mean absolute error in percent),\n"
    "in which direction (bias), and whether they rank the networks as the measurement does (Kendall's tau,\n"
    "1 if they always do). In parentheses: 95 % intervals over networks, by bootstrap.\n\n"
    "Examples:\n"
    "  latgrad validate --lut mine.json --space fbnet --plot mine.svg\n"
    "  latgrad validate --lut mine.json --net models/FBNet-C/int8 --net models/FBNet-A/int8\n"
    "  latgrad validate --lut pi.json --space fbnet --named --runner 'ssh pi latgrad-runner' --json\n"
    "  latgrad validate --lut ort.json --space fbnet --precision fp32 --engine onnxruntime\n"
    "  latgrad validate --net mine.onnx --engine openvino          only its time, without a table\n\n"
    "Exit codes: 0 complete, 3 some networks cannot be priced or measured (they are listed), 1 error,\n"
    "2 wrong usage.";

constexpr size_t kListedMissing = 20;
// Up to this difference, the machine counts as equally fast as when the table was measured.
constexpr double kSameSpeed = 0.02;

constexpr size_t kNameColumns = 60;

struct ValidateCommandOptions {
  profile::ValidationOptions run;
  std::string space;
  std::string precision = "int8";
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
  if (!result.agreement) return "";
  const profile::Agreement& agreement = *result.agreement;
  std::string text = fmt::format("\nnetworks     {}\nMAPE         {:.2f}%{}\nbias         {}\n",
                                 agreement.pairs, 100 * agreement.mape,
                                 bounds_text(agreement.mape_interval, 100, 2), percent(agreement.bias));
  text += fmt::format("worst        {} ({})\n", percent(agreement.worst_error),
                      short_name(result.nets[agreement.worst].name));
  text += fmt::format("within 5%    {} of {}, within 10%: {}\n", agreement.within_5_percent, agreement.pairs,
                      agreement.within_10_percent);
  if (result.covered) {
    text += fmt::format("intervals    {} of {} measured times are inside theirs, of 90%\n", *result.covered,
                        agreement.pairs);
  }
  if (agreement.tau) {
    text += fmt::format("Kendall tau  {:.3f}{}\n", *agreement.tau, bounds_text(agreement.tau_interval, 1, 3));
  } else {
    text += "Kendall tau  none: there is no order to compare\n";
  }
  return text;
}

std::string nets_text(const profile::ValidateResult& result) {
  std::vector<Column> columns = {
      {"network", Align::kLeft}, {"measured ms", Align::kRight}, {"+-", Align::kRight}};
  if (result.agreement) {
    columns.push_back({"predicted ms", Align::kRight});
    columns.push_back({"error", Align::kRight});
  }
  TextTable table(std::move(columns));
  for (const profile::ValidatedNet& net : result.nets) {
    std::vector<std::string> cells = {
        short_name(net.name), fmt::format("{:.3f}", net.time.measured_us / 1e3),
        net.relative_error ? fmt::format("{:.2f}%", 100 * *net.relative_error) : "?"};
    if (result.agreement) {
      cells.push_back(fmt::format("{:.3f}", net.time.predicted_us / 1e3));
      cells.push_back(percent(net.time.error()));
    }
    table.add_row(std::move(cells));
  }
  return table.text();
}

// What the engine's own profiler adds up to.
std::string nodes_text(const ValidateCommandOptions& options, const profile::ValidateResult& result) {
  if (!options.run.nodes) return "";
  std::vector<double> shares;
  for (const profile::ValidatedNet& net : result.nets) {
    if (net.nodes_us > 0) shares.push_back(net.nodes_us / net.time.measured_us);
  }
  if (shares.empty()) return "\nThe engine tells no times by node.\n";
  return fmt::format(
      "\nThe engine's own times by node sum to {:.1f}% of the networks' at the median ({:.1f}% to {:.1f}%)\n",
      100 * profile::percentile(shares, 50), 100 * profile::percentile(shares, 0),
      100 * profile::percentile(shares, 100));
}

// Networks whose time is known less precisely than requested: part of their error is the measurement's.
size_t count_unsettled(const ValidateCommandOptions& options, const profile::ValidationReport& report) {
  size_t count = 0;
  for (const profile::ValidatedNet& net : report.result.nets) {
    if (!net.relative_error || *net.relative_error > options.run.rounds.target) ++count;
  }
  return count;
}

std::string missing_text(const ValidateCommandOptions& options, const profile::ValidationReport& report) {
  if (report.unpriced.empty()) return "";
  std::string text = fmt::format("\nNot compared, because the table lacks {} for {}:\n{}",
                                 format_count(report.missing.size(), "operator"), report.pricing.device,
                                 report.missing.text(kListedMissing));
  std::string what;
  if (!options.space.empty()) {
    what = fmt::format(" --space {} --precision {}", shell_word(options.space), options.precision);
  }
  what += net_arguments(options.run.networks);
  return text +
         fmt::format("Measure them on that device:  latgrad profile{}{}\n", what, extended_table(report.lut));
}

std::string unmeasured_text(const profile::ValidationReport& report) {
  if (report.result.unmeasured.empty()) return "";
  std::string text = "\nNot compared, because the runner cannot run them:\n";
  for (const profile::UnmeasuredNet& net : report.result.unmeasured) {
    text += fmt::format("  {}\n    {}\n", short_name(net.name), fmt::join(net.reasons, "\n    "));
  }
  return text;
}

std::string report_text(const ValidateCommandOptions& options, const profile::ValidationReport& report) {
  const profile::ValidateResult& result = report.result;
  std::string text;
  if (!report.lut.empty()) {
    text = fmt::format("Whole networks compared with the sums for {}\n",
                       pricing_text(report.lut, report.pricing));
  } else if (report.runner) {
    text = fmt::format("Whole networks in {}, {}\n", report.runner->engine, report.runner->framework);
  }
  if (!result.nets.empty()) {
    text += fmt::format("\n{}{}", nets_text(result), agreement_text(result));
    if (result.operators_now && std::abs(*result.operators_now - 1) > kSameSpeed) {
      const bool is_at_one_speed = result.reference && result.reference->time_us != result.reference_now_us;
      const std::string why = is_at_one_speed ? ", at the same speed of the reference"
                              : *result.operators_now > 1
                                  ? ": the machine is slower than when the table was measured"
                                  : ": the machine is faster than when the table was measured";
      text += fmt::format(
          "\nThe operators' times differ from the table by {}{}.\n"
          "With sums of the operator times measured in this run: MAPE {:.2f}%, bias {}{}\n",
          percent(*result.operators_now - 1), why, 100 * result.agreement_now->mape,
          percent(result.agreement_now->bias),
          result.agreement_now->tau ? fmt::format(", Kendall tau {:.3f}", *result.agreement_now->tau) : "");
    }
    text += nodes_text(options, result);
    text += "\n" + profile::reference_text({.reference = result.reference,
                                            .now_us = result.reference_now_us,
                                            .unsteadiness = result.unsteadiness,
                                            .samples = result.runs,
                                            .discarded_samples = result.discarded_runs});
    if (const size_t unsettled = count_unsettled(options, report); unsettled > 0) {
      text += fmt::format("\nNot known to within {:g}%: {}; use a larger --budget or a quieter machine\n",
                          100 * options.run.rounds.target, format_count(unsettled, "measured time"));
    }
  } else {
    text += "\nNo network was measured.\n";
  }
  return text + missing_text(options, report) + unmeasured_text(report);
}

int run(ValidateCommandOptions options) {
  const bool any_of_space = !options.space.empty() && (options.run.random > 0 || options.run.named);
  if (options.run.networks.nets.empty() && !any_of_space) {
    throw CLI::RequiredError("--net, or --space with --random or --named");
  }
  if (!options.space.empty()) options.run.space = find_space(options.space);
  options.run.precision = search::parse_precision(options.precision);
  options.run.runner = options.runner.settings;
  if (takes_networks(options.runner)) {
    options.run.rounds.samples_per_visit = profile::kNetworkRounds.samples_per_visit;
  }
  const std::unique_ptr<runner::Runner> runner = start_runner(options.runner);
  profile::Progress progress(std::cerr,
                             options.quiet ? profile::Progress::Style::kQuiet : profile::stderr_style(),
                             profile::stderr_columns());
  const profile::ValidationReport report =
      profile::run_validation(options.run, *runner, progress, {.on_warning = [](const std::string& text) {
                                write_error(fmt::format("latgrad: warning: {}\n", text));
                              }});

  if (!options.plot.empty()) {
    if (report.result.agreement) {
      base::replace_file(options.plot, report_plot(report));
    } else {
      write_error("latgrad: no plot, because there is nothing to compare\n");
    }
  }
  if (options.json) {
    write_output(report_json(report));
  } else {
    write_text(report_text(options, report));
  }
  return report.is_complete() ? kComplete : kSomethingMissing;
}

void declare_what(CLI::App& app, ValidateCommandOptions& options) {
  app.add_option(
         "--lut", options.run.lut,
         "The look-up table: one record per line (.json), or the same as .json.gz or .zip; without one, "
         "networks are only measured")
      ->type_name("FILE");
  app.add_option(
         "--device", options.run.device,
         "Device whose records to use [the only one in the table, or the one that its file is named after]")
      ->type_name("NAME");
  CLI::Option* space =
      app.add_option("--space", options.space,
                     "Search space whose architectures to measure: a file, or the name of one that comes "
                     "with latgrad")
          ->type_name("SPACE");
  add_precision_option(app, options.precision);
  app.get_option("--precision")->description("Arithmetic of the architectures");
  app.add_option("--random", options.run.random, "How many random architectures of the space")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(0, 10'000))
      ->needs(space);
  app.add_flag("--named", options.run.named, "Also measure the architectures that the space names")
      ->needs(space);
  add_net_options(app, options.run.networks);
}

void declare_how(CLI::App& app, ValidateCommandOptions& options) {
  profile::RoundOptions& rounds = options.run.rounds;
  add_measuring_options(app, "each network's time", rounds.target, rounds.budget_s);
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
  app->add_flag("--nodes", options->run.nodes,
                "Also compare with the engine's own times by node, where it takes whole networks and tells "
                "them (openvino)");
  app->add_option("--plot", options->plot, "Draw predicted against measured times as an SVG file")
      ->type_name("FILE")
      ->check(valid_by(check_plot));
  app->add_flag("--json", options->json, "Print JSON: agreement, networks, unpriced, missing, unmeasured");
  app->add_flag("--quiet,-q", options->quiet, "Show no progress");
  return {app, [options] { return run(*options); }};
}

}  // namespace latgrad::cli
