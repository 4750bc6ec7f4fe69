#include "prepared_chain.h"

#include <algorithm>
#include <exception>

#include "latgrad/base/error.h"
#include "latgrad/net/infer_shapes.h"

namespace latgrad::runner {
namespace {

// One operator of a mobile network stays far below this; an absurd shape in a network must not exhaust the
// machine.
constexpr int64_t kMaxElements = int64_t{1} << 28;

void check_size(const char* what, const net::Shape& shape) {
  int64_t elements = net::num_elements(shape);
  if (elements < 1 || elements > kMaxElements) {
    throw ValueError(std::string(what) + " must have 1 to " + std::to_string(kMaxElements) +
                     " elements to be measured, got " + std::to_string(elements));
  }
}

// Errors: ValueError for an output that is empty or absurdly big.
void check_outputs(const lut::OperatorKey& key) {
  try {
    const net::NetShapes shapes = infer_alone(key);
    for (const net::TensorInfo& output : shapes.ops.front().outputs) check_size("an output", output.shape);
  } catch (const NetError&) {
    // It does not fit: then the kernel says so.
  }
}

// Torch goes on with tables of all its kernels.
std::string first_line(std::string_view text) { return std::string(text.substr(0, text.find('\n'))); }

std::string dtype_name(at::ScalarType dtype) {
  if (dtype == at::kFloat) return "float32";
  if (dtype == at::kQUInt8) return "uint8";
  return at::toString(dtype);
}

bool fits(const at::Tensor& tensor, const Activation& wanted) {
  return tensor.scalar_type() == wanted.dtype && tensor.numel() == net::num_elements(wanted.shape);
}

}  // namespace

PreparedChain::PreparedChain(const Chain& chain, at::Device device)
    : unsupported_(chain.size()), channels_last_(chain.size()), outputs_(chain.size()) {
  // An output is kept while an operator to come may read it.
  std::vector<std::vector<size_t>> last_read(chain.size());
  std::vector<size_t> last_reader(chain.size());
  for (size_t op = 0; op < chain.size(); ++op) {
    last_reader[op] = op;
    for (int source : chain[op].sources) {
      if (source >= 0 && static_cast<size_t>(source) < op) last_reader[static_cast<size_t>(source)] = op;
    }
  }
  for (size_t op = 0; op < chain.size(); ++op) last_read[last_reader[op]].push_back(op);

  for (size_t op = 0; op < chain.size(); ++op) {
    try {
      Step step = prepare(chain, op, device);
      run_step(step);
      steps_.push_back(std::move(step));
      operators_.push_back(op);
    } catch (const c10::Error& error) {
      unsupported_[op] = first_line(error.what_without_backtrace());
    } catch (const std::exception& error) {
      unsupported_[op] = first_line(error.what());
    }
    for (size_t source : last_read[op]) outputs_[source].reset();
  }
  plan_releases();
}

PreparedChain::Step PreparedChain::prepare(const Chain& chain, size_t op, at::Device device) {
  const ChainOperator& link = chain[op];
  const lut::OperatorKey& key = link.key;
  const KernelFactory factory = find_kernel(key.op_type);
  if (factory == nullptr) throw ValueError("no kernel for operator type " + key.op_type);
  if (is_int8(key) && !device.is_cpu()) throw ValueError("int8 operators do not run on CUDA in LibTorch");
  for (const net::Shape& shape : key.input_shapes) check_size("an input", shape);

  // The operator that writes the input, if it left a tensor.
  const auto producer = [&](size_t input) -> int {
    const int source = input < link.sources.size() ? link.sources[input] : kOutside;
    const bool is_there =
        source >= 0 && static_cast<size_t>(source) < op && outputs_[static_cast<size_t>(source)].defined();
    return is_there ? source : kOutside;
  };

  const int first = producer(0);
  const Target target{
      .device = device,
      .channels_last = first == kOutside ? is_nhwc(key) : leaves_channels_last(static_cast<size_t>(first))};
  Kernel kernel = factory(key, target);
  check_outputs(key);
  Step step{.op = op, .run = std::move(kernel.run), .activations = {}, .feeds = {}, .last_read = {}};
  step.activations.resize(kernel.activations.size());
  for (size_t index = 0; index < kernel.activations.size(); ++index) {
    const Activation& wanted = kernel.activations[index];
    const int source = producer(wanted.input);
    if (source == kOutside) {
      step.activations[index] = random_activation(wanted, device);
      continue;
    }
    const auto writer = static_cast<size_t>(source);
    const at::Tensor& tensor = outputs_[writer];
    if (!fits(tensor, wanted)) {
      throw ValueError("input " + std::to_string(wanted.input) + " must hold " +
                       std::to_string(net::num_elements(wanted.shape)) + " elements of " +
                       dtype_name(wanted.dtype) + ", but operator " + std::to_string(writer) + " \"" +
                       chain[writer].key.op_type + "\" leaves " + std::to_string(tensor.numel()) + " of " +
                       dtype_name(tensor.scalar_type()));
    }
    step.feeds.push_back({.activation = index,
                          .source = writer,
                          .reform = reform(tensor, leaves_channels_last(writer), wanted)});
  }
  channels_last_[op] = kernel.channels_last;
  return step;
}

PreparedChain::Reform PreparedChain::reform(const at::Tensor& tensor, bool channels_last,
                                            const Activation& wanted) {
  net::Shape shape = tensor.sizes().vec();  // as the key says it
  if (channels_last) shape = {shape[0], shape[2], shape[3], shape[1]};
  if (shape == wanted.shape && channels_last == wanted.channels_last) return {};
  Reform reform{.undo_channels_last = channels_last, .redo_channels_last = wanted.channels_last};
  if (shape != wanted.shape) reform.shape = wanted.shape;
  // Pooled to one pixel, an image lies in memory alike in both orders, and one view does.
  const auto is_pixel = [](const net::Shape& nhwc) { return nhwc[1] == 1 && nhwc[2] == 1; };
  if (channels_last && is_pixel(shape) && !wanted.channels_last) {
    reform = {.shape = wanted.shape};
  } else if (!channels_last && wanted.channels_last && is_pixel(wanted.shape)) {
    reform = {.shape = net::Shape{wanted.shape[0], wanted.shape[3], 1, 1}};
  }
  return reform;
}

at::Tensor PreparedChain::Reform::operator()(const at::Tensor& tensor) const {
  at::Tensor result = undo_channels_last ? tensor.permute({0, 2, 3, 1}) : tensor;
  if (shape) result = result.reshape(*shape);
  return redo_channels_last ? nhwc_to_torch(result) : result;
}

void PreparedChain::run_step(Step& step) {
  for (const Feed& feed : step.feeds) {
    const at::Tensor& output = outputs_[feed.source];
    step.activations[feed.activation] = feed.reform.is_nothing() ? output : feed.reform(output);
  }
  at::Tensor output = step.run(step.activations);
  for (const Feed& feed : step.feeds) step.activations[feed.activation].reset();
  for (size_t source : step.last_read) outputs_[source].reset();
  if (step.is_read) outputs_[step.op] = std::move(output);
}

void PreparedChain::plan_releases() {
  std::vector<Step*> last_reader(outputs_.size(), nullptr);
  for (Step& step : steps_) {
    step.is_read = false;
    for (const Feed& feed : step.feeds) last_reader[feed.source] = &step;
  }
  for (Step& step : steps_) {
    if (Step* reader = last_reader[step.op]; reader != nullptr) {
      step.is_read = true;
      reader->last_read.push_back(step.op);
    }
  }
}

void PreparedChain::keep_outputs() {
  for (Step& step : steps_) {
    step.is_read = true;
    step.last_read.clear();
  }
}

net::Shape PreparedChain::output_shape(size_t op) const {
  const net::Shape shape = outputs_[op].sizes().vec();
  return leaves_channels_last(op) ? net::Shape{shape[0], shape[2], shape[3], shape[1]} : shape;
}

size_t PreparedChain::live_tensors() const {
  return static_cast<size_t>(
      std::ranges::count_if(outputs_, [](const at::Tensor& output) { return output.defined(); }));
}

}  // namespace latgrad::runner
