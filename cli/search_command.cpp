#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "command.h"
#include "front_plot.h"
#include "latgrad/base/duration.h"
#include "latgrad/base/error.h"
#include "latgrad/base/json.h"
#include "latgrad/base/quantity.h"
#include "latgrad/base/replace_file.h"
#include "latgrad/lut/missing_operators.h"
#include "latgrad/search/latency_model.h"
#include "latgrad/search/lowering.h"
#include "latgrad/search/space_search.h"
#include "net_options.h"
#include "option_check.h"
#include "output.h"
#include "pricing_options.h"
#include "quantities.h"
#include "score_file.h"
#include "space_lookup.h"
#include "text_table.h"

namespace latgrad::cli {

namespace {

constexpr const char* kDescription =
    "Find the best architectures of a search space within budgets, exactly and with a proof";

constexpr const char* kFooter =
    "Examples:\n"
    "  latgrad search fbnet --lut lut.json --budget 20ms                  the most multiply-accumulates in "
    "20 ms\n"
    "  latgrad search fbnet --lut lut.json --budget 20ms --score theta.json --top 10\n"
    "  latgrad search fbnet --lut phone.json --budget 20ms --budget-on watch=80ms --lut watch.json\n"
    "  latgrad search fbnet --lut lut.json --budget 20ms --max-params 4.5M --max-peak-memory 2MB\n"
    "  latgrad search fbnet --lut lut.json --pareto --plot front.svg      every architecture worth having\n\n"
    "The score of an architecture is the sum over its layers: theta.json holds logits [layers][candidates], "
    "as\n"
    "the lines of a search's log do, and is scored by log-probability; scores.csv has lines\n"
    "layer,candidate,score, layers from 1. Nothing is rounded, sampled or put on a grid: what is printed as\n"
    "proven is the best there is.\n\n"
    "Exit codes: 0 proven, 3 the time limit came first (the bound says how much better there may be) or the\n"
    "table lacks operators, 1 no architecture fits, or another error, 2 wrong usage.";

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr size_t kListedMissing = 10;
constexpr size_t kListedOfFront = 25;

struct DeviceBudget {
  std::string device;
  double budget_us = 0;
};

struct SearchOptions {
  std::string space;
  std::vector<std::filesystem::path> luts;
  std::string device;
  std::string statistic = "p50";
  std::string precision = "int8";
  double budget_us = kInfinity;
  std::vector<DeviceBudget> budgets_on;
  double max_macs = kInfinity;
  double max_params = kInfinity;
  std::optional<int64_t> max_peak_bytes;
  std::string score = "macs";
  size_t top = 1;
  std::optional<size_t> pareto;  // 0: the whole front
  double time_limit_s = 60;
  std::string plot;
  bool json = false;
};

DeviceBudget parse_device_budget(const std::string& text) {
  const size_t equals = text.rfind('=');
  if (equals == 0 || equals == std::string::npos) {
    throw ValueError(fmt::format("a budget of another device must be DEVICE=TIME, got \"{}\"", text));
  }
  return {text.substr(0, equals), base::parse_time_us(text.substr(equals + 1))};
}

// ---- what is searched ----

struct Question {
  search::SpaceQuery query;          // costs: the devices' latencies, multiply-accumulates, parameters
  std::vector<std::string> devices;  // of the first costs
  std::string score;                 // in words
  lut::MissingOperators missing = {};

  size_t macs() const { return devices.size(); }
  size_t params() const { return devices.size() + 1; }
};

// The latency on a device, of the first table that has it. Candidates that it cannot price are not offered.
search::AdditiveCost latency_of(Question& question, const std::vector<lut::Table>& tables,
                                const std::string& device, const SearchOptions& options) {
  const auto table = std::ranges::find_if(tables, [&](const lut::Table& one) {
    const std::vector<std::string> devices = one.devices();
    return std::ranges::find(devices, device) != devices.end();
  });
  if (table == tables.end()) {
    throw ValueError(fmt::format("a budget must be on a device of a --lut, got \"{}\"", device));
  }
  const search::LatencyModel model = build_latency_model(
      question.query.space, *table, {.precision = question.query.precision, .device = device});
  for (const search::MissingOperator& op : model.missing) {
    for (const std::string& user : op.used_by) question.missing.add(op.key, user);
  }
  if (!model.fixed_complete) {
    throw ValueError(fmt::format("the table must hold what all architectures share, but lacks {} for {}:\n{}",
                                 format_count(question.missing.size(), "operator"), device,
                                 question.missing.text(kListedMissing)));
  }
  const search::Prices& prices = model.by(lut::parse_statistic(options.statistic));
  for (size_t i = 0; i < model.valid.size(); ++i) question.query.valid[i] &= model.valid[i];
  question.devices.push_back(device);
  return {.fixed = prices.fixed_us, .table = prices.table_us};
}

// Errors: ValueError for a layer of which the tables price no candidate.
void check_layers(const Question& question) {
  const search::Space& space = question.query.space;
  for (size_t layer = 0; layer < space.layers().size(); ++layer) {
    const auto row =
        std::span(question.query.valid).subspan(layer * space.max_candidates(), space.max_candidates());
    if (std::ranges::any_of(row, [](uint8_t offered) { return offered != 0; })) continue;
    throw ValueError(
        fmt::format("the table must price a candidate of each layer, but none of layer {}; it lacks:\n{}",
                    layer + 1, question.missing.text(kListedMissing)));
  }
}

Question ask(const SearchOptions& options) {
  const search::Space space = load_space(options.space);
  search::refuse_chain(space, "a space that is searched");
  const search::Precision precision = search::parse_precision(options.precision);
  Question question{
      .query = {.space = space,
                .precision = precision,
                .scores = {},
                .costs = {},
                .valid = std::vector<uint8_t>(space.layers().size() * space.max_candidates(), 1),
                .max_peak_bytes = options.max_peak_bytes,
                .count = options.top},
      .devices = {},
      .score = {}};
  std::vector<lut::Table> tables;
  for (const auto& lut : options.luts) tables.push_back(lut::Table::load(lut));
  const auto add_cost = [&](search::AdditiveCost cost, double budget) {
    cost.budget = budget;
    question.query.costs.push_back(std::move(cost));
  };
  const std::string device = tables.front().resolve_device(options.device);
  add_cost(latency_of(question, tables, device, options), options.budget_us);
  for (const DeviceBudget& budget : options.budgets_on) {
    add_cost(latency_of(question, tables, budget.device, options), budget.budget_us);
  }
  check_layers(question);
  add_cost(macs_of(space, precision), options.max_macs);
  add_cost(params_of(space, precision), options.max_params);
  if (options.score == "macs") {
    question.query.scores = question.query.costs[question.macs()].table;
    question.score = "multiply-accumulates of the layers";
  } else {
    question.query.scores = read_scores(options.score, space);
    question.score = std::filesystem::path(options.score).extension() == ".csv" ? "score" : "log-probability";
  }
  return question;
}

std::function<bool()> time_limit(double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  return [end] { return std::chrono::steady_clock::now() > end; };
}

// ---- budgets that nothing meets ----

// What is least of one cost, where that alone is too much; empty where it is not.
std::string miss(search::SpaceQuery query, size_t cost, const std::string& what,
                 const std::function<std::string(double)>& text) {
  query.max_peak_bytes = std::nullopt;
  const search::ScoredArchitecture least = cheapest_architecture(query, cost);
  const double budget = query.costs[cost].budget;
  if (least.costs[cost] <= budget) return "";
  return fmt::format("\n  {}: the least is {}, {:.1f} % above {}, of {}", what, text(least.costs[cost]),
                     100 * (least.costs[cost] / budget - 1), text(budget),
                     query.space.format_architecture(least.arch));
}

[[noreturn]] void fail_as_infeasible(const Question& question) {
  const search::SpaceQuery& query = question.query;
  std::string misses;
  for (size_t i = 0; i < question.devices.size(); ++i) {
    misses += miss(query, i, "latency on " + question.devices[i], format_ms);
  }
  const auto count = [](double value) { return format_millions(static_cast<int64_t>(value)); };
  misses += miss(query, question.macs(), "multiply-accumulates", count);
  misses += miss(query, question.params(), "parameters", count);
  if (query.max_peak_bytes) {
    const int64_t least = least_peak_bytes(query.space, query.precision);
    if (least > *query.max_peak_bytes) {
      misses +=
          fmt::format("\n  peak memory: the least is {}, {:.1f} % above {}", format_bytes(least),
                      100.0 * static_cast<double>(least) / static_cast<double>(*query.max_peak_bytes) - 100,
                      format_bytes(*query.max_peak_bytes));
    }
  }
  if (misses.empty()) misses = "\n  each budget alone can be met, but not all together";
  throw ValueError(fmt::format("an architecture of {} must fit the budgets, but none does:{}",
                               query.space.name(), misses));
}

// ---- results ----

base::Json architecture_json(const Question& question, const search::ScoredArchitecture& found) {
  const search::SpaceQuery& query = question.query;
  base::Json on = base::Json::object();
  for (size_t i = 0; i < question.devices.size(); ++i) on[question.devices[i]] = found.costs[i];
  return {{"architecture", found.arch},
          {"blocks", query.space.format_architecture(found.arch)},
          {"score", found.score},
          {"latency_us", found.costs[0]},
          {"latency_us_on", std::move(on)},
          {"macs", static_cast<int64_t>(found.costs[question.macs()])},
          {"params", static_cast<int64_t>(found.costs[question.params()])},
          {"peak_activation_bytes", peak_activation_bytes(query.space, found.arch, query.precision)}};
}

base::Json head_json(const SearchOptions& options, const Question& question) {
  const auto or_null = [](double budget) { return budget < kInfinity ? base::Json(budget) : base::Json(); };
  base::Json budgets = base::Json::object();
  for (size_t i = 0; i < question.devices.size(); ++i) {
    budgets[question.devices[i]] = or_null(question.query.costs[i].budget);
  }
  return {{"space", question.query.space.name()},
          {"precision", options.precision},
          {"statistic", options.statistic},
          {"device", question.devices.front()},
          {"score", question.score},
          {"budgets_us", std::move(budgets)},
          {"max_macs", or_null(options.max_macs)},
          {"max_params", or_null(options.max_params)},
          {"max_peak_activation_bytes", base::or_null(options.max_peak_bytes)}};
}

// Up to ten candidates, one digit for each layer; else the names of the blocks.
std::string short_text(const search::Space& space, const search::Architecture& arch) {
  if (space.max_candidates() > 10) return space.format_architecture(arch);
  std::string digits;
  for (const int choice : arch) digits += static_cast<char>('0' + choice);
  return digits;
}

std::string architectures_text(const Question& question, const std::vector<search::ScoredArchitecture>& all,
                               size_t most) {
  std::vector<Column> columns = {{"architecture", Align::kLeft}, {"score", Align::kRight}};
  for (const std::string& device : question.devices) {
    columns.push_back({question.devices.size() == 1 ? "ms" : "ms on " + device, Align::kRight});
  }
  for (const char* name : {"MACs", "parameters", "peak memory"}) columns.push_back({name, Align::kRight});
  TextTable table(std::move(columns));
  const search::SpaceQuery& query = question.query;
  const size_t shown = std::min(most, all.size());
  for (size_t i = 0; i < shown; ++i) {
    // Evenly spread, the first and the last among them.
    const search::ScoredArchitecture& one = all[shown < 2 ? i : i * (all.size() - 1) / (shown - 1)];
    std::vector<std::string> row = {short_text(query.space, one.arch), fmt::format("{:.6g}", one.score)};
    for (size_t d = 0; d < question.devices.size(); ++d)
      row.push_back(fmt::format("{:.3f}", one.costs[d] / 1e3));
    row.push_back(format_millions(static_cast<int64_t>(one.costs[question.macs()])));
    row.push_back(format_millions(static_cast<int64_t>(one.costs[question.params()])));
    row.push_back(format_bytes(peak_activation_bytes(query.space, one.arch, query.precision)));
    table.add_row(std::move(row));
  }
  return table.text();
}

std::string missing_text(const SearchOptions& options, const Question& question) {
  if (question.missing.empty()) return "";
  return fmt::format(
      "\nNot offered, because the table lacks {}:\n{}Measure them on that device:  latgrad profile --space "
      "{} "
      "--precision {}{}\n",
      format_count(question.missing.size(), "operator"), question.missing.text(kListedMissing),
      shell_word(options.space), options.precision, extended_table(options.luts.front()));
}

void write_plot(const SearchOptions& options, const Question& question,
                const std::vector<search::ScoredArchitecture>& front) {
  if (options.plot.empty()) return;
  if (front.empty()) {
    write_error("latgrad: no plot, because no architecture was found\n");
    return;
  }
  std::vector<FrontPoint> points;
  for (const search::ScoredArchitecture& one : front) {
    points.push_back({one.costs[0], one.score, question.query.space.format_architecture(one.arch)});
  }
  std::ranges::sort(points, {}, &FrontPoint::latency_us);
  base::replace_file(
      options.plot,
      front_plot(
          {.title = fmt::format("{} on {}", question.query.space.name(), question.devices.front()),
           .score = question.score,
           .points = std::move(points),
           .target_us = options.budget_us < kInfinity ? std::optional(options.budget_us) : std::nullopt}));
}

int exit_code(const Question& question, bool proven) {
  return proven && question.missing.empty() ? kComplete : kSomethingMissing;
}

std::string proof_text(const search::SpaceSearch& found, double elapsed_ms) {
  if (found.proven) {
    return fmt::format(
        "Proven: no other architecture within the budgets scores more ({} partial architectures, {:.1f} "
        "ms).\n",
        found.num_labels, elapsed_ms);
  }
  const std::string why =
      found.stopped ? "the time limit came first"
                    : fmt::format("too few of the {} best fit the peak memory", search::kMaxArchitectures);
  return fmt::format("Not proven: {}; no architecture within the budgets scores more than {:.6g}.\n", why,
                     found.bound);
}

int run_single(const SearchOptions& options, Question& question) {
  question.query.stop_requested = time_limit(options.time_limit_s);
  const auto start = std::chrono::steady_clock::now();
  const search::SpaceSearch found = search_space(question.query);
  const double elapsed_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  if (found.best.empty() && found.proven) fail_as_infeasible(question);
  write_plot(options, question, found.best);
  if (options.json) {
    base::Json json = head_json(options, question);
    json["architectures"] = base::Json::array();
    for (const auto& one : found.best) json["architectures"].push_back(architecture_json(question, one));
    json["proven"] = found.proven;
    json["bound"] = found.bound;
    json["partial_architectures"] = found.num_labels;
    json["elapsed_ms"] = base::rounded(elapsed_ms, 3);
    write_output(base::json_text(json));
    return exit_code(question, found.proven);
  }
  std::string text = fmt::format("The best of {} in {} on {}, by {}\n\n{}", question.query.space.name(),
                                 options.precision, question.devices.front(), question.score,
                                 architectures_text(question, found.best, found.best.size()));
  if (!found.best.empty()) {
    text +=
        fmt::format("\nThe first: {}\n", question.query.space.format_architecture(found.best.front().arch));
  }
  text += proof_text(found, elapsed_ms);
  write_text(text + missing_text(options, question));
  return exit_code(question, found.proven);
}

// As many budgets as asked for, evenly from the fastest architecture to that of the best score.
std::vector<search::ScoredArchitecture> front_of_budgets(const SearchOptions& options, Question& question,
                                                         bool& proven) {
  question.query.count = 1;
  question.query.stop_requested = time_limit(options.time_limit_s);
  search::SpaceSearch slowest = search_space(question.query);
  if (slowest.best.empty() && slowest.proven) fail_as_infeasible(question);
  proven = slowest.proven;
  if (slowest.best.empty()) return {};
  const double low = cheapest_architecture(question.query, 0).costs[0];
  const double high = slowest.best.front().costs[0];
  std::vector<double> budgets_us;
  for (size_t i = 0; i + 1 < *options.pareto; ++i) {
    const double part = static_cast<double>(i) / static_cast<double>(*options.pareto - 1);
    budgets_us.push_back(low + part * (high - low));
  }
  std::vector<search::SpaceSearch> all = search_space(question.query, budgets_us);
  proven = proven && all.size() == budgets_us.size();
  all.push_back(std::move(slowest));
  std::vector<search::ScoredArchitecture> front;
  for (search::SpaceSearch& found : all) {
    proven = proven && found.proven;
    for (search::ScoredArchitecture& one : found.best) {
      if (front.empty() || one.score > front.back().score) front.push_back(std::move(one));
    }
  }
  return front;
}

int run_pareto(const SearchOptions& options, Question& question) {
  bool proven = true;
  std::optional<std::vector<search::ScoredArchitecture>> front;
  if (*options.pareto == 0) {
    front = pareto_front(question.query);
    if (!front) {
      throw ValueError(
          "the Pareto front must have fewer than 8 million partial architectures; ask for budgets: --pareto "
          "1000");
    }
    if (front->empty()) fail_as_infeasible(question);
  } else {
    front = front_of_budgets(options, question, proven);
  }
  write_plot(options, question, *front);
  if (options.json) {
    base::Json json = head_json(options, question);
    json["proven"] = proven;
    json["front"] = base::Json::array();
    for (const auto& one : *front) json["front"].push_back(architecture_json(question, one));
    write_output(base::json_text(json));
    return exit_code(question, proven);
  }
  std::string text = fmt::format("The Pareto front of {} in {} on {}, by {}: {}\n\n{}",
                                 question.query.space.name(), options.precision, question.devices.front(),
                                 question.score, format_count(front->size(), "architecture"),
                                 architectures_text(question, *front, kListedOfFront));
  if (front->size() > kListedOfFront)
    text += fmt::format("\n{} of {}; --json lists all.\n", kListedOfFront, front->size());
  if (!proven) text += "\nNot proven: the time limit came first.\n";
  write_text(text + missing_text(options, question));
  return exit_code(question, proven);
}

int run(const SearchOptions& options) {
  const bool has_budget = options.budget_us < kInfinity || !options.budgets_on.empty() ||
                          options.max_macs < kInfinity || options.max_params < kInfinity ||
                          options.max_peak_bytes;
  if (!has_budget && !options.pareto) throw CLI::RequiredError("--budget, another limit, or --pareto");
  Question question = ask(options);
  return options.pareto ? run_pareto(options, question) : run_single(options, question);
}

template <typename Parse, typename Value>
void add_limit(CLI::App& app, const char* name, Value& value, Parse parse, const char* type,
               const char* description) {
  app.add_option_function<std::string>(
         name, [&value, parse](const std::string& text) { value = parse(text); }, description)
      ->type_name(type)
      ->check(valid_by(parse));
}

double parse_count_limit(const std::string& text) { return static_cast<double>(base::parse_count(text)); }

void declare_budgets(CLI::App& app, SearchOptions& options) {
  add_limit(app, "--budget", options.budget_us, base::parse_time_us, "TIME",
            "What the architecture may take on the device: 20ms, 20000us");
  app.add_option_function<std::vector<std::string>>(
         "--budget-on",
         [&options](const std::vector<std::string>& texts) {
           for (const std::string& text : texts) options.budgets_on.push_back(parse_device_budget(text));
         },
         "What it may take on another device of a --lut (repeatable)")
      ->type_name("DEVICE=TIME")
      ->allow_extra_args(false)
      ->check(valid_by(parse_device_budget));
  add_limit(app, "--max-macs", options.max_macs, parse_count_limit, "COUNT",
            "Most multiply-accumulates: 300M");
  add_limit(app, "--max-params", options.max_params, parse_count_limit, "COUNT", "Most weights: 4.5M");
  add_limit(app, "--max-peak-memory", options.max_peak_bytes, base::parse_bytes, "SIZE",
            "Most bytes of activations at a time: 2MB, 512KiB");
}

}  // namespace

Command add_search_command(CLI::App& parent) {
  CLI::App* app = parent.add_subcommand("search", kDescription);
  app->footer(kFooter);
  auto options = std::make_shared<SearchOptions>();
  app->add_option("space", options->space, "Search space: a file, or the name of one that comes with latgrad")
      ->type_name("SPACE")
      ->required();
  app->add_option("--lut", options->luts, "Look-up table; repeatable for --budget-on")
      ->type_name("FILE")
      ->required()
      ->allow_extra_args(false);
  app->add_option(
         "--device", options->device,
         "Device of --budget [the only one in the first table, or the one that its file is named after]")
      ->type_name("NAME");
  std::vector<std::string> statistics;
  for (const lut::Statistic statistic : lut::kStatistics) statistics.emplace_back(to_string(statistic));
  app->add_option("--statistic", options->statistic, "Which time of a record to use")
      ->type_name("NAME")
      ->capture_default_str()
      ->check(CLI::IsMember(statistics));
  add_precision_option(*app, options->precision);
  declare_budgets(*app, *options);
  app->add_option("--score", options->score, "What to make as large as possible: macs, or a file of scores")
      ->type_name("macs|FILE")
      ->capture_default_str();
  CLI::Option* top = app->add_option("--top", options->top, "How many architectures, best first")
                         ->type_name("K")
                         ->capture_default_str()
                         ->check(CLI::Range(size_t{1}, search::kMaxArchitectures));
  app->add_option("--pareto", options->pareto,
                  "Every architecture that no other beats in both time and score; or those of N budgets")
      ->type_name("[N]")
      ->expected(0, 1)
      ->default_str("0")
      ->check(CLI::Range(0, 100'000))
      ->excludes(top);
  app->add_option_function<std::string>(
         "--time-limit",
         [options](const std::string& text) { options->time_limit_s = base::parse_duration_s(text); },
         "When to stop without a proof [1m]")
      ->type_name("TIME")
      ->check(valid_by(base::parse_duration_s));
  app->add_option("--plot", options->plot, "Draw the scores over the latencies as an SVG file")
      ->type_name("FILE");
  app->add_flag("--json", options->json, "Print JSON");
  return {app, [options] { return run(*options); }};
}

}  // namespace latgrad::cli
