// What a measurement did, or would do.

#pragma once

#include <string>

#include "latgrad/profile/run.h"

namespace latgrad::profile {

// For standard output: text for people, or one JSON document.
std::string report_text(const Options& options, const RunResult& result);
std::string report_text(const Options& options, const DryRunResult& result);
std::string report_json(const RunResult& result);
std::string report_json(const DryRunResult& result);

}  // namespace latgrad::profile
