#include "latgrad/runner/protocol.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "latgrad/base/base64.h"
#include "latgrad/base/json.h"
#include "latgrad/net/netdef.h"

namespace latgrad::runner {
namespace {

using base::Json;
using base::json_line;
using base::JsonValue;

// The number of bytes of a line that a message quotes.
constexpr size_t kQuotedBytes = 120;
// The version that can time whole networks.
constexpr int kNetworksSince = 3;
constexpr int kMaxRuns = 1'000'000;
constexpr int kMaxThreads = 1 << 16;
constexpr int kMaxCore = 1 << 20;
constexpr int64_t kMaxDimension = int64_t{1} << 40;
constexpr size_t kMaxRank = 16;
constexpr int kMaxDtype = 1000;

// Rounds to the nanosecond.
Json times_json(const std::vector<double>& times_us) {
  Json times = Json::array();
  for (const double time_us : times_us) times.push_back(base::rounded(time_us, 3));
  return times;
}

Json operator_json(const ChainOperator& link) {
  return {{"op_type", link.key.op_type},
          {"op_args", lut::reference_args(link.key)},
          {"input_shapes", link.key.input_shapes},
          {"input_dtypes", link.key.input_dtypes},
          {"sources", link.sources}};
}

std::string_view timing_name(Timing timing) { return timing == Timing::kWhole ? "whole" : "operators"; }

// Calls `read(value)` with the value of the line; an error also quotes the line.
template <typename Read>
auto read_line(std::string_view line, const Read& read) {
  try {
    const base::JsonDocument document(line, "a line");
    return read(document.root());
  } catch (const ParseError& error) {
    throw ParseError(fmt::format("{}, in the line `{}{}`", error.what(), line.substr(0, kQuotedBytes),
                                 line.size() > kQuotedBytes ? "..." : ""));
  }
}

// Malformed lines of a runner are the runner's fault, not a file's.
template <typename Read>
auto read_reply(std::string_view line, const Read& read) {
  try {
    return read_line(line, read);
  } catch (const ParseError& error) {
    throw RunnerError(std::string("the runner does not follow the protocol: ") + error.what());
  }
}

int to_int(const JsonValue& value, int least, int most) {
  return static_cast<int>(value.integer(least, most));
}

// Empty if there is no such member: a runner may leave out what it does not know.
std::string text_or_empty(const JsonValue& object, std::string_view name) {
  const auto value = object.find(name);
  return value ? value->text() : "";
}

std::vector<int> read_cores(const JsonValue& value) {
  std::vector<int> cores;
  for (const JsonValue& core : value.list()) cores.push_back(to_int(core, 0, kMaxCore));
  return cores;
}

std::vector<double> read_times(const JsonValue& value) {
  std::vector<double> times_us;
  for (const JsonValue& time : value.list()) {
    times_us.push_back(time.number());
    if (times_us.back() < 0) time.fail("hold times that are not negative");
  }
  return times_us;
}

ChainOperator read_operator(const JsonValue& value, int index) {
  ChainOperator link;
  link.key.op_type = value.at("op_type").text();
  for (const std::string& arg : value.at("op_args").texts()) {
    link.key.args.push_back(net::parse_argument_text(arg));
  }
  for (const JsonValue& shape : value.at("input_shapes").list()) {
    link.key.input_shapes.push_back(shape.integers(0, kMaxDimension));
    if (link.key.input_shapes.back().size() > kMaxRank) {
      shape.fail(fmt::format("have at most {} dimensions", kMaxRank));
    }
  }
  for (const JsonValue& dtype : value.at("input_dtypes").list()) {
    link.key.input_dtypes.push_back(static_cast<net::DataType>(to_int(dtype, 0, kMaxDtype)));
  }
  const JsonValue sources = value.at("sources");
  for (const JsonValue& source : sources.list()) {
    link.sources.push_back(to_int(source, kOutside, index - 1));
  }
  if (link.sources.size() != link.key.input_shapes.size()) sources.fail("have an entry for each input");
  return link;
}

Timing read_timing(const JsonValue& value) {
  const std::string timing = value.text();
  if (timing == timing_name(Timing::kWhole)) return Timing::kWhole;
  if (timing == timing_name(Timing::kOperators)) return Timing::kOperators;
  value.fail("be \"operators\" or \"whole\"");
}

Json operators_json(const Chain& chain) {
  Json operators = Json::array();
  for (const ChainOperator& link : chain) operators.push_back(operator_json(link));
  return operators;
}

Chain read_chain(const JsonValue& value) {
  Chain chain;
  for (const JsonValue& op : value.list()) chain.push_back(read_operator(op, static_cast<int>(chain.size())));
  return chain;
}

std::vector<size_t> read_parts(const JsonValue& value, size_t num_operators) {
  std::vector<size_t> parts;
  size_t sum = 0;
  for (const int64_t size : value.integers(0, static_cast<int64_t>(num_operators))) {
    parts.push_back(static_cast<size_t>(size));
    sum += parts.back();
  }
  if (sum != num_operators) value.fail(fmt::format("sum up to the {} operators", num_operators));
  return parts;
}

OwnedLoadRequest read_load(const JsonValue& value) {
  const auto nodes = value.find("nodes");
  const JsonValue model = value.at("model");
  const std::optional<std::string> onnx = base::from_base64(model.text());
  if (!onnx) model.fail("be base64");
  return {to_int(value.at("place"), 0, kMostPlaces - 1), *onnx, nodes && nodes->boolean()};
}

TimeRequest read_time(const JsonValue& value) {
  TimeRequest request;
  request.network = to_int(value.at("network"), 0, kMostPlaces - 1);
  if (const auto reference = value.find("reference")) {
    request.reference = to_int(*reference, 0, kMostPlaces - 1);
  }
  request.warmup = to_int(value.at("warmup"), 0, kMaxRuns);
  request.samples = to_int(value.at("samples"), 1, kMaxRuns);
  return request;
}

OwnedMeasureRequest read_measure(const JsonValue& value) {
  OwnedMeasureRequest request;
  request.warmup = to_int(value.at("warmup"), 0, kMaxRuns);
  request.samples = to_int(value.at("samples"), 1, kMaxRuns);
  request.timing = read_timing(value.at("timing"));
  request.chain = read_chain(value.at("operators"));
  if (const auto parts = value.find("parts")) request.parts = read_parts(*parts, request.chain.size());
  return request;
}

// The newest version that both sides speak.
int read_protocol(const JsonValue& value) {
  const int64_t oldest = value.at("protocol").integer(0);
  const auto newest_member = value.find("newest_protocol");
  const int64_t newest = newest_member ? newest_member->integer(oldest) : oldest;
  if (newest < kOldestProtocolVersion || oldest > kProtocolVersion) {
    throw ValueError(
        fmt::format("this runner speaks versions {} to {} of the protocol, but the request has version {}; "
                    "install the same latgrad on both machines",
                    kOldestProtocolVersion, kProtocolVersion, oldest));
  }
  return static_cast<int>(std::min<int64_t>(newest, kProtocolVersion));
}

RunnerSettings read_open(const JsonValue& value) {
  return {.engine = value.at("engine").text(),
          .provider = text_or_empty(value, "provider"),
          .threads = to_int(value.at("threads"), 1, kMaxThreads),
          .pin = value.at("pin").boolean(),
          .cores = read_cores(value.at("cores"))};
}

uint64_t read_id(const JsonValue& value) { return static_cast<uint64_t>(value.at("id").integer(0)); }

// Checks that a reply answers request `id` with `expected`; anything else is an error.
void check_reply(const JsonValue& reply, uint64_t id, std::string_view expected) {
  const std::string kind = reply.at("reply").text();
  if (kind == "error") throw RunnerError("the runner says: " + reply.at("message").text());
  if (read_id(reply) != id) reply.at("id").fail(fmt::format("be {}, the id of the request", id));
  if (kind != expected) reply.at("reply").fail(fmt::format("be \"{}\"", expected));
}

Machine read_machine(const JsonValue& value) {
  Machine machine;
  machine.cpu_model = text_or_empty(value, "cpu_model");
  machine.cpu_family = text_or_empty(value, "cpu_family");
  machine.cpu_model_number = text_or_empty(value, "cpu_model_number");
  machine.architecture = text_or_empty(value, "architecture");
  machine.system = text_or_empty(value, "system");
  machine.caches = text_or_empty(value, "caches");
  machine.governor = text_or_empty(value, "governor");
  machine.frequency = text_or_empty(value, "frequency");
  if (const auto cores = value.find("logical_cores")) machine.logical_cores = to_int(*cores, 0, kMaxCore);
  return machine;
}

// By operator, empty where it is supported.
std::vector<std::string> read_unsupported(const JsonValue& value, size_t num_operators) {
  std::vector<std::string> unsupported(num_operators);
  for (const auto& [name, reason] : value.members()) {
    size_t op = num_operators;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), op);
    if (error != std::errc() || end != name.data() + name.size() || op >= num_operators) {
      value.fail(fmt::format("name operators below {}", num_operators));
    }
    unsupported[op] = reason.text();
    if (unsupported[op].empty()) value.fail("give a reason for each operator");
  }
  return unsupported;
}

}  // namespace

std::string open_request(uint64_t id, const RunnerSettings& settings) {
  Json line = {{"id", id},
               {"request", "open"},
               {"protocol", kOldestProtocolVersion},
               {"newest_protocol", kProtocolVersion},
               {"engine", settings.engine},
               {"threads", settings.threads},
               {"pin", settings.pin},
               {"cores", settings.cores}};
  if (!settings.provider.empty()) line["provider"] = settings.provider;
  return json_line(line);
}

std::string load_request(uint64_t id, const LoadRequest& request) {
  Json line = {
      {"id", id}, {"request", "load"}, {"place", request.place}, {"model", base::to_base64(request.onnx)}};
  if (request.nodes) line["nodes"] = true;
  return json_line(line);
}

std::string time_request(uint64_t id, const TimeRequest& request) {
  Json line = {{"id", id},
               {"request", "time"},
               {"network", request.network},
               {"warmup", request.warmup},
               {"samples", request.samples}};
  if (request.reference) line["reference"] = *request.reference;
  return json_line(line);
}

std::string measure_request(uint64_t id, const MeasureRequest& request) {
  Json line = {{"id", id},
               {"request", "measure"},
               {"timing", timing_name(request.timing)},
               {"warmup", request.warmup},
               {"samples", request.samples}};
  if (!request.parts.empty()) line["parts"] = request.parts;
  line["operators"] = operators_json(request.chain);
  return json_line(line);
}

std::string opened_reply(uint64_t id, const RunnerInfo& info) {
  const Machine& machine = info.machine;
  Json measures = Json::array();
  if (info.measures_operators) measures.push_back("operators");
  if (info.measures_networks) measures.push_back("networks");
  return json_line({{"id", id},
                    {"reply", "open"},
                    {"protocol", info.protocol},
                    {"measures", std::move(measures)},
                    {"program", info.program},
                    {"engine", info.engine},
                    {"int8", info.int8},
                    {"fp32", info.fp32},
                    {"framework", info.framework},
                    {"threads", info.threads},
                    {"cores", info.cores},
                    {"machine",
                     {{"cpu_model", machine.cpu_model},
                      {"cpu_family", machine.cpu_family},
                      {"cpu_model_number", machine.cpu_model_number},
                      {"architecture", machine.architecture},
                      {"system", machine.system},
                      {"logical_cores", machine.logical_cores},
                      {"caches", machine.caches},
                      {"governor", machine.governor},
                      {"frequency", machine.frequency}}}});
}

std::string timings_reply(uint64_t id, const Timings& timings) {
  Json operators = Json::array();
  for (const std::vector<double>& times_us : timings.operators_us) operators.push_back(times_json(times_us));
  Json unsupported = Json::object();
  for (size_t op = 0; op < timings.unsupported.size(); ++op) {
    if (!timings.unsupported[op].empty()) unsupported[std::to_string(op)] = timings.unsupported[op];
  }
  Json line = {{"id", id},
               {"reply", "measure"},
               {"operators_us", std::move(operators)},
               {"total_us", times_json(timings.total_us)},
               {"unsupported", std::move(unsupported)}};
  for (const std::vector<double>& times_us : timings.parts_us) {
    line["parts_us"].push_back(times_json(times_us));
  }
  return json_line(line);
}

std::string loaded_reply(uint64_t id, const Loaded& loaded) {
  Json line = {{"id", id}, {"reply", "load"}};
  if (!loaded.unsupported.empty()) line["unsupported"] = loaded.unsupported;
  for (const auto& [node, time_us] : loaded.nodes_us) line["nodes_us"][node] = base::rounded(time_us, 3);
  return json_line(line);
}

std::string times_reply(uint64_t id, const NetworkTimes& times) {
  return json_line({{"id", id},
                    {"reply", "time"},
                    {"network_us", times_json(times.network_us)},
                    {"reference_us", times_json(times.reference_us)}});
}

std::string error_reply(uint64_t id, std::string_view message) {
  return json_line({{"id", id}, {"reply", "error"}, {"message", message}});
}

Request parse_request(std::string_view line) {
  return read_line(line, [](const JsonValue& root) {
    Request request;
    request.id = read_id(root);
    const JsonValue kind = root.at("request");
    if (kind.text() == "open") {
      request.protocol = read_protocol(root);
      request.open = read_open(root);
    } else if (kind.text() == "measure") {
      request.measure = read_measure(root);
    } else if (kind.text() == "load") {
      request.load = read_load(root);
    } else if (kind.text() == "time") {
      request.time = read_time(root);
    } else {
      kind.fail("be \"open\", \"measure\", \"load\" or \"time\"");
    }
    return request;
  });
}

uint64_t id_of(std::string_view line) {
  try {
    return read_line(line, read_id);
  } catch (const ParseError&) {
    return 0;
  }
}

RunnerInfo parse_opened(std::string_view line, uint64_t id) {
  return read_reply(line, [&](const JsonValue& reply) {
    check_reply(reply, id, "open");
    const int64_t version = reply.at("protocol").integer(0);
    if (version < kOldestProtocolVersion || version > kProtocolVersion) {
      throw RunnerError(
          fmt::format("the runner speaks version {} of the protocol, but this latgrad speaks versions {} to "
                      "{}; install the same latgrad on both machines",
                      version, kOldestProtocolVersion, kProtocolVersion));
    }
    RunnerInfo info;
    info.protocol = static_cast<int>(version);
    info.program = reply.at("program").text();
    info.engine = reply.at("engine").text();
    info.int8 = text_or_empty(reply, "int8");
    info.fp32 = text_or_empty(reply, "fp32");
    info.framework = text_or_empty(reply, "framework");
    info.threads = to_int(reply.at("threads"), 1, kMaxThreads);
    info.cores = read_cores(reply.at("cores"));
    info.machine = read_machine(reply.at("machine"));
    if (const auto measures = reply.find("measures"); measures && info.protocol >= kNetworksSince) {
      const std::vector<std::string> what = measures->texts();
      info.measures_operators = std::ranges::find(what, "operators") != what.end();
      info.measures_networks = std::ranges::find(what, "networks") != what.end();
      if (!info.measures_operators && !info.measures_networks) {
        measures->fail("name \"operators\" or \"networks\"");
      }
    }
    return info;
  });
}

Timings parse_timings(std::string_view line, uint64_t id, const MeasureRequest& request) {
  return read_reply(line, [&](const JsonValue& reply) {
    check_reply(reply, id, "measure");
    const size_t num_operators = request.chain.size();
    const auto samples = static_cast<size_t>(request.samples);
    Timings timings;
    timings.unsupported = read_unsupported(reply.at("unsupported"), num_operators);
    if (request.timing == Timing::kWhole) {
      timings.total_us = read_times(reply.at("total_us"));
      if (timings.total_us.size() != samples) {
        reply.at("total_us").fail(fmt::format("hold {} samples", samples));
      }
    }
    if (!request.parts.empty() && request.timing == Timing::kWhole) {
      const JsonValue parts = reply.at("parts_us");
      for (const JsonValue& times : parts.list()) {
        timings.parts_us.push_back(read_times(times));
        if (timings.parts_us.back().size() != samples) times.fail(fmt::format("hold {} samples", samples));
      }
      if (timings.parts_us.size() != request.parts.size()) {
        parts.fail(fmt::format("hold the times of {} parts", request.parts.size()));
      }
    }
    const JsonValue operators = reply.at("operators_us");
    for (const JsonValue& times : operators.list()) {
      const size_t op = timings.operators_us.size();
      if (op == num_operators) break;
      timings.operators_us.push_back(read_times(times));
      const size_t expected = timings.unsupported[op].empty() ? samples : 0;
      if (timings.operators_us[op].size() != expected) {
        times.fail(fmt::format("hold {} samples of operator {}", expected, op));
      }
    }
    if (operators.json().size() != num_operators) {
      operators.fail(fmt::format("hold the times of {} operators", num_operators));
    }
    return timings;
  });
}

Loaded parse_loaded(std::string_view line, uint64_t id) {
  return read_reply(line, [&](const JsonValue& reply) {
    check_reply(reply, id, "load");
    Loaded loaded{.unsupported = text_or_empty(reply, "unsupported")};
    if (const auto nodes = reply.find("nodes_us")) {
      for (const auto& [node, time] : nodes->members()) {
        loaded.nodes_us[std::string(node)] = time.number();
        if (time.number() < 0) time.fail("hold times that are not negative");
      }
    }
    return loaded;
  });
}

NetworkTimes parse_times(std::string_view line, uint64_t id, const TimeRequest& request) {
  return read_reply(line, [&](const JsonValue& reply) {
    check_reply(reply, id, "time");
    const auto read = [&](std::string_view name, size_t samples) {
      const JsonValue value = reply.at(name);
      std::vector<double> times_us = read_times(value);
      if (times_us.size() != samples) value.fail(fmt::format("hold {} samples", samples));
      return times_us;
    };
    const auto samples = static_cast<size_t>(request.samples);
    NetworkTimes times;
    times.network_us = read("network_us", samples);
    if (request.reference) times.reference_us = read("reference_us", samples + 1);
    return times;
  });
}

std::string chain_json(const Chain& chain) { return json_line(operators_json(chain)); }

Chain parse_chain(std::string_view json) {
  return read_chain(base::JsonDocument(json, "a chain of operators").root());
}

}  // namespace latgrad::runner
