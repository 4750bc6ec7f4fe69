#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "calibration_output.h"
#include "command.h"
#include "interrupt.h"
#include "latgrad/base/csv.h"
#include "latgrad/base/duration.h"
#include "latgrad/base/error.h"
#include "latgrad/base/json.h"
#include "latgrad/base/percentage.h"
#include "latgrad/base/quantity.h"
#include "latgrad/base/replace_file.h"
#include "latgrad/profile/carriers.h"
#include "latgrad/profile/measure_plan.h"
#include "latgrad/profile/networks.h"
#include "latgrad/profile/progress.h"
#include "latgrad/profile/steadiness.h"
#include "latgrad/search/calibrated_model.h"
#include "latgrad/search/calibrator.h"
#include "latgrad/search/learning_curve.h"
#include "latgrad/search/measurements.h"
#include "latgrad/search/random_architecture.h"
#include "learning_curve_svg.h"
#include "net_options.h"
#include "option_check.h"
#include "output.h"
#include "pricing_options.h"
#include "runner_options.h"
#include "space_lookup.h"

namespace latgrad::cli {

namespace {

constexpr const char* kDescription =
    "Infer a look-up table, with error bars, from the times of a few networks";

constexpr const char* kFooter =
    "Times of whole networks say what their operators take: by what operators do (multiply-accumulates, "
    "bytes,\n"
    "calls), by what they take on other devices, and by what the networks have in common. Each estimate has "
    "an\n"
    "error, and each price an interval in which nine of ten measured times lie.\n\n"
    "Examples:\n"
    "  latgrad calibrate --space fbnet_cifar --measurements pixel.csv --prior others.csv --out pixel.json\n"
    "                                   a table from, say, 20 architectures\n"
    "  latgrad calibrate --space fbnet_cifar --measurements pixel.csv --predict all.csv --predictions "
    "out.csv\n"
    "                                   their times, without a table\n"
    "  latgrad calibrate --net A/int8=24.7ms --net B/int8=11.3ms --net C/int8=4.1ms --predict D/int8\n"
    "                                   from networks of any kind\n"
    "  latgrad calibrate --net A/int8=24.7ms --lut mine.json --out corrected.json\n"
    "                                   corrects a table of operators that were measured one by one\n"
    "  latgrad calibrate --space fbnet --plan 20\n"
    "                                   which architectures to measure first, or next\n"
    "  latgrad calibrate --space fbnet --precision fp32 --measure --measurements ort.csv --engine "
    "onnxruntime \\\n"
    "      --target 2% --out ort.json   measures them, until the error is small\n\n"
    "Measurements are CSV: a line that names the columns, arch and others that end in a unit (_us, _ms, "
    "_s),\n"
    "then a line for each architecture. A file of --prior has a column for each device. Left-out errors are\n"
    "those of each network by what the others say.\n\n"
    "Exit codes: 0 complete, 1 error, 2 wrong usage.";

constexpr size_t kPlannedFrom = 2000;  // random architectures
constexpr double kUsPerMs = 1e3;

struct CalibrateOptions {
  std::string space;
  std::string measurements;
  std::vector<std::string> nets;  // MODEL=TIME
  std::vector<net::InputShape> inputs;
  std::vector<std::string> priors;
  std::string lut;
  std::string precision = "int8";
  std::vector<std::string> predict;
  std::string predictions;
  std::string out;
  std::string model;
  std::string device;
  std::string plot;
  size_t plan = 0;
  bool measure = false;
  RunnerOptions runner;
  profile::PlanOptions measured;
  uint64_t seed = 0;
  bool quiet = false;
  bool json = false;
};

struct MeasuredNet {
  std::string model;
  double time_us = 0;
};

MeasuredNet parse_measured_net(const std::string& text) {
  const size_t equals = text.rfind('=');
  if (equals == 0 || equals == std::string::npos) {
    throw ValueError(
        fmt::format("a measured network must be MODEL=TIME, such as A/int8=24.7ms, got \"{}\"", text));
  }
  return {text.substr(0, equals), base::parse_time_us(text.substr(equals + 1))};
}

bool is_csv(const std::string& path) { return std::filesystem::path(path).extension() == ".csv"; }

// What is calibrated, from what, and what is asked.
struct Task {
  search::Calibrator calibrator;
  std::string networks_of = {};  // "fbnet_cifar"; empty: of any kind
  std::string device = {};
  std::string column = "measured";  // of the measurements
  std::string unit = "ms";
  std::vector<std::string> names = {};  // of the measured networks
  std::vector<search::TimedNetwork> measured = {};
  std::vector<std::string> unmeasured = {};  // that the file names without a time
  std::vector<std::string> asked_names = {};
  std::vector<std::vector<uint32_t>> asked = {};
};

// The one column of times. Errors: ParseError for another number of them, or one without a time.
const search::MeasuredColumn& only_column(const search::Measurements& measured, const std::string& file) {
  if (measured.columns.size() != 1) {
    throw ParseError(fmt::format("the file must have one column of times beside arch, got {}; times on other "
                                 "devices are given by --prior",
                                 measured.columns.size()),
                     {.file = file});
  }
  return measured.columns.front();
}

void add_priors_of(const std::string& file, const search::Space& space,
                   const search::SpaceOperators& operators, search::Calibrator& calibrator) {
  const search::Measurements sources = search::read_measurements(file, space);
  if (sources.columns.empty())
    throw ParseError("a prior must have a column of times, got none", {.file = file});
  for (const search::MeasuredColumn& column : sources.columns) {
    std::vector<search::TimedNetwork> networks;
    for (size_t i = 0; i < sources.names.size(); ++i) {
      if (column.times_us[i])
        networks.push_back({operators.of(sources.architectures[i]), *column.times_us[i]});
    }
    if (networks.empty()) {
      throw ParseError(fmt::format("a column must have a time, got none of {}", column.name), {.file = file});
    }
    calibrator.add_source(networks);
  }
}

// Tables of other devices, and the one to correct.
void add_tables(const CalibrateOptions& options, search::Calibrator& calibrator) {
  for (const std::string& prior : options.priors) {
    if (!is_csv(prior)) calibrator.add_source(lut::Table::load(prior), "");
  }
  if (!options.lut.empty()) calibrator.add_corrected(lut::Table::load(options.lut), "");
}

Task task_of_space(const CalibrateOptions& options, const search::Space& space,
                   const search::SpaceOperators& operators) {
  Task task{.calibrator = search::Calibrator(operators.keys(), operators.physical(),
                                             search::typical_networks(space, operators),
                                             /*of_one_space=*/true),
            .networks_of = space.name()};
  if (options.measure) task.unit = "us";  // of a file that is not there yet
  if (!options.measurements.empty() && (!options.measure || std::filesystem::exists(options.measurements))) {
    const search::Measurements measured = search::read_measurements(options.measurements, space);
    const search::MeasuredColumn& column = only_column(measured, options.measurements);
    task.device = column.name;
    task.column = column.name;
    task.unit = column.unit;
    for (size_t i = 0; i < measured.names.size(); ++i) {
      if (!column.times_us[i]) {
        task.unmeasured.push_back(measured.names[i]);
        continue;
      }
      task.names.push_back(measured.names[i]);
      task.measured.push_back({operators.of(measured.architectures[i]), *column.times_us[i]});
    }
    if (task.measured.empty() && !options.measure) {
      throw ParseError("the file must have a time, got none", {.file = options.measurements});
    }
  }
  for (const std::string& prior : options.priors) {
    if (is_csv(prior)) add_priors_of(prior, space, operators, task.calibrator);
  }
  for (const std::string& predict : options.predict) {
    const search::Measurements asked = search::read_measurements(predict, space);
    for (size_t i = 0; i < asked.names.size(); ++i) {
      task.asked_names.push_back(asked.names[i]);
      task.asked.push_back(operators.of(asked.architectures[i]));
    }
  }
  return task;
}

Task task_of_nets(const CalibrateOptions& options) {
  profile::NetFiles files{.nets = {}, .inits = {}, .inputs = options.inputs};
  std::vector<MeasuredNet> measured;
  for (const std::string& text : options.nets) {
    measured.push_back(parse_measured_net(text));
    files.nets.emplace_back(measured.back().model);
  }
  for (const std::string& predict : options.predict) files.nets.emplace_back(predict);
  const std::vector<profile::NamedNet> nets = profile::read_nets(files);
  search::OperatorNumbers numbers;
  std::vector<std::vector<uint32_t>> operators;
  for (const profile::NamedNet& net : nets) {
    operators.push_back(numbers.add(net.net));
    if (operators.back().size() == net.net.ops.size()) continue;
    throw ValueError(
        fmt::format("the shapes of all operators must be known, but not those of {} of {}; latgrad net "
                    "--allow-unknown says which",
                    net.net.ops.size() - operators.back().size(), net.name));
  }
  Task task{.calibrator = search::Calibrator(numbers.keys(), numbers.physical(), operators,
                                             /*of_one_space=*/false),
            .device = "calibrated"};
  for (size_t i = 0; i < nets.size(); ++i) {
    if (i < measured.size()) {
      task.names.push_back(nets[i].name);
      task.measured.push_back({operators[i], measured[i].time_us});
    } else {
      task.asked_names.push_back(nets[i].name);
      task.asked.push_back(operators[i]);
    }
  }
  return task;
}

// Errors: ValueError where the measurements say nothing of operators.
void check_measured(const Task& task) {
  std::set<std::vector<uint32_t>> distinct;
  std::set<double> times;
  for (const search::TimedNetwork& network : task.measured) {
    std::vector<uint32_t> operators = network.operators;
    std::ranges::sort(operators);
    distinct.insert(std::move(operators));
    times.insert(network.time_us);
  }
  if (task.measured.size() < 2) return;
  if (distinct.size() == 1) {
    throw ValueError(fmt::format("measured networks must differ, but all {} are the same{}",
                                 task.measured.size(),
                                 task.networks_of.empty() ? "" : "; measure others: --plan 20 says which"));
  }
  if (times.size() == 1) {
    throw ValueError(fmt::format("measured times must differ, but all {} are {} ms; measure in a finer unit",
                                 task.measured.size(), *times.begin() / kUsPerMs));
  }
}

void write_predictions(const CalibrateOptions& options, const Task& task,
                       const search::OperatorPosterior& posterior) {
  const double unit_us = search::unit_us(task.unit);
  std::string lines = fmt::format("arch,predicted_{0},low_{0},high_{0}\n", task.unit);
  for (size_t i = 0; i < task.asked.size(); ++i) {
    const search::Interval price = posterior.price(task.asked[i]);
    const std::string& name = task.asked_names[i];
    lines += fmt::format("{},{:.6g},{:.6g},{:.6g}\n", base::csv_cell(name), price.mean_us / unit_us,
                         price.low_us / unit_us, price.high_us / unit_us);
  }
  base::replace_file(options.predictions, lines);
}

int plan(const CalibrateOptions& options, const Task& task, const search::Space& space,
         const search::SpaceOperators& operators) {
  std::mt19937_64 random(options.seed);
  std::vector<std::string> names;
  std::vector<std::vector<uint32_t>> pool;
  std::set<std::vector<uint32_t>> seen;
  for (const search::TimedNetwork& network : task.measured) seen.insert(network.operators);
  for (size_t i = 0; i < kPlannedFrom; ++i) {
    const search::Architecture arch = search::random_architecture(space, random);
    std::vector<uint32_t> of_arch = operators.of(arch);
    if (!seen.insert(of_arch).second) continue;
    names.push_back(profile::architecture_name(space, arch));
    pool.push_back(std::move(of_arch));
  }
  const std::vector<size_t> chosen = task.calibrator.plan(task.measured, pool, options.plan, options.seed);
  std::string text;
  base::Json archs = base::Json::array();
  for (const size_t i : chosen) {
    text += fmt::format("{}\n", base::csv_cell(names[i]));
    archs.push_back(names[i]);
  }
  if (options.json) {
    write_output(
        base::json_text({{"space", space.name()}, {"measured", task.measured.size()}, {"plan", archs}}));
  } else {
    write_text("arch\n" + text);
  }
  return kComplete;
}

// Written after each calibration, so that a run that is ended goes on from there.
void write_measurements(const CalibrateOptions& options, const search::Space& space, const Task& task,
                        const profile::MeasuredPlan& plan) {
  std::string lines = fmt::format("arch,{}\n", base::csv_cell(task.column + '_' + task.unit));
  for (const profile::MeasuredArchitecture& one : plan.architectures) {
    lines += fmt::format("{},{:.9g}\n", base::csv_cell(profile::architecture_name(space, one.arch)),
                         one.time_us / search::unit_us(task.unit));
  }
  for (const std::string& name : task.unmeasured) lines += base::csv_cell(name) + ",\n";
  base::replace_file(options.measurements, lines);
}

// Measures what the plan asks for, and adds it to the task.
void measure(const CalibrateOptions& options, const search::Space& space,
             const search::SpaceOperators& operators, Task& task) {
  std::vector<profile::MeasuredArchitecture> known;
  for (size_t i = 0; i < task.measured.size(); ++i) {
    known.push_back({space.parse_architecture(task.names[i]), task.measured[i].time_us});
  }
  const std::unique_ptr<runner::Runner> runner = start_runner(options.runner);
  const runner::RunnerInfo info = runner->open(options.runner.settings);
  if (profile::timed_by(info) != profile::Timed::kNetworks) {
    throw ValueError(
        fmt::format("--measure needs an engine that takes networks whole, such as --engine onnxruntime; the "
                    "operators of {} are "
                    "measured one by one by latgrad profile",
                    info.engine));
  }
  stop_on_interrupt();
  profile::Progress progress(std::cerr,
                             options.quiet ? profile::Progress::Style::kQuiet : profile::stderr_style(),
                             profile::stderr_columns());
  const profile::PlanHooks hooks{
      .on_calibrated =
          [&](const profile::MeasuredPlan& plan) {
            write_measurements(options, space, task, plan);
            progress.say(fmt::format("{} architectures: the latency of another is known to +-{:.1f}%",
                                     plan.architectures.size(), 100 * plan.error));
          },
      .on_visit =
          [&](size_t count, const std::string& next, std::optional<double> unsteadiness) {
            progress.show(count, options.measured.most, std::nullopt,
                          profile::with_steadiness(unsteadiness, profile::kSteady, next));
          },
      .stop_requested = [] { return interrupted() != 0; }};
  const profile::MeasuredPlan plan =
      profile::measure_plan(space, search::parse_precision(options.precision), operators, task.calibrator,
                            std::move(known), *runner, options.measured, hooks);
  progress.clear();
  if (plan.stopped) {
    write_error("latgrad: interrupted; the same command goes on from the measurements that are written\n");
    std::raise(interrupted());
  }
  task.names.clear();
  task.measured.clear();
  if (plan.error > options.measured.target) {
    write_error(fmt::format("latgrad: --target is not reached: {}\n",
                            plan.budget_spent   ? "the --budget is spent"
                            : plan.is_exhausted ? "all architectures are measured"
                                                : "--networks allows no more"));
  }
  task.device = runner::default_device(info.machine, info.engine);
  for (const profile::MeasuredArchitecture& one : plan.architectures) {
    task.names.push_back(profile::architecture_name(space, one.arch));
    task.measured.push_back({operators.of(one.arch), one.time_us});
  }
}

int calibrate(const CalibrateOptions& options, const Task& task, const search::Space* space = nullptr,
              const search::SpaceOperators* operators = nullptr) {
  check_measured(task);
  if (!options.plot.empty() && task.measured.size() < search::kFewestForACurve) {
    throw ValueError(fmt::format("a learning curve needs at least {} measured networks, got {}",
                                 search::kFewestForACurve, task.measured.size()));
  }
  const search::Calibration calibration = task.calibrator.calibrate(task.measured, options.seed);
  const CalibrationOutput output{.networks_of = task.networks_of,
                                 .device = options.device.empty() ? task.device : options.device,
                                 .names = task.names,
                                 .measured = task.measured,
                                 .asked_names = task.asked_names,
                                 .asked = task.asked,
                                 .calibrator = task.calibrator,
                                 .calibration = calibration,
                                 .sources = options.priors,
                                 .corrected = options.lut};
  if (!options.out.empty()) write_table(output, options.out);
  if (!options.model.empty()) {
    base::replace_file(options.model, search::saved_model_text(search::calibrated_model(
                                          *space, search::parse_precision(options.precision), *operators,
                                          output.device, calibration.posterior)));
  }
  if (!options.predictions.empty()) write_predictions(options, task, calibration.posterior);
  if (!options.plot.empty()) {
    base::replace_file(
        options.plot,
        learning_curve_svg({.title = output.device,
                            .points = search::learning_curve(task.calibrator, task.measured, options.seed)}));
  }
  if (options.json) {
    write_output(calibration_json(output));
  } else {
    write_text(calibration_text(output, options.predictions.empty()));
    if (!options.out.empty()) write_text(fmt::format("\nTable: {}\n", options.out));
  }
  return kComplete;
}

void check_usage(const CLI::App& app, const CalibrateOptions& options) {
  for (const char* name : {"--target", "--networks", "--budget", "--engine", "--runner", "--provider"}) {
    if (app.count(name) > 0 && !options.measure) throw CLI::RequiresError(name, "--measure");
  }
  if (options.space.empty() == options.nets.empty()) {
    throw CLI::RequiredError("either --space or --net");
  }
  if (!options.space.empty() && options.measurements.empty() && options.plan == 0) {
    throw CLI::RequiredError("--measurements of the space, or --plan");
  }
  if (options.measure && options.measurements.empty())
    throw CLI::RequiresError("--measure", "--measurements");
  if (options.measure && options.plan > 0) throw CLI::ExcludesError("--measure", "--plan");
  if (options.space.empty() && !options.measurements.empty())
    throw CLI::RequiresError("--measurements", "--space");
  if (options.space.empty() && !options.model.empty()) throw CLI::RequiresError("--model", "--space");
  if (options.space.empty() && options.plan > 0) throw CLI::RequiresError("--plan", "--space");
  if (!options.predictions.empty() && options.predict.empty())
    throw CLI::RequiresError("--predictions", "--predict");
  if (options.space.empty() && std::ranges::any_of(options.priors, is_csv)) {
    throw CLI::RequiresError("a --prior of architectures", "--space");
  }
}

int run(const CLI::App& app, const CalibrateOptions& options) {
  check_usage(app, options);
  if (options.space.empty()) {
    Task task = task_of_nets(options);
    add_tables(options, task.calibrator);
    return calibrate(options, task);
  }
  const search::Space space = load_space(options.space);
  const search::SpaceOperators operators(space, search::parse_precision(options.precision));
  Task task = task_of_space(options, space, operators);
  add_tables(options, task.calibrator);
  if (options.measure) measure(options, space, operators, task);
  return options.plan > 0 ? plan(options, task, space, operators)
                          : calibrate(options, task, &space, &operators);
}

}  // namespace

Command add_calibrate_command(CLI::App& parent) {
  CLI::App* app = parent.add_subcommand("calibrate", kDescription);
  app->footer(kFooter);
  auto options = std::make_shared<CalibrateOptions>();
  app->add_option("--space", options->space,
                  "Search space of the architectures: a file, or the name of one that comes with latgrad")
      ->type_name("SPACE");
  app->add_option("--measurements", options->measurements,
                  "Architectures with their times on the device: a CSV file")
      ->type_name("FILE");
  app->add_option(
         "--net", options->nets,
         "A measured network: a folder with model.pb, model.pbtxt or model.onnx, or such a file, and its "
         "time (repeatable)")
      ->type_name("MODEL=TIME")
      ->allow_extra_args(false)
      ->check(valid_by(parse_measured_net));
  add_input_option(*app, options->inputs);
  app->add_option(
         "--prior", options->priors,
         "Times on other devices: a CSV file of architectures with a column for each, or a look-up table "
         "(repeatable)")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app->add_option("--lut", options->lut, "A measured table of this device, to be corrected")
      ->type_name("FILE");
  add_precision_option(*app, options->precision);
  app->add_option("-o,--out", options->out,
                  "Table to write, with its error bars in <stem>.posterior.json and its origin in "
                  "<stem>.provenance.json")
      ->type_name("FILE");
  app->add_option("--model", options->model,
                  "Latency model of the space to write, for latgrad.load_model and load_latency_model")
      ->type_name("FILE");
  app->add_option("--device", options->device, "Name of the device in the table [that of the column]")
      ->type_name("NAME");
  app->add_option("--predict", options->predict,
                  "What to predict: a CSV file with a column arch, or, with --net, a network (repeatable)")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app->add_option("--predictions", options->predictions, "CSV file for what is predicted [printed]")
      ->type_name("FILE");
  app->add_option("--plot", options->plot,
                  "Draw the learning curve: the error by the number of networks (SVG)")
      ->type_name("FILE");
  app->add_option(
         "--plan", options->plan,
         "Print the architectures to measure next, as a CSV file; with --measurements given what these say")
      ->type_name("N")
      ->check(CLI::Range(1, 1000));
  app->add_flag(
      "--measure", options->measure,
      "Measure what the plan asks for, until --target is reached: --measurements is written, and read by the "
      "same command that goes on");
  app->add_option_function<std::string>(
         "--target",
         [target = &options->measured.target](const std::string& text) {
           *target = base::parse_percentage(text);
         },
         fmt::format("Up to which error of an architecture's latency to measure, at 90 % [{:g}%]",
                     100 * options->measured.target))
      ->type_name("PERCENT")
      ->check(valid_by(base::parse_percentage));
  app->add_option("--networks", options->measured.most, "How many architectures to measure at most")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(10, 100'000));
  app->add_option_function<std::string>(
         "--budget",
         [budget = &options->measured.rounds.budget_s](const std::string& text) {
           *budget = base::parse_duration_s(text);
         },
         fmt::format("When to measure no more, such as 90s or 5m [{}]",
                     base::format_duration(options->measured.rounds.budget_s)))
      ->type_name("TIME")
      ->check(valid_by(base::parse_duration_s));
  add_runner_options(*app, options->runner);
  app->add_flag("-q,--quiet", options->quiet, "Show no progress");
  app->add_option("--seed", options->seed, "Seed of the sampling and of the plan")->capture_default_str();
  app->add_flag("--json", options->json, "Print JSON");
  return {app, [app, options] { return run(*app, *options); }};
}

}  // namespace latgrad::cli
