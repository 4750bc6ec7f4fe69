#include "latgrad/net/memory.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "latgrad/base/error.h"
#include "latgrad/net/registry.h"

namespace latgrad::net {
namespace {

int64_t bytes_of(const TensorInfo& info) {
  int64_t bytes = 0;
  if (__builtin_mul_overflow(num_elements(info.shape), element_bytes(info.dtype), &bytes)) {
    throw NetError("the memory of a tensor must stay below 2^63 bytes, got " + to_string(info.shape));
  }
  return bytes;
}

void add(int64_t& sum, int64_t bytes) {
  if (__builtin_add_overflow(sum, bytes, &sum)) {
    throw NetError("the memory of a network must stay below 2^63 bytes");
  }
}

// A piece of memory, and the operators during which it is needed.
struct Buffer {
  int64_t bytes = 0;
  size_t first = 0;
  size_t last = 0;
};

class Timeline {
 public:
  Timeline(const Net& net, const NetShapes& shapes) : net_(net), shapes_(shapes) {}

  MemoryUse run() && {
    for (size_t i = 0; i < net_.ops.size(); ++i) step(i);
    for (const std::string& blob : net_.external_outputs) {
      if (const auto it = current_.find(blob); it != current_.end()) {
        buffers_[it->second].last = net_.ops.size() - 1;
      }
    }
    sweep();
    return std::move(use_);
  }

 private:
  void step(size_t index) {
    const Operator& op = net_.ops[index];
    const OpShapes& shapes = shapes_.ops[index];
    use_.complete = use_.complete && shapes.known;
    for (size_t i = 0; i < op.inputs.size(); ++i) read(op.inputs[i], shapes.inputs[i], index);
    for (size_t i = 0; i < op.outputs.size(); ++i) write(op, shapes, i, index);
  }

  void read(const std::string& blob, const TensorInfo& info, size_t index) {
    if (const auto it = current_.find(blob); it != current_.end()) {
      buffers_[it->second].last = index;
    } else if (net_.parameters.contains(blob)) {
      if (parameters_.insert(blob).second) add(use_.weight_bytes[info.dtype], bytes_of(info));
    } else {
      // A data input, there from the start.
      current_.emplace(blob, buffers_.size());
      buffers_.push_back({bytes_of(info), 0, index});
    }
  }

  void write(const Operator& op, const OpShapes& shapes, size_t output, size_t index) {
    const std::string& blob = op.outputs[output];
    const int64_t bytes = output < shapes.outputs.size() ? bytes_of(shapes.outputs[output]) : 0;
    const OperatorType* row = find_operator_type(op.type);
    const bool is_in_place = std::ranges::find(op.inputs, blob) != op.inputs.end();
    const bool is_view = row != nullptr && row->is_view && output == 0 && !op.inputs.empty();
    if (is_in_place || is_view) {
      const auto it = current_.find(is_in_place ? blob : op.inputs[0]);
      if (it != current_.end() && buffers_[it->second].bytes == bytes) {
        const size_t shared = it->second;
        current_[blob] = shared;
        return;
      }
    }
    current_[blob] = buffers_.size();
    buffers_.push_back({bytes, index, index});
  }

  void sweep() {
    std::vector<int64_t> change(net_.ops.size() + 1, 0);
    for (const Buffer& buffer : buffers_) {
      add(change[buffer.first], buffer.bytes);
      change[buffer.last + 1] -= buffer.bytes;
    }
    int64_t live = 0;
    for (size_t i = 0; i < net_.ops.size(); ++i) {
      add(live, change[i]);
      use_.live_bytes.push_back(live);
      if (live > use_.peak_activation_bytes) {
        use_.peak_activation_bytes = live;
        use_.peak_op = i;
      }
    }
  }

  const Net& net_;
  const NetShapes& shapes_;
  MemoryUse use_;
  std::vector<Buffer> buffers_;
  std::unordered_map<std::string_view, size_t> current_;  // the buffer that a blob lies in now
  std::unordered_set<std::string_view> parameters_;
};

}  // namespace

int64_t element_bytes(DataType dtype) {
  switch (dtype) {
    case DataType::kByte:
    case DataType::kBool:
    case DataType::kUint8:
    case DataType::kInt8:
      return 1;
    case DataType::kUint16:
    case DataType::kInt16:
    case DataType::kFloat16:
      return 2;
    case DataType::kFloat:
    case DataType::kInt32:
      return 4;
    case DataType::kInt64:
    case DataType::kDouble:
      return 8;
    case DataType::kUndefined:
    case DataType::kString:
      return 0;
  }
  return 0;
}

MemoryUse memory_use(const Net& net, const NetShapes& shapes) { return Timeline(net, shapes).run(); }

}  // namespace latgrad::net
