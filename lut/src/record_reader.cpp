#include "record_reader.h"

#include <fmt/format.h>
#include <simdjson.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "key_encoding.h"
#include "latgrad/base/byte_order_mark.h"
#include "latgrad/base/parallel_for.h"

namespace latgrad::lut {

namespace {

namespace ondemand = simdjson::ondemand;

// A batch that is much smaller costs more for its strings than it gains.
constexpr size_t kMinBatchBytes = size_t{1} << 18;
constexpr size_t kBatchesPerThread = 2;
// An error message quotes this much of a value.
constexpr size_t kQuotedBytes = 60;

enum Field : int {
  kOpType,
  kOpArgs,
  kInputShapes,
  kInputDtypes,
  kP0,
  kP10,
  kP50,
  kP90,
  kP100,
  kDevice,
  kError,  // optional
  kOther
};

constexpr int kRequiredFields = kError;

constexpr std::array<std::string_view, kOther> kFieldNames = {
    "op_type",         "op_args",        "input_shapes",    "input_dtypes",
    "runtime_us_p0",   "runtime_us_p10", "runtime_us_p50",  "runtime_us_p90",
    "runtime_us_p100", "device",         "runtime_us_error"};

// Takes the next line off `text`; nothing at the end.
std::optional<std::string_view> next_line(std::string_view& text) {
  if (text.empty()) return std::nullopt;
  const auto* newline = static_cast<const char*>(std::memchr(text.data(), '\n', text.size()));
  const size_t size = newline == nullptr ? text.size() : static_cast<size_t>(newline - text.data());
  const std::string_view line = text.substr(0, size);
  text.remove_prefix(std::min(size + 1, text.size()));
  return line;
}

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r") == std::string_view::npos; }

std::string_view quoted(std::string_view json) {
  const size_t last = json.find_last_not_of(" \t\r");
  return json.substr(0, std::min(kQuotedBytes, last == std::string_view::npos ? 0 : last + 1));
}

// What is wrong with a line, before its number is known.
struct LineError {
  std::string message;
  std::string field;
};

class LineReader {
 public:
  explicit LineReader(RecordBatch& batch) : batch_(batch) {}

  // Precondition: SIMDJSON_PADDING bytes behind the line can be read.
  // Errors: LineError.
  void read(std::string_view line);

 private:
  void read_object(std::string_view line);
  Field read_field(ondemand::field& field);
  void read_value(Field field, ondemand::value& value);
  void read_op_args(ondemand::value& value);
  void read_input_shapes(ondemand::value& value);
  void read_input_dtypes(ondemand::value& value);
  double read_time(ondemand::value& value);
  [[noreturn]] void fail_value(std::string_view rule, std::string_view actual) const;

  RecordBatch& batch_;
  ondemand::parser parser_;
  // The arguments of an operator repeat all over a table: their JSON is decoded once.
  StringPool arg_lists_json_;
  std::vector<std::vector<uint32_t>> arg_lists_;

  Field current_ = kOther;
  int expected_ = 0;
  uint32_t type_ = 0;
  uint32_t arg_list_ = 0;
  CompactRecord record_;
  std::vector<uint64_t> numbers_;
  std::string shapes_;  // append_inputs' bytes, first part
  std::string dtypes_;  // second part
};

void LineReader::fail_value(std::string_view rule, std::string_view actual) const {
  throw LineError{fmt::format("{} {}, got {}", kFieldNames[current_], rule, actual),
                  std::string(kFieldNames[current_])};
}

void LineReader::read(std::string_view line) {
  current_ = kOther;
  try {
    read_object(line);
  } catch (const simdjson::simdjson_error& error) {
    if (current_ == kOther) {
      throw LineError{fmt::format("a table must hold one JSON object per line: {}, got {}",
                                  simdjson::error_message(error.error()), quoted(line)),
                      ""};
    }
    throw LineError{fmt::format("{} must be JSON of its type: {}", kFieldNames[current_],
                                simdjson::error_message(error.error())),
                    std::string(kFieldNames[current_])};
  }
}

void LineReader::read_object(std::string_view line) {
  ondemand::document document =
      parser_.iterate(line.data(), line.size(), line.size() + simdjson::SIMDJSON_PADDING);
  unsigned seen = 0;
  record_.error_us = kMeasured;
  // Fields and values are taken by reference: copies of what was just written would stall.
  for (auto field : document.get_object()) {
    if (field.error() != simdjson::SUCCESS) throw simdjson::simdjson_error(field.error());
    seen |= 1u << read_field(field.value_unsafe());
    current_ = kOther;
  }
  if (document.current_location().error() != simdjson::OUT_OF_BOUNDS) {
    throw LineError{
        fmt::format("a table must hold one JSON object per line, but more text follows it: {}", quoted(line)),
        ""};
  }
  for (int field = 0; field < kRequiredFields; ++field) {
    if ((seen & (1u << field)) == 0) {
      throw LineError{fmt::format("a record needs the key {}, got {}", kFieldNames[field], quoted(line)),
                      std::string(kFieldNames[field])};
    }
  }
  record_.op = batch_.intern_op(type_, arg_lists_[arg_list_]);
  record_.inputs_at = batch_.inputs.size();
  record_.inputs_size = static_cast<uint32_t>(shapes_.size() + dtypes_.size());
  batch_.inputs += shapes_;
  batch_.inputs += dtypes_;
  batch_.records.push_back(record_);
}

// Whether the key stands at `raw` as it is, up to its closing quote.
bool is_key(const char* raw, int field) {
  const std::string_view name = kFieldNames[field];
  return std::memcmp(raw, name.data(), name.size()) == 0 && raw[name.size()] == '"';
}

Field LineReader::read_field(ondemand::field& field) {
  // Tables keep the keys of their lines in one order, so the next key is mostly the one after the last.
  const char* raw = field.key().raw();
  int found = expected_;
  if (!is_key(raw, found)) {
    found = 0;
    while (found < kOther && !is_key(raw, found)) ++found;
  }
  if (found == kOther) {
    // A key may be spelled with escapes.
    found =
        static_cast<int>(std::ranges::find(kFieldNames, field.unescaped_key().value()) - kFieldNames.begin());
  }
  current_ = static_cast<Field>(found);
  if (found != kOther) {
    read_value(current_, field.value());
    expected_ = found + 1 < kOther ? found + 1 : 0;
  }
  return current_;
}

void LineReader::read_value(Field field, ondemand::value& value) {
  switch (field) {
    case kOpType:
    case kDevice: {
      std::string_view text;
      if (value.get_string().get(text) != simdjson::SUCCESS) {
        fail_value("must be a string", quoted(value.raw_json_token()));
      }
      if (field == kOpType) {
        type_ = batch_.types.intern(text);
      } else {
        record_.device = batch_.devices.intern(text);
      }
      break;
    }
    case kOpArgs:
      read_op_args(value);
      break;
    case kInputShapes:
      read_input_shapes(value);
      break;
    case kInputDtypes:
      read_input_dtypes(value);
      break;
    case kP50: {
      bool is_integer = false;
      if (value.is_integer().get(is_integer) != simdjson::SUCCESS) is_integer = false;
      record_.times[2] = read_time(value);
      // Python's integer has no negative zero.
      if (is_integer && record_.times[2] == 0) record_.times[2] = 0;
      record_.p50_is_integer = is_integer;
      break;
    }
    case kP0:
    case kP10:
    case kP90:
    case kP100:
      record_.times[field - kP0] = read_time(value);
      break;
    case kError: {
      const double error_us = read_time(value);
      if (error_us > std::numeric_limits<float>::max()) {
        fail_value("must fit a float", quoted(value.raw_json_token()));
      }
      record_.error_us = static_cast<float>(error_us);
      break;
    }
    case kOther:
      break;
  }
}

double LineReader::read_time(ondemand::value& value) {
  double time_us = 0;
  if (value.get_double().get(time_us) != simdjson::SUCCESS) {
    fail_value("must be a finite number of microseconds", quoted(value.raw_json_token()));
  }
  if (time_us < 0) fail_value("must not be negative", quoted(value.raw_json_token()));
  return time_us;
}

void LineReader::read_op_args(ondemand::value& value) {
  ondemand::array array;
  if (value.get_array().get(array) != simdjson::SUCCESS) {
    fail_value("must be a list of strings", quoted(value.raw_json_token()));
  }
  const uint32_t id = arg_lists_json_.intern(array.raw_json().value());
  if (id == arg_lists_.size()) {
    std::vector<uint32_t> texts;
    array.reset().value();
    for (ondemand::value element : array) {
      std::string_view text;
      if (element.get_string().get(text) != simdjson::SUCCESS) {
        fail_value("must be a list of strings", quoted(element.raw_json_token()));
      }
      texts.push_back(batch_.arg_texts.intern(text));
    }
    arg_lists_.push_back(std::move(texts));
  }
  arg_list_ = id;
}

void LineReader::read_input_shapes(ondemand::value& value) {
  constexpr std::string_view kRule = "must be a list of lists of non-negative 64-bit integers";
  ondemand::array shapes;
  if (value.get_array().get(shapes) != simdjson::SUCCESS) fail_value(kRule, quoted(value.raw_json_token()));
  // A JSON list tells its length at its end, so lengths are filled in later.
  numbers_.assign(1, 0);
  for (ondemand::value element : shapes) {
    ondemand::array shape;
    if (element.get_array().get(shape) != simdjson::SUCCESS) {
      fail_value(kRule, quoted(element.raw_json_token()));
    }
    const size_t length_at = numbers_.size();
    numbers_.push_back(0);
    for (ondemand::value dim : shape) {
      int64_t size = 0;
      if (dim.get_int64().get(size) != simdjson::SUCCESS || size < 0) {
        fail_value(kRule, quoted(dim.raw_json_token()));
      }
      numbers_.push_back(static_cast<uint64_t>(size));
    }
    numbers_[length_at] = numbers_.size() - length_at - 1;
    ++numbers_[0];
  }
  shapes_.clear();
  for (const uint64_t number : numbers_) append_varint(shapes_, number);
}

void LineReader::read_input_dtypes(ondemand::value& value) {
  constexpr std::string_view kRule = "must be a list of numbers of Caffe2's data types";
  ondemand::array dtypes;
  if (value.get_array().get(dtypes) != simdjson::SUCCESS) fail_value(kRule, quoted(value.raw_json_token()));
  numbers_.assign(1, 0);
  for (ondemand::value element : dtypes) {
    int64_t dtype = 0;
    if (element.get_int64().get(dtype) != simdjson::SUCCESS || dtype < 0 ||
        dtype > std::numeric_limits<int>::max()) {
      fail_value(kRule, quoted(element.raw_json_token()));
    }
    numbers_.push_back(static_cast<uint64_t>(dtype));
    ++numbers_[0];
  }
  dtypes_.clear();
  for (const uint64_t number : numbers_) append_varint(dtypes_, number);
}

// One piece of the text, ending after a newline or with the text.
struct Piece {
  std::string_view text;
  RecordBatch batch;
  std::optional<LineError> error;
  const char* error_line = nullptr;
};

// `readable_end`: up to where memory can be read, so that simdjson may read beyond a line.
void read_piece(Piece& piece, const char* readable_end) {
  LineReader reader(piece.batch);
  std::string_view text = piece.text;
  std::string padded;
  while (const auto line = next_line(text)) {
    if (is_blank(*line)) continue;
    std::string_view readable = *line;
    if (static_cast<size_t>(readable_end - (line->data() + line->size())) < simdjson::SIMDJSON_PADDING) {
      padded.assign(*line);
      padded.resize(line->size() + simdjson::SIMDJSON_PADDING);
      readable = std::string_view(padded).substr(0, line->size());
    }
    try {
      reader.read(readable);
    } catch (LineError& error) {
      piece.error = std::move(error);
      piece.error_line = line->data();
      return;
    }
  }
}

std::vector<Piece> cut_at_newlines(std::string_view text) {
  const size_t threads = static_cast<size_t>(tbb::this_task_arena::max_concurrency());
  const size_t target = std::max(kMinBatchBytes, text.size() / (threads * kBatchesPerThread) + 1);
  std::vector<Piece> pieces;
  while (!text.empty()) {
    const size_t newline = text.find('\n', std::min(target, text.size()) - 1);
    const size_t size = newline == std::string_view::npos ? text.size() : newline + 1;
    pieces.emplace_back().text = text.substr(0, size);
    text.remove_prefix(size);
  }
  return pieces;
}

int64_t line_number(std::string_view text, const char* line) {
  return 1 + std::count(text.data(), line, '\n');
}

}  // namespace

std::vector<RecordBatch> read_records(std::string_view json_lines, const std::string& source) {
  std::vector<Piece> pieces = cut_at_newlines(base::without_byte_order_mark(json_lines));
  const char* readable_end = json_lines.data() + json_lines.size();
  parallel_for(pieces.size(), [&](size_t i) { read_piece(pieces[i], readable_end); });
  std::vector<RecordBatch> batches;
  for (Piece& piece : pieces) {
    if (piece.error) {
      throw ParseError(
          piece.error->message,
          {.file = source, .line = line_number(json_lines, piece.error_line), .field = piece.error->field});
    }
    batches.push_back(std::move(piece.batch));
  }
  return batches;
}

Place place_of_record(std::string_view json_lines, const std::string& source, size_t record) {
  std::string_view text = base::without_byte_order_mark(json_lines);
  while (const auto line = next_line(text)) {
    if (is_blank(*line)) continue;
    if (record-- == 0) return {.file = source, .line = line_number(json_lines, line->data())};
  }
  return {.file = source};
}

}  // namespace latgrad::lut
