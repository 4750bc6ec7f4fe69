// Numbers of a space file against their range. The upper bounds are far above every real network and low
// enough that shapes, weights and their products stay within 64 bits.

#pragma once

#include <cstdint>
#include <string>

namespace latgrad::search::internal {

constexpr int64_t kMaxBatch = 1 << 12;
constexpr int64_t kMaxChannels = 1 << 20;
constexpr int64_t kMaxMapSize = 1 << 14;
constexpr int64_t kMaxTokens = 1 << 16;
constexpr int64_t kMaxKernel = 1023;
constexpr int64_t kMaxStride = 1024;
constexpr int64_t kMaxPad = 1024;
constexpr int64_t kMaxLayers = 4096;
constexpr int64_t kMaxChoices = 1 << 18;  // layers times the candidates of the widest
constexpr int64_t kMaxSize =
    1 << 21;  // operators, their blobs and arguments, of all candidates of all layers

// `what` is the subject of the message: "stage channels must be from 1 to 1048576, got 0".
// Errors: ValueError.
void check_range(const std::string& what, int64_t value, int64_t smallest, int64_t largest,
                 const std::string& source, const std::string& field);

}  // namespace latgrad::search::internal
