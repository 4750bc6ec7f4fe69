#include "archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "latgrad/base/error.h"
#include "lut/archive_builder.h"

namespace latgrad::lut {
namespace {

std::string zipped(const std::string& content) {
  const TemporaryFolder folder;
  std::stringstream bytes;
  bytes << std::ifstream(write_zip(folder.path() / "a.zip", {{"a.json", content}}), std::ios::binary).rdbuf();
  return bytes.str();
}

// Longer than the pieces in which archives are unpacked, and not a multiple of them.
const std::string kLong(5'000'001, 'x');

TEST(UnpackTest, GivesTheContentOfEveryPacking) {
  for (const std::string& content : {std::string(), std::string("{}"), kLong}) {
    EXPECT_EQ(unpack(content, "a").view(), content);
    EXPECT_EQ(unpack(gzip(content), "a").view(), content);
    EXPECT_EQ(unpack(zipped(content), "a").view(), content);
  }
  EXPECT_EQ(unpack(zipped("{}"), "a").member, "a.json");
}

TEST(UnpackTest, DoesNotCopyAPlainFile) { EXPECT_EQ(unpack(kLong, "a").view().data(), kLong.data()); }

TEST(UnpackTest, StopsAtTheLimit) {
  for (const std::string& packed : {gzip(kLong), zipped(kLong), gzip(kLong.substr(1)) + gzip("y")}) {
    EXPECT_EQ(unpack(packed, "a", kLong.size()).view().size(), kLong.size());
    try {
      unpack(packed, "bomb", kLong.size() - 1);
      ADD_FAILURE() << "no error";
    } catch (const ParseError& error) {
      EXPECT_STREQ(error.what(),
                   "an archive must unpack to at most 5000000 bytes, but this one has more (bomb)");
    }
  }
}

TEST(UnpackTest, EveryTruncationIsAnErrorAndNeverAPart) {
  const std::string content = "{\"op_type\": \"Conv\"}\n";
  for (const std::string& packed : {gzip(content), zipped(content)}) {
    for (size_t size = 4; size < packed.size(); ++size) {
      EXPECT_THROW(unpack(packed.substr(0, size), "cut"), ParseError) << size << " of " << packed.size();
    }
  }
}

}  // namespace
}  // namespace latgrad::lut
