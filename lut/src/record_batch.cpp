#include "record_batch.h"

#include "key_encoding.h"

namespace latgrad::lut {

uint32_t RecordBatch::intern_op(uint32_t type, std::span<const uint32_t> args) {
  scratch_.clear();
  append_varint(scratch_, type);
  for (const uint32_t arg : args) append_varint(scratch_, arg);
  const uint32_t id = op_ids_.intern(scratch_);
  if (id == ops_.size()) ops_.push_back({type, {args.begin(), args.end()}});
  return id;
}

void RecordBatch::add(const Record& record) {
  std::vector<uint32_t> args;
  for (const std::string& text : record.op_args) args.push_back(arg_texts.intern(text));
  CompactRecord& compact = records.emplace_back();
  compact.op = intern_op(types.intern(record.op_type), args);
  compact.device = devices.intern(record.device);
  compact.inputs_at = inputs.size();
  append_inputs(inputs, record.input_shapes, record.input_dtypes);
  compact.inputs_size = static_cast<uint32_t>(inputs.size() - compact.inputs_at);
  compact.p50_is_integer = record.p50_is_integer;
  compact.times = {record.p0_us, record.p10_us, record.p50_us, record.p90_us, record.p100_us};
  if (record.error_us) compact.error_us = static_cast<float>(*record.error_us);
}

}  // namespace latgrad::lut
