#include "latgrad/profile/agreement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "latgrad/base/error.h"

namespace latgrad::profile {
namespace {

using Pairs = std::vector<TimePair>;

template <typename F>
std::string value_error(F function) {
  try {
    function();
  } catch (const ValueError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

// Every pair of pairs is looked at: the definition of tau-b.
std::optional<double> slow_tau(const Pairs& pairs) {
  double agreeing = 0, measured_differ = 0, predicted_differ = 0;
  for (size_t i = 0; i < pairs.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const double measured = pairs[i].measured_us - pairs[j].measured_us;
      const double predicted = pairs[i].predicted_us - pairs[j].predicted_us;
      measured_differ += measured != 0;
      predicted_differ += predicted != 0;
      if (measured * predicted > 0) ++agreeing;
      if (measured * predicted < 0) --agreeing;
    }
  }
  if (measured_differ == 0 || predicted_differ == 0) return std::nullopt;
  return agreeing / std::sqrt(measured_differ * predicted_differ);
}

// ---- errors ----

TEST(AgreementTest, GivesErrorsThatAPersonCanCheck) {
  // -10 %, +5 %, +2 %
  const Agreement a = agreement(Pairs{{1000, 900}, {2000, 2100}, {500, 510}});
  EXPECT_EQ(a.pairs, 3u);
  EXPECT_NEAR(a.mape, (0.10 + 0.05 + 0.02) / 3, 1e-12);
  EXPECT_NEAR(a.bias, (-0.10 + 0.05 + 0.02) / 3, 1e-12);
  EXPECT_EQ(a.worst, 0u);
  EXPECT_NEAR(a.worst_error, -0.10, 1e-12);
  EXPECT_EQ(a.tau, 1);
}

TEST(AgreementTest, NamesTheFirstOfEquallyWrongPairs) {
  EXPECT_EQ(agreement(Pairs{{8, 8}, {8, 10}, {8, 6}}).worst, 1u);
}

TEST(AgreementTest, OfAPerfectPredictionIsExact) {
  const Agreement a = agreement(Pairs{{3, 3}, {1, 1}, {2, 2}, {7, 7}});
  EXPECT_EQ(a.mape, 0);
  EXPECT_EQ(a.bias, 0);
  EXPECT_EQ(a.worst_error, 0);
  EXPECT_EQ(a.tau, 1);
  EXPECT_EQ(a.mape_interval->high, 0);
  EXPECT_EQ(a.tau_interval->low, 1);
  EXPECT_EQ(a.tau_interval->high, 1);
}

TEST(AgreementTest, OfOnePairHasNoOrderAndNoIntervals) {
  const Agreement a = agreement(Pairs{{100, 103}});
  EXPECT_NEAR(a.mape, 0.03, 1e-12);
  EXPECT_FALSE(a.tau);
  EXPECT_FALSE(a.mape_interval);
  EXPECT_FALSE(a.tau_interval);
}

TEST(AgreementTest, RefusesTimesThatAreNone) {
  EXPECT_EQ(value_error([] { agreement({}); }), "agreement needs at least one pair of times, got none");
  EXPECT_EQ(value_error([] {
              agreement(Pairs{{1, 1}, {0, 1}});
            }),
            "measured times must be positive, got 0 us (pair 1)");
  EXPECT_EQ(value_error([] {
              agreement(Pairs{{-2, 1}});
            }),
            "measured times must be positive, got -2 us (pair 0)");
  EXPECT_EQ(value_error([] {
              agreement(Pairs{{1, -3}});
            }),
            "predicted times must not be negative, got -3 us (pair 0)");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_THROW(agreement(Pairs{{nan, 1}}), ValueError);
  EXPECT_THROW(agreement(Pairs{{1, nan}}), ValueError);
  EXPECT_THROW(agreement(Pairs{{infinity, 1}}), ValueError);
  EXPECT_THROW(agreement(Pairs{{1, infinity}}), ValueError);
}

// ---- order ----

TEST(KendallTauTest, IsOneForTheSameOrderAndMinusOneForTheOpposite) {
  EXPECT_EQ(kendall_tau(Pairs{{1, 10}, {2, 20}, {3, 30}}), 1);
  EXPECT_EQ(kendall_tau(Pairs{{1, 30}, {2, 20}, {3, 10}}), -1);
}

TEST(KendallTauTest, CountsPairsInOrder) {
  // Of the six pairs only the last two networks are predicted the wrong way round: (5 - 1) / 6.
  EXPECT_DOUBLE_EQ(*kendall_tau(Pairs{{1, 1}, {2, 2}, {3, 4}, {4, 3}}), 4.0 / 6);
}

TEST(KendallTauTest, LetsTiesTakeFromBothSides) {
  // Of three pairs two agree and one is tied in the prediction: 2 / sqrt(3 * 2).
  EXPECT_DOUBLE_EQ(*kendall_tau(Pairs{{1, 1}, {2, 2}, {3, 2}}), 2 / std::sqrt(6.0));
  EXPECT_DOUBLE_EQ(*kendall_tau(Pairs{{1, 1}, {2, 2}, {2, 3}}), 2 / std::sqrt(6.0));
  EXPECT_EQ(kendall_tau(Pairs{{1, 1}, {2, 2}, {2, 2}}), 1);
}

TEST(KendallTauTest, IsNothingWhereThereIsNoOrder) {
  EXPECT_FALSE(kendall_tau({}));
  EXPECT_FALSE(kendall_tau(Pairs{{1, 1}}));
  EXPECT_FALSE(kendall_tau(Pairs{{1, 5}, {2, 5}}));
  EXPECT_FALSE(kendall_tau(Pairs{{5, 1}, {5, 2}}));
}

TEST(KendallTauTest, IsWhatLookingAtEveryPairGives) {
  std::mt19937_64 random(1);
  for (size_t size = 0; size < 60; ++size) {
    for (uint64_t values : {2u, 5u, 1000u}) {  // many ties, some, few
      Pairs pairs;
      for (size_t i = 0; i < size; ++i) {
        const double measured = static_cast<double>(1 + random() % values);
        // Half of them follow the measurement.
        const double predicted = static_cast<double>(1 + random() % values);
        pairs.push_back({measured, random() % 2 == 0 ? measured : predicted});
      }
      const std::optional<double> slow = slow_tau(pairs), fast = kendall_tau(pairs);
      ASSERT_EQ(slow.has_value(), fast.has_value()) << size;
      if (slow) {
        EXPECT_NEAR(*slow, *fast, 1e-12) << size;
      }
    }
  }
}

// ---- intervals ----

Pairs noisy_pairs(size_t count, double noise) {
  std::mt19937_64 random(3);
  Pairs pairs;
  for (size_t i = 0; i < count; ++i) {
    const double measured = 1000 + static_cast<double>(random() % 1000);
    const double error = noise * (static_cast<double>(random() % 2001) / 1000 - 1);
    pairs.push_back({measured, measured * (1 + error)});
  }
  return pairs;
}

TEST(AgreementTest, LiesInsideItsIntervals) {
  const Agreement a = agreement(noisy_pairs(50, 0.1));
  EXPECT_LT(a.mape_interval->low, a.mape);
  EXPECT_GT(a.mape_interval->high, a.mape);
  EXPECT_LT(a.tau_interval->low, *a.tau);
  EXPECT_GT(a.tau_interval->high, *a.tau);
}

TEST(AgreementTest, HasTheIntervalOfTheMeanOfManyPairs) {
  // The errors are uniform from 0 to 10 %: their mean is 5 %, known to 1.96 * 10 % / sqrt(12 * 400) = 0.28 %.
  const Agreement a = agreement(noisy_pairs(400, 0.1));
  EXPECT_NEAR((a.mape_interval->high - a.mape_interval->low) / 2, 0.0028, 0.0003);
}

TEST(AgreementTest, IsTheSameForTheSameSeed) {
  const Pairs pairs = noisy_pairs(20, 0.2);
  const Agreement a = agreement(pairs, 7), b = agreement(pairs, 7), c = agreement(pairs, 8);
  EXPECT_EQ(a.mape_interval->low, b.mape_interval->low);
  EXPECT_EQ(a.tau_interval->high, b.tau_interval->high);
  EXPECT_NE(a.mape_interval->low, c.mape_interval->low);
  EXPECT_EQ(a.mape, c.mape);
}

TEST(AgreementTest, PassesOverResamplesWithoutOrder) {
  // Half of the resamples of two pairs hold one of them twice; the others are in order.
  const Agreement a = agreement(Pairs{{1, 1}, {2, 2.2}});
  EXPECT_EQ(a.tau_interval->low, 1);
  EXPECT_EQ(a.tau_interval->high, 1);
  EXPECT_FALSE(agreement(Pairs{{1, 5}, {2, 5}}).tau_interval);
}

}  // namespace
}  // namespace latgrad::profile
