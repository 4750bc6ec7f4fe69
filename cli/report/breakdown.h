// Where the milliseconds of a run's architecture go.
//
//   const Breakdown spent = break_down(run, final_pick(run));
//   for (const Share& part : spent.parts) ...     // "stem", "1 k3_e1", ..., "head"
//
// From the operators of the chosen network if the run has them, else from its table. Linear.

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "report/run_folder.h"

namespace latgrad::cli::report {

struct Share {
  std::string name;
  std::optional<double> us;  // nothing where it is not known
};

struct Breakdown {
  std::vector<Share> before;  // the layers: the stem, or all that is fixed
  std::vector<Share> layers;  // one for each, named as its block
  std::vector<Share> after;   // the head
  std::vector<Share> types;   // of operators, the most expensive first
  double total_us = 0;        // of all that is known
  size_t unknown = 0;         // operators or parts without a time
};

Breakdown break_down(const Run& run, const Pick& pick);

// The `count` most expensive operators of the chosen network, the dearest first.
std::vector<SpentOperator> most_expensive(const Run& run, size_t count);

}  // namespace latgrad::cli::report
