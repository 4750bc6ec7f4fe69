#include "latgrad/lut/estimate.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "latgrad/base/error.h"
#include "latgrad/net/registry.h"

namespace latgrad::lut {

Mode parse_mode(std::string_view text) {
  for (const Mode mode : {Mode::kAve, Mode::kMin, Mode::kMax, Mode::kLast}) {
    if (to_string(mode) == text) return mode;
  }
  throw ValueError(fmt::format("a mode must be ave, min, max or last, got \"{}\"", text));
}

std::string_view to_string(Mode mode) {
  switch (mode) {
    case Mode::kAve:
      return "ave";
    case Mode::kMin:
      return "min";
    case Mode::kMax:
      return "max";
    case Mode::kLast:
      return "last";
  }
  return "";
}

std::string_view to_string(Status status) {
  switch (status) {
    case Status::kExact:
      return "exact";
    case Status::kSubstituted:
      return "substituted";
    case Status::kEstimated:
      return "estimated";
    case Status::kMissing:
      return "missing";
  }
  return "";
}

std::optional<double> Estimate::total_us() const {
  return all_found ? std::optional(found_us) : std::nullopt;
}

namespace {

// The record that a mode other than kAve takes; the first of several that are the same to it.
uint32_t chosen_record(std::span<const uint32_t> records, const Table& table, Mode mode,
                       Statistic statistic) {
  const auto time_us = [&](uint32_t record) { return table.time_us(record, statistic); };
  if (mode == Mode::kMin) return *std::ranges::min_element(records, {}, time_us);
  if (mode == Mode::kMax) return *std::ranges::max_element(records, {}, time_us);
  return records.back();
}

void check_statistic(const EstimateOptions& options) {
  if (options.matching == Matching::kReference && options.statistic != Statistic::kP50) {
    throw ValueError(fmt::format("reference matching must price by p50, as the published tool does, got {}",
                                 to_string(options.statistic)));
  }
}

// Another type that computes the same of these inputs, or nothing.
std::string_view twin_of(const OperatorKey& key, const net::OperatorType& row) {
  const auto has_other_shape = [&](const net::Shape& shape) { return shape != key.input_shapes.front(); };
  return std::ranges::any_of(key.input_shapes, has_other_shape) ? std::string_view() : row.twin;
}

// Precondition: the device is in the table.
OpEstimate estimate_on(const OperatorKey& key, const Table& table, std::string_view device,
                       const EstimateOptions& options) {
  const auto find = [&](const OperatorKey& wanted) {
    return options.matching == Matching::kReference ? table.find_reference(wanted, device)
                                                    : table.find(wanted, device);
  };
  OpEstimate op;
  op.type_after_lookup = key.op_type;
  auto records = find(key);
  op.status = Status::kExact;
  const net::OperatorType* row = net::find_operator_type(key.op_type);
  const auto substitute = [&](std::string_view type) {
    OperatorKey other = key;
    other.op_type = type;
    op.status = Status::kSubstituted;
    records = find(other);
  };
  if (records.empty() && row != nullptr && !row->stand_in.empty()) {
    // Also where that lacks a record: so does the published tool.
    op.type_after_lookup = row->stand_in;
    substitute(row->stand_in);
  } else if (records.empty() && row != nullptr && options.matching != Matching::kReference) {
    if (const std::string_view twin = twin_of(key, *row); !twin.empty()) {
      substitute(twin);
      if (!records.empty()) op.type_after_lookup = twin;
    }
  }
  if (records.empty()) {
    op.status = Status::kMissing;
    return op;
  }
  op.records.assign(records.begin(), records.end());
  op.time_us = joined_time_us(records, table, options.mode, options.statistic);
  for (const uint32_t record : records) {
    const std::optional<double> error_us = table.error_us(record);
    if (!error_us) continue;
    if (op.status == Status::kExact) op.status = Status::kEstimated;
    op.error_us = std::max(op.error_us.value_or(0), *error_us);
  }
  // Of the other times the table does not keep how they were written: the published tool never prints them.
  op.time_is_integer = options.mode != Mode::kAve && options.statistic == Statistic::kP50 &&
                       table.p50_is_integer(chosen_record(records, table, options.mode, options.statistic));
  return op;
}

}  // namespace

void add_up(Estimate& estimate) {
  estimate.found_us = 0;
  estimate.all_found = true;
  for (const OpEstimate& op : estimate.ops) {
    estimate.found_us += op.time_us.value_or(0);
    estimate.all_found = estimate.all_found && op.time_us.has_value();
  }
}

double joined_time_us(std::span<const uint32_t> records, const Table& table, Mode mode, Statistic statistic) {
  if (mode != Mode::kAve) {
    return table.time_us(chosen_record(records, table, mode, statistic), statistic);
  }
  // In this order and divided once, as the published tool does: the result is the same to the last bit.
  double sum = 0;
  for (const uint32_t record : records) sum += table.time_us(record, statistic);
  return sum / static_cast<double>(records.size());
}

OpEstimate estimate_operator(const OperatorKey& key, const Table& table, const EstimateOptions& options) {
  check_statistic(options);
  return estimate_on(key, table, table.resolve_device(options.device), options);
}

Estimate estimate(const net::Net& net, const net::NetShapes& shapes, const Table& table,
                  const EstimateOptions& options) {
  if (shapes.ops.size() != net.ops.size()) {
    throw ValueError(fmt::format("the shapes must belong to the network: it has {} operators, they have {}",
                                 net.ops.size(), shapes.ops.size()),
                     {.file = net.source});
  }
  check_statistic(options);
  const std::string& device = table.resolve_device(options.device);
  Estimate result;
  for (size_t i = 0; i < net.ops.size(); ++i) {
    OpEstimate& op = result.ops.emplace_back();
    if (shapes.ops[i].known) {
      op = estimate_on(operator_key(net.ops[i], shapes.ops[i]), table, device, options);
    } else {
      op.type_after_lookup = net.ops[i].type;
    }
  }
  add_up(result);
  return result;
}

}  // namespace latgrad::lut
