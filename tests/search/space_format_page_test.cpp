// docs/space-format.md against the schema and the reader.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <vector>

#include "latgrad/net/infer_shapes.h"
#include "latgrad/search/lowering.h"
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
  const std::regex field(R"((?:optional|repeated) [\w.]+ (\w+) = \d+|^    [A-Z]\w+ (\w+) = \d+)",
                         std::regex::multiline);
  int count = 0;
  for (std::sregex_iterator match(schema.begin(), schema.end(), field), end; match != end; ++match, ++count) {
    const std::string name = (*match)[1].matched ? (*match)[1] : (*match)[2];
    EXPECT_THAT(page, HasSubstr("`" + name + "`"));
  }
  EXPECT_GT(count, 100);
}

TEST(SpaceFormatPageTest, ShowsSpacesThatLower) {
  const std::string page = read("docs/space-format.md");
  const std::string fence = "\n```\n";
  const std::string opening = fence + "name: \"";
  std::vector<std::string> names;
  for (size_t at = page.find(opening); at != page.npos; at = page.find(opening, at + 1)) {
    const size_t begin = at + fence.size();
    const Space space = Space::parse(page.substr(begin, page.find(fence, begin) - begin), "space-format.md");
    ASSERT_EQ(space.architectures().size(), 1U);
    const net::Net net = lower(space, space.architectures()[0].second, Precision::kFp32);
    EXPECT_TRUE(net::count_macs(net::infer_shapes(net)).total().has_value());
    names.push_back(space.name());
  }
  EXPECT_THAT(names, ElementsAre("tiny_example", "width_example", "mobile_example", "transformer_example",
                                 "written_example"));
}

}  // namespace
}  // namespace latgrad::search
