// The latency model of a space whose operators were calibrated, and how its entries err together.
//
//   const SpaceOperators operators(space, precision);
//   SavedModel model = calibrated_model(space, precision, operators, "pixel3", calibration.posterior);
//   base::replace_file("pixel3.json", saved_model_text(model));
//
// Linear in the candidates, the covariance quadratic; thread-safe.

#pragma once

#include <string>
#include <vector>

#include "latgrad/search/operator_posterior.h"
#include "latgrad/search/saved_model.h"
#include "latgrad/search/space_operators.h"

namespace latgrad::search {

// Sums of the mean times. There is one time for each operator, which is every statistic.
SavedModel calibrated_model(const Space& space, Precision precision, const SpaceOperators& operators,
                            const std::string& device, const OperatorPosterior& posterior);

// [L * C + 1, L * C + 1], row-major: of the candidates of all layers, row by row, and last of the fixed part;
// 0 where a candidate has no operators or is not offered.
std::vector<double> block_covariance_us2(const Space& space, const SpaceOperators& operators,
                                         const OperatorPosterior& posterior);

}  // namespace latgrad::search
