#include "latgrad/search/calibration.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>
#include <optional>
#include <random>
#include <set>
#include <tuple>

#include "latgrad/base/error.h"
#include "non_negative.h"
#include "student_t.h"

namespace latgrad::search {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

// What the time of an operator is made of; each kind has one variance, in squared units of the spread of the
// measured times.
enum Part : size_t {
  kSources,    // a coefficient for each other device
  kCommon,     // one coefficient for all physical totals: none of them is negative, as a rule
  kEach,       // a coefficient for each physical total
  kDeviation,  // of each operator
  kParts
};
constexpr size_t kNoise = kParts;
using Logs = Eigen::Matrix<double, kParts + 1, 1>;  // of the variances, and of that of a measurement

// Log-normal priors of the variances: medians and widths, natural logarithms.
const Logs kPriorMean{{-1.3, -0.8, -1.5, -4.0, -3.2}};
const Logs kPriorWidth{{1.2, 0.9, 1.0, 1.3, 1.8}};
// Where times are not counted from a level the unit is a whole time and not the spread of times: deviations
// and errors are smaller shares of it, errors 2 % as a rule.
constexpr double kDeviationWithoutLevel = -5.5;
constexpr double kNoiseWithoutLevel = -8;

Logs prior_mean(bool has_level) {
  Logs mean = kPriorMean;
  if (!has_level) {
    mean[kDeviation] = kDeviationWithoutLevel;
    mean[kNoise] = kNoiseWithoutLevel;
  }
  return mean;
}
constexpr double kLevelVariance = 25;  // of the mean of all networks
// Small operators deviate by no less than the average one would at this share of its size.
constexpr double kSmallest = 0.3;
// A measurement is never better than this share of the spread, or the algebra has no digits left.
constexpr double kLeastNoise = 1e-8;
// The spread of times in a space where nothing is known of it, as a share of them; it counts as much as that
// of one network beside the first.
constexpr double kUsualSpread = 0.2;
// A unit below this share of the times says nothing of operators.
constexpr double kLeastSpread = 0.01;

constexpr int kMostSweeps = 240;
constexpr int kFewestSweeps = 10;
constexpr double kSweepWork = 2e7;  // rows^3 over all sweeps
constexpr int kStepsOfSweep = 3;

void check_operators(const CalibrationData& data) {
  const size_t size = data.physical.size();
  const auto is_figure = [](double value) { return std::isfinite(value) && value >= 0; };
  if (size == 0) throw ValueError("there must be an operator to calibrate");
  for (const PhysicalTotals& totals : data.physical) {
    if (!std::ranges::all_of(totals, is_figure)) {
      throw ValueError("physical totals must be finite and not negative");
    }
  }
  for (const std::vector<double>& source_us : data.sources_us) {
    if (source_us.size() != size) {
      throw ValueError(
          fmt::format("a source must have a time for each of {} operators, got {}", size, source_us.size()));
    }
    if (!std::ranges::all_of(source_us, is_figure)) {
      throw ValueError("times of a source must be finite and not negative");
    }
  }
  if (!data.expected_us.empty() && data.expected_us.size() != size) {
    throw ValueError(fmt::format("each of {} operators must have an expected time, got {}", size,
                                 data.expected_us.size()));
  }
  if (!std::ranges::all_of(data.expected_us, is_figure)) {
    throw ValueError("expected times must be finite and not negative");
  }
  const auto check_range = [&](const std::vector<uint32_t>& operators) {
    for (const uint32_t op : operators) {
      if (op >= size) throw ValueError(fmt::format("an operator must be below {}, got {}", size, op));
    }
  };
  for (const TimedNetwork& network : data.networks) {
    if (!std::isfinite(network.time_us) || network.time_us <= 0) {
      throw ValueError(
          fmt::format("the time of a network must be positive and finite, got {}", network.time_us));
    }
    check_range(network.operators);
  }
  std::ranges::for_each(data.typical, check_range);
}

void check(const CalibrationData& data) {
  check_operators(data);
  if (data.networks.empty()) throw ValueError("there must be a measured network to calibrate from");
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::ranges::max_element(values.begin(), middle)) / 2;
}

double root_mean_square(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return std::sqrt(sum / static_cast<double>(values.size()));
}

// As a standard deviation, by the median deviation; where half of the values are equal by the mean square.
double spread_of(const std::vector<double>& values, double centre) {
  std::vector<double> deviations;
  for (const double value : values) deviations.push_back(std::abs(value - centre));
  const double by_median = 1.4826 * median(deviations);
  return by_median > 0 ? by_median : root_mean_square(deviations);
}

// The step of which all times are multiples: a second, a tenth of it, ... a microsecond; 0 where they are
// not.
double rounding_step_us(std::span<const TimedNetwork> networks) {
  if (networks.size() < 3) return 0;
  for (double step_us = 1e6; step_us > 0.5; step_us /= 10) {
    const auto is_multiple = [&](const TimedNetwork& network) {
      const double steps = std::round(network.time_us / step_us);
      return steps >= 1 && std::abs(network.time_us / step_us - steps) < 1e-9 * steps;
    };
    if (std::ranges::all_of(networks, is_multiple)) return step_us;
  }
  return 0;
}

VectorXd sums_of(std::span<const uint32_t> operators, const MatrixXd& figures) {
  VectorXd sums = VectorXd::Zero(figures.cols());
  for (const uint32_t op : operators) sums += figures.row(op).transpose();
  return sums;
}

// The times of operators, as a matrix times independent standard normal figures for each part.
class Prior {
 public:
  explicit Prior(const CalibrationData& data) : size_(static_cast<Index>(data.physical.size())) {
    find_level(data);
    parts_[kSources] = columns(data, data.sources_us);
    std::vector<std::vector<double>> totals(kPhysicalTotals, std::vector<double>(data.physical.size()));
    for (size_t op = 0; op < data.physical.size(); ++op) {
      for (size_t i = 0; i < kPhysicalTotals; ++i) totals[i][op] = data.physical[op][i];
    }
    MatrixXd each = columns(data, totals);
    parts_[kCommon] = each.rowwise().sum();
    parts_[kSources] /= std::sqrt(std::max<double>(1, static_cast<double>(parts_[kSources].cols())));
    each /= std::sqrt(std::max<double>(1, static_cast<double>(each.cols())));
    parts_[kEach] = std::move(each);
    add_deviations(data, totals);
    for (MatrixXd& part : parts_) keep_level(part);
    for (size_t i = 0; i < kParts; ++i) squares_[i] = parts_[i] * parts_[i].transpose();
    // In a space, what a network takes whatever it consists of.
    level_ = level_operator_ ? MatrixXd(MatrixXd::Identity(size_, size_).col(*level_operator_))
                             : MatrixXd::Zero(size_, 0);
    level_square_ = kLevelVariance * level_ * level_.transpose();
  }

  Index size() const { return size_; }
  // The operator that every network has once takes the level of all times, if there is one.
  std::optional<Index> level_operator() const { return level_operator_; }
  const MatrixXd& part(size_t i) const { return parts_[i]; }
  const MatrixXd& level() const { return level_; }

  MatrixXd covariance(const Logs& logs) const {
    MatrixXd sum = level_square_;
    for (size_t i = 0; i < kParts; ++i) sum += std::exp(logs[static_cast<Index>(i)]) * squares_[i];
    return sum;
  }

  VectorXd draw(const Logs& logs, std::mt19937_64& random) const {
    std::normal_distribution<double> normal;
    const auto draws = [&](Index count) {
      return VectorXd::NullaryExpr(count, [&] { return normal(random); });
    };
    VectorXd sum = std::sqrt(kLevelVariance) * level_ * draws(level_.cols());
    for (size_t i = 0; i < kParts; ++i) {
      sum += std::exp(logs[static_cast<Index>(i)] / 2) * (parts_[i] * draws(parts_[i].cols()));
    }
    return sum;
  }

 private:
  static std::span<const uint32_t> operators_of(const CalibrationData& data, size_t i) {
    return i < data.networks.size() ? data.networks[i].operators : data.typical[i - data.networks.size()];
  }

  // Finds the operator that all networks of a space have once, and the mean counts of all.
  void find_level(const CalibrationData& data) {
    mean_counts_ = VectorXd::Zero(size_);
    if (!data.of_one_space) return;
    const size_t count = data.networks.size() + data.typical.size();
    VectorXd counts(size_);
    Eigen::VectorX<bool> has_once = Eigen::VectorX<bool>::Constant(size_, true);
    for (size_t i = 0; i < count; ++i) {
      counts.setZero();
      for (const uint32_t op : operators_of(data, i)) counts[op] += 1;
      has_once = has_once.array() && (counts.array() == 1);
    }
    for (Index op = 0; op < size_ && !level_operator_; ++op) {
      if (has_once[op]) level_operator_ = op;
    }
    if (!level_operator_) return;
    for (const std::vector<uint32_t>& operators : typical_of(data)) {
      for (const uint32_t op : operators) mean_counts_[op] += 1;
    }
    mean_counts_ /= static_cast<double>(typical_of(data).size());
  }

  // Without typical networks the measured ones are.
  const std::vector<std::vector<uint32_t>>& typical_of(const CalibrationData& data) {
    if (!data.typical.empty()) return data.typical;
    if (measured_.empty()) {
      for (const TimedNetwork& network : data.networks) measured_.push_back(network.operators);
    }
    return measured_;
  }

  // Figures of operators, scaled so that their sums over typical networks have a spread of 1; those that all
  // networks have equally are left out.
  MatrixXd columns(const CalibrationData& data, const std::vector<std::vector<double>>& figures) {
    MatrixXd all(size_, static_cast<Index>(figures.size()));
    for (Index i = 0; i < all.cols(); ++i) {
      all.col(i) = Eigen::Map<const VectorXd>(figures[static_cast<size_t>(i)].data(), size_);
    }
    const VectorXd mean = all.transpose() * mean_counts_;
    VectorXd squares = VectorXd::Zero(all.cols());
    VectorXd sizes = VectorXd::Zero(all.cols());
    for (const std::vector<uint32_t>& operators : typical_of(data)) {
      const VectorXd sums = sums_of(operators, all);
      squares += (sums - mean).array().square().matrix();
      sizes += sums.array().square().matrix();
    }
    MatrixXd scaled(size_, 0);
    for (Index i = 0; i < all.cols(); ++i) {
      if (squares[i] <= 1e-18 * sizes[i] || sizes[i] == 0) continue;
      scaled.conservativeResize(Eigen::NoChange, scaled.cols() + 1);
      scaled.rightCols(1) = all.col(i) / std::sqrt(squares[i] / static_cast<double>(typical_of(data).size()));
    }
    return scaled;
  }

  // Deviations grow as the root of the size does, and make a spread of 1 in all.
  void add_deviations(const CalibrationData& data, const std::vector<std::vector<double>>& totals) {
    VectorXd sizes = VectorXd::Constant(size_, kSmallest);
    for (const size_t total : {kMacs, kDepthwiseMacs, kActivationBytes}) {
      const double sum = std::accumulate(totals[total].begin(), totals[total].end(), 0.0);
      if (sum == 0) continue;
      const double share = static_cast<double>(size_) / sum / (total == kDepthwiseMacs ? 2 : 1);
      sizes += share * Eigen::Map<const VectorXd>(totals[total].data(), size_);
    }
    VectorXd counts(size_);
    double sum = 0;
    for (const std::vector<uint32_t>& operators : typical_of(data)) {
      counts.setZero();
      for (const uint32_t op : operators) counts[op] += 1;
      sum += ((counts - mean_counts_).array().square() * sizes.array()).sum();
    }
    const double mean = sum / static_cast<double>(typical_of(data).size());
    if (mean > 0) sizes /= mean;
    parts_[kDeviation] = sizes.cwiseSqrt().asDiagonal();
  }

  // A part changes nothing in the mean over typical networks: that is the level's.
  void keep_level(MatrixXd& part) const {
    if (!level_operator_) return;
    part.row(*level_operator_).setZero();
    const VectorXd mean = part.transpose() * mean_counts_;
    part.row(*level_operator_) = -mean.transpose();
  }

  Index size_;
  std::optional<Index> level_operator_ = {};
  VectorXd mean_counts_;
  std::vector<std::vector<uint32_t>> measured_ = {};
  std::array<MatrixXd, kParts> parts_;
  std::array<MatrixXd, kParts> squares_;
  MatrixXd level_;
  MatrixXd level_square_;
};

// Measured times as rows with errors of one variance: the networks, or as many sums of them as say the same.
struct Rows {
  MatrixXd counts;      // [row, operator]
  VectorXd times;       // [row]
  double rest = 0;      // squared errors that no times of operators explain
  Index rest_rows = 0;  // that they are the sum of
};

class Sampler {
 public:
  Sampler(const CalibrationData& data, const Prior& prior, uint64_t seed)
      : data_(data),
        prior_(prior),
        random_(seed),
        prior_mean_(prior_mean(prior.level_operator().has_value())),
        logs_(prior_mean_) {
    const auto size = static_cast<Index>(data.networks.size());
    std::vector<double> times_us;
    std::vector<double> beyond_us;  // what was expected
    for (const TimedNetwork& network : data.networks) {
      times_us.push_back(network.time_us);
      expected_us_.push_back(expected_us(network));
      beyond_us.push_back(network.time_us - expected_us_.back());
    }
    const double middle_us = median(times_us);
    if (prior.level_operator()) {
      level_us_ = median(beyond_us);
      const double usual_us = kUsualSpread * middle_us;
      const double spread_us = spread_of(beyond_us, level_us_);
      std::set<std::vector<uint32_t>> distinct;
      for (const TimedNetwork& network : data.networks) distinct.insert(network.operators);
      const auto others = static_cast<double>(distinct.size() - 1);
      unit_us_ = std::sqrt((others * spread_us * spread_us + usual_us * usual_us) / (others + 1));
    } else {
      unit_us_ = std::max(root_mean_square(beyond_us), kLeastSpread * middle_us);
      // Errors are shares of times, and this unit may be a part of them.
      prior_mean_[kNoise] += 2 * std::log(root_mean_square(times_us) / unit_us_);
      logs_ = prior_mean_;
    }
    times_.resize(size);
    scales_.resize(size);
    for (Index i = 0; i < size; ++i) {
      times_[i] = (beyond_us[static_cast<size_t>(i)] - level_us_) / unit_us_;
      scales_[i] = times_us[static_cast<size_t>(i)] / middle_us;
    }
    middle_us_ = middle_us;
    weights_ = VectorXd::Ones(size);
    const double step = rounding_step_us(data.networks) / unit_us_;
    least_noise_ = std::max(kLeastNoise, step * step / 12);
  }

  Calibration run() {
    const Index rows = std::min(static_cast<Index>(data_.networks.size()), prior_.size());
    const auto work = std::pow(static_cast<double>(rows), 3);
    const int sweeps = static_cast<int>(std::clamp<double>(kSweepWork / work, kFewestSweeps, kMostSweeps));
    const int burn_in = std::max(3, sweeps / 5);
    VectorXd mean = VectorXd::Zero(prior_.size());
    MatrixXd square = MatrixXd::Zero(prior_.size(), prior_.size());
    VectorXd left_out = VectorXd::Zero(times_.size());
    VectorXd left_out_square = VectorXd::Zero(times_.size());
    double noise = 0;
    for (int sweep = 0; sweep < sweeps; ++sweep) {
      set_rows();
      for (int step = 0; step < kStepsOfSweep; ++step) move_logs();
      condition();
      if (sweep < burn_in) {
        for (Index i = 0; i < times_.size(); ++i) {
          // Errors grow with the time that a network should take, not with the one that it took.
          scales_[i] = std::max(0.1, time_us(sum_of(mean_, i), i) / middle_us_);
        }
      } else {
        mean += mean_;
        square += covariance_ + mean_ * mean_.transpose();
        noise += std::sqrt(noise_variance());
        leave_out(left_out, left_out_square);
      }
      draw_weights();
    }
    const double kept = sweeps - burn_in;
    mean /= kept;
    square = square / kept - mean * mean.transpose();
    return result(mean, square, noise / kept, left_out / kept,
                  left_out_square / kept - (left_out / kept).array().square().matrix());
  }

 private:
  double expected_us(const TimedNetwork& network) const {
    double sum_us = 0;
    if (data_.expected_us.empty()) return sum_us;
    for (const uint32_t op : network.operators) sum_us += data_.expected_us[op];
    return sum_us;
  }

  // The time of a network, from what is inferred of it.
  double time_us(double inferred, Index network) const {
    return expected_us_[static_cast<size_t>(network)] + level_us_ + unit_us_ * inferred;
  }

  double noise_variance() const { return std::exp(logs_[kNoise]) + least_noise_; }

  double sum_of(const VectorXd& times, Index network) const {
    double sum = 0;
    for (const uint32_t op : data_.networks[static_cast<size_t>(network)].operators) sum += times[op];
    return sum;
  }

  // Variance of a measurement over that of all.
  double spread_of_error(Index network) const {
    return scales_[network] * scales_[network] / weights_[network];
  }

  void set_rows() {
    const Index networks = times_.size();
    const Index size = prior_.size();
    if (networks <= size) {
      rows_.counts = MatrixXd::Zero(networks, size);
      rows_.times.resize(networks);
      for (Index i = 0; i < networks; ++i) {
        const double scale = 1 / std::sqrt(spread_of_error(i));
        for (const uint32_t op : data_.networks[static_cast<size_t>(i)].operators) {
          rows_.counts(i, op) += scale;
        }
        rows_.times[i] = scale * times_[i];
      }
    } else {
      compress();
    }
    for (size_t i = 0; i < kParts; ++i) set_kernel(prior_.part(i), kernels_[i]);
    set_kernel(prior_.level(), level_kernel_);
    level_kernel_ *= kLevelVariance;
  }

  void set_kernel(const MatrixXd& part, MatrixXd& kernel) const {
    const MatrixXd rows = rows_.counts * part;
    kernel = rows * rows.transpose();
  }

  // As many rows as there are directions: the eigenvectors of the squared counts.
  void compress() {
    const Index size = prior_.size();
    MatrixXd squares = MatrixXd::Zero(size, size);
    VectorXd products = VectorXd::Zero(size);
    double rest = 0;
    for (Index i = 0; i < times_.size(); ++i) {
      const double weight = 1 / spread_of_error(i);
      const std::vector<uint32_t>& operators = data_.networks[static_cast<size_t>(i)].operators;
      for (const uint32_t a : operators) {
        products[a] += weight * times_[i];
        for (const uint32_t b : operators) squares(a, b) += weight;
      }
      rest += weight * times_[i] * times_[i];
    }
    const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(squares);
    const VectorXd& values = eigen.eigenvalues();
    const double least = 1e-10 * values[size - 1];
    const auto kept = static_cast<Index>((values.array() > least).count());
    const auto roots = values.tail(kept).cwiseSqrt();
    const auto vectors = eigen.eigenvectors().rightCols(kept);
    rows_.counts = roots.asDiagonal() * vectors.transpose();
    rows_.times = roots.cwiseInverse().asDiagonal() * (vectors.transpose() * products);
    rows_.rest = std::max(0.0, rest - rows_.times.squaredNorm());
    rows_.rest_rows = times_.size() - kept;
  }

  Eigen::LLT<MatrixXd> factor(const Logs& logs) const {
    MatrixXd sum = level_kernel_;
    for (size_t i = 0; i < kParts; ++i) sum += std::exp(logs[static_cast<Index>(i)]) * kernels_[i];
    sum.diagonal().array() += std::exp(logs[kNoise]) + least_noise_;
    return Eigen::LLT<MatrixXd>(sum);
  }

  double log_likelihood(const Logs& logs) const {
    const Eigen::LLT<MatrixXd> llt = factor(logs);
    const VectorXd solved = llt.matrixL().solve(rows_.times);
    const double variance = std::exp(logs[kNoise]) + least_noise_;
    return -solved.squaredNorm() / 2 - llt.matrixLLT().diagonal().array().log().sum() -
           rows_.rest / (2 * variance) - static_cast<double>(rows_.rest_rows) / 2 * std::log(variance);
  }

  // One step of elliptical slice sampling.
  void move_logs() {
    std::normal_distribution<double> normal;
    std::uniform_real_distribution<double> uniform;
    const Logs other = kPriorWidth.cwiseProduct(Logs::NullaryExpr([&] { return normal(random_); }));
    const double least = log_likelihood(logs_) + std::log(uniform(random_));
    double angle = 2 * std::numbers::pi * uniform(random_);
    double low = angle - 2 * std::numbers::pi;
    double high = angle;
    const Logs here = logs_ - prior_mean_;
    for (;;) {
      const Logs moved = prior_mean_ + here * std::cos(angle) + other * std::sin(angle);
      if (log_likelihood(moved) > least || high - low < 1e-9) {
        logs_ = moved;
        return;
      }
      (angle < 0 ? low : high) = angle;
      angle = low + (high - low) * uniform(random_);
    }
  }

  // Mean and covariance of the times of operators, and one draw of them, under the present variances.
  void condition() {
    const Eigen::LLT<MatrixXd> llt = factor(logs_);
    const MatrixXd prior = prior_.covariance(logs_);
    const MatrixXd mixed = rows_.counts * prior;  // [row, operator]
    mean_ = mixed.transpose() * llt.solve(rows_.times);
    const MatrixXd explained = llt.matrixL().solve(mixed);
    covariance_ = prior;
    covariance_.noalias() -= explained.transpose() * explained;
    std::normal_distribution<double> normal;
    const VectorXd drawn = prior_.draw(logs_, random_);
    VectorXd errors = rows_.times - rows_.counts * drawn;
    for (Index i = 0; i < errors.size(); ++i) errors[i] -= std::sqrt(noise_variance()) * normal(random_);
    draw_ = drawn + mixed.transpose() * llt.solve(errors);
  }

  // The weights of the networks in a mixture of normal errors that is Student's t.
  void draw_weights() {
    using internal::kDegreesOfFreedom;
    for (Index i = 0; i < times_.size(); ++i) {
      const double error = (times_[i] - sum_of(draw_, i)) / scales_[i];
      const double rate = (kDegreesOfFreedom + error * error / noise_variance()) / 2;
      weights_[i] = std::gamma_distribution<double>((kDegreesOfFreedom + 1) / 2, 1 / rate)(random_);
    }
  }

  // Adds the means that each network has by the others, and their squares with their variances.
  void leave_out(VectorXd& sums, VectorXd& squares) const {
    const bool is_compressed = rows_.times.size() != times_.size();
    VectorXd solved, diagonal;
    if (!is_compressed) {
      const Eigen::LLT<MatrixXd> llt = factor(logs_);
      solved = llt.solve(rows_.times);
      diagonal = llt.solve(MatrixXd::Identity(times_.size(), times_.size())).diagonal();
    }
    for (Index i = 0; i < times_.size(); ++i) {
      double mean = 0;
      double variance = 0;  // of the network's time, without that of a measurement
      if (is_compressed) {
        const std::vector<uint32_t>& operators = data_.networks[static_cast<size_t>(i)].operators;
        for (const uint32_t a : operators) {
          for (const uint32_t b : operators) variance += covariance_(b, a);
        }
        // What the others leave of it.
        const double others = std::max(1e-6, 1 - variance / (noise_variance() * spread_of_error(i)));
        mean = times_[i] - (times_[i] - sum_of(mean_, i)) / others;
        variance /= others;
      } else {
        const double scale = std::sqrt(spread_of_error(i));
        mean = times_[i] - scale * solved[i] / diagonal[i];
        variance = scale * scale * (1 / diagonal[i] - noise_variance());
      }
      sums[i] += mean;
      squares[i] += mean * mean + std::max(0.0, variance);
    }
  }

  Calibration result(const VectorXd& mean, const MatrixXd& covariance, double noise, const VectorXd& left_out,
                     const VectorXd& left_out_variance) const {
    VectorXd times_us = unit_us_ * mean;
    if (prior_.level_operator()) times_us[*prior_.level_operator()] += level_us_;
    for (size_t op = 0; op < data_.expected_us.size(); ++op)
      times_us[static_cast<Index>(op)] += data_.expected_us[op];
    MatrixXd covariance_us2 = unit_us_ * unit_us_ * covariance;
    if (times_us.minCoeff() < 0) times_us = nearest_times(times_us, covariance_us2);
    const double noise_share = noise * unit_us_ / middle_us_;
    Calibration calibration{
        .posterior = OperatorPosterior({times_us.begin(), times_us.end()},
                                       {covariance_us2.data(), covariance_us2.data() + covariance_us2.size()},
                                       noise_share),
        .left_out = {}};
    for (Index i = 0; i < times_.size(); ++i) {
      const double mean_us = std::max(0.0, time_us(left_out[i], i));
      calibration.left_out.push_back(internal::measured_interval(
          mean_us, unit_us_ * std::sqrt(std::max(0.0, left_out_variance[i])), noise_share));
    }
    return calibration;
  }

  // The most probable times of which none is negative.
  static VectorXd nearest_times(const VectorXd& times, const MatrixXd& covariance) {
    MatrixXd padded = covariance;
    padded.diagonal().array() += 1e-9 * covariance.diagonal().maxCoeff();
    const MatrixXd root = Eigen::LLT<MatrixXd>(padded).matrixL();
    const auto lower = root.triangularView<Eigen::Lower>();
    const MatrixXd inverse = lower.solve(MatrixXd::Identity(times.size(), times.size()));
    return internal::non_negative_least_squares(inverse, inverse * times);
  }

  const CalibrationData& data_;
  const Prior& prior_;
  std::mt19937_64 random_;
  Logs prior_mean_;
  Logs logs_;
  std::vector<double> expected_us_;  // by network
  double level_us_ = 0;              // what times beyond these are counted from
  double unit_us_ = 1;               // and in
  double middle_us_ = 1;             // the median time
  double least_noise_ = 0;
  VectorXd times_;    // of networks, in these units
  VectorXd scales_;   // of their errors
  VectorXd weights_;  // small: the error is wild
  Rows rows_;
  std::array<MatrixXd, kParts> kernels_;
  MatrixXd level_kernel_;
  VectorXd mean_;
  MatrixXd covariance_;
  VectorXd draw_;
};

}  // namespace

Calibration calibrate(const CalibrationData& data, uint64_t seed) {
  check(data);
  // In an order of their own, so that the caller's does not matter.
  std::vector<size_t> order(data.networks.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, {},
                    [&](size_t i) { return std::tie(data.networks[i].time_us, data.networks[i].operators); });
  CalibrationData sorted = data;
  for (size_t i = 0; i < order.size(); ++i) sorted.networks[i] = data.networks[order[i]];
  const Prior prior(sorted);
  Calibration calibration = Sampler(sorted, prior, seed).run();
  const std::vector<Interval> left_out = calibration.left_out;
  for (size_t i = 0; i < order.size(); ++i) calibration.left_out[order[i]] = left_out[i];
  return calibration;
}

OperatorPosterior prior_of(const CalibrationData& data) {
  CalibrationData unmeasured = data;
  unmeasured.networks.clear();
  check_operators(unmeasured);
  if (data.typical.empty()) throw ValueError("there must be a typical network where none is measured");
  const Prior prior(unmeasured);
  const Logs logs = prior_mean(prior.level_operator().has_value());
  const MatrixXd covariance = prior.covariance(logs);
  // Times that make the mean network take 1.
  std::vector<double> times_us(data.physical.size(), 0);
  if (prior.level_operator()) {
    times_us[static_cast<size_t>(*prior.level_operator())] = 1;
  } else {
    size_t count = 0;
    for (const std::vector<uint32_t>& operators : data.typical) count += operators.size();
    times_us.assign(times_us.size(), static_cast<double>(data.typical.size()) /
                                         static_cast<double>(std::max<size_t>(count, 1)));
  }
  return {std::move(times_us),
          {covariance.data(), covariance.data() + covariance.size()},
          std::exp(logs[kNoise] / 2)};
}

}  // namespace latgrad::search
