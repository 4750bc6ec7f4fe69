#include "latgrad/profile/run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cmath>

#include "latgrad/base/error.h"
#include "latgrad/base/replace_file.h"
#include "latgrad/lut/describe.h"
#include "latgrad/lut/record_json.h"
#include "latgrad/profile/choose_reference.h"
#include "latgrad/profile/journal.h"
#include "latgrad/search/posterior_file.h"

namespace latgrad::profile {
namespace {

namespace fs = std::filesystem;

// How long the reference runs before the measurement, to say how steady the machine is.
constexpr double kSteadinessCheck_s = 2;

// What to measure, the networks that carry it, and those that may run around them, the best first.
struct Work {
  Plan plan;
  Carriers carriers;
  std::vector<Reference> references;
};

Work plan_work(const Options& options, const lut::Table* known, const std::string& device) {
  std::vector<search::Space> spaces;
  for (const fs::path& path : options.spaces) spaces.push_back(search::Space::load(path));
  std::vector<NamedNet> nets = read_nets(options.networks);
  nets.insert(nets.end(), options.nets.begin(), options.nets.end());
  Plan plan;
  for (const search::Space& space : spaces) {
    for (search::Precision precision : options.precisions) plan.add_space(space, precision);
  }
  for (const NamedNet& net : nets) plan.add_net(net.net);
  if (known != nullptr) plan.drop_known(*known, device);
  std::vector<Reference> references =
      choose_references(options.lut.value_or(""), spaces, options.precisions, nets);
  Carriers carriers(plan.operators());
  for (const search::Space& space : spaces) {
    for (search::Precision precision : options.precisions) carriers.add_space(space, precision);
  }
  for (NamedNet& net : nets) carriers.add_net(std::move(net.name), net.net);
  return {std::move(plan), std::move(carriers), std::move(references)};
}

std::optional<lut::Table> load_known(const Options& options) {
  if (!options.lut) return std::nullopt;
  return lut::Table::load(*options.lut);
}

std::string device_name(const Options& options, const runner::Machine& machine, const std::string& engine) {
  return options.device.empty() ? runner::default_device(machine, engine) + options.device_suffix
                                : options.device;
}

// Records of one table are priced together, so they must come from one machine and engine.
void check_origin(const Options& options, const lut::Table& known, const std::string& device,
                  const runner::RunnerInfo& runner) {
  if (options.force || known.size() == 0) return;
  const std::string table = options.lut->string();
  for (const std::string& other : known.devices()) {
    if (other == device) continue;
    throw ValueError(
        fmt::format("a table to extend must hold only the device {}, but {} holds {}; give another --output "
                    "without --lut, or mix them with --force",
                    device, table, other));
  }
  std::optional<Origin> there = read_origin(*options.lut);
  if (!there) {
    throw ValueError(
        fmt::format("a table to extend must say where it was measured, but {} is not next to it; extend it "
                    "anyway with --force",
                    provenance_path(*options.lut).string()));
  }
  if (std::string text = differences(*there, origin_of(runner)); !text.empty()) {
    throw ValueError(
        fmt::format("a table to extend must come from the same machine and engine, but {} differs: {}; mix "
                    "them with --force",
                    table, text));
  }
}

std::vector<MissingOperator> all_missing(const Plan& plan, const std::vector<std::string>& unsupported) {
  std::vector<MissingOperator> missing = plan.missing();
  for (size_t op = 0; op < unsupported.size(); ++op) {
    if (unsupported[op].empty()) continue;
    const lut::OperatorKey& key = plan.operators()[op];
    missing.push_back({key.op_type, lut::describe(key), unsupported[op]});
  }
  return missing;
}

lut::Record make_record(const lut::OperatorKey& key, const Percentiles& times, const std::string& device) {
  lut::Record record;
  record.op_type = key.op_type;
  record.op_args = lut::reference_args(key);
  record.input_shapes = key.input_shapes;
  record.input_dtypes = key.input_dtypes;
  record.p0_us = times.p0_us;
  record.p10_us = times.p10_us;
  record.p50_us = times.p50_us;
  record.p90_us = times.p90_us;
  record.p100_us = times.p100_us;
  record.device = device;
  return record;
}

fs::path journal_path(const fs::path& output) {
  fs::path path = output;
  return path += ".partial";
}

// Says how steady the machine is before it is measured, and what would help if it is not.
void say_steadiness(const Reference* reference, NetworkTimer* timer, const Options& options,
                    const runner::RunnerInfo& info, runner::Runner& runner, Progress& progress) {
  if (reference == nullptr) return;
  const std::optional<Steadiness> before = timer != nullptr
                                               ? measure_steadiness(*timer, kSteadinessCheck_s)
                                               : measure_steadiness(*reference, runner, kSteadinessCheck_s);
  if (!before) return;
  std::string text = fmt::format("The machine is {}", steadiness_text(before->unsteadiness, options.steady));
  if (before->unsteadiness > options.steady) {
    text += fmt::format(
        ". What would help: {}",
        fmt::join(steadiness_advice(info, options.runs_here ? runner::load_average() : std::nullopt), "; "));
  }
  progress.say(text);
}

uint64_t chain_hash(const runner::Chain& chain) {
  std::vector<lut::OperatorKey> keys;
  for (const runner::ChainOperator& link : chain) keys.push_back(link.key);
  return plan_hash(keys);
}

uint64_t networks_hash(const std::vector<Carrier>& networks) {
  std::vector<lut::OperatorKey> keys;
  for (const Carrier& network : networks) {
    for (const runner::ChainOperator& link : network.chain) keys.push_back(link.key);
  }
  return plan_hash(keys);
}

// By operator: why; empty for those that have run somewhere.
std::vector<std::string> cannot_run(const Journal& journal) {
  const std::vector<Times> all_times = journal.samples().all_times();
  std::vector<std::string> unsupported = journal.unsupported();
  for (size_t op = 0; op < unsupported.size(); ++op) {
    if (all_times[op].visits() > 0) unsupported[op].clear();
  }
  return unsupported;
}

// The operators by their own times.
void add_measured(const std::vector<lut::OperatorKey>& operators, const Journal& journal, double target,
                  RunResult& result, Provenance& provenance, std::vector<lut::Record>& records) {
  const std::vector<Times> times = journal.samples().times();
  const std::vector<Times> all_times = journal.samples().all_times();
  const std::vector<std::string> unsupported = cannot_run(journal);
  for (size_t op = 0; op < operators.size(); ++op) {
    std::string description = lut::describe(operators[op]);
    std::optional<double> error = times[op].relative_error();
    if (unsupported[op].empty() && !(error && *error <= target)) {
      result.unsettled.push_back({description, error});
    }
    // Samples under which the machine changed its speed are better than no record; they are not settled.
    const Times& of_op = times[op].visits() > 0 ? times[op] : all_times[op];
    if (of_op.visits() == 0) continue;
    const Percentiles times_of_op = of_op.percentiles(provenance.burst_factor);
    records.push_back(make_record(operators[op], times_of_op, result.device));
    provenance.operators.push_back(
        {std::move(description), times_of_op, of_op.samples_us().size(), of_op.visits(), error});
  }
}

// Before they are measured.
void check_number(size_t networks) {
  if (networks >= kFewestNetworks) return;
  throw ValueError(fmt::format(
      "an engine that takes networks whole needs at least {} of them for a table, got {}: there are no "
      "more architectures, or --networks allows no more",
      kFewestNetworks, networks));
}

// The operators by the times of networks, which is all that the journal has.
void add_inferred(const std::vector<lut::OperatorKey>& operators, const std::vector<Carrier>& networks,
                  bool of_one_space, const Journal& journal, double target, RunResult& result,
                  Provenance& provenance, std::vector<lut::Record>& records) {
  result.inference = infer(networks, of_one_space, journal, target);
  const Inference& inference = *result.inference;
  size_t next = 0;  // of the operators that were inferred
  for (size_t op = 0; op < operators.size(); ++op) {
    std::string description = lut::describe(operators[op]);
    if (next == inference.operators.size() || inference.operators[next] != op) {
      result.missing.push_back(
          {operators[op].op_type, std::move(description), "no network with it was timed"});
      continue;
    }
    const double time_us = inference.posterior.times_us()[next];
    const auto number = static_cast<uint32_t>(next);
    const Percentiles times{time_us, time_us, time_us, time_us, time_us};
    records.push_back(make_record(operators[op], times, result.device));
    records.back().error_us = inference.posterior.error_us({&number, 1});
    provenance.operators.push_back(
        {std::move(description), times, 0, inference.networks_with[next], std::nullopt});
    ++next;
  }
  provenance.inference = result.inference;
}

void check_names(const Options& options) {
  if (!options.device.empty()) check_device(options.device);
  if (!options.output.empty()) check_output(options.output.string());
}

}  // namespace

void check_device(const std::string& name) {
  const bool valid = !name.empty() && name.front() != '.' && std::ranges::all_of(name, [](unsigned char c) {
    return c < 128 && (std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.');
  });
  if (!valid) {
    throw ValueError(
        fmt::format("device must consist of letters, digits, '-', '_' and '.', got \"{}\"", name));
  }
}

void check_output(const std::string& text) {
  const fs::path path(text);
  if (fs::is_directory(path)) {
    throw ValueError(fmt::format("the output must be a file, got the folder \"{}\"", text));
  }
  if (path.extension() == ".zip" || path.extension() == ".gz") {
    throw ValueError(fmt::format("the output must have the name of a plain JSON file, got \"{}\"", text));
  }
}

RunResult run(const Options& options, runner::Runner& runner, Progress& progress,
              const std::function<bool()>& stop_requested) {
  auto start = std::chrono::steady_clock::now();
  check(options.measure);
  check_names(options);
  RunResult result;
  result.runner = runner.open(options.runner);
  result.device = device_name(options, result.runner.machine, result.runner.engine);
  result.output =
      options.output.empty() ? options.folder / (result.device + "-op_lut_database.json") : options.output;

  std::optional<lut::Table> known = load_known(options);
  if (known) check_origin(options, *known, result.device, result.runner);
  Work work = plan_work(options, known ? &*known : nullptr, result.device);
  const std::vector<lut::OperatorKey>& operators = work.plan.operators();
  const bool infers = timed_by(result.runner) == Timed::kNetworks;
  if (infers && options.lut) {
    throw ValueError(
        "a table that is inferred from whole networks is made anew, since all its times hang together: leave "
        "--lut out");
  }
  const std::vector<Carrier> networks =
      infers ? choose_networks(work.carriers, options.num_networks, options.measure.seed)
             : std::vector<Carrier>();
  std::optional<Reference> chosen;
  std::optional<NetworkTimer> timer;
  if (infers) {
    check_number(networks.size());
    timer.emplace(work.references, runner);
    if (!timer->reference()) throw runner::RunnerError(timer->unsupported_reference());
    chosen = timer->reference();
  } else if (!work.references.empty()) {
    chosen = work.references.front();
    if (known && read_origin(*options.lut) != origin_of(result.runner)) {
      chosen->time_us = 0;  // of another machine, whose speed is not this one's
    }
    if (!operators.empty()) {
      chosen = runnable(std::move(*chosen), runner);
      if (known && known->size() > 0 && !(chosen && chosen->is_known())) {
        progress.say(
            fmt::format("{} has no reference that can be run here: what is added is at the speed of today",
                        options.lut->string()));
      }
    }
  }
  const Reference* reference = chosen ? &*chosen : nullptr;

  // A run that extends its own output is complete if it was killed after renaming the output into place but
  // before removing its journal.
  if (operators.empty() && options.lut && fs::exists(journal_path(result.output)) &&
      fs::weakly_canonical(*options.lut) == fs::weakly_canonical(result.output)) {
    fs::remove(journal_path(result.output));
    result.known = work.plan.num_known();
    result.missing = work.plan.missing();
    return result;
  }

  Provenance provenance;
  provenance.table = result.output.filename().string();
  provenance.device = result.device;
  provenance.runner = result.runner;
  provenance.runner_command = options.runner_command;
  provenance.options = options.measure;
  provenance.load_at_start = runner::load_average();
  Journal journal(journal_path(result.output),
                  {.device = result.device,
                   .cpu_model = result.runner.machine.cpu_model,
                   .engine = result.runner.engine,
                   .framework = result.runner.framework,
                   .threads = result.runner.threads,
                   .cores = result.runner.cores,
                   .warmup = options.measure.warmup,
                   .seed = options.measure.seed,
                   .plan_hash = infers ? networks_hash(networks) : plan_hash(operators),
                   .reference = reference == nullptr ? "" : reference->name,
                   .reference_hash = reference == nullptr ? 0 : chain_hash(reference->chain)},
                  infers ? networks.size() : operators.size(),
                  {.flank_tolerance = options.measure.flank_tolerance,
                   .reference_us = reference == nullptr ? 0 : reference->time_us});
  if (!operators.empty()) {
    say_steadiness(reference, timer ? &*timer : nullptr, options, result.runner, runner, progress);
  }
  MeasureHooks hooks{.on_visit =
                         [&](const Visit& visit) {
                           progress.show(visit.settled, visit.total, visit.left_s,
                                         with_steadiness(visit.unsteadiness, options.steady, visit.name));
                         },
                     .stop_requested = stop_requested};
  MeasureResult measured =
      timer ? measure_networks(networks, *timer, journal, options.measure, hooks)
            : measure(work.carriers, operators, reference, runner, journal, options.measure, hooks);
  progress.clear();

  result.missing = all_missing(work.plan, infers ? std::vector<std::string>() : cannot_run(journal));
  result.planned = operators.size();
  result.known = work.plan.num_known();
  result.visits = journal.samples().visits();
  result.samples = journal.samples().samples();
  result.discarded_samples = journal.samples().discarded_samples();
  result.unsteadiness = journal.samples().unsteadiness();
  if (result.unsteadiness.value_or(0) > options.steady) {
    result.advice =
        steadiness_advice(result.runner, options.runs_here ? provenance.load_at_start : std::nullopt);
  }
  if (journal.samples().undisturbed_us() > 0) {
    result.reference = *reference;
    result.reference->time_us = journal.samples().reference_us();
    result.reference_now_us = journal.samples().undisturbed_us();
  } else if (options.lut) {
    result.reference = read_reference(*options.lut);  // what the records are ratios to stays what it is
  }
  result.stopped = measured.stopped;
  result.budget_spent = measured.budget_spent;
  if (measured.stopped) return result;

  std::vector<lut::Record> records;
  if (known) {
    for (size_t i = 0; i < known->size(); ++i) records.push_back(known->record(i));
    provenance.extends = options.lut->filename().string();
    provenance.records_taken_over = records.size();
    provenance.extended_provenance = read_provenance(*options.lut);
  }
  if (infers) {
    add_inferred(operators, networks, work.carriers.of_one_space(), journal, options.measure.target, result,
                 provenance, records);
  } else {
    provenance.burst_factor = journal.samples().burst_factor();
    add_measured(operators, journal, options.measure.target, result, provenance, records);
  }
  result.measured = provenance.operators.size();
  if (!infers) result.median_spread = median_spread(provenance.operators);
  result.elapsed_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  provenance.budget_spent = measured.budget_spent;
  provenance.resumed = journal.resumed();
  provenance.date_utc = date_utc();
  provenance.elapsed_s = result.elapsed_s;
  provenance.load_at_end = runner::load_average();
  provenance.visits = result.visits;
  provenance.samples = result.samples;
  provenance.discarded_samples = result.discarded_samples;
  provenance.reference = result.reference;
  provenance.reference_now_us = result.reference_now_us;
  provenance.unsteadiness = result.unsteadiness;
  provenance.slowdowns = journal.samples().slowdowns();
  provenance.missing = result.missing;
  base::replace_file(provenance_path(result.output), provenance_json(provenance));
  if (result.inference) {
    base::replace_file(search::posterior_path(result.output),
                       search::posterior_text(result.inference->posterior));
  } else {
    fs::remove(search::posterior_path(result.output));  // of an estimated table that is written over
  }
  lut::write_records(records, result.output);
  journal.discard();
  return result;
}

DryRunResult dry_run(const Options& options, runner::Runner* runner) {
  check_names(options);
  DryRunResult result;
  std::optional<runner::RunnerInfo> info;
  if (runner != nullptr) info = runner->open(options.runner);
  result.device = info ? device_name(options, info->machine, info->engine)
                       : device_name(options, runner::this_machine(), options.runner.engine);
  std::optional<lut::Table> known = load_known(options);
  Work work = plan_work(options, known ? &*known : nullptr, result.device);
  for (const lut::OperatorKey& key : work.plan.operators()) result.operators.push_back(lut::describe(key));
  result.known = work.plan.num_known();
  result.missing = work.plan.missing();
  if (runner == nullptr) return result;
  if (known) check_origin(options, *known, result.device, *info);
  if (timed_by(*info) == Timed::kNetworks) {
    check_number(choose_networks(work.carriers, options.num_networks, options.measure.seed).size());
    result.estimated_s = options.measure.budget_s;
    return result;
  }
  Rehearsal rehearsal =
      rehearse(work.carriers, work.plan.operators(),
               work.references.empty() ? nullptr : &work.references.front(), *runner, options.measure);
  result.missing = all_missing(work.plan, rehearsal.unsupported);
  result.estimated_s = rehearsal.estimated_s;
  return result;
}

}  // namespace latgrad::profile
