#include "latgrad/search/plan_networks.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>

#include "latgrad/base/error.h"

namespace latgrad::search {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

// [network, operator]
MatrixXd counts_of(std::span<const std::vector<uint32_t>> networks, size_t operators) {
  MatrixXd counts = MatrixXd::Zero(static_cast<Index>(networks.size()), static_cast<Index>(operators));
  for (size_t i = 0; i < networks.size(); ++i) {
    for (const uint32_t op : networks[i]) counts(static_cast<Index>(i), op) += 1;
  }
  return counts;
}

}  // namespace

std::vector<size_t> plan_networks(const CalibrationData& data, std::span<const std::vector<uint32_t>> pool,
                                  size_t count, uint64_t seed, size_t given) {
  for (const std::vector<uint32_t>& operators : pool) {
    for (const uint32_t op : operators) {
      if (op >= data.physical.size()) {
        throw ValueError(fmt::format("an operator must be below {}, got {}", data.physical.size(), op));
      }
    }
  }
  if (pool.empty()) return {};
  const std::vector<std::vector<uint32_t>> all(pool.begin(), pool.end());
  if (data.typical.empty()) {
    CalibrationData with_typical = data;
    with_typical.typical = all;
    return plan_networks(with_typical, pool, count, seed, given);
  }
  const OperatorPosterior known = data.networks.empty() ? prior_of(data) : calibrate(data, seed).posterior;
  const auto size = static_cast<Index>(data.physical.size());
  const MatrixXd covariance = Eigen::Map<const MatrixXd>(known.covariance_us2().data(), size, size);
  const MatrixXd asked = counts_of(all, data.physical.size());
  const MatrixXd typical = counts_of(data.typical, data.physical.size());
  const VectorXd means_us = asked * Eigen::Map<const VectorXd>(known.times_us().data(), size);
  // Covariances of the pool with itself are asked for one column at a time, as it shrinks.
  MatrixXd mixed = typical * covariance * asked.transpose();  // [typical, pool]
  MatrixXd roots = covariance * asked.transpose();            // [operator, pool]
  VectorXd variances = (asked.transpose().array() * roots.array()).colwise().sum();
  const VectorXd noise = (known.noise() * means_us).array().square();
  std::vector<size_t> chosen;
  std::vector<bool> is_chosen(pool.size(), false);
  while (chosen.size() < std::min(count, pool.size())) {
    Index best = chosen.size() < given ? static_cast<Index>(chosen.size()) : -1;
    double most = -1;
    for (Index i = 0; i < variances.size() && chosen.size() >= given; ++i) {
      if (is_chosen[static_cast<size_t>(i)]) continue;
      const double gain = mixed.col(i).squaredNorm() / (variances[i] + noise[i] + 1e-300);
      if (gain > most) {
        most = gain;
        best = i;
      }
    }
    if (best < 0) break;  // figures that are not finite
    chosen.push_back(static_cast<size_t>(best));
    is_chosen[static_cast<size_t>(best)] = true;
    const double scale = 1 / (variances[best] + noise[best] + 1e-300);
    const VectorXd shared = asked * roots.col(best);  // [pool]
    const VectorXd of_typical = mixed.col(best);
    const VectorXd of_operators = roots.col(best);
    mixed.noalias() -= scale * of_typical * shared.transpose();
    roots.noalias() -= scale * of_operators * shared.transpose();
    variances = (variances - scale * shared.array().square().matrix()).cwiseMax(0);
  }
  return chosen;
}

}  // namespace latgrad::search
