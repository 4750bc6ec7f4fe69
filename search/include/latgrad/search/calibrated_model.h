// The latency model of a space whose operators were calibrated, with how its entries err together.
//
//   const SpaceOperators operators(space, precision);
//   SavedModel model = calibrated_model(space, precision, operators, "pixel3", calibration.posterior);
//   base::replace_file("pixel3.json", saved_model_text(model));
//
// Cubic in the number of candidates of all layers; thread-safe.

#pragma once

#include <string>

#include "latgrad/search/operator_posterior.h"
#include "latgrad/search/saved_model.h"
#include "latgrad/search/space_operators.h"

namespace latgrad::search {

// Sums of the mean times. There is one time for each operator, which is every statistic. Its errors have
// three digits, and no row that says nothing of architectures (0.1 % of their variance are lost).
SavedModel calibrated_model(const Space& space, Precision precision, const SpaceOperators& operators,
                            const std::string& device, const OperatorPosterior& posterior);

}  // namespace latgrad::search
