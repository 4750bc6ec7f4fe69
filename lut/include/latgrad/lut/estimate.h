// The price of a network: the sum of its operators' measured times.
//
//   net::Net net = net::read_net("FBNet-A/int8");
//   Estimate e = estimate(net, net::infer_shapes(net), table, {.device = "SM-G950U-7.0-24"});
//   if (auto total_us = e.total_us()) ...       // nothing while an operator is missing
//   e.found_us;                                 // the partial sum
//
// O(operators). Thread-safe: it only reads.

#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "latgrad/lut/statistic.h"
#include "latgrad/lut/table.h"
#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/net.h"

namespace latgrad::lut {

// How to combine several records of one operator into one time.
enum class Mode { kAve, kMin, kMax, kLast };
// Errors: ValueError for anything but "ave", "min", "max", "last".
Mode parse_mode(std::string_view text);
std::string_view to_string(Mode mode);

enum class Status {
  kExact,        // a record matches by meaning
  kSubstituted,  // an Int8Conv priced by the Int8ConvRelu of the same arguments and shapes
  kEstimated,    // a record matches whose time was not measured but inferred, with an error
  kMissing,      // no record
};
std::string_view to_string(Status status);  // "exact", "substituted", "estimated", "missing"

enum class Matching {
  kMeaning,    // arguments compared by meaning (the default)
  kReference,  // text against text, as the published tool does
};

struct EstimateOptions {
  std::string device = {};  // empty: table.default_device()
  Mode mode = Mode::kAve;
  Statistic statistic = Statistic::kP50;  // of each record, before the mode combines them
  Matching matching = Matching::kMeaning;
};

struct OpEstimate {
  Status status = Status::kMissing;
  std::optional<double> time_us;   // by statistic and mode; nothing when missing
  std::optional<double> error_us;  // standard deviation of an estimated time
  bool time_is_integer = false;    // the file has an integer: the published tool prints `259`, not `259.0`
  std::string type_after_lookup;   // the type that was looked up last
  std::vector<uint32_t> records;   // matches in the table, in file order
};

struct Estimate {
  std::vector<OpEstimate> ops;  // same length and order as net.ops
  double found_us = 0;          // sum over the operators that have a time, in order
  bool all_found = true;

  // The price; nothing while an operator is missing.
  std::optional<double> total_us() const;
};

// Makes the totals of an estimate anew from its operators.
void add_up(Estimate& estimate);

// The combined time of records of one operator: `estimate_operator` for records that were already found.
// Precondition: at least one record, each < table.size().
double joined_time_us(std::span<const uint32_t> records, const Table& table, Mode mode, Statistic statistic);

// The status and time of one operator.
// Errors: ValueError when the device is not in the table; for another statistic than p50 with
// Matching::kReference.
OpEstimate estimate_operator(const OperatorKey& key, const Table& table, const EstimateOptions& options);

// Precondition: shapes = net::infer_shapes(net). An operator of unknown shape is missing.
// Errors: ValueError as estimate_operator; if the shapes belong to another network.
Estimate estimate(const net::Net& net, const net::NetShapes& shapes, const Table& table,
                  const EstimateOptions& options);

}  // namespace latgrad::lut
