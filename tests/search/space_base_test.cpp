// Spaces that extend other files.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "latgrad/base/error.h"
#include "latgrad/search/lowering.h"
#include "latgrad/search/space.h"

namespace latgrad::search {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class SpaceBaseTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::path(testing::TempDir()) /
              ("latgrad_" + std::to_string(::getpid()) + "_" + test->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ / "sub");
    write("base.textproto", R"(
      name: "base"
      input { height: 16 width: 16 }
      stem { channels: 4 }
      candidate { name: "a" block { expand: 1 depthwise { kernel: 3 } } }
      candidate { name: "b" block { expand: 2 depthwise { kernel: 3 } } }
      stage { name: "one" channels: 4 layers: 2 }
      stage { name: "two" channels: 8 stride: 2 }
      head { channels: 16 classes: 10 }
      arguments { name: "r" applies_to: CONV arg { name: "x" i: 1 } arg { name: "y" i: 1 } }
      architecture { name: "A" layers: "a a a" }
      architecture { name: "B" layers: "b b b" }
    )");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) { std::ofstream(folder_ / name) << text; }
  Space load(const std::string& name) { return Space::load(folder_ / name); }

  template <typename ExpectedError>
  void expect_refused(const std::string& name, const std::string& message) {
    try {
      load(name);
      ADD_FAILURE() << "accepted, expected: " << message;
    } catch (const ExpectedError& error) {
      EXPECT_THAT(error.what(), HasSubstr(message));
    }
  }

  std::filesystem::path folder_;
};

TEST_F(SpaceBaseTest, ReplacesByNameAndAppendsTheRest) {
  write("sub/extension.textproto", R"(
    name: "extension"
    base: "../base.textproto"
    input { width: 8 }
    candidate { name: "a" block { expand: 3 depthwise { kernel: 5 } } }
    candidate { name: "c" skip {} }
    stage { name: "two" channels: 6 }
    head { classes: 5 }
    arguments { name: "r" applies_to: CONV arg { name: "z" i: 2 } }
    architecture { name: "A" layers: "b a b" }
    architecture { name: "C" layers: "c c a" }
  )");
  const Space space = load("sub/extension.textproto");
  EXPECT_EQ(space.name(), "extension");
  EXPECT_EQ(space.input_shape(), net::Shape({1, 3, 16, 8}));  // singular fields merge field by field
  ASSERT_EQ(space.layers().size(), 3u);
  EXPECT_THAT(space.layers()[0].candidates, ElementsAre("a", "b", "c"));
  EXPECT_EQ(space.layers()[2].out_channels, 6);
  EXPECT_EQ(space.layers()[2].stride, 1);  // a stage is replaced as a whole
  ASSERT_EQ(space.architectures().size(), 3u);
  EXPECT_EQ(space.architectures()[0], (std::pair<std::string, Architecture>{"A", {1, 0, 1}}));
  EXPECT_EQ(space.architectures()[1], (std::pair<std::string, Architecture>{"B", {1, 1, 1}}));
  EXPECT_EQ(space.architectures()[2], (std::pair<std::string, Architecture>{"C", {2, 2, 0}}));

  const net::Net block = lower_block(space, 0, 0, Precision::kFp32);
  EXPECT_EQ(block.parameters.at("layer01_a_dw_w").shape, net::Shape({12, 1, 5, 5}));
  EXPECT_EQ(block.ops[0].find_arg("x"), nullptr);  // so is a rule
  ASSERT_NE(block.ops[0].find_arg("z"), nullptr);
  EXPECT_EQ(block.ops[0].find_arg("z")->i, 2);
  const net::Net fixed = lower_fixed(space, Precision::kFp32);
  EXPECT_EQ(fixed.parameters.at("logits_w").shape, net::Shape({5, 16}));
}

TEST_F(SpaceBaseTest, DropsWhatTheExtensionSays) {
  write("extension.textproto", R"(
    name: "extension"
    base: "base.textproto"
    drop: [CANDIDATES, STAGES, ARCHITECTURES, ARGUMENTS]
    candidate { name: "c" block { depthwise { kernel: 3 } } }
    stage { name: "only" channels: 4 }
  )");
  const Space space = load("extension.textproto");
  ASSERT_EQ(space.layers().size(), 1u);
  EXPECT_THAT(space.layers()[0].candidates, ElementsAre("c"));
  EXPECT_TRUE(space.architectures().empty());
  EXPECT_EQ(lower_block(space, 0, 0, Precision::kFp32).ops[0].find_arg("x"), nullptr);
}

TEST_F(SpaceBaseTest, ExtendsOverSeveralFiles) {
  write("second.textproto",
        "name: \"second\" base: \"base.textproto\" drop: ARCHITECTURES stem { channels: 6 }");
  write("third.textproto", "name: \"third\" base: \"second.textproto\"");
  const Space space = load("third.textproto");
  EXPECT_EQ(space.layers()[0].in_channels, 6);
  EXPECT_TRUE(space.architectures().empty());
  EXPECT_THAT(space.text(), testing::Not(HasSubstr("base:")));
  EXPECT_THAT(space.text(), testing::Not(HasSubstr("drop:")));
  EXPECT_EQ(Space::parse(space.text(), "text").text(), space.text());
}

TEST_F(SpaceBaseTest, RefusesAMissingBase) {
  write("extension.textproto", "name: \"x\" base: \"nowhere.textproto\"");
  expect_refused<IoError>("extension.textproto", "cannot open the space: No such file or directory (");
  expect_refused<IoError>("extension.textproto", "nowhere.textproto)");
  expect_refused<IoError>("sub", "a space must be a file, got a folder (");
}

TEST_F(SpaceBaseTest, RefusesCycles) {
  write("a.textproto", "base: \"b.textproto\"");
  write("b.textproto", "base: \"sub/../a.textproto\"");
  expect_refused<ParseError>("a.textproto", "a space must not extend itself through its base (");
  write("self.textproto", "base: \"self.textproto\"");
  expect_refused<ParseError>("self.textproto", "a space must not extend itself through its base (");
}

TEST_F(SpaceBaseTest, RefusesLongChains) {
  for (int i = 0; i < 9; ++i) {
    write(std::to_string(i) + ".textproto", "base: \"" + std::to_string(i + 1) + ".textproto\"");
  }
  write("9.textproto", "base: \"base.textproto\"");
  expect_refused<ParseError>("0.textproto", "spaces must extend each other at most 8 levels deep (");
  write("8.textproto", "base: \"base.textproto\"");
  write("1.textproto", "base: \"2.textproto\"");
  EXPECT_EQ(load("1.textproto").name(), "base");
}

TEST_F(SpaceBaseTest, NamesTheFileAndLineOfAnErrorInTheBase) {
  write("broken.textproto", "name: \"b\"\n\nunknown: 1");
  write("extension.textproto", "name: \"x\" base: \"broken.textproto\"");
  expect_refused<ParseError>("extension.textproto", "has no field named \"unknown\". (");
  expect_refused<ParseError>("extension.textproto", "broken.textproto, line 3)");
}

}  // namespace
}  // namespace latgrad::search
