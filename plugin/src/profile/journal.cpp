#include "journal.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <simdjson.h>

#include <cmath>
#include <iterator>

#include "latgrad/lut/error.h"
#include "latgrad/lut/json_string.h"

namespace latgrad::profile {
namespace {

namespace fs = std::filesystem;

std::string header_line(const RunSettings& settings) {
  return fmt::format(
      R"({{"latgrad_profile_journal": 1, "device": {}, "torch": {}, "threads": {}, "warmup": {}, "repetitions": {}, )"
      R"("seed": {}, "plan": "{:016x}"}})",
      lut::json_string(settings.device), lut::json_string(settings.torch_version), settings.threads,
      settings.warmup, settings.repetitions, settings.seed, settings.plan_hash);
}

struct Visit {
  size_t op = 0;
  std::vector<double> samples_us;
};

Visit parse_visit(simdjson::dom::parser& parser, const std::string& line, size_t num_operators,
                  const Place& place) {
  simdjson::dom::element document;
  uint64_t op = 0;
  simdjson::dom::array samples;
  if (parser.parse(line).get(document) || document["operator"].get(op) ||
      document["samples_us"].get(samples)) {
    throw ParseError(fmt::format("a journal line must hold operator and samples_us, got `{}`", line), place);
  }
  if (op >= num_operators) {
    throw ParseError(fmt::format("operator must be below {}, got {}", num_operators, op), place);
  }
  Visit visit{static_cast<size_t>(op), {}};
  for (simdjson::dom::element sample : samples) {
    double sample_us = 0;
    if (sample.get(sample_us) || sample_us < 0) {
      throw ParseError(fmt::format("samples_us must be non-negative numbers, got `{}`", line), place);
    }
    visit.samples_us.push_back(sample_us);
  }
  return visit;
}

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

Journal::Journal(fs::path path, const RunSettings& settings, size_t num_operators)
    : path_(std::move(path)), samples_us_(num_operators) {
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
  simdjson::dom::parser parser;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.find('\n', begin);
    std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    ++*place.line;
    if (place.line != 1) {
      Visit visit = parse_visit(parser, line, samples_us_.size(), place);
      std::vector<double>& samples_us = samples_us_[visit.op];
      samples_us.insert(samples_us.end(), visit.samples_us.begin(), visit.samples_us.end());
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

void Journal::append(size_t op, std::span<const double> samples_us) {
  std::vector<double> rounded;
  for (double sample_us : samples_us) rounded.push_back(std::round(sample_us * 1e3) / 1e3);
  file_ << fmt::format("{{\"operator\": {}, \"samples_us\": [{}]}}\n", op, fmt::join(rounded, ", "))
        << std::flush;
  if (!file_) throw IoError("cannot write the journal", {.file = path_.string()});
  std::vector<double>& all = samples_us_.at(op);
  all.insert(all.end(), rounded.begin(), rounded.end());
}

void Journal::discard() {
  file_.close();
  std::error_code error;
  fs::remove(path_, error);
  if (error) throw IoError("cannot remove the journal: " + error.message(), {.file = path_.string()});
}

}  // namespace latgrad::profile
