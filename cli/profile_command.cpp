#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "command.h"
#include "latgrad/base/error.h"
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
    "  latgrad profile --self-test                        check whether the runner's clock is right\n\n"
    "Exit codes: 0 complete, 3 some operators could not be measured (they are listed), 1 error,\n"
    "2 wrong usage.";

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

volatile std::sig_atomic_t interrupted = 0;

// The first Ctrl-C lets the current network finish; the handler resets itself, so the second one kills.
void stop_on_interrupt() {
  struct sigaction action {};
  action.sa_handler = [](int signal) { interrupted = signal; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int run_self_test(const ProfileOptions& options) {
  const std::unique_ptr<runner::Runner> runner = start_runner(options.runner);
  runner->open(options.run.runner);
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
      profile::run(options.run, *runner, progress, [] { return interrupted != 0; });
  if (result.stopped) {
    write_error("latgrad: interrupted; the same command resumes the run\n");
    return std::raise(interrupted);  // the caller sees the signal, as with any interrupted program
  }
  if (options.json) {
    write_output(report_json(result));
  } else {
    write_text(report_text(options.run, result));
  }
  return result.missing.empty() ? kComplete : kSomethingMissing;
}

int run(ProfileOptions options) {
  options.run.runner = options.runner.settings;
  options.run.runner_command = runner_text(options.runner);
  if (options.self_test) return run_self_test(options);
  if (options.spaces.empty() && options.run.networks.nets.empty()) {
    throw CLI::RequiredError("--space or --net");
  }
  for (const std::string& space : options.spaces) options.run.spaces.push_back(find_space(space));
  if (options.precision != "fp32") options.run.precisions.push_back(search::Precision::kInt8);
  if (options.precision != "int8") options.run.precisions.push_back(search::Precision::kFp32);
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
  app.add_option("--output,-o", options.run.output, "Table to write [<device>-op_lut_database.json]")
      ->type_name("FILE")
      ->check(valid_by(profile::check_output));
  app.add_option("--device", options.run.device,
                 "Name of the device in the table [from the CPU and the engine]")
      ->type_name("NAME")
      ->check(valid_by(profile::check_device));
}

void declare_how(CLI::App& app, ProfileOptions& options) {
  profile::RoundOptions& measure = options.run.measure;
  add_measuring_options(app, "each median", measure.target, measure.budget_s);
  app.add_option("--warmup", measure.warmup, "Runs of a network before the first sample of each visit")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(0, 10'000));
  app.add_option("--samples", measure.samples_per_visit, "Timed runs of a network in each visit")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000));
  app.add_option("--seed", measure.seed, "Seed of the architectures and of the order")->capture_default_str();
}

}  // namespace

Command add_profile_command(CLI::App& parent) {
  CLI::App* app = parent.add_subcommand("profile", kDescription);
  app->footer(kFooter);
  auto options = std::make_shared<ProfileOptions>();
  declare_what(*app, *options);
  declare_how(*app, *options);
  add_runner_options(*app, options->runner);
  app->add_flag("--dry-run", options->dry_run,
                "List the operators and estimate the time, but measure nothing");
  app->add_flag("--self-test", options->self_test,
                "Measure known delays, and report whether the results are right");
  app->add_flag("--json", options->json, "Print the summary, or the list of --dry-run, as JSON");
  app->add_flag("--quiet,-q", options->quiet, "Show no progress");
  return {app, [options] { return run(*options); }};
}

}  // namespace latgrad::cli
