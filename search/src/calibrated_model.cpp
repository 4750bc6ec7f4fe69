#include "latgrad/search/calibrated_model.h"

#include <Eigen/Dense>
#include <cmath>
#include <string>

#include "latgrad/lut/statistic.h"

namespace latgrad::search {

using Eigen::Index;
using Eigen::MatrixXd;

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
  return model;
}

std::vector<double> block_covariance_us2(const Space& space, const SpaceOperators& operators,
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
  const MatrixXd covariance =
      counts * Eigen::Map<const MatrixXd>(posterior.covariance_us2().data(), size, size) * counts.transpose();
  return {covariance.data(), covariance.data() + covariance.size()};  // symmetric: rows are columns
}

}  // namespace latgrad::search
