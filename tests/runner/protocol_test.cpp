// Both sides of the protocol: what one writes the other reads, and what is wrong is told.

#include "latgrad/runner/protocol.h"

#include <sstream>

#include "expect_error.h"
#include "latgrad/net/onnx.h"
#include "latgrad/runner/serve.h"
#include "made_up_engine.h"
#include "made_up_runner.h"
#include "small_net.h"

namespace latgrad::runner {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Chain small_chain() { return make_chain(small_net(), net::infer_shapes(small_net())); }

TEST(ProtocolTest, OpenIsReadAsWritten) {
  RunnerSettings settings{.engine = "onednn", .threads = 4, .pin = false, .cores = {2, 3}};
  Request request = parse_request(open_request(7, settings));
  EXPECT_EQ(request.id, 7u);
  ASSERT_TRUE(request.open);
  EXPECT_EQ(request.open->engine, "onednn");
  EXPECT_EQ(request.open->threads, 4);
  EXPECT_FALSE(request.open->pin);
  EXPECT_THAT(request.open->cores, ElementsAre(2, 3));
}

TEST(ProtocolTest, AChainIsReadAsWritten) {
  Chain chain = small_chain();
  Request request = parse_request(
      measure_request(8, {.chain = chain, .warmup = 2, .samples = 5, .timing = Timing::kWhole}));
  ASSERT_TRUE(request.measure);
  EXPECT_EQ(request.measure->warmup, 2);
  EXPECT_EQ(request.measure->samples, 5);
  EXPECT_EQ(request.measure->timing, Timing::kWhole);
  ASSERT_EQ(request.measure->chain.size(), chain.size());
  for (size_t op = 0; op < chain.size(); ++op) {
    EXPECT_EQ(lut::canonical(request.measure->chain[op].key), lut::canonical(chain[op].key));
    EXPECT_EQ(request.measure->chain[op].sources, chain[op].sources);
  }
}

TEST(ProtocolTest, PartsAndTheirTimesAreReadAsWritten) {
  Chain chain = small_chain();
  chain.resize(2);
  const MeasureRequest request{
      .chain = chain, .samples = 2, .timing = Timing::kWhole, .parts = {1, chain.size() - 1}};
  EXPECT_EQ(parse_request(measure_request(8, request)).measure->parts, request.parts);
  Timings timings{.operators_us = {{3, 4}, {4, 4}},
                  .total_us = {7, 8},
                  .parts_us = {{3, 4}, {4, 4}},
                  .unsupported = {"", ""}};
  EXPECT_EQ(parse_timings(timings_reply(5, timings), 5, request).parts_us, timings.parts_us);
  timings.parts_us.pop_back();
  LATGRAD_EXPECT_ERROR(parse_timings(timings_reply(5, timings), 5, request), RunnerError,
                       HasSubstr("parts_us must hold the times of 2 parts"));
  LATGRAD_EXPECT_ERROR(parse_request(measure_request(8, {.chain = chain, .parts = {1}})), ParseError,
                       HasSubstr("parts must sum up to the 2 operators"));
}

TEST(ProtocolTest, AChainInAFileIsTheSame) {
  const Chain chain = small_chain();
  const Chain read = parse_chain(chain_json(chain));
  EXPECT_EQ(chain_json(read), chain_json(chain));
  EXPECT_EQ(read.size(), chain.size());
  LATGRAD_EXPECT_ERROR(parse_chain("{}"), ParseError, HasSubstr("a chain of operators must be a list"));
}

// Whoever is older decides.
TEST(ProtocolTest, BothSidesSpeakTheNewestVersionThatBothKnow) {
  EXPECT_EQ(parse_request(open_request(0, {})).protocol, 3);
  const std::string of_the_first =
      R"({"id": 0, "request": "open", "protocol": 1, "engine": "e", "threads": 1, )"
      R"("pin": false, "cores": []})";
  EXPECT_EQ(parse_request(of_the_first).protocol, 1);
  RunnerInfo info;
  for (info.protocol = 1; info.protocol <= 3; ++info.protocol) {
    EXPECT_EQ(parse_opened(opened_reply(0, info), 0).protocol, info.protocol);
  }
}

TEST(ProtocolTest, NetworksAreHandedOverAndTimed) {
  std::string onnx = "ONNX";
  for (int byte = 0; byte < 256; ++byte) onnx += static_cast<char>(byte);
  const Request load = parse_request(load_request(5, {.place = 1, .onnx = onnx, .nodes = true}));
  EXPECT_EQ(load.id, 5U);
  ASSERT_TRUE(load.load);
  EXPECT_EQ(load.load->place, 1);
  EXPECT_EQ(load.load->onnx, onnx);
  EXPECT_TRUE(load.load->nodes);
  EXPECT_FALSE(parse_request(load_request(5, {.place = 1, .onnx = onnx})).load->nodes);
  EXPECT_EQ(parse_loaded(loaded_reply(5, {}), 5).unsupported, "");
  EXPECT_EQ(parse_loaded(loaded_reply(5, {.unsupported = "too big"}), 5).unsupported, "too big");
  const Loaded loaded{.unsupported = {}, .nodes_us = {{"conv", 3.5}, {"relu", 0}}};
  EXPECT_EQ(parse_loaded(loaded_reply(5, loaded), 5).nodes_us, loaded.nodes_us);

  const TimeRequest wanted{.network = 1, .reference = 0, .warmup = 2, .samples = 3};
  const Request time = parse_request(time_request(6, wanted));
  ASSERT_TRUE(time.time);
  EXPECT_EQ(time.time->network, 1);
  EXPECT_EQ(time.time->reference, 0);
  EXPECT_EQ(time.time->warmup, 2);
  EXPECT_EQ(time.time->samples, 3);
  EXPECT_FALSE(parse_request(time_request(6, {.network = 1, .reference = {}})).time->reference);
  const NetworkTimes times =
      parse_times(times_reply(6, {.network_us = {10, 11, 12}, .reference_us = {1, 2, 3, 4.0005}}), 6, wanted);
  EXPECT_THAT(times.network_us, ElementsAre(10, 11, 12));
  EXPECT_THAT(times.reference_us, ElementsAre(1, 2, 3, ::testing::DoubleNear(4.0005, 1e-3)));
}

TEST(ProtocolTest, TimesOfNetworksAreNotTrusted) {
  const TimeRequest wanted{.network = 1, .reference = 0, .warmup = 0, .samples = 2};
  const auto reply = [](const NetworkTimes& times) { return times_reply(6, times); };
  LATGRAD_EXPECT_ERROR(parse_times(reply({.network_us = {1}, .reference_us = {1, 1, 1}}), 6, wanted),
                       RunnerError, HasSubstr("network_us must hold 2 samples"));
  LATGRAD_EXPECT_ERROR(parse_times(reply({.network_us = {1, 1}, .reference_us = {1, 1}}), 6, wanted),
                       RunnerError, HasSubstr("reference_us must hold 3 samples"));
  LATGRAD_EXPECT_ERROR(parse_times(reply({.network_us = {1, -1}, .reference_us = {1, 1, 1}}), 6, wanted),
                       RunnerError, HasSubstr("not negative"));
  LATGRAD_EXPECT_ERROR(parse_times(loaded_reply(6, {}), 6, wanted), RunnerError, HasSubstr("be \"time\""));
  LATGRAD_EXPECT_ERROR(parse_loaded(error_reply(6, "no memory"), 6), RunnerError, HasSubstr("no memory"));
  LATGRAD_EXPECT_ERROR(parse_request(R"({"id": 1, "request": "load", "place": 0, "model": "?!"})"),
                       ParseError, HasSubstr("model must be base64"));
  LATGRAD_EXPECT_ERROR(parse_request(R"({"id": 1, "request": "load", "place": 5000, "model": ""})"),
                       ParseError, HasSubstr("place"));
  LATGRAD_EXPECT_ERROR(
      parse_request(R"({"id": 1, "request": "time", "network": 0, "warmup": 0, "samples": 0})"), ParseError,
      HasSubstr("samples"));
}

TEST(ProtocolTest, ARunnerSaysWhatItMeasures) {
  RunnerInfo info;
  info.protocol = 3;
  RunnerInfo read = parse_opened(opened_reply(0, info), 0);
  EXPECT_TRUE(read.measures_operators);
  EXPECT_FALSE(read.measures_networks);
  info.measures_operators = false;
  info.measures_networks = true;
  read = parse_opened(opened_reply(0, info), 0);
  EXPECT_FALSE(read.measures_operators);
  EXPECT_TRUE(read.measures_networks);
  info.measures_networks = false;
  LATGRAD_EXPECT_ERROR(parse_opened(opened_reply(0, info), 0), RunnerError,
                       HasSubstr("measures must name \"operators\" or \"networks\""));
  EXPECT_EQ(parse_request(open_request(0, {.provider = "GPU"})).open->provider, "GPU");
}

// A runner of operators is asked for networks by mistake only.
TEST(ProtocolTest, ARunnerOfOperatorsRefusesNetworks) {
  MadeUpRunner runner;
  LATGRAD_EXPECT_ERROR(runner.load({}), RunnerError, HasSubstr("times operators, not whole networks"));
  LATGRAD_EXPECT_ERROR(runner.time({}), RunnerError, HasSubstr("times operators, not whole networks"));
}

TEST(ProtocolTest, TheRunnerIsReadAsWritten) {
  RunnerInfo info{.program = "latgrad-runner 1",
                  .engine = "x86",
                  .int8 = "X86",
                  .fp32 = "default",
                  .framework = "torch 2.13.0",
                  .threads = 2,
                  .cores = {0, 1},
                  .machine = {.cpu_model = "A \"CPU\"",
                              .cpu_family = "6",
                              .cpu_model_number = "7",
                              .architecture = "x86_64",
                              .system = "Linux 6",
                              .logical_cores = 8,
                              .caches = "L2 512K",
                              .governor = "performance",
                              .frequency = "2400 MHz"}};
  RunnerInfo read = parse_opened(opened_reply(3, info), 3);
  EXPECT_EQ(opened_reply(3, read), opened_reply(3, info));
  EXPECT_EQ(read.machine.cpu_model, "A \"CPU\"");
  EXPECT_THAT(read.cores, ElementsAre(0, 1));
}

TEST(ProtocolTest, ARunnerNeedNotSayWhatItDoesNotKnow) {
  RunnerInfo info = parse_opened(
      R"({"id": 0, "reply": "open", "protocol": 1, "program": "p", "engine": "e", "threads": 1, "cores": [], "machine": {}})",
      0);
  EXPECT_EQ(info.machine.cpu_model, "");
  EXPECT_EQ(info.int8, "");
}

TEST(ProtocolTest, TimingsAreReadAsWrittenToTheNanosecond) {
  Chain chain = small_chain();
  chain.resize(2);
  Timings timings{.operators_us = {{1.25, 2.0004}, {}}, .total_us = {}, .unsupported = {"", "no kernel"}};
  Timings read = parse_timings(timings_reply(4, timings), 4, {.chain = chain, .samples = 2});
  EXPECT_THAT(read.operators_us[0], ElementsAre(1.25, 2));
  EXPECT_THAT(read.operators_us[1], ::testing::IsEmpty());
  EXPECT_EQ(read.unsupported[1], "no kernel");

  Timings whole{.operators_us = {{3, 4}, {4, 4}}, .total_us = {7, 8}, .unsupported = {"", ""}};
  MeasureRequest request{.chain = chain, .samples = 2, .timing = Timing::kWhole};
  EXPECT_THAT(parse_timings(timings_reply(5, whole), 5, request).total_us, ElementsAre(7, 8));
}

TEST(ProtocolTest, AReplyMustAnswerTheRequest) {
  Chain chain = small_chain();
  chain.resize(2);
  MeasureRequest request{.chain = chain, .samples = 1};
  auto expect = [&](const std::string& reply, const std::string& message) {
    LATGRAD_EXPECT_ERROR(parse_timings(reply, 9, request), RunnerError, HasSubstr(message));
  };
  auto with = [](const std::string& members) { return R"({"id": 9, "reply": "measure", )" + members + "}"; };
  const std::string good = R"("operators_us": [[1], [2]], "total_us": [])";
  expect("", "the runner does not follow the protocol: a line must hold JSON: ");
  expect("Welcome to pi!", "in the line `Welcome to pi!`");
  expect("[1]", "a line must be an object, got [1], in the line `[1]`");
  expect("{}", "a line must have the member reply");
  expect(R"({"reply": "error", "message": "out of paper"})", "the runner says: out of paper");
  expect(R"({"id": 8, "reply": "measure"})", "id must be 9, the id of the request, got 8");
  expect(R"({"id": 9, "reply": "open"})", "reply must be \"measure\", got \"open\"");
  expect(with(good), "a line must have the member unsupported");
  expect(with(good + R"(, "unsupported": [])"), "unsupported must be an object, got []");
  expect(with(good + R"(, "unsupported": {"2": "no"})"), "unsupported must name operators below 2, got {");
  expect(with(good + R"(, "unsupported": {"x": "no"})"), "unsupported must name operators below 2, got {");
  expect(with(good + R"(, "unsupported": {"0": ""})"), "unsupported must give a reason for each operator");
  expect(with(good + R"(, "unsupported": {"0": "no"})"),
         "operators_us must hold 0 samples of operator 0, got [1]");
  expect(with(R"("unsupported": {}, "operators_us": [[1]])"),
         "operators_us must hold the times of 2 operators, got [[1]]");
  expect(with(R"("unsupported": {}, "operators_us": [[1], [1, 2]])"),
         "operators_us must hold 1 samples of operator 1, got [1, 2]");
  for (const char* time : {"-1", "\"1\"", "null", "1e999"}) {
    expect(with(R"("unsupported": {}, "operators_us": [[1], [)" + std::string(time) + "]]"), "");
  }
  expect(with(R"("unsupported": {}, "operators_us": [[1], [-1]])"),
         "operators_us must hold times that are not negative, got -1");
  request.timing = Timing::kWhole;
  expect(with(R"("unsupported": {}, "total_us": [])"), "total_us must hold 1 samples, got []");
}

TEST(ProtocolTest, AnotherVersionIsRefusedOnBothSides) {
  LATGRAD_EXPECT_ERROR(
      parse_opened(R"({"id": 0, "reply": "open", "protocol": 4})", 0), RunnerError,
      ::testing::StrEq(
          "the runner speaks version 4 of the protocol, but this latgrad speaks versions 1 to 3; install the "
          "same latgrad on both machines"));
  LATGRAD_EXPECT_ERROR(
      parse_request(R"({"id": 0, "request": "open", "protocol": 4})"), ValueError,
      ::testing::StrEq(
          "this runner speaks versions 1 to 3 of the protocol, but the request has version 4; install the "
          "same latgrad on both machines"));
}

TEST(ProtocolTest, ARequestIsNotTrusted) {
  auto expect = [](const std::string& line, const std::string& message) {
    LATGRAD_EXPECT_ERROR(parse_request(line), ParseError, HasSubstr(message));
  };
  auto measure = [](const std::string& op) {
    return R"({"id": 1, "request": "measure", "timing": "whole", "warmup": 0, "samples": 1, "operators": [)" +
           op + "]}";
  };
  expect("nonsense", "a line must hold JSON: ");
  expect(R"({"request": "open"})", "a line must have the member id");
  expect(R"({"id": 1, "request": "close"})",
         "request must be \"open\", \"measure\", \"load\" or \"time\", got \"close\"");
  expect(R"({"id": 1, "request": "open", "protocol": 1, "engine": 3})", "engine must be text, got 3");
  expect(R"({"id": 1, "request": "open", "protocol": 1, "engine": "e", "threads": 0})",
         "threads must be an integer from 1 to 65536, got 0");
  expect(R"({"id": 1, "request": "open", "protocol": 1, "engine": "e", "threads": 1, "pin": 1})",
         "pin must be true or false, got 1");
  expect(
      R"({"id": 1, "request": "open", "protocol": 1, "engine": "e", "threads": 1, "pin": true, "cores": 1})",
      "cores must be a list, got 1");
  expect(R"({"id": 1, "request": "measure", "warmup": 0, "samples": 0})",
         "samples must be an integer from 1 to");
  expect(R"({"id": 1, "request": "measure", "warmup": 0, "samples": 1, "timing": "half"})",
         "timing must be \"operators\" or \"whole\", got \"half\"");
  expect(measure("1"), "operators must be an object, got 1");
  expect(measure(R"({"op_type": "Relu", "op_args": [1]})"), "op_args must be text, got 1");
  expect(measure(R"({"op_type": "Relu", "op_args": ["name: "]})"), "");
  expect(measure(R"({"op_type": "Relu", "op_args": [], "input_shapes": [[-1]]})"),
         "input_shapes must be an integer");
  expect(
      measure(
          R"({"op_type": "Relu", "op_args": [], "input_shapes": [[1]], "input_dtypes": [1], "sources": [0]})"),
      "sources must be an integer from -1 to -1");
  expect(
      measure(
          R"({"op_type": "Relu", "op_args": [], "input_shapes": [[1]], "input_dtypes": [1], "sources": []})"),
      "sources must have an entry for each input, got []");
}

TEST(ServeTest, ServesWholeNetworks) {
  const std::string onnx = net::onnx_bytes(small_net());
  const TimeRequest wanted{.network = 1, .reference = 0, .warmup = 1, .samples = 2};
  std::istringstream in(open_request(0, {}) + "\n" + load_request(1, {.place = 0, .onnx = onnx}) + "\n" +
                        load_request(2, {.place = 1, .onnx = onnx, .nodes = true}) + "\n" +
                        time_request(3, wanted) + "\n" + load_request(4, {.place = 1, .onnx = "no model"}) +
                        "\n");
  std::ostringstream out;
  MadeUpEngine engine;
  serve(in, out, engine);
  std::istringstream replies(out.str());
  std::string line;
  std::getline(replies, line);
  EXPECT_TRUE(parse_opened(line, 0).measures_networks);
  std::getline(replies, line);
  EXPECT_EQ(parse_loaded(line, 1).unsupported, "");
  std::getline(replies, line);
  EXPECT_GE(parse_loaded(line, 2).nodes_us.size(), 5U);
  std::getline(replies, line);
  const NetworkTimes times = parse_times(line, 3, wanted);
  EXPECT_THAT(times.network_us, ElementsAre(::testing::DoubleNear(engine.time_us(1), 1e-3),
                                            ::testing::DoubleNear(engine.time_us(1), 1e-3)));
  EXPECT_EQ(times.reference_us.size(), 3U);
  std::getline(replies, line);
  LATGRAD_EXPECT_ERROR(parse_loaded(line, 4), RunnerError, HasSubstr("the runner says: "));
}

TEST(ServeTest, AnswersEveryRequestAndGoesOnAfterAWrongOne) {
  Chain chain = small_chain();
  std::istringstream in("nonsense\n" + measure_request(1, {.chain = chain}) + "\n" + open_request(2, {}) +
                        "\n\n" + measure_request(3, {.chain = chain, .samples = 2}) + "\n" +
                        R"({"id": 4, "request": "measure"})" + "\n");
  std::ostringstream out;
  MadeUpRunner runner;
  serve(in, out, runner);
  std::istringstream replies(out.str());
  std::string line;
  std::getline(replies, line);
  EXPECT_THAT(line, StartsWith(R"({"id": 0, "reply": "error", "message": "a line must hold JSON: )"));
  std::getline(replies, line);
  EXPECT_EQ(line, R"({"id": 1, "reply": "error", "message": "the first request must be \"open\""})");
  std::getline(replies, line);
  EXPECT_EQ(parse_opened(line, 2).program, "made up");
  std::getline(replies, line);
  EXPECT_THAT(parse_timings(line, 3, {.chain = chain, .samples = 2}).operators_us[2], ElementsAre(200, 200));
  std::getline(replies, line);
  EXPECT_THAT(line, StartsWith(R"({"id": 4, "reply": "error")"));
  EXPECT_FALSE(std::getline(replies, line));
}

}  // namespace
}  // namespace latgrad::runner
