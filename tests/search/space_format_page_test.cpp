// docs/space-format.md against the schema and the reader.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <string>

#include "latgrad/search/space.h"
#include "shared_data.h"

namespace latgrad::search {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string read(const std::string& file) {
  std::ifstream stream(source_file(file));
  return {std::istreambuf_iterator<char>(stream), {}};
}

TEST(SpaceFormatPageTest, ExplainsEveryField) {
  const std::string page = read("docs/space-format.md");
  const std::string schema = read("search/proto/latgrad/space.proto");
  const std::regex field(R"((?:optional|repeated) \w+ (\w+) = \d+|^\s+(?:Block|Skip) (\w+) = \d+)",
                         std::regex::multiline);
  int count = 0;
  for (std::sregex_iterator match(schema.begin(), schema.end(), field), end; match != end; ++match, ++count) {
    const std::string name = (*match)[1].matched ? (*match)[1] : (*match)[2];
    EXPECT_THAT(page, HasSubstr("`" + name + "`"));
  }
  EXPECT_GT(count, 50);
}

TEST(SpaceFormatPageTest, ShowsASpaceThatLoads) {
  const std::string page = read("docs/space-format.md");
  const std::string fence = "```\n";
  const size_t begin = page.find(fence) + fence.size();
  const Space space = Space::parse(page.substr(begin, page.find(fence, begin) - begin), "space-format.md");
  EXPECT_EQ(space.name(), "tiny_example");
  EXPECT_THAT(space.parse_architecture("light"), ElementsAre(0, 2, 0, 0));
}

}  // namespace
}  // namespace latgrad::search
