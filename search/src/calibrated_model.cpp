#include "latgrad/search/calibrated_model.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

#include "latgrad/lut/statistic.h"

namespace latgrad::search {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

// Of the variance of a random architecture's price, a saved model may lose this share.
constexpr double kLostVariance = 1e-3;

// To three significant digits: of a sum of many, that is far below what the variances are known to.
double rounded(double value) {
  const std::string digits = fmt::format("{:.3g}", value);
  double result = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), result);
  return result;
}

MatrixXd block_covariance(const Space& space, const SpaceOperators& operators,
                          const OperatorPosterior& posterior) {
  const auto size = static_cast<Index>(posterior.times_us().size());
  const auto num_candidates = static_cast<Index>(space.max_candidates());
  const Index blocks = static_cast<Index>(space.layers().size()) * num_candidates + 1;
  MatrixXd counts = MatrixXd::Zero(blocks, size);
  for (size_t layer = 0; layer < space.layers().size(); ++layer) {
    for (size_t c = 0; c < space.layers()[layer].candidates.size(); ++c) {
      const Index row = static_cast<Index>(layer) * num_candidates + static_cast<Index>(c);
      for (const uint32_t op : operators.of_block(layer, c)) counts(row, op) += 1;
    }
  }
  for (const uint32_t op : operators.fixed()) counts(blocks - 1, op) += 1;
  return counts * Eigen::Map<const MatrixXd>(posterior.covariance_us2().data(), size, size) *
         counts.transpose();
}

// The mean of x x^T, where x says which blocks a random architecture has.
MatrixXd second_moment(const Space& space) {
  const auto num_candidates = static_cast<Index>(space.max_candidates());
  const Index blocks = static_cast<Index>(space.layers().size()) * num_candidates + 1;
  VectorXd mean = VectorXd::Zero(blocks);
  mean[blocks - 1] = 1;
  for (size_t layer = 0; layer < space.layers().size(); ++layer) {
    const std::vector<bool>& offered = space.layers()[layer].offered;
    const auto share = 1.0 / static_cast<double>(std::ranges::count(offered, true));
    for (size_t c = 0; c < offered.size(); ++c) {
      if (offered[c]) mean[static_cast<Index>(layer) * num_candidates + static_cast<Index>(c)] = share;
    }
  }
  MatrixXd moment = mean * mean.transpose();
  for (Index row = 0; row + 1 < blocks; row += num_candidates) {
    moment.block(row, row, num_candidates, num_candidates) =
        mean.segment(row, num_candidates).asDiagonal();  // one candidate excludes the others
  }
  return moment;
}

// Rows r with covariance = sum of r r^T, of which those come first that say most of architectures' prices.
std::vector<double> leading_factor(const MatrixXd& covariance, const MatrixXd& moment) {
  const Eigen::SelfAdjointEigenSolver<MatrixXd> parts(covariance);
  const MatrixXd factor =
      parts.eigenvalues().cwiseMax(0).cwiseSqrt().asDiagonal() * parts.eigenvectors().transpose();
  const Eigen::SelfAdjointEigenSolver<MatrixXd> shares(factor * moment * factor.transpose());
  const MatrixXd rows = shares.eigenvectors().transpose() * factor;  // the last says most
  const double total = shares.eigenvalues().sum();
  std::vector<double> leading;
  double left = total;
  for (Index i = rows.rows() - 1; i >= 0 && left > kLostVariance * total; --i) {
    const double negligible = 1e-6 * rows.row(i).cwiseAbs().maxCoeff();
    for (Index block = 0; block < rows.cols(); ++block) {
      leading.push_back(std::abs(rows(i, block)) > negligible ? rounded(rows(i, block)) : 0);
    }
    left -= shares.eigenvalues()[i];
  }
  return leading;
}

}  // namespace

SavedModel calibrated_model(const Space& space, Precision precision, const SpaceOperators& operators,
                            const std::string& device, const OperatorPosterior& posterior) {
  const auto sum_us = [&](const std::vector<uint32_t>& numbers) {
    double sum = 0;
    for (const uint32_t op : numbers) sum += posterior.times_us()[op];
    return std::round(sum * 1e3) / 1e3;
  };
  SavedModel model{.space = space.text(),
                   .precision = std::string(to_string(precision)),
                   .devices = {device},
                   .layers = {},
                   .num_candidates = space.max_candidates(),
                   .figures = {}};
  SavedModel::Figures figures{.statistic = {}, .fixed_us = {sum_us(operators.fixed())}, .table_us = {}};
  for (size_t layer = 0; layer < space.layers().size(); ++layer) {
    const LayerInfo& info = space.layers()[layer];
    model.layers.push_back({"layer" + std::to_string(layer + 1), info.candidates, info.offered});
    for (size_t c = 0; c < space.max_candidates(); ++c) {
      figures.table_us.push_back(c < info.candidates.size() ? sum_us(operators.of_block(layer, c)) : 0);
    }
  }
  for (const lut::Statistic statistic : lut::kStatistics) {
    figures.statistic = lut::to_string(statistic);
    model.figures.push_back(figures);
  }
  model.errors =
      SavedModel::Errors{rounded(posterior.noise()),
                         leading_factor(block_covariance(space, operators, posterior), second_moment(space))};
  return model;
}

}  // namespace latgrad::search
