// The lines that the planner and a runner exchange: docs/runner-protocol.md, in code.
//
//   planner                                            runner
//   open_request(0, settings)            ->            parse_request(line).open
//   parse_opened(line, 0)                <-            opened_reply(0, info)
//   measure_request(1, request)          ->            parse_request(line).measure
//   parse_timings(line, 1, request)      <-            timings_reply(1, timings)
//   load_request(2, request)             ->            parse_request(line).load
//   parse_loaded(line, 2)                <-            loaded_reply(2, loaded)
//   time_request(3, request)             ->            parse_request(line).time
//   parse_times(line, 3, request)        <-            times_reply(3, times)
//
// One JSON object per line, without the newline here. Both sides check everything: a missing or wrong field
// is an error that quotes the line. Thread-safe: no state.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "latgrad/runner/runner.h"

namespace latgrad::runner {

// A planner asks for the newest version that it speaks, in a way that the oldest runner understands, and uses
// what the runner answers. Version 2 times the parts of a chain, version 3 whole networks.
inline constexpr int kProtocolVersion = 3;
inline constexpr int kOldestProtocolVersion = 1;

std::string open_request(uint64_t id, const RunnerSettings& settings);
std::string measure_request(uint64_t id, const MeasureRequest& request);
std::string opened_reply(uint64_t id, const RunnerInfo& info);
std::string timings_reply(uint64_t id, const Timings& timings);
std::string load_request(uint64_t id, const LoadRequest& request);
std::string loaded_reply(uint64_t id, const Loaded& loaded);
std::string time_request(uint64_t id, const TimeRequest& request);
std::string times_reply(uint64_t id, const NetworkTimes& times);
std::string error_reply(uint64_t id, std::string_view message);

// A request to measure that owns its chain.
struct OwnedMeasureRequest {
  Chain chain;
  int warmup = 1;
  int samples = 1;
  Timing timing = Timing::kOperators;
  std::vector<size_t> parts = {};

  MeasureRequest view() const { return {chain, warmup, samples, timing, parts}; }
};

struct OwnedLoadRequest {
  int place = 0;
  std::string onnx;
  bool nodes = false;

  LoadRequest view() const { return {place, onnx, nodes}; }
};

// One of the four requests.
struct Request {
  uint64_t id = 0;
  std::optional<RunnerSettings> open;
  int protocol = kOldestProtocolVersion;  // open: the newest version that both sides speak
  std::optional<OwnedMeasureRequest> measure;
  std::optional<OwnedLoadRequest> load;
  std::optional<TimeRequest> time;
};

// Errors: ParseError for a malformed request; ValueError for another version of the protocol.
Request parse_request(std::string_view line);

// The id of a request that may be malformed, so that its error can be answered; 0 where there is none.
uint64_t id_of(std::string_view line);

// Errors: RunnerError for a reply that does not answer the request: malformed, another id, another version,
// counts that do not fit, times that are negative or not finite; if the reply is an error, with its message.
RunnerInfo parse_opened(std::string_view line, uint64_t id);
Timings parse_timings(std::string_view line, uint64_t id, const MeasureRequest& request);
Loaded parse_loaded(std::string_view line, uint64_t id);
NetworkTimes parse_times(std::string_view line, uint64_t id, const TimeRequest& request);

// The operators of a chain as a request has them, for files. Errors: ParseError.
std::string chain_json(const Chain& chain);
Chain parse_chain(std::string_view json);

}  // namespace latgrad::runner
