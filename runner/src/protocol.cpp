#include "latgrad/runner/protocol.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <simdjson.h>

#include <charconv>
#include <cmath>
#include <iterator>

#include "latgrad/base/json_string.h"
#include "latgrad/net/netdef.h"

namespace latgrad::runner {
namespace {

namespace dom = simdjson::dom;
using base::json_string;

// A message quotes this much of a line.
constexpr size_t kQuotedBytes = 120;
constexpr int kMaxRuns = 1'000'000;
constexpr size_t kMaxRank = 16;

std::string quoted(std::string_view line) {
  std::string text(line.substr(0, kQuotedBytes));
  return line.size() > kQuotedBytes ? text + "..." : text;
}

std::string json_list(const std::vector<std::string>& texts) {
  std::vector<std::string> strings;
  for (const std::string& text : texts) strings.push_back(json_string(text));
  return fmt::format("[{}]", fmt::join(strings, ", "));
}

// To the nanosecond, and that without "-0" or an exponent.
std::string json_times(const std::vector<double>& times_us) {
  std::string json = "[";
  for (size_t i = 0; i < times_us.size(); ++i) {
    fmt::format_to(std::back_inserter(json), "{}{:.3f}", i == 0 ? "" : ", ", times_us[i]);
  }
  return json + "]";
}

std::string json_operator(const ChainOperator& link) {
  std::vector<std::string> shapes;
  for (const net::Shape& shape : link.key.input_shapes)
    shapes.push_back(fmt::format("[{}]", fmt::join(shape, ", ")));
  std::vector<int> dtypes;
  for (net::DataType dtype : link.key.input_dtypes) dtypes.push_back(static_cast<int>(dtype));
  return fmt::format(
      R"({{"op_type": {}, "op_args": {}, "input_shapes": [{}], "input_dtypes": [{}], "sources": [{}]}})",
      json_string(link.key.op_type), json_list(lut::reference_args(link.key)), fmt::join(shapes, ", "),
      fmt::join(dtypes, ", "), fmt::join(link.sources, ", "));
}

std::string_view timing_name(Timing timing) { return timing == Timing::kWhole ? "whole" : "operators"; }

// Reads members of one object; what is wrong with them is a ParseError that names the member.
class Members {
 public:
  Members(dom::parser& parser, std::string_view line) : line_(line) {
    simdjson::padded_string padded(line);
    dom::element document;
    if (parser.parse(padded).get(document) || document.get(object_)) refuse("a line must be one JSON object");
  }
  Members(dom::object object, std::string_view line) : object_(object), line_(line) {}

  dom::element at(std::string_view name) const {
    dom::element element;
    if (object_.at_key(name).get(element)) refuse(fmt::format("a line must hold {}", name));
    return element;
  }
  bool has(std::string_view name) const { return object_.at_key(name).error() == simdjson::SUCCESS; }

  std::string text(std::string_view name) const {
    std::string_view value;
    if (at(name).get(value)) refuse(fmt::format("{} must be text", name));
    return std::string(value);
  }
  // Empty where there is no such member: what a runner does not know it need not say.
  std::string text_or_empty(std::string_view name) const { return has(name) ? text(name) : std::string(); }

  int64_t integer(std::string_view name, int64_t least, int64_t most) const {
    return integer(at(name), name, least, most);
  }
  int64_t integer(dom::element element, std::string_view name, int64_t least, int64_t most) const {
    int64_t value = 0;
    if (element.get(value) || value < least || value > most) {
      refuse(fmt::format("{} must be an integer from {} to {}", name, least, most));
    }
    return value;
  }
  bool boolean(std::string_view name) const {
    bool value = false;
    if (at(name).get(value)) refuse(fmt::format("{} must be true or false", name));
    return value;
  }
  dom::array array(std::string_view name) const { return array(at(name), name); }
  dom::array array(dom::element element, std::string_view name) const {
    dom::array array;
    if (element.get(array)) refuse(fmt::format("{} must be a list", name));
    return array;
  }
  std::vector<double> times(dom::element element, std::string_view name) const {
    std::vector<double> times_us;
    for (dom::element time : array(element, name)) {
      double time_us = 0;
      if (time.get(time_us) || !std::isfinite(time_us) || time_us < 0) {
        refuse(fmt::format("{} must hold finite times that are not negative", name));
      }
      times_us.push_back(time_us);
    }
    return times_us;
  }

  [[noreturn]] void refuse(const std::string& rule) const {
    throw ParseError(fmt::format("{}, got `{}`", rule, quoted(line_)));
  }

 private:
  dom::object object_;
  std::string_view line_;
};

std::vector<int> read_cores(const Members& members) {
  std::vector<int> cores;
  for (dom::element core : members.array("cores")) {
    cores.push_back(static_cast<int>(members.integer(core, "cores", 0, 1 << 20)));
  }
  return cores;
}

ChainOperator read_operator(const Members& op, int index) {
  ChainOperator link;
  link.key.op_type = op.text("op_type");
  for (dom::element arg : op.array("op_args")) {
    std::string_view text;
    if (arg.get(text)) op.refuse("op_args must hold text");
    link.key.args.push_back(net::parse_argument_text(text));
  }
  for (dom::element shape : op.array("input_shapes")) {
    net::Shape& dimensions = link.key.input_shapes.emplace_back();
    for (dom::element dimension : op.array(shape, "input_shapes")) {
      dimensions.push_back(op.integer(dimension, "input_shapes", 0, int64_t{1} << 40));
    }
    if (dimensions.size() > kMaxRank)
      op.refuse(fmt::format("input_shapes must have at most {} dimensions", kMaxRank));
  }
  for (dom::element dtype : op.array("input_dtypes")) {
    link.key.input_dtypes.push_back(static_cast<net::DataType>(op.integer(dtype, "input_dtypes", 0, 1000)));
  }
  for (dom::element source : op.array("sources")) {
    link.sources.push_back(static_cast<int>(op.integer(source, "sources", kOutside, index - 1)));
  }
  if (link.sources.size() != link.key.input_shapes.size())
    op.refuse("sources must have an entry for each input");
  return link;
}

OwnedMeasureRequest read_measure(const Members& members, std::string_view line) {
  OwnedMeasureRequest request;
  request.warmup = static_cast<int>(members.integer("warmup", 0, kMaxRuns));
  request.samples = static_cast<int>(members.integer("samples", 1, kMaxRuns));
  std::string timing = members.text("timing");
  if (timing != "operators" && timing != "whole") members.refuse("timing must be \"operators\" or \"whole\"");
  request.timing = timing == "whole" ? Timing::kWhole : Timing::kOperators;
  for (dom::element element : members.array("operators")) {
    dom::object object;
    if (element.get(object)) members.refuse("operators must hold objects");
    request.chain.push_back(read_operator(Members(object, line), static_cast<int>(request.chain.size())));
  }
  return request;
}

// A reply that answers request `id` with `expected`; everything else is an error.
void check_reply(const Members& reply, uint64_t id, std::string_view expected) {
  std::string kind = reply.text("reply");
  if (kind == "error") throw RunnerError("the runner says: " + reply.text("message"));
  auto answered = static_cast<uint64_t>(reply.integer("id", 0, INT64_MAX));
  if (answered != id) {
    reply.refuse(fmt::format("a reply must answer request {}, this one answers {}", id, answered));
  }
  if (kind != expected) reply.refuse(fmt::format("a reply must be \"{}\"", expected));
}

Machine read_machine(const Members& members) {
  Machine machine;
  machine.cpu_model = members.text_or_empty("cpu_model");
  machine.cpu_family = members.text_or_empty("cpu_family");
  machine.cpu_model_number = members.text_or_empty("cpu_model_number");
  machine.architecture = members.text_or_empty("architecture");
  machine.system = members.text_or_empty("system");
  machine.caches = members.text_or_empty("caches");
  machine.governor = members.text_or_empty("governor");
  machine.frequency = members.text_or_empty("frequency");
  if (members.has("logical_cores")) {
    machine.logical_cores = static_cast<int>(members.integer("logical_cores", 0, 1 << 20));
  }
  return machine;
}

// Malformed lines of a runner are the runner's fault, not a file's.
template <typename Read>
auto read_reply(std::string_view line, Read read) {
  try {
    dom::parser parser;
    return read(Members(parser, line));
  } catch (const ParseError& error) {
    throw RunnerError(std::string("the runner does not follow the protocol: ") + error.what());
  }
}

}  // namespace

std::string open_request(uint64_t id, const RunnerSettings& settings) {
  return fmt::format(
      R"({{"id": {}, "request": "open", "protocol": {}, "engine": {}, "threads": {}, "pin": {}, "cores": [{}]}})",
      id, kProtocolVersion, json_string(settings.engine), settings.threads, settings.pin,
      fmt::join(settings.cores, ", "));
}

std::string measure_request(uint64_t id, const MeasureRequest& request) {
  std::string json = fmt::format(
      R"({{"id": {}, "request": "measure", "timing": "{}", "warmup": {}, "samples": {}, "operators": [)", id,
      timing_name(request.timing), request.warmup, request.samples);
  for (size_t op = 0; op < request.chain.size(); ++op) {
    json += (op == 0 ? "" : ", ") + json_operator(request.chain[op]);
  }
  return json + "]}";
}

std::string opened_reply(uint64_t id, const RunnerInfo& info) {
  const Machine& machine = info.machine;
  return fmt::format(
      R"({{"id": {}, "reply": "open", "protocol": {}, "program": {}, "engine": {}, "int8": {}, "fp32": {}, )"
      R"("framework": {}, "threads": {}, "cores": [{}], "machine": {{"cpu_model": {}, "cpu_family": {}, )"
      R"("cpu_model_number": {}, "architecture": {}, "system": {}, "logical_cores": {}, "caches": {}, "governor": {}, )"
      R"("frequency": {}}}}})",
      id, kProtocolVersion, json_string(info.program), json_string(info.engine), json_string(info.int8),
      json_string(info.fp32), json_string(info.framework), info.threads, fmt::join(info.cores, ", "),
      json_string(machine.cpu_model), json_string(machine.cpu_family), json_string(machine.cpu_model_number),
      json_string(machine.architecture), json_string(machine.system), machine.logical_cores,
      json_string(machine.caches), json_string(machine.governor), json_string(machine.frequency));
}

std::string timings_reply(uint64_t id, const Timings& timings) {
  std::string json = fmt::format(R"({{"id": {}, "reply": "measure", "operators_us": [)", id);
  for (size_t op = 0; op < timings.operators_us.size(); ++op) {
    json += (op == 0 ? "" : ", ") + json_times(timings.operators_us[op]);
  }
  json += "], \"total_us\": " + json_times(timings.total_us) + ", \"unsupported\": {";
  bool first = true;
  for (size_t op = 0; op < timings.unsupported.size(); ++op) {
    if (timings.unsupported[op].empty()) continue;
    json += fmt::format("{}\"{}\": {}", first ? "" : ", ", op, json_string(timings.unsupported[op]));
    first = false;
  }
  return json + "}}";
}

std::string error_reply(uint64_t id, std::string_view message) {
  return fmt::format(R"({{"id": {}, "reply": "error", "message": {}}})", id, json_string(message));
}

Request parse_request(std::string_view line) {
  dom::parser parser;
  Members members(parser, line);
  Request request{
      .id = static_cast<uint64_t>(members.integer("id", 0, INT64_MAX)), .open = {}, .measure = {}};
  std::string kind = members.text("request");
  if (kind == "open") {
    int64_t version = members.integer("protocol", 0, INT32_MAX);
    if (version != kProtocolVersion) {
      throw ValueError(
          fmt::format("this runner speaks version {} of the protocol, asked for {}; install the same "
                      "latgrad on both machines",
                      kProtocolVersion, version));
    }
    request.open = RunnerSettings{.engine = members.text("engine"),
                                  .threads = static_cast<int>(members.integer("threads", 1, 1 << 16)),
                                  .pin = members.boolean("pin"),
                                  .cores = read_cores(members)};
  } else if (kind == "measure") {
    request.measure = read_measure(members, line);
  } else {
    members.refuse("a request must be \"open\" or \"measure\"");
  }
  return request;
}

uint64_t id_of(std::string_view line) {
  try {
    dom::parser parser;
    return static_cast<uint64_t>(Members(parser, line).integer("id", 0, INT64_MAX));
  } catch (const ParseError&) {
    return 0;
  }
}

RunnerInfo parse_opened(std::string_view line, uint64_t id) {
  return read_reply(line, [&](const Members& reply) {
    check_reply(reply, id, "open");
    int64_t version = reply.integer("protocol", 0, INT32_MAX);
    if (version != kProtocolVersion) {
      throw RunnerError(
          fmt::format("the runner speaks version {} of the protocol, this latgrad version {}; install the "
                      "same latgrad on both machines",
                      version, kProtocolVersion));
    }
    RunnerInfo info;
    info.program = reply.text("program");
    info.engine = reply.text("engine");
    info.int8 = reply.text_or_empty("int8");
    info.fp32 = reply.text_or_empty("fp32");
    info.framework = reply.text_or_empty("framework");
    info.threads = static_cast<int>(reply.integer("threads", 1, 1 << 16));
    info.cores = read_cores(reply);
    dom::object machine;
    if (reply.at("machine").get(machine)) reply.refuse("machine must be an object");
    info.machine = read_machine(Members(machine, line));
    return info;
  });
}

Timings parse_timings(std::string_view line, uint64_t id, const MeasureRequest& request) {
  return read_reply(line, [&](const Members& reply) {
    check_reply(reply, id, "measure");
    size_t num_operators = request.chain.size();
    Timings timings;
    timings.unsupported.resize(num_operators);
    dom::object unsupported;
    if (reply.at("unsupported").get(unsupported)) reply.refuse("unsupported must be an object");
    for (dom::key_value_pair pair : unsupported) {
      size_t op = num_operators;
      std::string_view reason;
      auto [end, error] = std::from_chars(pair.key.data(), pair.key.data() + pair.key.size(), op);
      if (error != std::errc() || end != pair.key.data() + pair.key.size() || op >= num_operators) {
        reply.refuse(fmt::format("unsupported must name operators from 0 to {}", num_operators - 1));
      }
      if (pair.value.get(reason) || reason.empty())
        reply.refuse("unsupported must give a reason for each operator");
      timings.unsupported[op] = reason;
    }
    auto samples = static_cast<size_t>(request.samples);
    if (request.timing == Timing::kWhole) {
      timings.total_us = reply.times(reply.at("total_us"), "total_us");
      if (timings.total_us.size() != samples) {
        reply.refuse(fmt::format("total_us must hold {} samples, this one holds {}", samples,
                                 timings.total_us.size()));
      }
    }
    for (dom::element times : reply.array("operators_us")) {
      timings.operators_us.push_back(reply.times(times, "operators_us"));
    }
    if (timings.operators_us.size() != num_operators) {
      reply.refuse(fmt::format("operators_us must hold {} operators, this one holds {}", num_operators,
                               timings.operators_us.size()));
    }
    for (size_t op = 0; op < num_operators; ++op) {
      size_t expected = timings.unsupported[op].empty() ? samples : 0;
      if (timings.operators_us[op].size() == expected) continue;
      reply.refuse(fmt::format("operators_us must hold {} samples of operator {}, this one holds {}",
                               expected, op, timings.operators_us[op].size()));
    }
    return timings;
  });
}

}  // namespace latgrad::runner
