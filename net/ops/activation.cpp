// Activations and other functions of one tensor that keep its shape; copies, dropout.

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include "rows.h"

namespace latgrad::net::ops {
namespace {

void same_as_input(OpContext& ctx) {
  for (size_t i = 0; i < ctx.num_outputs(); ++i) ctx.add_output(ctx.activation(0).shape);
}

void copy(OpContext& ctx) {
  ctx.add_output(ctx.activation(0));
  if (ctx.values(0) != nullptr) ctx.set_values(*ctx.values(0));
}

// The values under a function of one number.
template <typename Function>
void follow_values(OpContext& ctx, const Function& function) {
  if (ctx.values(0) == nullptr) return;
  Values values = *ctx.values(0);
  for (double& value : values) value = function(value);
  ctx.set_values(std::move(values));
}

// Keeps the shape, and follows values.
template <auto function>
void followed(OpContext& ctx) {
  ctx.add_output(ctx.activation(0));
  follow_values(ctx, function);
}

double absolute(double value) { return std::abs(value); }
double ceiling(double value) { return std::ceil(value); }
double floor_of(double value) { return std::floor(value); }
double reciprocal(double value) { return 1 / value; }
double round_to_even(double value) { return std::nearbyint(value); }
double square_root(double value) { return std::sqrt(value); }
double exponential(double value) { return std::exp(value); }
double square(double value) { return value * value; }

void mod(OpContext& ctx) {
  ctx.add_output(ctx.activation(0));
  const int64_t divisor = ctx.args().integer("divisor", 0);
  if (divisor == 0) ctx.fail_at_arg("divisor", "divisor must be given and not be 0");
  const bool follow_divisor = ctx.args().flag("sign_follow_divisor");
  follow_values(ctx, [&](double value) {
    const double rest = std::fmod(value, static_cast<double>(divisor));
    return follow_divisor && rest != 0 && (rest < 0) != (divisor < 0) ? rest + static_cast<double>(divisor)
                                                                      : rest;
  });
}

void prelu(OpContext& ctx) {
  const Shape& input = ctx.activation(0, 1).shape;
  const Shape& slope = ctx.parameter(1).shape;
  const int64_t channels = input.size() > 1 ? input[ctx.channel_axis(input.size())] : input[0];
  if (slope.size() != 1 || (slope[0] != 1 && slope[0] != channels)) {
    ctx.fail_at_input(
        1, fmt::format("the slope must have 1 element or one for each of the {} channels, got {}", channels,
                       to_string(slope)));
  }
  ctx.add_output(input);
}

void dropout(OpContext& ctx) {
  const TensorInfo& input = ctx.activation(0);
  ctx.add_output(input);
  if (ctx.num_outputs() > 1) ctx.add_output({input.shape, DataType::kBool});
}

constexpr DefaultArgument kClip[] = {{"min", std::numeric_limits<float>::lowest()},
                                     {"max", std::numeric_limits<float>::max()}};
constexpr DefaultArgument kDropout[] = {{"ratio", 0.5F}, {"is_test", int64_t{0}}};
constexpr DefaultArgument kElu[] = {{"alpha", 1.0F}};
constexpr DefaultArgument kGelu[] = {{"fast_gelu", int64_t{0}}};
constexpr DefaultArgument kHardSigmoid[] = {{"alpha", 0.2F}, {"beta", 0.5F}};
constexpr DefaultArgument kLeakyRelu[] = {{"alpha", 0.01F}};
constexpr DefaultArgument kMod[] = {{"sign_follow_divisor", int64_t{0}}};
constexpr DefaultArgument kReluN[] = {{"n", 6.0F}};
constexpr DefaultArgument kScale[] = {{"scale", 1.0F}};
constexpr DefaultArgument kSelu[] = {{"alpha", 1.6732632423543772848170429916717F},
                                     {"scale", 1.0507009873554804934193349852946F}};
constexpr DefaultArgument kThresholdedRelu[] = {{"alpha", 1.0F}};

constexpr OperatorType kRows[] = {
    {.type = "Abs", .infer = followed<absolute>},
    {.type = "Alias", .moves = true, .is_view = true, .infer = copy},
    {.type = "Ceil", .infer = followed<ceiling>},
    {.type = "Celu", .defaults = kElu, .infer = same_as_input},
    {.type = "Clip", .defaults = kClip, .infer = same_as_input},
    {.type = "Copy", .moves = true, .infer = copy},
    {.type = "CopyCPUToGPU", .moves = true, .infer = copy},
    {.type = "CopyFromCPUInput", .moves = true, .infer = copy},
    {.type = "CopyGPUToCPU", .moves = true, .infer = copy},
    {.type = "Cos", .infer = same_as_input},
    {.type = "Cube", .infer = same_as_input},
    {.type = "Dropout", .outputs = {1, 2}, .defaults = kDropout, .infer = dropout},
    {.type = "Elu", .defaults = kElu, .infer = same_as_input},
    {.type = "EnsureCPUOutput", .moves = true, .infer = copy},
    {.type = "Erf", .infer = same_as_input},
    {.type = "Exp", .infer = followed<exponential>},
    {.type = "Floor", .infer = followed<floor_of>},
    {.type = "Gelu", .defaults = kGelu, .infer = same_as_input},
    {.type = "HardSigmoid", .defaults = kHardSigmoid, .infer = same_as_input},
    {.type = "HardSwish", .infer = same_as_input},
    {.type = "LeakyRelu", .defaults = kLeakyRelu, .infer = same_as_input},
    {.type = "Log", .infer = same_as_input},
    {.type = "Log1p", .infer = same_as_input},
    {.type = "Mish", .infer = same_as_input},
    {.type = "Mod", .defaults = kMod, .infer = mod},
    {.type = "Negative", .infer = followed<std::negate<>{}>},
    {.type = "PRelu", .inputs = {2, 2}, .infer = prelu},
    {.type = "Reciprocal", .infer = followed<reciprocal>},
    {.type = "Relu", .infer = same_as_input},
    {.type = "Relu6", .infer = same_as_input},
    {.type = "ReluN", .defaults = kReluN, .infer = same_as_input},
    {.type = "Round", .infer = followed<round_to_even>},
    {.type = "Rsqrt", .infer = same_as_input},
    {.type = "Scale", .defaults = kScale, .infer = same_as_input},
    {.type = "Selu", .defaults = kSelu, .infer = same_as_input},
    {.type = "Sigmoid", .infer = same_as_input},
    {.type = "Sign", .infer = same_as_input},
    {.type = "Sin", .infer = same_as_input},
    {.type = "Softplus", .infer = same_as_input},
    {.type = "Softsign", .infer = same_as_input},
    {.type = "Sqr", .infer = followed<square>},
    {.type = "Sqrt", .infer = followed<square_root>},
    {.type = "StopGradient", .moves = true, .is_view = true, .infer = copy},
    {.type = "Swish", .infer = same_as_input},
    {.type = "Tanh", .infer = same_as_input},
    {.type = "ThresholdedRelu", .defaults = kThresholdedRelu, .infer = same_as_input},
    {.type = "Int8LeakyRelu", .defaults = kLeakyRelu, .infer = same_as_input},
    {.type = "Int8Relu", .infer = same_as_input},
    {.type = "Int8Sigmoid", .infer = same_as_input},
    {.type = "Int8Tanh", .infer = same_as_input},
};

}  // namespace

std::span<const OperatorType> activation_rows() { return kRows; }

}  // namespace latgrad::net::ops
