#include "latgrad/profile/journal.h"

#include <fmt/format.h>

#include <charconv>
#include <iterator>
#include <optional>
#include <utility>

#include "latgrad/base/error.h"
#include "latgrad/base/json.h"

namespace latgrad::profile {
namespace {

namespace fs = std::filesystem;

using base::JsonValue;

std::string header_line(const RunSettings& settings) {
  return base::json_line({{"latgrad_profile_journal", 3},
                          {"device", settings.device},
                          {"cpu", settings.cpu_model},
                          {"engine", settings.engine},
                          {"framework", settings.framework},
                          {"threads", settings.threads},
                          {"cores", settings.cores},
                          {"warmup", settings.warmup},
                          {"seed", settings.seed},
                          {"plan", fmt::format("{:016x}", settings.plan_hash)},
                          {"reference", settings.reference},
                          {"reference_hash", fmt::format("{:016x}", settings.reference_hash)}});
}

// What one line adds: one of the two.
struct Entry {
  VisitSamples visit;
  std::optional<std::pair<size_t, std::string>> unsupported;
};

// The name of a member of `object` is the operator's index.
size_t read_op(const JsonValue& object, std::string_view name, size_t num_operators) {
  size_t op = num_operators;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), op);
  if (error != std::errc() || end != name.data() + name.size() || op >= num_operators) {
    object.fail(fmt::format("name operators below {}", num_operators));
  }
  return op;
}

std::vector<OperatorSamples> read_visit(const JsonValue& visit, size_t num_operators) {
  std::vector<OperatorSamples> operators;
  for (const auto& [name, samples] : visit.members()) {
    OperatorSamples& measured =
        operators.emplace_back(OperatorSamples{read_op(visit, name, num_operators), {}});
    for (const JsonValue& sample : samples.list()) {
      measured.samples_us.push_back(sample.number());
      if (measured.samples_us.back() < 0) visit.fail("hold times that are not negative");
    }
    if (measured.samples_us.empty()) visit.fail("hold samples of each operator");
  }
  if (operators.empty()) visit.fail("hold at least one operator");
  return operators;
}

// Around each sample, before and after.
std::vector<Flanks> read_flanks(const JsonValue& list) {
  std::vector<Flanks> flanks;
  for (const JsonValue& pair : list.list()) {
    const std::vector<JsonValue> times = pair.list();
    if (times.size() != 2 || times[0].number() < 0 || times[1].number() < 0) {
      list.fail("hold pairs of times that are not negative");
    }
    flanks.push_back({times[0].number(), times[1].number()});
  }
  return flanks;
}

Entry read_entry(const std::string& line, size_t num_operators, const Place& place) {
  const base::JsonDocument document(line, "a journal line", place);
  const JsonValue root = document.root();
  Entry entry;
  if (const auto visit = root.find("visit")) {
    entry.visit = {read_visit(*visit, num_operators), read_flanks(root.at("flanks"))};
    const size_t runs = entry.visit.flanks.size();
    for (const OperatorSamples& op : entry.visit.operators) {
      if (runs > 0 && op.samples_us.size() % runs != 0) visit->fail("hold samples of each run");
    }
  } else if (const auto unsupported = root.find("unsupported")) {
    const auto reasons = unsupported->members();
    if (reasons.size() != 1) unsupported->fail("hold one operator");
    entry.unsupported = {read_op(*unsupported, reasons[0].first, num_operators), reasons[0].second.text()};
  } else {
    root.fail("hold a visit or an unsupported");
  }
  return entry;
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

Journal::Journal(fs::path path, const RunSettings& settings, size_t num_operators, SampleRules rules)
    : path_(std::move(path)), samples_(num_operators, rules), unsupported_(num_operators) {
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
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.find('\n', begin);
    std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    ++*place.line;
    if (place.line != 1) {
      Entry entry = read_entry(line, unsupported_.size(), place);
      if (!entry.visit.operators.empty()) samples_.add_visit(std::move(entry.visit));
      if (entry.unsupported) unsupported_[entry.unsupported->first] = entry.unsupported->second;
    } else if (line != header) {
      throw ValueError(fmt::format("an interrupted run can only be resumed with the options that it was "
                                   "started with; they were {}, "
                                   "now they are {}; give the same options, or remove the file to start over",
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

void Journal::add_visit(VisitSamples visit) {
  base::Json operators = base::Json::object();
  for (OperatorSamples& op : visit.operators) {
    for (double& sample_us : op.samples_us) sample_us = base::rounded(sample_us, 3);
    operators[std::to_string(op.op)] = op.samples_us;
  }
  base::Json flanks = base::Json::array();
  for (Flanks& pair : visit.flanks) {
    pair = {base::rounded(pair.before_us, 3), base::rounded(pair.after_us, 3)};
    flanks.push_back({pair.before_us, pair.after_us});
  }
  write_line(base::json_line({{"visit", std::move(operators)}, {"flanks", std::move(flanks)}}));
  samples_.add_visit(std::move(visit));
}

void Journal::add_unsupported(size_t op, std::string reason) {
  write_line(base::json_line({{"unsupported", {{std::to_string(op), reason}}}}));
  unsupported_.at(op) = std::move(reason);
}

void Journal::discard() {
  file_.close();
  std::error_code error;
  fs::remove(path_, error);
  if (error) throw IoError("cannot remove the journal: " + error.message(), {.file = path_.string()});
}

}  // namespace latgrad::profile
