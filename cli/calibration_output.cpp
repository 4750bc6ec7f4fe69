#include "calibration_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "latgrad/base/json.h"
#include "latgrad/base/replace_file.h"
#include "latgrad/lut/operator_key.h"
#include "latgrad/lut/record_json.h"
#include "latgrad/profile/agreement.h"
#include "latgrad/profile/provenance.h"
#include "latgrad/search/posterior_file.h"
#include "quantities.h"
#include "text_table.h"

namespace latgrad::cli {

namespace {

using base::Json;

constexpr size_t kListedNetworks = 40;
constexpr const char* kProtocol =
    "Times of whole networks. Those of operators are inferred from them: a line through what an operator "
    "does "
    "(calls, multiply-accumulates, bytes) and takes on other devices, and a deviation of its own, as a "
    "Gaussian "
    "posterior. `left_out` says what the others predict for each network; the .posterior.json has the "
    "covariance.";

// How well the others predict each measured network.
struct LeftOut {
  profile::Agreement agreement;
  size_t covered = 0;
  double mape_of_mean = 0;  // if every network were predicted to take the mean of the others
};

// Nothing for one network, of which no other says anything.
std::optional<LeftOut> left_out_of(const CalibrationOutput& output) {
  if (output.measured.size() < 2) return std::nullopt;
  std::vector<profile::TimePair> pairs;
  LeftOut result;
  double sum_us = 0;
  for (const search::TimedNetwork& network : output.measured) sum_us += network.time_us;
  const auto others = static_cast<double>(output.measured.size() - 1);
  for (size_t i = 0; i < output.measured.size(); ++i) {
    const double time_us = output.measured[i].time_us;
    const search::Interval& left_out = output.calibration.left_out[i];
    pairs.push_back({time_us, left_out.mean_us});
    if (time_us >= left_out.low_us && time_us <= left_out.high_us) ++result.covered;
    result.mape_of_mean += std::abs((sum_us - time_us) / others / time_us - 1) / (others + 1);
  }
  result.agreement = profile::agreement(pairs);
  return result;
}

// Half the width of the interval of a price, over the price.
double width(const search::Interval& price) {
  return price.mean_us > 0 ? (price.high_us - price.low_us) / 2 / price.mean_us : 0;
}

double mean_width(const CalibrationOutput& output) {
  const std::vector<std::vector<uint32_t>>& typical = output.calibrator.typical();
  double sum = 0;
  for (const auto& operators : typical) sum += width(output.calibration.posterior.price(operators));
  return sum / static_cast<double>(typical.size());
}

Json interval_json(const std::string& name, const search::Interval& interval) {
  return {{"network", name},
          {"predicted_us", base::rounded(interval.mean_us, 3)},
          {"low_us", base::rounded(interval.low_us, 3)},
          {"high_us", base::rounded(interval.high_us, 3)}};
}

Json left_out_json(const CalibrationOutput& output) {
  const std::optional<LeftOut> left_out = left_out_of(output);
  if (!left_out) return nullptr;
  const profile::Agreement& agreement = left_out->agreement;
  Json networks = Json::array();
  for (size_t i = 0; i < output.measured.size(); ++i) {
    Json network = interval_json(output.names[i], output.calibration.left_out[i]);
    network["measured_us"] = output.measured[i].time_us;
    networks.push_back(std::move(network));
  }
  return {{"mape_percent", base::rounded(100 * agreement.mape, 3)},
          {"mape_of_mean_percent", base::rounded(100 * left_out->mape_of_mean, 3)},
          {"bias_percent", base::rounded(100 * agreement.bias, 3)},
          {"worst_percent", base::rounded(100 * agreement.worst_error, 3)},
          {"within_5_percent", agreement.within_5_percent},
          {"within_10_percent", agreement.within_10_percent},
          {"kendall_tau", base::or_null(agreement.tau)},
          {"inside_their_interval", left_out->covered},
          {"networks", std::move(networks)}};
}

// What the result says of itself, in its provenance and on the screen.
Json summary_json(const CalibrationOutput& output) {
  return {{"device", output.device},
          {"space", output.networks_of.empty() ? Json() : Json(output.networks_of)},
          {"networks", output.measured.size()},
          {"priors", output.sources},
          {"corrected", output.corrected.empty() ? Json() : Json(output.corrected)},
          {"operators", output.calibrator.keys().size()},
          {"noise_percent", base::rounded(100 * output.calibration.posterior.noise(), 3)},
          {"interval_percent", base::rounded(100 * mean_width(output), 3)},
          {"left_out", left_out_json(output)}};
}

std::string ms(double time_us) { return fmt::format("{:.4g}", time_us / 1e3); }

std::string networks_text(const CalibrationOutput& output) {
  if (output.measured.size() < 2 || output.measured.size() > kListedNetworks) return "";
  TextTable table({{"network", Align::kLeft},
                   {"measured ms", Align::kRight},
                   {"by the others", Align::kRight},
                   {"90 % interval", Align::kRight},
                   {"error", Align::kRight}});
  for (size_t i = 0; i < output.measured.size(); ++i) {
    const search::Interval& left_out = output.calibration.left_out[i];
    table.add_row({output.names[i], ms(output.measured[i].time_us), ms(left_out.mean_us),
                   fmt::format("{} to {}", ms(left_out.low_us), ms(left_out.high_us)),
                   fmt::format("{:+.2f}%", 100 * (left_out.mean_us / output.measured[i].time_us - 1))});
  }
  return table.text();
}

std::string asked_text(const CalibrationOutput& output) {
  if (output.asked.empty()) return "";
  TextTable table(
      {{"network", Align::kLeft}, {"predicted ms", Align::kRight}, {"90 % interval", Align::kRight}});
  for (size_t i = 0; i < std::min(output.asked.size(), kListedNetworks); ++i) {
    const search::Interval price = output.calibration.posterior.price(output.asked[i]);
    table.add_row({output.asked_names[i], ms(price.mean_us),
                   fmt::format("{} to {}", ms(price.low_us), ms(price.high_us))});
  }
  std::string text = '\n' + table.text();
  if (output.asked.size() > kListedNetworks) {
    text += fmt::format("and {} more: --predictions writes all\n", output.asked.size() - kListedNetworks);
  }
  return text;
}

std::string warning_text(const LeftOut& left_out) {
  if (left_out.agreement.pairs < 3 || left_out.agreement.mape < left_out.mape_of_mean) return "";
  return fmt::format(
      "\nLeft out, networks are predicted no better than by the mean of the others ({:.2f}%). Measure more, "
      "or\n"
      "each more often, and check that each line has the time of its own architecture.\n",
      100 * left_out.mape_of_mean);
}

}  // namespace

void write_table(const CalibrationOutput& output, const std::filesystem::path& path) {
  const std::vector<lut::OperatorKey>& keys = output.calibrator.keys();
  const search::OperatorPosterior& posterior = output.calibration.posterior;
  std::vector<lut::Record> records;
  for (size_t op = 0; op < keys.size(); ++op) {
    const double time_us = posterior.times_us()[op];
    const auto number = static_cast<uint32_t>(op);
    records.push_back({.op_type = keys[op].op_type,
                       .op_args = lut::reference_args(keys[op]),
                       .input_shapes = keys[op].input_shapes,
                       .input_dtypes = keys[op].input_dtypes,
                       .p0_us = time_us,
                       .p10_us = time_us,
                       .p50_us = time_us,
                       .p90_us = time_us,
                       .p100_us = time_us,
                       .device = output.device,
                       .error_us = posterior.error_us({&number, 1})});
  }
  Json provenance = {
      {"table", path.filename().string()}, {"date_utc", profile::date_utc()}, {"protocol", kProtocol}};
  provenance.update(summary_json(output));
  base::replace_file(search::posterior_path(path), search::posterior_text(posterior));
  lut::write_records(records, path);
  base::replace_file(profile::provenance_path(path), base::json_text(provenance));
}

std::string calibration_json(const CalibrationOutput& output) {
  Json json = summary_json(output);
  json["predicted"] = Json::array();
  for (size_t i = 0; i < output.asked.size(); ++i) {
    json["predicted"].push_back(
        interval_json(output.asked_names[i], output.calibration.posterior.price(output.asked[i])));
  }
  return base::json_text(json);
}

std::string calibration_text(const CalibrationOutput& output, bool with_asked) {
  std::string text =
      fmt::format("{} from {}", output.device, format_count(output.measured.size(), "measured network"));
  if (!output.networks_of.empty()) text += " of " + output.networks_of;
  if (output.calibrator.num_sources() > 0) {
    text += fmt::format(" and {}", format_count(output.calibrator.num_sources(), "column of priors"));
  }
  text += "\n\n";
  const std::optional<LeftOut> left_out = left_out_of(output);
  if (left_out) {
    const profile::Agreement& agreement = left_out->agreement;
    const std::string networks = networks_text(output);
    text += networks + (networks.empty() ? "" : "\n");
    text += fmt::format("left out     MAPE {:.2f}%, bias {:+.2f}%, worst {:+.2f}%\n", 100 * agreement.mape,
                        100 * agreement.bias, 100 * agreement.worst_error);
    text += fmt::format("within 5%    {} of {}, within 10%: {}\n", agreement.within_5_percent,
                        agreement.pairs, agreement.within_10_percent);
    text += fmt::format("intervals    {} of {} measured times are inside theirs, of 90%\n", left_out->covered,
                        agreement.pairs);
  }
  text +=
      fmt::format("new network  +-{:.1f}% on average, of which +-{:.1f}% are one measurement's\n",
                  100 * mean_width(output), 100 * search::measurement_width(output.calibration.posterior));
  if (left_out) text += warning_text(*left_out);
  return with_asked ? text + asked_text(output) : text;
}

}  // namespace latgrad::cli
