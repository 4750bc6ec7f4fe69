// The operator calibrate, for the Python package.

#pragma once

#include <ATen/core/List.h>
#include <ATen/core/Tensor.h>

#include <string>
#include <tuple>

namespace latgrad {

// A latency model from measured architectures, as `latgrad calibrate` makes it.
//
//   space          file
//   arch           [N, L], uint8 or int64; times_us [N], floating point
//   source_archs   of other devices, each as arch and times_us
//   luts           files: tables of other devices
//
// -> the model as text (LatencyModel::parse); by network what the others say of it: mean and the ends of its
// 90 % interval, float64 [N, 3].
// Errors: c10::ValueError for shapes that do not fit, an architecture that is not one of the space, a time
// that is not positive and finite; c10::Error for files.
std::tuple<std::string, at::Tensor> calibrate(const std::string& space, const std::string& precision,
                                              const std::string& device, const at::Tensor& arch,
                                              const at::Tensor& times_us,
                                              const c10::List<at::Tensor>& source_archs,
                                              const c10::List<at::Tensor>& source_times_us,
                                              const c10::List<std::string>& luts, int64_t seed);

}  // namespace latgrad
