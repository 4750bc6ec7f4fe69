#include "latgrad/profile/journal.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <simdjson.h>

#include <charconv>
#include <cmath>
#include <iterator>
#include <optional>
#include <utility>

#include "latgrad/base/error.h"
#include "latgrad/base/json_string.h"

namespace latgrad::profile {
namespace {

namespace fs = std::filesystem;

double to_nanosecond(double time_us) { return std::round(time_us * 1e3) / 1e3; }

std::string header_line(const RunSettings& settings) {
  return fmt::format(
      R"({{"latgrad_profile_journal": 2, "device": {}, "cpu": {}, "engine": {}, "framework": {}, "threads": {}, )"
      R"("cores": [{}], "warmup": {}, "seed": {}, "plan": "{:016x}"}})",
      base::json_string(settings.device), base::json_string(settings.cpu_model),
      base::json_string(settings.engine), base::json_string(settings.framework), settings.threads,
      fmt::join(settings.cores, ", "), settings.warmup, settings.seed, settings.plan_hash);
}

// What one line adds; one of the two.
struct Entry {
  std::vector<OperatorSamples> visit;
  std::optional<std::pair<size_t, std::string>> unsupported;
};

class EntryReader {
 public:
  EntryReader(size_t num_operators, Place& place) : num_operators_(num_operators), place_(place) {}

  Entry read(const std::string& line) {
    simdjson::dom::object object;
    if (parser_.parse(line).get(object)) refuse(line);
    Entry entry;
    for (auto [key, value] : object) {
      if (key == "visit") {
        entry.visit = visit(value, line);
      } else if (key == "unsupported") {
        entry.unsupported = unsupported(value, line);
      } else {
        refuse(line);
      }
    }
    return entry;
  }

 private:
  [[noreturn]] void refuse(const std::string& line) const {
    throw ParseError(fmt::format("a journal line must hold a visit or an unsupported, got `{}`", line),
                     place_);
  }

  size_t op(std::string_view text, const std::string& line) const {
    size_t op = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), op);
    if (error != std::errc() || end != text.data() + text.size()) refuse(line);
    if (op >= num_operators_) {
      throw ParseError(fmt::format("operator must be below {}, got {}", num_operators_, op), place_);
    }
    return op;
  }

  double time_us(simdjson::dom::element element, const std::string& line) const {
    double time_us = 0;
    if (element.get(time_us) || time_us < 0) {
      throw ParseError(fmt::format("times must be non-negative numbers, got `{}`", line), place_);
    }
    return time_us;
  }

  std::vector<OperatorSamples> visit(simdjson::dom::element element, const std::string& line) const {
    simdjson::dom::object operators;
    if (element.get(operators)) refuse(line);
    std::vector<OperatorSamples> visit;
    for (auto [key, value] : operators) {
      simdjson::dom::array samples;
      if (value.get(samples) || samples.size() == 0) refuse(line);
      OperatorSamples& measured = visit.emplace_back(OperatorSamples{op(key, line), {}});
      for (simdjson::dom::element sample : samples) measured.samples_us.push_back(time_us(sample, line));
    }
    return visit;
  }

  std::pair<size_t, std::string> unsupported(simdjson::dom::element element, const std::string& line) const {
    simdjson::dom::object reasons;
    if (element.get(reasons) || reasons.size() != 1) refuse(line);
    auto [key, value] = *reasons.begin();
    std::string_view reason;
    if (value.get(reason)) refuse(line);
    return {op(key, line), std::string(reason)};
  }

  simdjson::dom::parser parser_;
  size_t num_operators_;
  Place& place_;
};

}  // namespace

uint64_t plan_hash(std::span<const lut::OperatorKey> operators) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  auto mix = [&](unsigned char byte) { hash = (hash ^ byte) * 0x100000001b3; };
  for (const lut::OperatorKey& key : operators) {
    std::string text = lut::canonical(key);
    for (size_t size = text.size(), i = 0; i < sizeof size; ++i)
      mix(static_cast<unsigned char>(size >> (8 * i)));
    for (char c : text) mix(static_cast<unsigned char>(c));
  }
  return hash;
}

Journal::Journal(fs::path path, const RunSettings& settings, size_t num_operators, double drift_tolerance)
    : path_(std::move(path)), samples_(num_operators, drift_tolerance), unsupported_(num_operators) {
  std::string header = header_line(settings);
  if (fs::exists(path_)) read(header);
  file_.open(path_, std::ios::binary | std::ios::app);
  if (!resumed_) file_ << header << '\n' << std::flush;
  if (!file_) throw IoError("cannot write the journal", {.file = path_.string()});
}

void Journal::read(const std::string& header) {
  std::ifstream file(path_, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file.good() && !file.eof()) throw IoError("cannot read the journal", {.file = path_.string()});
  size_t complete = text.rfind('\n') == text.npos ? 0 : text.rfind('\n') + 1;
  if (complete != text.size()) {
    text.resize(complete);
    fs::resize_file(path_, complete);
  }
  if (text.empty()) return;

  Place place{.file = path_.string(), .line = 0};
  EntryReader reader(unsupported_.size(), place);
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.find('\n', begin);
    std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    ++*place.line;
    if (place.line != 1) {
      Entry entry = reader.read(line);
      if (!entry.visit.empty()) samples_.add_visit(std::move(entry.visit));
      if (entry.unsupported) unsupported_[entry.unsupported->first] = entry.unsupported->second;
    } else if (line != header) {
      throw ValueError(
          fmt::format(
              "an interrupted run can only be resumed by the same command; it was begun as {}, now it is {}; "
              "give the same options, or remove the file to start afresh",
              line, header),
          place);
    }
  }
  resumed_ = true;
}

void Journal::write_line(const std::string& line) {
  file_ << line << '\n' << std::flush;
  if (!file_) throw IoError("cannot write the journal", {.file = path_.string()});
}

void Journal::add_visit(std::vector<OperatorSamples> visit) {
  std::string line = "{\"visit\": {";
  for (OperatorSamples& op : visit) {
    for (double& sample_us : op.samples_us) sample_us = to_nanosecond(sample_us);
    line += fmt::format("{}\"{}\": [{}]", &op == &visit.front() ? "" : ", ", op.op,
                        fmt::join(op.samples_us, ", "));
  }
  write_line(line + "}}");
  samples_.add_visit(std::move(visit));
}

void Journal::add_unsupported(size_t op, std::string reason) {
  write_line(fmt::format("{{\"unsupported\": {{\"{}\": {}}}}}", op, base::json_string(reason)));
  unsupported_.at(op) = std::move(reason);
}

void Journal::discard() {
  file_.close();
  std::error_code error;
  fs::remove(path_, error);
  if (error) throw IoError("cannot remove the journal: " + error.message(), {.file = path_.string()});
}

}  // namespace latgrad::profile
