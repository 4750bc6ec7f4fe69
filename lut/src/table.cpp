#include "latgrad/lut/table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "archive.h"
#include "key_encoding.h"
#include "latgrad/base/error.h"
#include "latgrad/base/mapped_file.h"
#include "latgrad/base/parallel_for.h"
#include "latgrad/net/netdef.h"
#include "latgrad/net/registry.h"
#include "record_batch.h"
#include "record_index.h"
#include "record_reader.h"
#include "string_pool.h"

namespace latgrad::lut {

namespace {

// Tells where a record stands, for errors that are found after reading.
using LocateRecord = std::function<Place(size_t record)>;

// Type and arguments as bytes, equal for those that are the same by meaning.
std::string meaning_bytes(std::string_view op_type, std::span<const net::Argument> args) {
  std::string bytes;
  bytes.reserve(160);
  append_varint(bytes, op_type.size());
  bytes += op_type;
  append_arguments(bytes, op_type, args);
  return bytes;
}

// A list of texts as bytes, equal for equal lists.
template <typename Texts>
std::string list_bytes(const Texts& texts) {
  std::string bytes;
  for (const std::string_view text : texts) {
    append_varint(bytes, text.size());
    bytes += text;
  }
  return bytes;
}

uint64_t hash_of(uint32_t meaning, uint32_t device, std::string_view inputs) {
  return hash_bytes(inputs, (static_cast<uint64_t>(meaning) << 32) | device);
}

void check(const Record& record, size_t index) {
  const auto fail = [index](std::string_view field, const std::string& message) {
    throw ValueError(fmt::format("{} {} in record {}", field, message, index), {.field = std::string(field)});
  };
  const std::pair<const char*, double> times[] = {
      {"p0_us", record.p0_us},   {"p10_us", record.p10_us},   {"p50_us", record.p50_us},
      {"p90_us", record.p90_us}, {"p100_us", record.p100_us}, {"error_us", record.error_us.value_or(0)}};
  for (const auto& [field, time_us] : times) {
    if (!std::isfinite(time_us) || time_us < 0) {
      fail(field, fmt::format("must be finite and not negative, got {}", time_us));
    }
  }
  if (record.p50_is_integer && record.p50_us != std::floor(record.p50_us)) {
    fail("p50_us", fmt::format("must be a whole number to be an integer, got {}", record.p50_us));
  }
  for (const net::Shape& shape : record.input_shapes) {
    if (std::ranges::any_of(shape, [](int64_t dim) { return dim < 0; })) {
      fail("input_shapes", fmt::format("must not have a negative dimension, got {}", net::to_string(shape)));
    }
  }
  for (const net::DataType dtype : record.input_dtypes) {
    if (static_cast<int>(dtype) < 0) {
      fail("input_dtypes", fmt::format("must not be negative, got {}", static_cast<int>(dtype)));
    }
  }
}

// Statistic::kMean of p0, p10, p50, p90, p100. As distances from the median, so that the mean of equal times
// is that time to the last bit.
double mean_us(const std::array<double, 5>& times) {
  const auto [p0_us, p10_us, p50_us, p90_us, p100_us] = times;
  return p50_us + 0.05 * (p0_us - p50_us) + 0.25 * (p10_us - p50_us) + 0.25 * (p90_us - p50_us) +
         0.05 * (p100_us - p50_us);
}

}  // namespace

struct Table::Impl {
  // A type with its arguments as some record spells them.
  struct Op {
    OpText text;
    uint32_t meaning = 0;   // equal for ops that say the same
    uint32_t spelling = 0;  // equal for ops whose argument texts are the same to the published tool
  };

  std::string source;
  std::string member;                // name inside the archive
  std::vector<std::string> devices;  // by id
  StringPool meanings;
  StringPool spellings;
  RecordBatch all;      // the records of all batches, in file order
  std::vector<Op> ops;  // by id of `all`
  RecordIndex index;
  // Groups that hold several spellings, taken apart: {group, spelling}.
  std::map<std::pair<uint32_t, uint32_t>, std::vector<uint32_t>> mixed_groups;

  void join(std::vector<RecordBatch> batches, const LocateRecord& locate);
  void join_records(const std::vector<RecordBatch>& batches);
  void interpret_ops(const LocateRecord& locate);
  size_t first_record_with_arg(uint32_t text) const;
  void build_index();
  std::optional<uint32_t> find_group(const OperatorKey& key, std::string_view device) const;
};

void Table::Impl::join(std::vector<RecordBatch> batches, const LocateRecord& locate) {
  if (batches.size() == 1) {
    all = std::move(batches[0]);
  } else {
    join_records(batches);
  }
  for (uint32_t id = 0; id < all.devices.size(); ++id) devices.emplace_back(all.devices[id]);
  interpret_ops(locate);
  build_index();
}

void Table::Impl::join_records(const std::vector<RecordBatch>& batches) {
  struct Offsets {
    std::vector<uint32_t> ops;      // id of the batch -> id of the table
    std::vector<uint32_t> devices;  // the same
    size_t record = 0;
    size_t input = 0;
  };
  std::vector<Offsets> offsets(batches.size());
  size_t num_records = 0;
  size_t num_input_bytes = 0;
  for (size_t b = 0; b < batches.size(); ++b) {
    const RecordBatch& batch = batches[b];
    offsets[b].record = num_records;
    offsets[b].input = num_input_bytes;
    num_records += batch.records.size();
    num_input_bytes += batch.inputs.size();
    for (uint32_t id = 0; id < batch.devices.size(); ++id) {
      offsets[b].devices.push_back(all.devices.intern(batch.devices[id]));
    }
    for (const OpText& op : batch.ops()) {
      std::vector<uint32_t> args;
      for (const uint32_t arg : op.args) args.push_back(all.arg_texts.intern(batch.arg_texts[arg]));
      offsets[b].ops.push_back(all.intern_op(all.types.intern(batch.types[op.type]), args));
    }
  }
  all.records.resize(num_records);
  all.inputs.resize(num_input_bytes);
  parallel_for(batches.size(), [&](size_t b) {
    std::ranges::copy(batches[b].inputs, all.inputs.begin() + offsets[b].input);
    std::ranges::transform(batches[b].records, all.records.begin() + offsets[b].record,
                           [&offset = offsets[b]](CompactRecord record) {
                             record.op = offset.ops[record.op];
                             record.device = offset.devices[record.device];
                             record.inputs_at += offset.input;
                             return record;
                           });
  });
}

void Table::Impl::interpret_ops(const LocateRecord& locate) {
  std::vector<net::Argument> parsed(all.arg_texts.size());
  std::vector<bool> counts(all.arg_texts.size());
  for (uint32_t text = 0; text < all.arg_texts.size(); ++text) {
    try {
      parsed[text] = net::parse_argument_text(all.arg_texts[text]);
    } catch (const Error& error) {
      Place place = locate(first_record_with_arg(text));
      place.field = "op_args";
      throw ParseError(fmt::format("op_args must hold arguments as protobuf text: {}", error.what()),
                       std::move(place));
    }
    counts[text] = all.arg_texts[text].find("ws_nbytes_limit") == std::string_view::npos;
  }
  for (const OpText& text : all.ops()) {
    std::vector<net::Argument> args;
    std::vector<std::string_view> arg_texts;
    for (const uint32_t arg : text.args) {
      if (!counts[arg]) continue;
      args.push_back(parsed[arg]);
      arg_texts.push_back(all.arg_texts[arg]);
    }
    ops.push_back({text, meanings.intern(meaning_bytes(all.types[text.type], args)),
                   spellings.intern(list_bytes(arg_texts))});
  }
}

size_t Table::Impl::first_record_with_arg(uint32_t text) const {
  const auto it = std::ranges::find_if(all.records, [&](const CompactRecord& record) {
    return std::ranges::find(all.ops()[record.op].args, text) != all.ops()[record.op].args.end();
  });
  return static_cast<size_t>(it - all.records.begin());
}

void Table::Impl::build_index() {
  if (all.records.size() >= std::numeric_limits<uint32_t>::max() / 4) {
    throw ValueError(fmt::format("a table must have fewer than 2^30 records, got {}", all.records.size()),
                     {.file = source});
  }
  std::vector<uint64_t> hashes(all.records.size());
  parallel_for(hashes.size(), [&](size_t i) {
    const CompactRecord& record = all.records[i];
    hashes[i] = hash_of(ops[record.op].meaning, record.device, all.inputs_of(record));
  });
  index = RecordIndex(hashes, [this](uint32_t a, uint32_t b) {
    const CompactRecord& left = all.records[a];
    const CompactRecord& right = all.records[b];
    return left.device == right.device && ops[left.op].meaning == ops[right.op].meaning &&
           all.inputs_of(left) == all.inputs_of(right);
  });
  const auto spelling_of = [this](uint32_t record) { return ops[all.records[record].op].spelling; };
  for (uint32_t group = 0; group < index.num_groups(); ++group) {
    const auto records = index.records(group);
    const uint32_t spelling = spelling_of(records[0]);
    if (std::ranges::all_of(records, [&](uint32_t r) { return spelling_of(r) == spelling; })) continue;
    for (const uint32_t record : records) mixed_groups[{group, spelling_of(record)}].push_back(record);
  }
}

std::optional<uint32_t> Table::Impl::find_group(const OperatorKey& key, std::string_view device) const {
  const auto device_id = all.devices.find(device);
  if (!device_id) return std::nullopt;
  for (const net::Shape& shape : key.input_shapes) {
    if (std::ranges::any_of(shape, [](int64_t dim) { return dim < 0; })) return std::nullopt;
  }
  const auto meaning = meanings.find(meaning_bytes(key.op_type, key.args));
  if (!meaning) return std::nullopt;
  std::string inputs;
  inputs.reserve(64);
  append_inputs(inputs, key.input_shapes, key.input_dtypes);
  return index.find(hash_of(*meaning, *device_id, inputs), [&](uint32_t i) {
    const CompactRecord& record = all.records[i];
    return record.device == *device_id && ops[record.op].meaning == *meaning &&
           all.inputs_of(record) == inputs;
  });
}

Table::Table(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Table::Table(Table&&) noexcept = default;
Table& Table::operator=(Table&&) noexcept = default;
Table::~Table() = default;

Table Table::load(const std::filesystem::path& path) {
  const base::MappedFile file(path);
  const TableText text = unpack(file.bytes(), path.string());
  Table table = parse(text.view(), path.string());
  table.impl_->member = text.member;
  return table;
}

Table Table::parse(std::string_view json_lines, const std::string& source) {
  auto impl = std::make_unique<Impl>();
  impl->source = source;
  impl->join(read_records(json_lines, source),
             [&](size_t record) { return place_of_record(json_lines, source, record); });
  return Table(std::move(impl));
}

Table Table::from_records(std::vector<Record> records, std::string source) {
  RecordBatch batch;
  for (size_t i = 0; i < records.size(); ++i) {
    check(records[i], i);
    batch.add(records[i]);
  }
  auto impl = std::make_unique<Impl>();
  impl->source = std::move(source);
  std::vector<RecordBatch> batches;
  batches.push_back(std::move(batch));
  impl->join(std::move(batches), [&](size_t record) {
    return Place{.file = fmt::format("record {} of {}", record, impl->source)};
  });
  return Table(std::move(impl));
}

size_t Table::size() const { return impl_->all.records.size(); }

Record Table::record(size_t index) const {
  const RecordBatch& all = impl_->all;
  const CompactRecord& compact = all.records[index];
  const OpText& op = all.ops()[compact.op];
  Record record;
  record.op_type = all.types[op.type];
  for (const uint32_t arg : op.args) record.op_args.emplace_back(all.arg_texts[arg]);
  read_inputs(all.inputs_of(compact), record.input_shapes, record.input_dtypes);
  record.p0_us = compact.times[0];
  record.p10_us = compact.times[1];
  record.p50_us = compact.times[2];
  record.p90_us = compact.times[3];
  record.p100_us = compact.times[4];
  record.p50_is_integer = compact.p50_is_integer;
  record.device = all.devices[compact.device];
  record.error_us = error_us(index);
  return record;
}

double Table::time_us(size_t index, Statistic statistic) const {
  const std::array<double, 5>& times = impl_->all.records[index].times;  // in the order of Statistic
  return statistic == Statistic::kMean ? mean_us(times) : times[static_cast<size_t>(statistic)];
}

std::optional<double> Table::error_us(size_t index) const {
  const float error_us = impl_->all.records[index].error_us;
  return error_us == kMeasured ? std::nullopt : std::optional<double>(error_us);
}

bool Table::p50_is_integer(size_t index) const { return impl_->all.records[index].p50_is_integer; }
const std::vector<std::string>& Table::devices() const { return impl_->devices; }
const std::string& Table::source() const { return impl_->source; }

bool Table::has_device(std::string_view device) const { return impl_->all.devices.find(device).has_value(); }

const std::string& Table::default_device() const {
  const std::vector<std::string>& devices = impl_->devices;
  if (devices.empty())
    throw ValueError("a table must have at least one record to price with; this one is empty",
                     {.file = source()});
  if (devices.size() == 1) return devices[0];
  for (const std::string& name : {impl_->source, impl_->member}) {
    const std::string file_name = std::filesystem::path(name).filename().string();
    const auto it = std::ranges::find_if(devices, [&](const std::string& device) {
      return file_name.starts_with(device + "-op_lut_database");
    });
    if (it != devices.end()) return *it;
  }
  throw ValueError(
      fmt::format("a device must be named because the table has several: {}", fmt::join(devices, ", ")),
      {.file = source()});
}

const std::string& Table::resolve_device(std::string_view device) const {
  // Of an empty table the default says that the table is empty.
  if (device.empty() || devices().empty()) return default_device();
  const auto found = std::ranges::find(devices(), device);
  if (found == devices().end()) {
    throw ValueError(fmt::format("the device must be one of the table's ({}), got \"{}\"",
                                 fmt::join(devices(), ", "), device),
                     {.file = source()});
  }
  return *found;
}

namespace {

// The operator with the other value of cuDNN's hint, which says how an algorithm is chosen and changes no
// result. Published tables hold it for some convolutions; other formats of networks cannot say it.
OperatorKey with_other_hint(OperatorKey key) {
  constexpr std::string_view kHint = "exhaustive_search";
  const bool is_said = std::ranges::any_of(
      key.args, [&](const net::Argument& arg) { return arg.name == kHint && arg.i.value_or(0) != 0; });
  std::erase_if(key.args, [&](const net::Argument& arg) { return arg.name == kHint; });
  if (!is_said) key.args.push_back(net::Argument::of_int(std::string(kHint), 1));
  return key;
}

}  // namespace

std::span<const uint32_t> Table::find(const OperatorKey& key, std::string_view device) const {
  auto group = impl_->find_group(key, device);
  if (!group && net::window_kind(key.op_type) != net::WindowKind::kNone) {
    group = impl_->find_group(with_other_hint(key), device);
  }
  return group ? impl_->index.records(*group) : std::span<const uint32_t>();
}

std::span<const uint32_t> Table::find_reference(const OperatorKey& key, std::string_view device) const {
  // Equal texts mean the same, so the records looked for are among those found by meaning.
  const auto group = impl_->find_group(key, device);
  if (!group) return {};
  const auto spelling = impl_->spellings.find(list_bytes(reference_args(key)));
  if (!spelling) return {};
  const auto mixed = impl_->mixed_groups.find({*group, *spelling});
  if (mixed != impl_->mixed_groups.end()) return mixed->second;
  const auto records = impl_->index.records(*group);
  // Here the group has one spelling, or several of which none is this one: any record tells.
  const uint32_t first_op = impl_->all.records[records[0]].op;
  return impl_->ops[first_op].spelling == *spelling ? records : std::span<const uint32_t>();
}

}  // namespace latgrad::lut
