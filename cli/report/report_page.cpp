#include "report/report_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "front_plot.h"
#include "latgrad/base/duration.h"
#include "latgrad/base/error.h"
#include "latgrad/base/xml_text.h"
#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/memory.h"
#include "latgrad/search/exact_search.h"
#include "latgrad/search/lowering.h"
#include "quantities.h"
#include "report/architecture_drawing.h"
#include "report/breakdown.h"
#include "report/latency_map.h"
#include "report/line_chart.h"
#include "report/page.h"
#include "report/share_bars.h"
#include "report/text.h"
#include "report/theta_map.h"

namespace latgrad::cli::report {

using base::xml_text;

namespace {

constexpr size_t kExpensiveOperators = 10;
// Larger differences mean that operators and price come from different tables.
constexpr double kSamePrice = 0.005;
// Beyond this ratio a percentage tells nothing.
constexpr double kManyTimes = 1'000;
// Limits for the architectures at the end: blocks in total, and letters of a name in each block.
constexpr size_t kMostBlocks = 20'000;
constexpr size_t kLettersOfName = 40;

std::string or_unknown(const std::string& text) { return text.empty() ? "unknown" : text; }

std::string ms_or_dash(const std::optional<double>& us) { return us ? format_ms(*us) : "\u2013"; }

std::string percent_or_dash(const std::optional<double>& fraction) {
  return fraction ? fmt::format("{:.2f} %", 100 * *fraction) : "\u2013";
}

// Empty without a body, because a heading needs content.
std::string section(const std::string& title, const std::string& explanation, const std::string& body) {
  if (body.empty()) return "";
  return fmt::format("<section>\n<h2>{}</h2>\n{}{}</section>\n", xml_text(title),
                     explanation.empty() ? "" : fmt::format("<p>{}</p>\n", xml_text(explanation)), body);
}

// Side by side where the screen is wide enough.
std::string pair(const std::string& left, const std::string& right) {
  return left.empty() && right.empty() ? "" : "<div class=\"pair\">\n" + left + right + "</div>\n";
}

// ---- header ----

std::string heading(const Run& run) {
  if (!run.table) return "Architecture search";
  return fmt::format("Search of {} on {}", or_unknown(run.table->space), or_unknown(run.table->device));
}

std::string fact(const char* name, const std::string& value) {
  return value.empty() ? "" : fmt::format("<span>{} <b>{}</b></span> ", name, xml_text(value));
}

std::optional<double> target_us(const Run& run) {
  if (run.result) return run.result->target_us;
  return run.config ? run.config->target_us : std::nullopt;
}

std::string header(const Run& run) {
  std::string facts;
  if (run.table) {
    facts += fact("space", run.table->space) + fact("device", run.table->device) +
             fact("precision", run.table->precision) + fact("statistic", run.table->statistic);
  }
  if (const auto us = target_us(run)) facts += fact("target", format_ms(*us));
  if (run.config) facts += fact("program", run.config->program) + fact("started", run.config->created);
  return fmt::format("<header>\n<h1>{}</h1>\n<p class=\"facts\">{}</p>\n</header>\n", xml_text(heading(run)),
                     facts);
}

// ---- key figures ----

std::string key_figure(const char* name, const std::string& value, const std::string& note) {
  return fmt::format("<div><dt>{}</dt><dd>{}</dd>{}</div>\n", name, value,
                     note.empty() ? "" : fmt::format("<dd>{}</dd>", note));
}

std::string latency_note(const Run& run, const Pick& pick) {
  if (pick.origin != Pick::Origin::kChosen) return "arg-max of the last epoch";
  const auto us = target_us(run);
  if (!us || !pick.latency_us) return "the chosen architecture";
  const double excess = *pick.latency_us / *us - 1;
  if (excess > kManyTimes) return "far above the target, " + format_ms(*us);
  return fmt::format("{:.1f} % {} the target, {}", std::abs(100 * excess), excess > 0 ? "above" : "below",
                     format_ms(*us));
}

std::string key_figures(const Run& run, const Pick& pick) {
  std::string figures;
  if (pick.origin != Pick::Origin::kNone) {
    figures += key_figure("latency", ms_or_dash(pick.latency_us), latency_note(run, pick));
  }
  if (!run.epochs.empty()) {
    const Epoch& last = run.epochs.back();
    const bool has_share =
        last.gap_us && last.arg_max_us && std::abs(*last.gap_us) < kManyTimes * *last.arg_max_us;
    figures += key_figure(
        "expected \u2212 arg-max", ms_or_dash(last.gap_us),
        has_share ? fmt::format("{:+.2f} % of the arg-max, last epoch", 100 * *last.gap_us / *last.arg_max_us)
                  : "last epoch");
    figures += key_figure("accuracy, theta split", percent_or_dash(last.theta_accuracy),
                          "of the supernet, last epoch");
  }
  if (run.retraining && run.retraining->is_finished) {
    figures += key_figure("test accuracy", percent_or_dash(run.retraining->test_accuracy),
                          "of the chosen architecture, retrained");
  }
  double seconds = 0;
  for (const Epoch& epoch : run.epochs) seconds += epoch.seconds.value_or(0);
  figures += key_figure("epochs", std::to_string(run.epochs.size()), run.result ? "searched" : "so far");
  if (seconds > 0 && seconds <= kLargestNumber) {
    figures +=
        key_figure("search time", base::format_duration(seconds),
                   fmt::format("{:.3g} s per epoch", seconds / static_cast<double>(run.epochs.size())));
  }
  return "<dl class=\"figures\">\n" + figures + "</dl>\n";
}

// ---- what is missing ----

std::string notes(const Run& run) {
  std::vector<std::string> notes;
  if (!run.result) {
    notes.push_back(
        "The search has not ended: there is no result.json yet. The architecture shown is the arg-max of the "
        "last epoch; samples, the choice and the times of its operators follow when the search ends.");
  }
  if (run.epochs.empty()) notes.push_back("log.jsonl has no complete line yet: there are no curves.");
  if (!run.table) {
    notes.push_back("latency.json is missing: the names of the candidates and their latencies are unknown.");
  }
  if (!run.config) notes.push_back("config.json is missing: program, date and settings are unknown.");
  if (!run.space && !run.space_error.empty()) {
    notes.push_back("space.textproto cannot be read, so the sizes of the maps are not shown: " +
                    run.space_error);
  }
  if (run.result && !run.retraining) {
    notes.push_back("The chosen architecture has not been retrained yet: there is no retrain/ with a log.");
  }
  if (run.retraining && !run.retraining->is_finished) {
    notes.push_back(fmt::format("Retraining has not ended: {} so far, and no retrain/result.json yet.",
                                format_count(run.retraining->epochs.size(), "epoch")));
  }
  if (notes.empty()) return "";
  std::string html = "<section class=\"notes\">\n";
  for (const std::string& note : notes) html += fmt::format("<p>{}</p>\n", xml_text(note));
  return html + "</section>\n";
}

// ---- curves ----

template <typename Record>
Numbers column(const std::vector<Record>& records, std::optional<double> Record::*member, double scale = 1) {
  Numbers values;
  for (const Record& record : records) {
    const auto& value = record.*member;
    values.push_back(value ? std::optional(*value * scale) : std::nullopt);
  }
  return values;
}

std::string search_curves(const Run& run) {
  const std::vector<Epoch>& log = run.epochs;
  constexpr double kPercent = 100, kMs = 1e-3;
  LineChart latency{.title = "Latency",
                    .unit = "ms",
                    .series = {{"expected", column(log, &Epoch::expected_us, kMs)},
                               {"sampled", column(log, &Epoch::sampled_us, kMs)},
                               {"arg-max", column(log, &Epoch::arg_max_us, kMs)}}};
  if (const auto us = target_us(run)) latency.level = Level{"target", *us * kMs};
  const std::string charts =
      line_chart({.title = "Accuracy",
                  .unit = "%",
                  .series = {{"training split", column(log, &Epoch::accuracy, kPercent)},
                             {"theta split", column(log, &Epoch::theta_accuracy, kPercent)}}}) +
      line_chart({.title = "Cross-entropy",
                  .unit = "nats",
                  .series = {{"training split", column(log, &Epoch::cross_entropy)},
                             {"theta split", column(log, &Epoch::theta_cross_entropy)}}}) +
      line_chart(latency) +
      line_chart({.title = "Temperature of the Gumbel-softmax",
                  .unit = "",
                  .series = {{"temperature", column(log, &Epoch::temperature)}}}) +
      line_chart({.title = "Entropy of theta, mean over the layers",
                  .unit = "nats",
                  .series = {{"entropy", column(log, &Epoch::theta_entropy)}}});
  return charts.empty() ? "" : "<div class=\"charts\">\n" + charts + "</div>\n";
}

std::string retrain_curves(const Retraining& retraining) {
  const std::vector<RetrainEpoch>& log = retraining.epochs;
  const std::string charts =
      line_chart({.title = "Accuracy, retraining",
                  .unit = "%",
                  .series = {{"training", column(log, &RetrainEpoch::accuracy, 100)},
                             {"test", column(log, &RetrainEpoch::test_accuracy, 100)}}}) +
      line_chart({.title = "Cross-entropy, retraining",
                  .unit = "nats",
                  .series = {{"training", column(log, &RetrainEpoch::cross_entropy)},
                             {"test", column(log, &RetrainEpoch::test_cross_entropy)}}});
  return charts.empty() ? "" : "<div class=\"charts\">\n" + charts + "</div>\n";
}

// ---- theta, table, architecture ----

// A sentence that names the candidates of the pick; none where there is no pick.
std::string about_pick(const Pick& pick, fmt::format_string<const char*&> sentence) {
  if (pick.origin == Pick::Origin::kNone) return "";
  const char* name = pick.origin == Pick::Origin::kChosen ? "the chosen candidate" : "the arg-max";
  return fmt::format(sentence, name);
}

// A sentence that replaces what would make the page too large.
std::string left_out(const std::string& size) {
  return fmt::format("<p>Not shown, because the page would be too large: {}.</p>\n", size);
}

std::string theta_section(const Run& run, const Pick& pick) {
  if (const size_t rows = count_rows(run); rows > kMostRows) {
    const size_t layers = run.epochs.back().theta.size();
    return section("Theta", "",
                   left_out(fmt::format("theta has {} and {}", format_count(layers, "layer"),
                                        format_count(rows - layers, "candidate"))));
  }
  std::string maps = theta_maps(run, pick);
  if (maps.empty()) return "";
  maps +=
      "<p class=\"key\">0 <span class=\"scale\"></span> 100 % <span class=\"none\"></span> not offered</p>\n";
  return section("Theta",
                 fmt::format("The probability of every candidate, softmax(theta), from epoch 0 to {}.{}",
                             run.epochs.size() - 1,
                             about_pick(pick, " Bold: {}, with its final probability above the map.")),
                 maps);
}

std::string table_section(const LatencyTable& table, const Pick& pick) {
  std::string explanation =
      "Microseconds for every candidate." + about_pick(pick, " Outlined: {}.") + " Hatched: not offered.";
  if (table.fixed_us) {
    explanation += fmt::format(" Every architecture costs another {} \u00b5s.", format_us(*table.fixed_us));
  }
  const size_t names = count_names(table);
  if (table.layers.size() * std::max<size_t>(names, 1) > kMostCells) {
    return section(
        "Latency table", "",
        left_out(fmt::format("the table has {} and {} of candidates",
                             format_count(table.layers.size(), "layer"), format_count(names, "name"))));
  }
  return section("Latency table", explanation, latency_map(table, pick));
}

std::string architecture_section(const Run& run, const Pick& pick, const Breakdown& spent) {
  const bool chosen = pick.origin == Pick::Origin::kChosen;
  const char* title = chosen ? "The chosen architecture" : "The arg-max architecture";
  const bool fits = pick.blocks.size() <= kMostLayers;
  std::string drawing = fits ? architecture_drawing(run, pick, spent)
                             : left_out("the architecture has " + format_count(pick.blocks.size(), "layer"));
  if (chosen && !run.result->why.empty()) {
    drawing = fmt::format("<p class=\"why\">Why this one: {}</p>\n{}", xml_text(run.result->why), drawing);
  }
  return section(
      title,
      fits ? "Blocks in order, taller when slower, in the colours of the table; dashed: costs nothing." : "",
      drawing);
}

std::string layer_shares(const Breakdown& spent, const Pick& pick) {
  if (spent.layers.size() > kMostLayers) return "";  // reported in place of the drawing
  std::vector<Share> shares = spent.before;
  for (size_t layer = 0; layer < spent.layers.size(); ++layer) {
    shares.push_back({fmt::format("{} {}", layer + 1, spent.layers[layer].name), spent.layers[layer].us});
  }
  shares.insert(shares.end(), spent.after.begin(), spent.after.end());
  std::string explanation = fmt::format("{} in total.", format_ms(spent.total_us));
  if (pick.latency_us && std::abs(spent.total_us - *pick.latency_us) > kSamePrice * *pick.latency_us) {
    explanation += fmt::format(" These parts do not add up to the architecture's latency, {}.",
                               format_ms(*pick.latency_us));
  }
  if (spent.unknown > 0) {
    explanation += fmt::format(" Left out because they have no time: {}.", spent.unknown);
  }
  return section("Where the time goes, by layer", explanation, share_bars("layer", shares, spent.total_us));
}

std::string operator_table(const std::vector<SpentOperator>& operators, double whole_us) {
  if (operators.empty()) return "";
  std::string html = fmt::format(
      "<h3>The {} most expensive operators</h3>\n<div class=\"scroll\"><table "
      "class=\"list\">\n<thead><tr><th "
      "scope=\"col\">type</th><th scope=\"col\">output</th><th scope=\"col\" "
      "class=\"number\">\u00b5s</th><th "
      "scope=\"col\" class=\"number\">share</th></tr></thead>\n<tbody>\n",
      operators.size());
  for (const SpentOperator& op : operators) {
    html += fmt::format(
        "<tr><td>{}</td><td><code>{}</code></td><td class=\"number\">{}</td><td "
        "class=\"number\">{}</td></tr>\n",
        xml_text(op.type), xml_text(op.output), format_us(*op.us), share_text(*op.us, whole_us));
  }
  return html + "</tbody></table></div>\n";
}

std::string time_sections(const Run& run, const Pick& pick, const Breakdown& spent) {
  if (pick.blocks.empty() || spent.total_us <= 0) return "";
  const std::string types =
      spent.types.empty() ? ""
                          : share_bars("type", spent.types, spent.total_us) +
                                operator_table(most_expensive(run, kExpensiveOperators), spent.total_us);
  return pair(layer_shares(spent, pick), section("Where the time goes, by operator", "", types));
}

// Every architecture that no other beats in probability under the last epoch's theta and in the table's
// latency.
std::string front_section(const Run& run, const Pick& pick) {
  if (!run.table || run.epochs.empty() || !run.table->fixed_us) return "";
  const std::vector<Numbers>& theta = run.epochs.back().theta;
  const size_t num_layers = theta.size();
  size_t num_candidates = 0;
  for (const Numbers& row : theta) num_candidates = std::max(num_candidates, row.size());
  const size_t cells = num_layers * num_candidates;
  if (cells == 0 || cells > kMostCells || run.table->layers.size() != num_layers) return "";
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::vector<double> scores(cells, -kInfinity), costs(cells, kInfinity);
  for (size_t layer = 0; layer < num_layers; ++layer) {
    const Numbers& us = run.table->layers[layer].us;
    double largest = -kInfinity, sum = 0;
    for (const auto& logit : theta[layer]) largest = std::max(largest, logit.value_or(-kInfinity));
    for (const auto& logit : theta[layer]) sum += logit ? std::exp(*logit - largest) : 0;
    for (size_t c = 0; c < theta[layer].size(); ++c) {
      if (!theta[layer][c] || c >= us.size() || !us[c]) continue;
      scores[layer * num_candidates + c] = *theta[layer][c] - largest - std::log(sum);
      costs[layer * num_candidates + c] = *us[c];
    }
  }
  const std::array budgets = {kInfinity};
  const auto front = search::pareto_front({.num_layers = num_layers,
                                           .num_candidates = num_candidates,
                                           .scores = scores,
                                           .costs = costs,
                                           .budgets = budgets});
  if (!front || front->empty()) return "";
  FrontPlot plot{.title = "Probability over latency",
                 .score = "log-probability",
                 .points = {},
                 .target_us = target_us(run),
                 .is_file = false};
  const auto point_of = [&](const auto& arch) {
    FrontPoint point{.latency_us = *run.table->fixed_us};
    for (size_t layer = 0; layer < num_layers; ++layer) {
      const auto choice = static_cast<size_t>(arch[layer]);
      const size_t cell = layer * num_candidates + choice;
      point.latency_us += choice < num_candidates ? costs[cell] : kInfinity;
      point.score += choice < num_candidates ? scores[cell] : 0;
      point.name += (layer == 0 ? "" : " ") + run.candidate_name(layer, choice);
    }
    return point;
  };
  for (const search::ScoredArchitecture& one : *front) plot.points.push_back(point_of(one.arch));
  const auto add_mark = [&](const char* name, const std::vector<int64_t>& arch) {
    if (arch.size() != num_layers) return;
    FrontPoint mark = point_of(arch);
    if (!std::isfinite(mark.latency_us)) return;  // it has a candidate that theta or the table lacks
    mark.name = name;
    plot.marks.push_back(std::move(mark));
  };
  add_mark("arg-max", run.epochs.back().arg_max);
  if (pick.origin == Pick::Origin::kChosen) add_mark("chosen", pick.architecture);
  return section(
      "Every architecture worth having",
      fmt::format("{} that no other beats in both probability under the last theta and latency: exact.",
                  format_count(front->size(), "architecture")),
      "<figure class=\"front\">\n" + front_plot(plot) + "</figure>\n");
}

// Empty where the run does not say of which network: its space, its precision or its architecture is missing.
std::string memory_section(const Run& run, const Pick& pick) {
  if (!run.space || !run.table || pick.origin == Pick::Origin::kNone) return "";
  const search::Architecture arch(pick.architecture.begin(), pick.architecture.end());
  net::Net net;
  try {
    net = search::lower(*run.space, arch, search::parse_precision(run.table->precision));
  } catch (const ValueError&) {
    return "";
  }
  const net::MemoryUse use = net::memory_use(net, net::infer_shapes(net, {.list_blobs = false}));
  constexpr double kMegabyte = 1e6;
  Numbers live;
  for (const int64_t bytes : use.live_bytes) live.emplace_back(static_cast<double>(bytes) / kMegabyte);
  const net::Operator& peak = net.ops[use.peak_op];
  return section(
      "Where the memory goes",
      fmt::format("Activations that are alive while each operator runs; most, {}, at operator {}, {} {}.",
                  format_bytes(use.peak_activation_bytes), use.peak_op, peak.type, peak.outputs.front()),
      "<div class=\"charts\">\n" +
          line_chart({.title = "Memory of the activations",
                      .unit = "MB",
                      .series = {{"alive", std::move(live)}},
                      .step = "operator"}) +
          "</div>\n");
}

// ---- samples ----

std::string sample_row(const Run& run, const std::string& name, const FoundArchitecture& found) {
  const FoundArchitecture* arg_max = run.result->arg_max ? &*run.result->arg_max : &found;
  const std::vector<int64_t>& reference = arg_max->architecture;
  const std::vector<std::string> names = block_names(run, found);
  std::string blocks;
  for (size_t layer = 0; layer < names.size(); ++layer) {
    const bool differs = layer < reference.size() && reference[layer] != found.architecture[layer];
    const std::string block = xml_text(shortened(names[layer], kLettersOfName));
    blocks += (layer == 0 ? "" : " ") + (differs ? "<mark>" + block + "</mark>" : block);
  }
  return fmt::format(
      "<tr><th scope=\"row\">{}</th><td class=\"number\">{}</td><td class=\"number\">{}</td><td "
      "class=\"blocks\">{}</td></tr>\n",
      name, ms_or_dash(found.latency_us),
      found.log_probability ? fmt::format("{:.2f}", *found.log_probability) : "\u2013", blocks);
}

std::string samples_section(const Run& run) {
  if (!run.result) return "";
  std::string rows;
  size_t blocks = 0, not_shown = 0;
  const auto add = [&](const std::string& name, const FoundArchitecture& found) {
    const size_t more = 1 + found.architecture.size();  // a row without blocks takes space, too
    if (blocks + more > kMostBlocks) {
      ++not_shown;
      return;
    }
    blocks += more;
    rows += sample_row(run, name, found);
  };
  if (run.result->arg_max) add("arg-max", *run.result->arg_max);
  if (run.result->chosen) add("chosen", *run.result->chosen);
  for (size_t i = 0; i < run.result->samples.size(); ++i) {
    add(fmt::format("sample {}", i + 1), run.result->samples[i]);
  }
  const std::string rest =
      not_shown == 0 ? ""
                     : left_out(format_count(not_shown, rows.empty() ? "architecture" : "more architecture"));
  if (rows.empty()) return section("Architectures at the end", "", rest);
  return section(
      "Architectures at the end",
      "Exact latencies, and natural logarithms of the probability under softmax(theta). Marked: differences "
      "from the arg-max.",
      "<div class=\"scroll\" role=\"region\" aria-label=\"Architectures at the end\" tabindex=\"0\"><table "
      "class=\"list wide\">\n<thead><tr><th scope=\"col\"></th><th scope=\"col\" "
      "class=\"number\">latency</th><th "
      "scope=\"col\" class=\"number\">log-probability</th><th "
      "scope=\"col\" class=\"blocks\">blocks</th></tr></thead>\n<tbody>\n" +
          rows + "</tbody></table></div>\n" + rest);
}

std::string settings_details(const Run& run) {
  if (!run.config || run.config->settings.empty()) return "";
  std::string html = "<details>\n<summary>Settings</summary>\n<table class=\"list\"><tbody>\n";
  for (const auto& [name, value] : run.config->settings) {
    html += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", xml_text(name), xml_text(value));
  }
  return html + "</tbody></table>\n</details>\n";
}

}  // namespace

std::string report_page(const Run& run) {
  const Pick pick = final_pick(run);
  const Breakdown spent = break_down(run, pick);
  std::string body = header(run) + key_figures(run, pick) + notes(run);
  body += section("The search", "", search_curves(run));
  if (run.retraining) body += section("Retraining", "", retrain_curves(*run.retraining));
  body += theta_section(run, pick);
  body += pair(run.table ? table_section(*run.table, pick) : "", architecture_section(run, pick, spent));
  body += time_sections(run, pick, spent);
  body += memory_section(run, pick);
  body += front_section(run, pick);
  body += samples_section(run);
  body += settings_details(run);
  body += "<footer>Written by latgrad " LATGRAD_VERSION "</footer>\n";
  return page(heading(run), body);
}

}  // namespace latgrad::cli::report
