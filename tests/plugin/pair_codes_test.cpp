#include "ops/cpu/simd/pair_codes.h"

#include <gmock/gmock.h>

#include <vector>

#include "plugin/every_target.h"

namespace latgrad::ops::simd {
namespace {

using PairCodesTest = EveryTarget;

std::vector<uint8_t> some_choices(int64_t size, int64_t candidates) {
  std::vector<uint8_t> choices(size);
  for (int64_t i = 0; i < size; ++i) choices[i] = static_cast<uint8_t>((i * i + 3 * i) % candidates);
  return choices;
}

TEST_P(PairCodesTest, HoldBothChoices) {
  for (const int64_t candidates : {1, 2, 9, 16}) {
    for (const int64_t size : {1, 2, 15, 16, 17, 32, 33, 64, 65, 1000}) {
      const auto choices = some_choices(size, candidates);
      std::vector<uint8_t> codes(size);
      EXPECT_TRUE(encode_pairs(choices.data(), size, candidates, codes.data()));
      for (int64_t i = 0; i < size; ++i) {
        ASSERT_EQ(codes[i], choices[i] * candidates + (i + 1 < size ? choices[i + 1] : 0))
            << size << " at " << i;
      }
    }
  }
}

TEST_P(PairCodesTest, FindOneWrongChoiceAnywhere) {
  for (const int64_t size : {1, 16, 65, 100}) {
    for (int64_t at = 0; at < size; ++at) {
      for (const uint8_t wrong : {9, 16, 128, 255}) {
        auto choices = some_choices(size, 9);
        choices[at] = wrong;
        std::vector<uint8_t> codes(size);
        ASSERT_FALSE(encode_pairs(choices.data(), size, 9, codes.data())) << int{wrong} << " at " << at;
      }
    }
  }
}

LATGRAD_ON_EVERY_TARGET(PairCodesTest);

}  // namespace
}  // namespace latgrad::ops::simd
