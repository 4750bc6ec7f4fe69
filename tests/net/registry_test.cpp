#include "latgrad/net/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "latgrad/net/arguments.h"

namespace latgrad::net {
namespace {

TEST(RegistryTest, EveryRowIsCompleteAndFound) {
  std::set<std::string_view> types;
  for (const OperatorType* row : operator_types()) {
    EXPECT_TRUE(types.insert(row->type).second) << row->type << " has two rows";
    EXPECT_EQ(find_operator_type(row->type), row) << row->type;
    EXPECT_NE(row->infer, nullptr) << row->type;
    EXPECT_LE(row->inputs.least, row->inputs.most) << row->type;
    EXPECT_GE(row->outputs.least, 1) << row->type;
    EXPECT_LE(row->outputs.least, row->outputs.most) << row->type;
    std::set<std::string_view> names;
    for (const DefaultArgument& entry : row->defaults) {
      EXPECT_TRUE(names.insert(entry.name).second) << row->type << " " << entry.name;
    }
    if (row->is_fill) {
      EXPECT_EQ(row->inputs.least, 0) << row->type;
    }
    if (row->window != WindowKind::kNone) {
      EXPECT_TRUE(row->reads_activation(0)) << row->type;
    }
  }
  EXPECT_GT(types.size(), 170);
}

TEST(RegistryTest, KnowsNothingOfOtherTypes) {
  EXPECT_EQ(find_operator_type("Custom"), nullptr);
  EXPECT_EQ(find_operator_type(""), nullptr);
  EXPECT_EQ(window_kind("Custom"), WindowKind::kNone);
}

TEST(RegistryTest, TellsActivationsFromParameters) {
  EXPECT_TRUE(find_operator_type("Conv")->reads_activation(0));
  EXPECT_FALSE(find_operator_type("Conv")->reads_activation(1));
  EXPECT_TRUE(find_operator_type("Concat")->reads_activation(99));
  EXPECT_FALSE(find_operator_type("Int8ConvSum")->reads_activation(2));
  EXPECT_TRUE(find_operator_type("Int8ConvSum")->reads_activation(3));
  EXPECT_FALSE(find_operator_type("GenerateProposals")->reads_activation(3));  // the anchors
}

TEST(RegistryTest, KnowsTheTypesOfParameters) {
  EXPECT_EQ(find_operator_type("Conv")->parameter_type(1), DataType::kFloat);
  EXPECT_EQ(find_operator_type("Int8Conv")->parameter_type(1), DataType::kUint8);
  EXPECT_EQ(find_operator_type("Int8Conv")->parameter_type(2), DataType::kInt32);
  EXPECT_EQ(find_operator_type("Int8FC")->parameter_type(2), DataType::kInt32);
  EXPECT_EQ(find_operator_type("Int8Add")->parameter_type(1), DataType::kUint8);
  EXPECT_EQ(find_operator_type("Reshape")->parameter_type(1), DataType::kInt64);
}

TEST(RegistryTest, WindowsBelongToConvolutionsAndPools) {
  for (const OperatorType* row : operator_types()) {
    const bool is_window = row->type.find("Conv") != std::string_view::npos ||
                           (row->type.find("Pool") != std::string_view::npos && row->type != "RoIPool") ||
                           row->type == "PadImage";
    EXPECT_EQ(row->window != WindowKind::kNone, is_window) << row->type;
    EXPECT_EQ(row->window == WindowKind::kTransposed,
              row->type.find("Transpose") != std::string_view::npos && is_window)
        << row->type;
  }
}

}  // namespace
}  // namespace latgrad::net
