#include "latgrad/search/operator_inference.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "latgrad/base/error.h"
#include "latgrad/net/arguments.h"
#include "latgrad/net/memory.h"
#include "latgrad/net/registry.h"

namespace latgrad::search {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr size_t kFolds = 10;
constexpr std::array<double, 7> kDeviations = {0, 1, 3, 10, 30, 100, 300};

enum class Kind { kPointwise, kDense, kDepthwise, kGroups, kProduct, kMap, kView, kOther };
constexpr size_t kKinds = 8;
constexpr size_t kFeaturesOfKind = 4;
static_assert(kPhysicalFeatures == 2 * kKinds * kFeaturesOfKind);  // of floats and of 8 bits

Kind kind_of(const net::Operator& op, const net::OpShapes& shapes) {
  const net::OperatorType* type = net::find_operator_type(op.type);
  if (type == nullptr || shapes.inputs.empty() || shapes.outputs.empty()) return Kind::kOther;
  if (type->multiplies && type->window != net::WindowKind::kNone && shapes.inputs.size() > 1) {
    const net::Shape& weight = shapes.inputs[1].shape;
    const int64_t group = net::Arguments(op.type, op.args).integer("group", 1);
    if (group > 1) return weight[0] == group ? Kind::kDepthwise : Kind::kGroups;
    // Of a 1x1 convolution the weight is a matrix.
    const auto large = std::ranges::count_if(weight, [](int64_t dim) { return dim > 1; });
    return large <= 2 ? Kind::kPointwise : Kind::kDense;
  }
  if (type->multiplies) return Kind::kProduct;
  if (type->is_view) return Kind::kView;
  const bool keeps_places = !type->moves && !op.type.ends_with("ChannelShuffle");
  const bool is_map =
      keeps_places && shapes.inputs.size() == 1 && shapes.inputs[0].shape == shapes.outputs[0].shape;
  return is_map ? Kind::kMap : Kind::kOther;
}

double bytes_of(const net::TensorInfo& tensor) {
  double bytes = static_cast<double>(net::element_bytes(tensor.dtype));
  for (const int64_t dim : tensor.shape) bytes *= static_cast<double>(dim);
  return bytes;
}

// Columns of very different sizes, none of them negative.
VectorXd non_negative_least_squares(MatrixXd a, const VectorXd& b) {
  VectorXd scale = a.colwise().norm().transpose();
  for (Index i = 0; i < scale.size(); ++i) {
    if (scale[i] > 0) a.col(i) /= scale[i];
  }
  const Index size = a.cols();
  VectorXd x = VectorXd::Zero(size);
  std::vector<bool> is_free(static_cast<size_t>(size), false);
  const auto solve_free = [&] {
    std::vector<Index> columns;
    for (Index i = 0; i < size; ++i) {
      if (is_free[static_cast<size_t>(i)]) columns.push_back(i);
    }
    const MatrixXd part = a(Eigen::all, columns);
    const VectorXd solution = part.colPivHouseholderQr().solve(b);
    VectorXd all = VectorXd::Zero(size);
    for (size_t i = 0; i < columns.size(); ++i) all[columns[i]] = solution[static_cast<Index>(i)];
    return all;
  };
  const double least = 1e-10 * (a.transpose() * b).cwiseAbs().maxCoeff();
  std::vector<bool> is_passed_over(static_cast<size_t>(size), false);  // until another one has entered
  for (Index step = 0; step < 10 * size; ++step) {
    const VectorXd gradient = a.transpose() * (b - a * x);
    Index enters = -1;
    for (Index i = 0; i < size; ++i) {
      const auto at = static_cast<size_t>(i);
      if (is_free[at] || is_passed_over[at] || scale[i] == 0 || gradient[i] <= least) continue;
      if (enters < 0 || gradient[i] > gradient[enters]) enters = i;
    }
    if (enters < 0) break;
    is_free[static_cast<size_t>(enters)] = true;
    VectorXd next = solve_free();
    if (next[enters] <= 0) {  // of columns that are nearly the same, rounding may say so
      is_free[static_cast<size_t>(enters)] = false;
      is_passed_over[static_cast<size_t>(enters)] = true;
      continue;
    }
    is_passed_over.assign(static_cast<size_t>(size), false);
    for (;; next = solve_free()) {
      // As far towards it as no entry becomes negative; those that reach 0 stay there.
      double share = 1;
      for (Index i = 0; i < size; ++i) {
        if (is_free[static_cast<size_t>(i)] && next[i] <= 0) share = std::min(share, x[i] / (x[i] - next[i]));
      }
      x += share * (next - x);
      if (share == 1) break;
      for (Index i = 0; i < size; ++i) {
        if (!is_free[static_cast<size_t>(i)] || x[i] > 1e-14) continue;
        x[i] = 0;
        is_free[static_cast<size_t>(i)] = false;
      }
    }
  }
  for (Index i = 0; i < size; ++i) {
    if (scale[i] > 0) x[i] /= scale[i];
  }
  return x;
}

// Networks over their times: what operators add to each of them, as a share of its time, sums to 1.
class Shares {
 public:
  Shares(std::span<const std::vector<double>> features, std::span<const NetworkTime> networks)
      : counts_(MatrixXd::Zero(static_cast<Index>(networks.size()), static_cast<Index>(features.size()))),
        features_(static_cast<Index>(features.size()), static_cast<Index>(features[0].size()) + 1) {
    for (size_t i = 0; i < networks.size(); ++i) {
      for (const size_t op : networks[i].operators)
        counts_(static_cast<Index>(i), static_cast<Index>(op)) += 1;
    }
    features_.setZero();
    for (size_t op = 0; op < features.size(); ++op) {
      for (size_t i = 0; i < features[op].size(); ++i) {
        features_(static_cast<Index>(op), static_cast<Index>(i)) = features[op][i];
      }
    }
    for (Index op = 0; op < counts_.cols(); ++op) {
      if ((counts_.col(op).array() != 1).any()) continue;
      features_(op, features_.cols() - 1) = 1;  // what a call takes
      break;
    }
    for (size_t i = 0; i < networks.size(); ++i) counts_.row(static_cast<Index>(i)) /= networks[i].time_us;
  }

  // The times of operators by the networks of these rows.
  VectorXd fit(const std::vector<Index>& rows, double deviation) const {
    const MatrixXd shares = counts_(rows, Eigen::all);
    const VectorXd ones = VectorXd::Ones(shares.rows());
    const MatrixXd lines = shares * features_;
    VectorXd base_us = features_ * non_negative_least_squares(lines, ones);
    if (deviation == 0) return base_us;
    // Deviations correlate the errors of networks that share operators: the line once more, with that.
    VectorXd deviations_us = VectorXd::Zero(base_us.size());
    for (int pass = 0; pass < 2; ++pass) {
      const VectorXd variances = (deviation * base_us).array().square();
      const MatrixXd covariance = MatrixXd::Identity(shares.rows(), shares.rows()) +
                                  shares * variances.asDiagonal() * shares.transpose();
      const Eigen::LLT<MatrixXd> factor(covariance);
      base_us =
          features_ * non_negative_least_squares(factor.matrixL().solve(lines), factor.matrixL().solve(ones));
      deviations_us = variances.asDiagonal() * (shares.transpose() * factor.solve(ones - shares * base_us));
    }
    return (base_us + deviations_us).cwiseMax(0);
  }

  // By network: the sum of such times over its time.
  VectorXd predicted(const VectorXd& times_us) const { return counts_ * times_us; }

 private:
  MatrixXd counts_;    // [network, operator], over the network's time
  MatrixXd features_;  // [operator, feature]; the last one is of the call
};

void check(std::span<const std::vector<double>> features, std::span<const NetworkTime> networks) {
  if (networks.size() < kFewestNetworks) {
    throw ValueError(fmt::format("operators are inferred from at least {} networks, got {}", kFewestNetworks,
                                 networks.size()));
  }
  if (features.empty() || std::ranges::any_of(features, [&](const std::vector<double>& of_operator) {
        return of_operator.size() != features[0].size();
      })) {
    throw ValueError("every operator must have the same number of features, and there must be one");
  }
  for (const NetworkTime& network : networks) {
    if (!(network.time_us > 0) || !std::isfinite(network.time_us)) {
      throw ValueError(
          fmt::format("the time of a network must be positive and finite, got {}", network.time_us));
    }
    for (const size_t op : network.operators) {
      if (op >= features.size()) {
        throw ValueError(fmt::format("an operator must be below {}, got {}", features.size(), op));
      }
    }
  }
}

std::vector<Index> rows_of(size_t networks, std::optional<size_t> left_out_fold) {
  std::vector<Index> rows;
  for (size_t i = 0; i < networks; ++i) {
    if (i % kFolds != left_out_fold) rows.push_back(static_cast<Index>(i));
  }
  return rows;
}

}  // namespace

std::vector<double> physical_features(const net::Operator& op, const net::OpShapes& shapes) {
  std::vector<double> features(kPhysicalFeatures, 0);
  const bool is_quantised = !shapes.inputs.empty() &&
                            net::element_bytes(shapes.inputs[0].dtype) == 1;  // another kernel, other costs
  const size_t kind = static_cast<size_t>(kind_of(op, shapes)) + (is_quantised ? kKinds : 0);
  double* of_kind = features.data() + kind * kFeaturesOfKind;
  of_kind[0] = 1;
  of_kind[1] = static_cast<double>(shapes.macs.value_or(0));
  const net::OperatorType* type = net::find_operator_type(op.type);
  for (size_t i = 0; i < shapes.inputs.size(); ++i) {
    const bool is_parameter = type != nullptr && !type->reads_activation(i);
    of_kind[is_parameter ? 3 : 2] += bytes_of(shapes.inputs[i]);
  }
  for (const net::TensorInfo& output : shapes.outputs) of_kind[2] += bytes_of(output);
  return features;
}

InferredTimes infer_operator_times(std::span<const std::vector<double>> features,
                                   std::span<const NetworkTime> networks) {
  check(features, networks);
  const Shares shares(features, networks);
  InferredTimes best;
  best.left_out_mape = std::numeric_limits<double>::infinity();
  for (const double deviation : kDeviations) {
    InferredTimes times{
        .operators_us = {}, .left_out_us = std::vector<double>(networks.size()), .deviation = deviation};
    for (size_t fold = 0; fold < kFolds; ++fold) {
      const VectorXd predicted = shares.predicted(shares.fit(rows_of(networks.size(), fold), deviation));
      for (size_t i = fold; i < networks.size(); i += kFolds) {
        const double share = predicted[static_cast<Index>(i)];
        times.left_out_us[i] = share * networks[i].time_us;
        times.left_out_mape += std::abs(share - 1) / static_cast<double>(networks.size());
      }
    }
    times.line_mape = deviation == 0 ? times.left_out_mape : best.line_mape;
    if (times.left_out_mape < best.left_out_mape) best = std::move(times);
  }
  const VectorXd all_us = shares.fit(rows_of(networks.size(), std::nullopt), best.deviation);
  best.operators_us.assign(all_us.begin(), all_us.end());
  return best;
}

}  // namespace latgrad::search
