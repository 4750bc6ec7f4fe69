#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "command.h"
#include "interrupt.h"
#include "latgrad/base/duration.h"
#include "latgrad/base/error.h"
#include "latgrad/base/json.h"
#include "latgrad/base/percentage.h"
#include "latgrad/profile/report.h"
#include "latgrad/profile/run.h"
#include "latgrad/profile/self_test.h"
#include "measuring_options.h"
#include "net_options.h"
#include "option_check.h"
#include "output.h"
#include "runner_options.h"
#include "space_lookup.h"

namespace latgrad::cli {

namespace {

constexpr const char* kDescription = "Measure operators on a machine and write a look-up table";

constexpr const char* kFooter =
    "Lists the distinct operators that spaces and networks need, runs them inside networks on this machine\n"
    "(or on the one that --runner reaches), and writes their times in the public LUT format, with\n"
    "<output stem>.provenance.json next to the table. The same command resumes an interrupted run.\n\n"
    "Examples:\n"
    "  latgrad profile --space fbnet --dry-run            which operators, and how long it would take\n"
    "  latgrad profile --space fbnet                      writes <device>-op_lut_database.json\n"
    "  latgrad profile --net models/FBNet-C/int8 --lut mine.json --output mine.json\n"
    "                                                     adds what mine.json lacks\n"
    "  latgrad profile --space fbnet --runner 'ssh pi latgrad-runner'\n"
    "  latgrad profile --space fbnet --runner 'ssh pi1 latgrad-runner' --runner 'ssh pi2 latgrad-runner' -o "
    "tables/\n"
    "                                                     both at once, a table for each\n"
    "  latgrad profile --space fbnet --precision fp32 --engine onnxruntime\n"
    "                                                     inferred from 80 whole networks, in minutes\n"
    "  latgrad profile --self-test                        check whether the runner's clock is right\n\n"
    "Exit codes: 0 complete, 3 some operators could not be measured (they are listed), 1 error,\n"
    "2 wrong usage.";

// How many may measure at once.
constexpr int kMostRunners = 256;

struct ProfileOptions {
  std::vector<std::string> spaces;
  std::string precision = "int8";
  profile::Options run;
  RunnerOptions runner;
  bool dry_run = false;
  bool self_test = false;
  bool json = false;
  bool quiet = false;
};

int run_self_test(const ProfileOptions& options) {
  const std::unique_ptr<runner::Runner> runner = start_runner(options.runner);
  if (!runner->open(options.run.runner).measures_operators) {
    throw ValueError("--self-test measures known delays as operators, but this engine takes whole networks");
  }
  bool passed = true;
  std::string text = "     known   measured\n";
  for (const profile::DelayCheck& check : profile::self_test(*runner)) {
    text += fmt::format("{:7.0f} us {:10.2f} us  {:+.2f} %  {}\n", check.delay_us, check.measured_us,
                        100 * check.relative_error(), check.passed() ? "ok" : "wrong");
    passed = passed && check.passed();
  }
  write_text(text);
  if (passed) return kComplete;
  write_error("latgrad: error: a known delay must be measured within 2 %; is the machine busy?\n");
  return kError;
}

int run_dry(const ProfileOptions& options) {
  std::unique_ptr<runner::Runner> runner = start_runner(options.runner);
  profile::DryRunResult result;
  try {
    result = profile::dry_run(options.run, runner.get());
  } catch (const runner::RunnerError& error) {
    write_error(fmt::format("latgrad: no estimate of the time: {}\n", error.what()));
    result = profile::dry_run(options.run, nullptr);
  }
  if (options.json) {
    write_output(report_json(result));
  } else {
    write_text(report_text(options.run, result));
  }
  return result.missing.empty() ? kComplete : kSomethingMissing;
}

int run_profile(const ProfileOptions& options) {
  const std::unique_ptr<runner::Runner> runner = start_runner(options.runner);
  stop_on_interrupt();
  profile::Progress progress(std::cerr,
                             options.quiet ? profile::Progress::Style::kQuiet : profile::stderr_style(),
                             profile::stderr_columns());
  const profile::RunResult result =
      profile::run(options.run, *runner, progress, [] { return interrupted() != 0; });
  if (result.stopped) {
    write_error("latgrad: interrupted; the same command resumes the run\n");
    return std::raise(interrupted());  // the caller sees the signal, as with any interrupted program
  }
  if (options.json) {
    write_output(report_json(result));
  } else {
    write_text(report_text(options.run, result));
  }
  return result.missing.empty() ? kComplete : kSomethingMissing;
}

// What became of one of several runners.
struct FleetResult {
  std::optional<profile::RunResult> result;
  std::string error;
};

base::Json fleet_json(const ProfileOptions& options, const std::vector<FleetResult>& results) {
  base::Json list = base::Json::array();
  for (size_t i = 0; i < results.size(); ++i) {
    const FleetResult& of = results[i];
    base::Json entry = {{"runner", runner_text(options.runner, i)}};
    entry["error"] = of.error.empty() ? base::Json() : base::Json(of.error);
    entry["result"] = of.result ? base::Json::parse(report_json(*of.result)) : base::Json();
    list.push_back(std::move(entry));
  }
  return list;
}

// All runners at once, each in a thread with a table of its own: one that dies or lags holds up no other.
int run_fleet(const ProfileOptions& options) {
  const size_t count = options.runner.commands.size();
  if (options.run.lut || options.dry_run || options.self_test || !options.run.device.empty()) {
    throw CLI::ValidationError("--runner", "several exclude --lut, --device, --dry-run and --self-test");
  }
  if (!options.run.output.empty()) std::filesystem::create_directories(options.run.output);
  stop_on_interrupt();
  std::vector<FleetResult> results(count);
  const auto measure = [&](size_t i) {
    profile::Options own = options.run;
    own.output.clear();
    own.folder = options.run.output;
    own.device_suffix = fmt::format("-{}", i + 1);
    own.runner_command = runner_text(options.runner, i);
    profile::Progress progress(
        std::cerr, options.quiet ? profile::Progress::Style::kQuiet : profile::Progress::Style::kPlain,
        profile::stderr_columns(), fmt::format("{}  ", i + 1));
    try {
      const std::unique_ptr<runner::Runner> runner = start_runner(options.runner, i);
      results[i].result = profile::run(own, *runner, progress, [] { return interrupted() != 0; });
    } catch (const std::exception& error) {
      results[i].error = error.what();
      progress.say(fmt::format("failed: {}", error.what()));
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 0; i < count; ++i) threads.emplace_back(measure, i);
  for (std::thread& thread : threads) thread.join();
  if (std::ranges::any_of(results, [](const FleetResult& of) { return of.result && of.result->stopped; })) {
    write_error(
        "latgrad: interrupted; the same command resumes the runs that are not done, and measures the others "
        "again\n");
    return std::raise(interrupted());
  }
  bool failed = false;
  bool missing = false;
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    const FleetResult& of = results[i];
    failed = failed || !of.result;
    missing = missing || (of.result && !of.result->missing.empty());
    text += fmt::format("{}{}  {}\n", i == 0 ? "" : "\n", i + 1, runner_text(options.runner, i));
    text += of.result ? report_text(options.run, *of.result) : fmt::format("failed: {}\n", of.error);
  }
  if (options.json) {
    write_output(base::json_text(fleet_json(options, results)));
  } else {
    write_text(text);
  }
  return failed ? kError : missing ? kSomethingMissing : kComplete;
}

// What was not given is as such engines need it.
void use_network_rounds(const CLI::App& app, profile::RoundOptions& measure) {
  if (app.count("--target") == 0) measure.target = profile::kNetworkRounds.target;
  if (app.count("--budget") == 0) measure.budget_s = profile::kNetworkRounds.budget_s;
  if (app.count("--samples") == 0) measure.samples_per_visit = profile::kNetworkRounds.samples_per_visit;
}

int run(const CLI::App& app, ProfileOptions options) {
  if (takes_networks(options.runner)) use_network_rounds(app, options.run.measure);
  options.run.runner = options.runner.settings;
  options.run.runner_command = runner_text(options.runner);
  options.run.runs_here = options.runner.commands.empty();
  const bool is_fleet = options.runner.commands.size() > 1;
  if (options.self_test && !is_fleet) return run_self_test(options);
  if (options.spaces.empty() && options.run.networks.nets.empty()) {
    throw CLI::RequiredError("--space or --net");
  }
  for (const std::string& space : options.spaces) options.run.spaces.push_back(find_space(space));
  if (options.precision != "fp32") options.run.precisions.push_back(search::Precision::kInt8);
  if (options.precision != "int8") options.run.precisions.push_back(search::Precision::kFp32);
  if (is_fleet) return run_fleet(options);
  if (std::string output = options.run.output.string(); !output.empty()) {
    const std::string why = valid_by(profile::check_output)(output);
    if (!why.empty()) throw CLI::ValidationError("--output", why);
  }
  return options.dry_run ? run_dry(options) : run_profile(options);
}

void declare_what(CLI::App& app, ProfileOptions& options) {
  app.add_option(
         "--space", options.spaces,
         "Search space whose operators to measure: a file, or the name of one that comes with latgrad "
         "(repeatable)")
      ->type_name("SPACE")
      ->allow_extra_args(false);
  add_net_options(app, options.run.networks);
  app.add_option("--precision", options.precision, "Precision of the spaces: int8, fp32 or both")
      ->type_name("NAME")
      ->capture_default_str()
      ->check(CLI::IsMember({"int8", "fp32", "both"}));
  app.add_option(
         "--lut", options.run.lut,
         "Table to extend: its operators are not measured again, and its records come first in the output")
      ->type_name("FILE");
  app.add_flag("--force", options.run.force, "Also extend a table from another machine, engine or device");
  app.add_option("--output,-o", options.run.output,
                 "Table to write [<device>-op_lut_database.json]; with several --runner the folder for "
                 "their tables")
      ->type_name("FILE");
  app.add_option("--device", options.run.device,
                 "Name of the device in the table [from the CPU and the engine]")
      ->type_name("NAME")
      ->check(valid_by(profile::check_device));
}

void declare_how(CLI::App& app, ProfileOptions& options) {
  profile::RoundOptions& measure = options.run.measure;
  add_measuring_options(app, "each time", measure.target, measure.budget_s);
  app.add_option("--warmup", measure.warmup, "Runs of a network before the first sample of each visit")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(0, 10'000));
  app.add_option("--samples", measure.samples_per_visit, "Timed runs of a network in each visit")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000));
  app.add_option_function<std::string>(
         "--steady",
         [steady = &options.run.steady](const std::string& text) { *steady = base::parse_percentage(text); },
         fmt::format("Up to which spread of the reference's times, (p90 - p10) / p50, the machine is called "
                     "steady; above it, what would help is said [{:g}%]",
                     100 * options.run.steady))
      ->type_name("PERCENT")
      ->check(valid_by(base::parse_percentage));
  app.add_option(
         "--networks", options.run.num_networks,
         fmt::format("How many networks to time at most, in an engine that takes them whole; there the other "
                     "defaults are --target {:g}%, --budget {} and --samples {}",
                     100 * profile::kNetworkRounds.target,
                     base::format_duration(profile::kNetworkRounds.budget_s),
                     profile::kNetworkRounds.samples_per_visit))
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(profile::kFewestNetworks, size_t{100000}));
  app.add_option("--seed", measure.seed, "Seed of the architectures and of the order")->capture_default_str();
}

}  // namespace

Command add_profile_command(CLI::App& parent) {
  CLI::App* app = parent.add_subcommand("profile", kDescription);
  app->footer(kFooter);
  auto options = std::make_shared<ProfileOptions>();
  declare_what(*app, *options);
  declare_how(*app, *options);
  add_runner_options(*app, options->runner, kMostRunners);
  app->add_flag("--dry-run", options->dry_run,
                "List the operators and estimate the time, but measure nothing");
  app->add_flag("--self-test", options->self_test,
                "Measure known delays, and report whether the results are right");
  app->add_flag("--json", options->json, "Print the summary, or the list of --dry-run, as JSON");
  app->add_flag("--quiet,-q", options->quiet, "Show no progress");
  return {app, [app, options] { return run(*app, *options); }};
}

}  // namespace latgrad::cli
