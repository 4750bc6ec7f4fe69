// The machine that is measured, as far as the system reports it.

#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace latgrad::runner {

struct Machine {
  std::string cpu_model;   // "Intel(R) Core(TM) i7-8550U CPU @ 1.80GHz"; empty when unknown
  std::string cpu_family;  // numbers as the system prints them; empty when unknown
  std::string cpu_model_number;
  std::string architecture;  // "x86_64"
  std::string system;        // "Linux 6.1.0-18-amd64"
  int logical_cores = 0;
  std::string caches;     // of the first core: "L1d 32K, L1i 32K, L2 512K, L3 32768K"; empty when unknown
  std::string governor;   // of its frequency: "performance"; empty when unknown
  std::string frequency;  // at this moment: "2445 MHz"; empty when unknown
};

// Source of the names: /proc/cpuinfo, then the board's name (Arm has no model name).
Machine this_machine();

// The machine that a text in the form of /proc/cpuinfo describes; the fields of the system stay empty.
Machine parse_cpuinfo(std::string_view cpuinfo);

// A device name from the CPU's and the engine's: `intel-core-i7-8550u-qnnpack`. Lower-case letters, digits
// and single hyphens. A CPU that hides its number (virtual machines do) is named by family and model.
std::string default_device(const Machine& machine, std::string_view engine);

// The average number of processes ready to run in the last minute; nothing if the system does not report it.
std::optional<double> load_average();

}  // namespace latgrad::runner
