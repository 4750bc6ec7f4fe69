// Least squares with coefficients that are not negative.

#pragma once

#include <Eigen/Dense>

namespace latgrad::search::internal {

// The x >= 0 for which |a x - b| is smallest. Columns may be of very different sizes.
// Source: Lawson, Hanson, "Solving least squares problems", 1974, chapter 23.
Eigen::VectorXd non_negative_least_squares(Eigen::MatrixXd a, const Eigen::VectorXd& b);

}  // namespace latgrad::search::internal
