// Architectures as text.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "latgrad/base/error.h"
#include "latgrad/search/space.h"
#include "shared_data.h"

namespace latgrad::search {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Space load(const std::string& name) { return Space::load(source_file("data/spaces/" + name + ".textproto")); }

void expect_refused(const Space& space, const std::string& text, const std::string& message) {
  try {
    space.parse_architecture(text);
    ADD_FAILURE() << "\"" << text << "\" was accepted, expected: " << message;
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), HasSubstr(message));
  }
}

TEST(ArchitectureTest, ReadsNamesOfTheFile) {
  const Space tiny = load("tiny");
  EXPECT_THAT(tiny.parse_architecture("smallest"), ElementsAre(1, 0, 0, 2));
  EXPECT_THAT(tiny.parse_architecture("  largest\n"), ElementsAre(0, 2, 0, 1));
}

TEST(ArchitectureTest, ReadsDigits) {
  const Space fbnet = load("fbnet");
  EXPECT_THAT(fbnet.parse_architecture("7818488874147327324245"),
              ElementsAre(7, 8, 1, 8, 4, 8, 8, 8, 7, 4, 1, 4, 7, 3, 2, 7, 3, 2, 4, 2, 4, 5));
}

TEST(ArchitectureTest, ReadsNamesAndIndicesWithCommasAndSpaces) {
  const Space tiny = load("tiny");
  EXPECT_THAT(tiny.parse_architecture("skip k3_e3 k3k3_e1 k3_e1"), ElementsAre(1, 1, 0, 2));
  EXPECT_THAT(tiny.parse_architecture("skip, 1,k3k3_e1,\t2\n"), ElementsAre(1, 1, 0, 2));
  EXPECT_THAT(tiny.parse_architecture("1 1 0 2"), ElementsAre(1, 1, 0, 2));
}

TEST(ArchitectureTest, FormatsAsNamesThatReadBack) {
  const Space fbnet = load("fbnet");
  EXPECT_EQ(
      fbnet.format_architecture(fbnet.parse_architecture("FBNet-C")),
      "k3_e1 k3_e6 skip k3_e1 k3_e1 k5_e6 k5_e3 k5_e6 k3_e6 k5_e6 k5_e3 k5_e6 k5_e6 k5_e6 k5_e6 k5_e6 k5_e3 "
      "k5_e6 k5_e6 k5_e6 k5_e6 k3_e6");
  for (const auto& [name, arch] : fbnet.architectures()) {
    EXPECT_EQ(fbnet.parse_architecture(fbnet.format_architecture(arch)), arch) << name;
  }
}

// Source: the table of the three networks in the FBNet paper, as digits.
TEST(ArchitectureTest, FbnetHasTheNetworksOfThePaper) {
  const Space fbnet = load("fbnet");
  ASSERT_EQ(fbnet.architectures().size(), 3u);
  EXPECT_EQ(fbnet.parse_architecture("FBNet-A"), fbnet.parse_architecture("8208872427657356177677"));
  EXPECT_EQ(fbnet.parse_architecture("FBNet-B"), fbnet.parse_architecture("0340076377486704674773"));
  EXPECT_EQ(fbnet.parse_architecture("FBNet-C"), fbnet.parse_architecture("0380076737677777677773"));
}

TEST(ArchitectureTest, RefusesAnUnknownCandidateAndListsTheLayers) {
  const Space tiny = load("tiny");
  expect_refused(tiny, "skip k3_e9 k3k3_e1 k3_e1",
                 "layer 2 must be one of 0 k3_e1, 1 k3_e3, 2 k5_e3_g2; got \"k3_e9\"");
  expect_refused(tiny, "0 3 0 0", "layer 2 must be one of 0 k3_e1, 1 k3_e3, 2 k5_e3_g2; got \"3\"");
  expect_refused(tiny, "0300", "layer 2 must be one of");
  expect_refused(tiny, "0 -1 0 0", "layer 2 must be one of");
  expect_refused(tiny, "0 99999999999999999999 0 0", "layer 2 must be one of");
  expect_refused(tiny, "0 0x1 0 0", "layer 2 must be one of");
}

TEST(ArchitectureTest, RefusesWhatALayerDoesNotOffer) {
  const Space tiny = load("tiny");
  const std::string message =
      "layer 4 must be one of those offered of 0 k3_e3, 1 k5_e3_g2, 2 k3_e1, 3 skip (not offered here); got "
      "3 skip";
  expect_refused(tiny, "0 0 0 skip", message);
  expect_refused(tiny, "0003", message);
}

TEST(ArchitectureTest, RefusesAWrongLength) {
  const Space tiny = load("tiny");
  expect_refused(tiny, "", "an architecture of tiny must choose for 4 layers, got 0 choices");
  expect_refused(tiny, "0 0 0", "must choose for 4 layers, got 3 choices");
  expect_refused(tiny, "00000", "an architecture of tiny must have 4 digits, got 5 in \"00000\"");
  expect_refused(
      tiny, "FBNet-C",
      "an architecture of tiny must be a name of its file (smallest, largest), 4 digits, or 4 candidates "
      "separated by spaces or commas; got \"FBNet-C\"");
  expect_refused(tiny, std::string(1000000, '0'), "got 1000000 in \"0000");
}

std::string space_with(int candidates, int layers) {
  std::string text = "name: \"wide\" input { height: 8 width: 8 } head { classes: 2 }";
  for (int i = 0; i < candidates; ++i) {
    text += " candidate { name: \"c" + std::to_string(i) + "\" block { expand: " + std::to_string(i + 1) +
            " depthwise { kernel: 3 } } }";
  }
  return text + " stage { name: \"a\" channels: 3 layers: " + std::to_string(layers) + " }";
}

TEST(ArchitectureTest, DigitsNeedLayersOfAtMostTenCandidates) {
  EXPECT_THAT(Space::parse(space_with(10, 2), "ten").parse_architecture("90"), ElementsAre(9, 0));
  const Space wide = Space::parse(space_with(11, 2), "wide.textproto");
  expect_refused(
      wide, "90",
      "digits must not name candidates where a layer has more than ten, but layer 1 of wide has 11; write "
      "indices or names with spaces, got \"90\" (wide.textproto)");
  EXPECT_THAT(wide.parse_architecture("10 c9"), ElementsAre(10, 9));
}

TEST(ArchitectureTest, ASingleLayerReadsAnIndex) {
  const Space single = Space::parse(space_with(12, 1), "single.textproto");
  EXPECT_THAT(single.parse_architecture("11"), ElementsAre(11));
  EXPECT_THAT(single.parse_architecture("c3"), ElementsAre(3));
  expect_refused(single, "12", "layer 1 must be one of");
}

TEST(ArchitectureTest, ReadsPublicMeasurements) {
  LATGRAD_NEED_SHARED("fbnet_measured");
  const Space fbnet = load("fbnet");
  std::ifstream file(shared_data("fbnet_measured/fbnet_latency.csv"));
  std::string line;
  std::getline(file, line);
  int count = 0;
  for (; std::getline(file, line); ++count) {
    const std::string digits = line.substr(0, line.find(','));
    const Architecture arch = fbnet.parse_architecture(digits);
    std::string back;
    for (const int index : arch) back += std::to_string(index);
    ASSERT_EQ(back, digits);
  }
  EXPECT_EQ(count, 5000);
}

}  // namespace
}  // namespace latgrad::search
