#include "run.h"

#include <fmt/format.h>

#include <chrono>

#include "journal.h"
#include "latgrad/lut/error.h"
#include "latgrad/lut/netdef.h"
#include "provenance.h"
#include "statistics.h"

namespace latgrad::profile {
namespace {

namespace fs = std::filesystem;

lut::Net read_net(const fs::path& path, const std::map<std::string, lut::Shape>& inputs) {
  lut::Net net = lut::read_net(path);
  for (const auto& [name, shape] : inputs) {
    if (lut::is_data_input(net, name)) lut::set_input(net, name, shape);
  }
  return net;
}

void check_inputs(const std::vector<lut::Net>& nets, const std::map<std::string, lut::Shape>& inputs) {
  for (const auto& [name, shape] : inputs) {
    bool found = std::any_of(nets.begin(), nets.end(),
                             [&](const lut::Net& net) { return lut::is_data_input(net, name); });
    if (!found) throw ValueError(fmt::format("--input must name an input of a network, got \"{}\"", name));
  }
}

Plan plan_against(const Options& options, const lut::Table* known) {
  Plan plan;
  for (const fs::path& path : options.spaces) {
    search::Space space = search::Space::load(path);
    for (search::Precision precision : options.precisions) plan.add_space(space, precision);
  }
  std::vector<lut::Net> nets;
  for (const fs::path& path : options.nets) nets.push_back(read_net(path, options.inputs));
  check_inputs(nets, options.inputs);
  for (const lut::Net& net : nets) plan.add_net(net);
  if (known != nullptr) plan.drop_known(*known, options.device);
  return plan;
}

std::optional<lut::Table> load_known(const Options& options) {
  if (!options.lut) return std::nullopt;
  return lut::Table::load(*options.lut);
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

// Appends the record of every operator that has samples, and says how well each was measured.
std::vector<MeasuredOperator> append_records(const std::vector<lut::OperatorKey>& operators,
                                             const Journal& journal, const std::string& device,
                                             std::vector<lut::Record>& records) {
  std::vector<MeasuredOperator> measured;
  for (size_t op = 0; op < operators.size(); ++op) {
    const std::vector<double>& samples_us = journal.samples_us(op);
    if (samples_us.empty()) continue;
    Percentiles times = percentiles(samples_us);
    records.push_back(make_record(operators[op], times, device));
    measured.push_back({lut::describe(operators[op]), samples_us.size(), times.spread()});
  }
  return measured;
}

fs::path journal_path(const Options& options) {
  fs::path path = options.output;
  return path += ".partial";
}

}  // namespace

Plan make_plan(const Options& options) {
  std::optional<lut::Table> known = load_known(options);
  return plan_against(options, known ? &*known : nullptr);
}

RunResult run(const Options& options, const Kernels& kernels, Progress& progress,
              const std::function<bool()>& stop_requested) {
  auto start = std::chrono::steady_clock::now();
  Provenance provenance;
  provenance.table = options.output.filename().string();
  provenance.device = options.device;
  provenance.machine = this_machine();
  provenance.torch_version = kernels.torch_version;
  provenance.threads = options.threads;
  provenance.options = options.measure;
  provenance.load_at_start = load_average();

  std::optional<lut::Table> known = load_known(options);
  Plan plan = plan_against(options, known ? &*known : nullptr);
  const std::vector<lut::OperatorKey>& operators = plan.operators();
  Journal journal(journal_path(options),
                  {.device = options.device,
                   .torch_version = kernels.torch_version,
                   .threads = options.threads,
                   .warmup = options.measure.warmup,
                   .repetitions = options.measure.repetitions,
                   .seed = options.measure.seed,
                   .plan_hash = plan_hash(operators)},
                  operators.size());

  MeasureHooks hooks{.on_visit =
                         [&](const Visit& visit) {
                           progress.show(visit.done, visit.total, visit.left_s,
                                         lut::describe(operators[visit.op]));
                         },
                     .stop_requested = stop_requested};
  Measured measured = measure(operators, kernels.prepare, journal, options.measure, hooks);
  progress.clear();

  RunResult result{.missing = all_missing(plan, measured.unsupported),
                   .planned = operators.size(),
                   .known = plan.num_known(),
                   .stopped = measured.stopped,
                   .budget_spent = measured.budget_spent};
  if (measured.stopped) return result;

  std::vector<lut::Record> records;
  if (known) {
    for (size_t i = 0; i < known->size(); ++i) records.push_back(known->record(i));
    provenance.extends = options.lut->filename().string();
    provenance.records_taken_over = records.size();
  }
  provenance.operators = append_records(operators, journal, options.device, records);
  result.measured = provenance.operators.size();
  result.median_spread = median_spread(provenance.operators);
  result.elapsed_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  provenance.budget_spent = measured.budget_spent;
  provenance.resumed = journal.resumed();
  provenance.date_utc = date_utc();
  provenance.elapsed_s = result.elapsed_s;
  provenance.load_at_end = load_average();
  provenance.missing = result.missing;
  lut::write_records(records, options.output);
  write_text(provenance_json(provenance), provenance_path(options.output));
  journal.discard();
  return result;
}

DryRunResult dry_run(const Options& options, const Kernels& kernels) {
  DryRunResult result;
  result.plan = make_plan(options);
  Rehearsal rehearsal = rehearse(result.plan.operators(), kernels.prepare, options.measure);
  result.missing = all_missing(result.plan, rehearsal.unsupported);
  result.estimated_s = rehearsal.estimated_s;
  return result;
}

}  // namespace latgrad::profile
