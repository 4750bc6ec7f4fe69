#include "latgrad/profile/validate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <set>

#include "latgrad/base/random.h"
#include "latgrad/lut/describe.h"
#include "latgrad/profile/carriers.h"
#include "latgrad/profile/samples.h"
#include "latgrad/search/lowering.h"
#include "latgrad/search/posterior_file.h"
#include "latgrad/search/random_architecture.h"

namespace latgrad::profile {
namespace {

// After this many repeated random architectures in a row, the space has no new ones, or hardly any.
constexpr int kMaxRepeats = 200;

// 0 of none.
double mean(const std::vector<double>& values) {
  if (values.empty()) return 0;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

class SubjectMaker {
 public:
  SubjectMaker(const lut::Table* table, const lut::EstimateOptions& pricing,
               const search::OperatorPosterior* posterior)
      : table_(table), pricing_(pricing), posterior_(posterior) {}

  void add(std::string name, bool from_space, const net::Net& net) {
    const net::NetShapes shapes = net::infer_shapes(net, {.allow_unknown = true});
    if (table_ == nullptr) {
      subjects_.priced.push_back(
          {std::move(name), from_space, runner::make_chain(net, shapes), {}, {}, {}, net});
      return;
    }
    const lut::Estimate estimate = lut::estimate(net, shapes, *table_, pricing_);
    if (std::optional<double> total_us = estimate.total_us()) {
      subjects_.priced.push_back(
          {std::move(name), from_space, runner::make_chain(net, shapes), *total_us, {}, {}, net});
      if (posterior_ != nullptr)
        subjects_.priced.back().predicted = search::interval_of(estimate, *posterior_);
      for (const lut::OpEstimate& op : estimate.ops) {
        subjects_.priced.back().operators_us.push_back(*op.time_us);
      }
      return;
    }
    UnpricedSubject unpriced{std::move(name), {}, {}};
    for (size_t i = 0; i < net.ops.size(); ++i) {
      if (estimate.ops[i].time_us) continue;
      if (shapes.ops[i].known) {
        unpriced.missing.push_back(lut::operator_key(net.ops[i], shapes.ops[i]));
      } else {
        unpriced.unknown_types.push_back(net.ops[i].type);
      }
    }
    subjects_.unpriced.push_back(std::move(unpriced));
  }

  Subjects take() { return std::move(subjects_); }

 private:
  const lut::Table* table_;
  const lut::EstimateOptions& pricing_;
  const search::OperatorPosterior* posterior_;
  Subjects subjects_;
};

// The distinct operators of the networks. They are timed in an extra run after each sample.
class OperatorPlaces {
 public:
  explicit OperatorPlaces(std::span<const Subject> subjects) {
    for (const Subject& subject : subjects) {
      std::vector<size_t>& places = by_subject_.emplace_back();
      for (const runner::ChainOperator& link : subject.chain) {
        places.push_back(places_.emplace(lut::canonical(link.key), places_.size()).first->second);
      }
    }
  }

  size_t num_operators() const { return places_.size(); }
  const std::vector<size_t>& of(size_t subject) const { return by_subject_[subject]; }

 private:
  std::map<std::string, size_t> places_;
  std::vector<std::vector<size_t>> by_subject_;  // by operator of the chain
};

class Validation {
 public:
  // Either a runner of operators or a timer.
  Validation(std::span<const Subject> subjects, const Reference* reference, runner::Runner* runner,
             NetworkTimer* timer, const RoundOptions& options, const ValidateHooks& hooks, bool nodes)
      : subjects_(subjects),
        reference_(reference),
        runner_(runner),
        timer_(timer),
        options_(options),
        hooks_(hooks),
        asks_for_nodes_(nodes),
        random_(options.seed),
        places_(subjects),
        runs_(places_.num_operators(), {.flank_tolerance = options.flank_tolerance,
                                        .reference_us = reference == nullptr ? 0 : reference->time_us}),
        reasons_(subjects.size()) {}

  ValidateResult run() {
    while (!result_.stopped && rounds_.begin(net_times(runs_.flank_tolerance()), can_run())) run_round();
    if (result_.stopped) return std::move(result_);
    const double tolerance = runs_.flank_tolerance();
    const std::vector<Times> times = net_times(tolerance);
    const std::vector<Times> all_times = net_times(std::numeric_limits<double>::infinity());
    // Samples under which the machine changed its speed are better than no result.
    std::vector<Times> used;
    for (size_t i = 0; i < subjects_.size(); ++i) {
      used.push_back(times[i].visits() > 0 ? times[i] : all_times[i]);
      add_result(i, used.back());
    }
    result_.operators_now = operators_now();
    for (const NetVisit& visit : visits_) {
      result_.runs += visit.total_us.size();
      result_.discarded_runs += static_cast<size_t>(std::ranges::count_if(
          visit.flanks, [tolerance](const Flanks& flanks) { return flanks.disagreement() > tolerance; }));
    }
    if (runs_.undisturbed_us() > 0) {
      result_.reference = *reference_;
      result_.reference->time_us = runs_.reference_us();
      result_.reference_now_us = runs_.undisturbed_us();
    }
    result_.unsteadiness = runs_.unsteadiness();
    std::vector<TimePair> pairs;
    for (const ValidatedNet& net : result_.nets) pairs.push_back(net.time);
    const bool are_priced = std::ranges::all_of(
        subjects_, [](const Subject& subject) { return subject.predicted_us.has_value(); });
    if (!pairs.empty() && are_priced) {
      result_.agreement = agreement(pairs, options_.seed);
      result_.covered = covered();
      if (timer_ == nullptr) result_.agreement_now = agreement(sums_now(used), options_.seed);
    }
    result_.rounds = rounds_.done();
    result_.budget_spent = rounds_.budget_spent();
    result_.elapsed_s = rounds_.elapsed_s();
    return std::move(result_);
  }

 private:
  struct NetVisit {
    size_t subject = 0;
    std::vector<double> total_us;
    std::vector<Flanks> flanks;  // by sample; none without a reference
    double nodes_us = 0;         // the sum of the engine's own times; 0: none
  };

  void run_round() {
    std::vector<size_t> order;
    for (size_t i = 0; i < subjects_.size(); ++i) {
      if (rounds_.unsettled()[i]) order.push_back(i);
    }
    base::shuffle(order, random_);
    for (size_t i : order) {
      if (!rounds_.has_time()) return;
      result_.stopped = hooks_.stop_requested && hooks_.stop_requested();
      if (result_.stopped) return;
      visit(i);
    }
  }

  std::optional<size_t> covered() const {
    size_t count = 0;
    for (const ValidatedNet& net : result_.nets) {
      if (!net.predicted) return std::nullopt;
      count +=
          net.time.measured_us >= net.predicted->low_us && net.time.measured_us <= net.predicted->high_us;
    }
    return count;
  }

  std::vector<bool> can_run() const {
    std::vector<bool> can_run;
    for (const std::vector<std::string>& reasons : reasons_) can_run.push_back(reasons.empty());
    return can_run;
  }

  void visit(size_t i) {
    if (hooks_.on_visit) {
      hooks_.on_visit(
          {subjects_[i], rounds_.settled(), subjects_.size(), rounds_.left_s(), runs_.unsteadiness()});
    }
    if (timer_ != nullptr) {
      visit_whole(i);
    } else {
      visit_operators(i);
    }
  }

  void visit_whole(size_t i) {
    NetworkVisit visit = timer_->time(subjects_[i].net, options_, asks_for_nodes_);
    if (!visit.unsupported.empty()) {
      reasons_[i].push_back(std::move(visit.unsupported));
      return;
    }
    for (const Flanks& flanks : visit.flanks) runs_.add_visit({.operators = {}, .flanks = {flanks}});
    visits_.push_back({i, std::move(visit.total_us), std::move(visit.flanks), visit.nodes_us});
  }

  void visit_operators(size_t i) {
    const runner::Chain& chain = subjects_[i].chain;
    FlankedTimings flanked = measure_flanked(reference_, *runner_,
                                             {.chain = chain,
                                              .warmup = options_.warmup,
                                              .samples = options_.samples_per_visit,
                                              .timing = runner::Timing::kWhole});
    const runner::Timings& timings = flanked.timings;
    // A runner leaves out operators that it cannot run: the time of the rest is not the network's.
    for (size_t op = 0; op < timings.unsupported.size(); ++op) {
      if (timings.unsupported[op].empty()) continue;
      std::string reason = fmt::format("{}: {}", timings.unsupported[op], lut::describe(chain[op].key));
      if (std::ranges::find(reasons_[i], reason) == reasons_[i].end()) {
        reasons_[i].push_back(std::move(reason));
      }
    }
    if (!reasons_[i].empty()) return;
    for (size_t sample = 0; sample < timings.total_us.size(); ++sample) {
      std::map<size_t, std::vector<double>> samples_us;
      for (size_t op = 0; op < chain.size(); ++op) {
        samples_us[places_.of(i)[op]].push_back(timings.operators_us[op][sample]);
      }
      VisitSamples run;
      for (auto& [op, samples] : samples_us) run.operators.push_back({op, std::move(samples)});
      if (!flanked.flanks.empty()) run.flanks = {flanked.flanks[sample]};
      runs_.add_visit(std::move(run));
    }
    visits_.push_back({i, timings.total_us, std::move(flanked.flanks)});
  }

  // By place: the time of the operator in the runs that count, or 0 without any.
  std::vector<double> operators_now_us() const {
    const double burst_factor = runs_.burst_factor();
    std::vector<double> now_us;
    for (const Times& times : runs_.times()) {
      now_us.push_back(times.typical_us() * burst_factor);
    }
    return now_us;
  }

  // For each network of the result: its mean time, and the sum of its operators' mean times in this run. Of a
  // noisy machine, whose times are skewed, the medians of operators sum to less than the median of their
  // network; means are additive.
  std::vector<TimePair> sums_now(const std::vector<Times>& net_times) const {
    std::vector<double> now_us;
    for (const Times& times : runs_.times()) now_us.push_back(mean(times.samples_us()));
    std::vector<TimePair> pairs;
    auto net = result_.nets.begin();
    for (size_t i = 0; i < subjects_.size() && net != result_.nets.end(); ++i) {
      if (net->name != subjects_[i].name) continue;  // it was not measured
      double sum_us = 0;
      for (size_t place : places_.of(i)) sum_us += now_us[place];
      pairs.push_back({mean(net_times[i].samples_us()), sum_us});
      ++net;
    }
    return pairs;
  }

  // How the operator times in the runs that count compare with the table.
  std::optional<double> operators_now() const {
    const std::vector<double> now_us = operators_now_us();
    std::vector<double> ratios;
    for (size_t i = 0; i < subjects_.size(); ++i) {
      if (!reasons_[i].empty()) continue;
      for (size_t op = 0; op < subjects_[i].chain.size(); ++op) {
        const double table_us = subjects_[i].predicted_us ? subjects_[i].operators_us[op] : 0;
        if (const double us = now_us[places_.of(i)[op]]; us > 0 && table_us > 0)
          ratios.push_back(us / table_us);
      }
    }
    if (ratios.empty()) return std::nullopt;
    return percentile(std::move(ratios), 50);
  }

  // By subject, from the samples that count.
  std::vector<Times> net_times(double flank_tolerance) const {
    const double reference_us = runs_.reference_us();
    std::vector<Times> times(subjects_.size());
    for (const NetVisit& visit : visits_) {
      const std::vector<double> counted_us =
          counted(visit.total_us, visit.flanks, reference_us, flank_tolerance);
      if (!counted_us.empty()) times[visit.subject].add(counted_us);
    }
    return times;
  }

  // The engine measures its nodes at another moment than the network, on a machine that may have another
  // speed then: the median over the visits, each at the speed of its reference.
  double nodes_us(size_t i) const {
    std::vector<double> sums_us;
    for (const NetVisit& visit : visits_) {
      if (visit.subject != i || !(visit.nodes_us > 0)) continue;
      double reference_us = 0;
      for (const Flanks& flanks : visit.flanks) {
        reference_us += flanks.mean_us() / static_cast<double>(visit.flanks.size());
      }
      sums_us.push_back(reference_us > 0 ? visit.nodes_us * runs_.reference_us() / reference_us
                                         : visit.nodes_us);
    }
    return sums_us.empty() ? 0 : percentile(std::move(sums_us), 50);
  }

  void add_result(size_t i, const Times& times) {
    const Subject& subject = subjects_[i];
    if (!reasons_[i].empty()) {
      result_.unmeasured.push_back({subject.name, reasons_[i]});
      return;
    }
    const double measured_us = times.visits() > 0 ? std::round(times.centre().value_us * 1e3) / 1e3 : 0;
    if (!(measured_us > 0)) {
      result_.unmeasured.push_back({subject.name, {"it took no time by the runner's clock"}});
      return;
    }
    result_.nets.push_back({subject.name,
                            subject.from_space,
                            {measured_us, subject.predicted_us.value_or(0)},
                            subject.predicted,
                            times.visits(),
                            times.centre().interval,
                            times.relative_error(),
                            nodes_us(i)});
  }

  std::span<const Subject> subjects_;
  const Reference* reference_;
  runner::Runner* runner_;
  NetworkTimer* timer_;  // of an engine that takes networks whole
  const RoundOptions& options_;
  const ValidateHooks& hooks_;
  const bool asks_for_nodes_;

  std::mt19937_64 random_;
  OperatorPlaces places_;
  Samples runs_;  // one after each sample of a visit, with the operators timed
  std::vector<NetVisit> visits_;
  std::vector<std::vector<std::string>> reasons_;  // by subject: why it cannot run; empty for the others
  Rounds rounds_{options_};
  ValidateResult result_;
};

}  // namespace

Subjects make_subjects(const SubjectOptions& options, const lut::Table* table,
                       const lut::EstimateOptions& pricing, const search::OperatorPosterior* posterior) {
  SubjectMaker maker(table, pricing, posterior);
  for (const NamedNet& net : options.nets) maker.add(net.name, /*from_space=*/false, net.net);
  if (options.space == nullptr) return maker.take();

  const search::Space& space = *options.space;
  std::set<search::Architecture> seen;
  auto add = [&](std::string name, const search::Architecture& arch) {
    maker.add(std::move(name), /*from_space=*/true, search::lower(space, arch, options.precision));
  };
  if (options.named) {
    for (const auto& [name, arch] : space.architectures()) {
      if (seen.insert(arch).second) add(name, arch);
    }
  }
  std::mt19937_64 random(options.seed);
  int repeats = 0;
  for (size_t made = 0; made < options.random && repeats < kMaxRepeats;) {
    const search::Architecture arch = search::random_architecture(space, random);
    if (!seen.insert(arch).second) {
      ++repeats;
      continue;
    }
    repeats = 0;
    ++made;
    add(architecture_name(space, arch), arch);
  }
  return maker.take();
}

ValidateResult validate(std::span<const Subject> subjects, const Reference* reference, runner::Runner& runner,
                        const RoundOptions& options, const ValidateHooks& hooks) {
  return Validation(subjects, reference, &runner, nullptr, options, hooks, /*nodes=*/false).run();
}

ValidateResult validate(std::span<const Subject> subjects, NetworkTimer& timer, const RoundOptions& options,
                        const ValidateHooks& hooks, bool nodes) {
  const Reference* reference = timer.reference() ? &*timer.reference() : nullptr;
  return Validation(subjects, reference, nullptr, &timer, options, hooks, nodes).run();
}

}  // namespace latgrad::profile
