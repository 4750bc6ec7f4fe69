#include "non_negative.h"

#include <algorithm>
#include <vector>

namespace latgrad::search::internal {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

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

}  // namespace latgrad::search::internal
