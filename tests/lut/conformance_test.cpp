// The published networks against the recorded output of the published tool, and against a slow twin.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "latgrad/lut/estimate.h"
#include "latgrad/lut/reference_report.h"
#include "latgrad/net/netdef.h"
#include "latgrad/net/read_net.h"
#include "shared_data.h"

namespace latgrad::lut {
namespace {

constexpr const char* kTable = "conformance/SM-G950U-7.0-24-op_lut_database.json";
const std::vector<std::string> kNetworks = {"ChamNet-A/int8", "ChamNet-A/fp32", "ChamNet-C/int8",
                                            "ChamNet-C/fp32", "ChamNet-E/int8", "ChamNet-E/fp32",
                                            "FBNet-A/int8",   "FBNet-A/fp32",   "FBNet-C/int8",
                                            "FBNet-C/fp32",   "FBNet-96/int8",  "FBNet-96/fp32"};

std::string read_text(const std::filesystem::path& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(ConformanceTest, ReferenceEstimatesAreThoseRecorded) {
  LATGRAD_NEED_SHARED("conformance");
  const Table table = Table::load(shared_data(kTable));
  const auto networks = nlohmann::json::parse(std::ifstream(shared_data("conformance/expected.json")));
  ASSERT_EQ(networks.size(), kNetworks.size());
  for (const auto& [name, modes] : networks.items()) {
    const net::Net net = net::read_net(shared_data("zoo/" + name));
    const net::NetShapes shapes = net::infer_shapes(net);
    for (const auto& [mode, expected] : modes.items()) {
      SCOPED_TRACE(name + " " + mode);
      const Estimate result =
          estimate(net, shapes, table, {.mode = parse_mode(mode), .matching = Matching::kReference});
      EXPECT_EQ(result.found_us, expected.at("net_time_us"));
      EXPECT_EQ(result.all_found, expected.at("all_found"));
      const nlohmann::json& times = expected.at("op_time_us");
      ASSERT_EQ(result.ops.size(), times.size());
      for (size_t i = 0; i < result.ops.size(); ++i) {
        EXPECT_EQ(result.ops[i].time_us ? nlohmann::json(*result.ops[i].time_us) : nlohmann::json(),
                  times.at(i))
            << "op " << i;
        EXPECT_EQ(result.ops[i].type_after_lookup, expected.at("op_type_after_lookup").at(i)) << "op " << i;
      }
    }
  }
}

TEST(ConformanceTest, ReferenceReportsAreThoseRecorded) {
  LATGRAD_NEED_SHARED("conformance");
  const Table table = Table::load(shared_data(kTable));
  for (const std::string& name : kNetworks) {
    const net::Net net = net::read_net(shared_data("zoo/" + name));
    const net::NetShapes shapes = net::infer_shapes(net);
    const Estimate result = estimate(net, shapes, table, {.matching = Matching::kReference});
    std::string file = "conformance/" + name + ".ave.txt";
    file.replace(file.find('/', 12), 1, ".");
    EXPECT_EQ(reference_report(net, shapes, table, result), read_text(shared_data(file))) << name;
  }
}

// What the arguments of the published networks say, one by one, with the defaults of their operators filled
// in.
std::map<std::string, std::string> slow_meaning(const std::string& type,
                                                const std::vector<net::Argument>& args) {
  std::map<std::string, std::string> meaning = {{"order", "NCHW"}, {"exhaustive_search", "0"}};
  if (type.find("Conv") != std::string::npos || type.find("Pool") != std::string::npos) {
    meaning.insert({{"kernel", "0"}, {"stride", "1"}, {"pad", "0"}, {"dilation", "1"}, {"group", "1"}});
  }
  for (const net::Argument& arg : args) {
    if (arg.name == "Y_scale" || arg.name == "Y_zero_point" || arg.name == "ws_nbytes_limit") continue;
    meaning[arg.name] = arg.s ? *arg.s : std::to_string(arg.i.value());
  }
  return meaning;
}

std::vector<uint32_t> slow_find(const OperatorKey& key, const std::vector<Record>& records,
                                const std::string& device, bool counts_hint = true) {
  const auto meaning_of = [&](const std::vector<net::Argument>& args) {
    auto meaning = slow_meaning(key.op_type, args);
    if (!counts_hint) meaning.erase("exhaustive_search");
    return meaning;
  };
  std::vector<uint32_t> found;
  for (uint32_t i = 0; i < records.size(); ++i) {
    const Record& record = records[i];
    if (record.op_type != key.op_type || record.device != device || record.input_shapes != key.input_shapes ||
        record.input_dtypes != key.input_dtypes) {
      continue;
    }
    std::vector<net::Argument> args;
    for (const std::string& text : record.op_args) args.push_back(net::parse_argument_text(text));
    if (meaning_of(args) == meaning_of(key.args)) found.push_back(i);
  }
  return found.empty() && counts_hint ? slow_find(key, records, device, false) : found;
}

TEST(ConformanceTest, FindByMeaningIsALinearScan) {
  LATGRAD_NEED_SHARED("conformance");
  const Table table = Table::load(shared_data(kTable));
  std::vector<Record> records;
  for (size_t i = 0; i < table.size(); ++i) records.push_back(table.record(i));
  for (const std::string& device : table.devices()) {
    size_t num_exact = 0;
    size_t num_substituted = 0;
    for (const std::string& name : kNetworks) {
      const net::Net net = net::read_net(shared_data("zoo/" + name));
      const net::NetShapes shapes = net::infer_shapes(net);
      const Estimate result = estimate(net, shapes, table, {.device = device});
      for (size_t i = 0; i < net.ops.size(); ++i) {
        SCOPED_TRACE(name + " op " + std::to_string(i));
        OperatorKey key = operator_key(net.ops[i], shapes.ops[i]);
        std::vector<uint32_t> expected = slow_find(key, records, device);
        Status status = Status::kExact;
        if (expected.empty() && key.op_type == "Int8Conv") {
          key.op_type = "Int8ConvRelu";
          expected = slow_find(key, records, device);
          status = Status::kSubstituted;
        }
        if (expected.empty()) status = Status::kMissing;
        EXPECT_EQ(result.ops[i].records, expected);
        EXPECT_EQ(result.ops[i].status, status);
        num_exact += status == Status::kExact;
        num_substituted += status == Status::kSubstituted;
      }
    }
    if (device == table.default_device()) {
      EXPECT_GT(num_exact, 0);
      EXPECT_GT(num_substituted, 0);
    }
  }
}

// Reordered records are the same by meaning, so our matching finds all that the published tool finds, and
// more.
TEST(ConformanceTest, MeaningFindsWhatTheReferenceFindsAndMore) {
  LATGRAD_NEED_SHARED("conformance");
  const Table table = Table::load(shared_data(kTable));
  size_t num_more = 0;
  for (const std::string& name : kNetworks) {
    const net::Net net = net::read_net(shared_data("zoo/" + name));
    const net::NetShapes shapes = net::infer_shapes(net);
    for (size_t i = 0; i < net.ops.size(); ++i) {
      const OperatorKey key = operator_key(net.ops[i], shapes.ops[i]);
      const auto by_meaning = table.find(key, table.default_device());
      const auto by_text = table.find_reference(key, table.default_device());
      EXPECT_TRUE(std::ranges::includes(by_meaning, by_text)) << name << " op " << i;
      num_more += by_meaning.size() - by_text.size();
    }
  }
  EXPECT_GT(num_more, 0);
}

}  // namespace
}  // namespace latgrad::lut
