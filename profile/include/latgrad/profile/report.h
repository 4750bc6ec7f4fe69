// What a measurement did, or would do.

#pragma once

#include <string>

#include "latgrad/profile/run.h"

namespace latgrad::profile {

// What the reference told about the machine.
struct ReferenceReport {
  const std::optional<Reference>& reference;  // with the time that others are ratios to
  double now_us = 0;                          // its time in this run
  std::optional<double> unsteadiness = {};
  double steady = kSteady;
  size_t samples = 0;
  size_t discarded_samples = 0;
};

// In sentences, each line ended.
std::string reference_text(const ReferenceReport& report);

// For standard output: text for people, or one JSON document.
std::string report_text(const Options& options, const RunResult& result);
std::string report_text(const Options& options, const DryRunResult& result);
std::string report_json(const RunResult& result);
std::string report_json(const DryRunResult& result);

}  // namespace latgrad::profile
