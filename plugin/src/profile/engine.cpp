#include "engine.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <torch/version.h>

#include <algorithm>
#include <mutex>

#include "deprecation_guard.h"
#include "kernels.h"
#include "latgrad/lut/error.h"

namespace latgrad::profile {
namespace {

// One operator of a mobile network stays far below this; an absurd shape in a network must not exhaust the
// machine.
constexpr int64_t kMaxElements = int64_t{1} << 28;

void check_size(const lut::OperatorKey& key) {
  for (const lut::Shape& shape : key.input_shapes) {
    int64_t elements = lut::num_elements(shape);
    if (elements < 1 || elements > kMaxElements) {
      throw ValueError("an input must have 1 to " + std::to_string(kMaxElements) +
                       " elements to be measured, got " + std::to_string(elements));
    }
  }
}

// Torch goes on with tables of all its kernels.
std::string first_line(std::string_view text) { return std::string(text.substr(0, text.find('\n'))); }

KernelFactory find_kernel(std::string_view op_type) {
  for (const auto* kernels : {&int8_kernels(), &fp32_kernels()}) {
    if (auto found = kernels->find(op_type); found != kernels->end()) return found->second;
  }
  return nullptr;
}

}  // namespace

struct TorchEngine::Impl {
  c10::InferenceMode inference_mode;
  DeprecationGuard deprecation_guard;
};

TorchEngine::TorchEngine(int threads) {
  if (threads < 1) throw ValueError("threads must be at least 1, got " + std::to_string(threads));
  const auto& engines = at::globalContext().supportedQEngines();
  if (std::find(engines.begin(), engines.end(), at::QEngine::QNNPACK) == engines.end()) {
    throw ValueError("torch must be built with QNNPACK to measure int8 operators, torch " + torch_version() +
                     " is not");
  }
  at::globalContext().setQEngine(at::QEngine::QNNPACK);
  at::set_num_threads(threads);
  static std::once_flag interop_set;  // torch refuses a second call
  std::call_once(interop_set, [] { at::set_num_interop_threads(1); });
  impl_ = std::make_unique<Impl>();
}

TorchEngine::~TorchEngine() = default;

Prepared TorchEngine::prepare(const lut::OperatorKey& key) const {
  KernelFactory factory = find_kernel(key.op_type);
  if (factory == nullptr) return Unsupported{"no kernel for operator type " + key.op_type};
  try {
    check_size(key);
    Call call = [kernel = factory(key)] { kernel(); };
    call();
    return call;
  } catch (const c10::Error& error) {
    return Unsupported{first_line(error.what_without_backtrace())};
  } catch (const std::exception& error) {
    return Unsupported{first_line(error.what())};
  }
}

std::string torch_version() { return TORCH_VERSION; }

const lut::Shape& input_shape(const lut::OperatorKey& key, size_t index) {
  if (index >= key.input_shapes.size()) {
    throw ValueError(key.op_type + " must have at least " + std::to_string(index + 1) + " inputs, got " +
                     std::to_string(key.input_shapes.size()));
  }
  return key.input_shapes[index];
}

at::Tensor random_tensor(const lut::Shape& shape) { return at::empty(shape, at::kFloat).uniform_(-1, 1); }

at::Tensor nhwc_to_torch(const at::Tensor& nhwc) { return nhwc.permute({0, 3, 1, 2}); }

at::Tensor flatten_from(const at::Tensor& tensor, int64_t axis) {
  TORCH_CHECK(axis >= 0 && axis < tensor.dim(), "axis must be in 0 to ", tensor.dim() - 1, ", got ", axis);
  int64_t rows = 1;
  for (int64_t dim = 0; dim < axis; ++dim) rows *= tensor.size(dim);
  return tensor.reshape({rows, -1});
}

}  // namespace latgrad::profile
