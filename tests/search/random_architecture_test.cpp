#include "latgrad/search/random_architecture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "shared_data.h"

namespace latgrad::search {
namespace {

TEST(RandomArchitectureTest, ChoosesEveryOfferedCandidateAndNoOther) {
  Space space = Space::load(source_file("data/spaces/fbnet.textproto"));
  std::mt19937_64 random(3);
  std::vector<std::set<int>> chosen(space.layers().size());
  for (int draw = 0; draw < 300; ++draw) {
    Architecture arch = random_architecture(space, random);
    space.check(arch);
    for (size_t layer = 0; layer < arch.size(); ++layer) chosen[layer].insert(arch[layer]);
  }
  for (size_t layer = 0; layer < chosen.size(); ++layer) {
    const std::vector<bool>& offered = space.layers()[layer].offered;
    EXPECT_EQ(chosen[layer].size(), static_cast<size_t>(std::count(offered.begin(), offered.end(), true)));
  }
}

}  // namespace
}  // namespace latgrad::search
