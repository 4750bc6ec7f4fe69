#include <fmt/format.h>

#include <iostream>
#include <memory>
#include <optional>

#include "command.h"
#include "latgrad/base/error.h"
#include "latgrad/base/json.h"
#include "latgrad/lut/describe.h"
#include "latgrad/net/input_shape.h"
#include "latgrad/net/netdef.h"
#include "operator_query.h"
#include "option_check.h"
#include "output.h"
#include "pricing_options.h"
#include "quantities.h"

namespace latgrad::cli {

using base::json_line;
using base::json_text;

namespace {

constexpr const char* kDescription = "Price one operator, or many: queries as JSON lines on standard input";

constexpr const char* kFooter =
    "Examples:\n"
    "  latgrad op --lut lut.json --type Int8ConvRelu --shape 1,56,56,24 --shape 24,1,1,24 --shape 24 \\\n"
    "      --dtype uint8 --dtype uint8 --dtype int32 --arg kernel=1 --arg order=NHWC\n"
    "  latgrad op --lut lut.json --stdin < queries.jsonl\n\n"
    "A query on standard input is one object per line, with the keys of a LUT record:\n"
    "  {\"op_type\": \"Sum\", \"op_args\": [], \"input_shapes\": [[1,8,4,4],[1,8,4,4]], \"input_dtypes\": "
    "[1,1]}\n"
    "and optionally its own \"device\". The answers come in the same order, one per line.\n\n"
    "Exit codes: 0 all have a time, 3 some have none, 1 error (with --stdin: also when a line was "
    "malformed;\n"
    "the other lines are still answered), 2 wrong usage.";

struct OpOptions {
  PricingOptions pricing;
  bool from_stdin = false;
  bool json = false;
  std::string type;
  std::vector<std::string> args;
  std::vector<std::string> arg_texts;
  std::vector<std::string> shapes;
  std::vector<std::string> dtypes;
};

lut::OperatorKey key_of(const OpOptions& options) {
  lut::OperatorKey key{.op_type = options.type};
  for (const std::string& arg : options.args) key.args.push_back(parse_argument(arg));
  for (const std::string& text : options.arg_texts) key.args.push_back(net::parse_argument_text(text));
  for (const std::string& shape : options.shapes) key.input_shapes.push_back(net::parse_shape(shape));
  for (const std::string& dtype : options.dtypes) key.input_dtypes.push_back(net::parse_dtype(dtype));
  if (options.dtypes.empty() && !options.type.starts_with("Int8")) {
    key.input_dtypes.assign(key.input_shapes.size(), net::DataType::kFloat);
  }
  if (key.input_dtypes.size() != key.input_shapes.size()) {
    throw CLI::ValidationError(
        "--dtype",
        fmt::format("must be given once for each --shape ({}), got {}; an Int8Conv has uint8, uint8, int32",
                    key.input_shapes.size(), key.input_dtypes.size()));
  }
  return key;
}

std::vector<double> times_us(const lut::OpEstimate& estimate, const Pricing& pricing) {
  std::vector<double> times;
  for (const uint32_t record : estimate.records) {
    times.push_back(pricing.table.time_us(record, pricing.options.statistic));
  }
  return times;
}

void add_answer(base::Json& object, const lut::OperatorKey& key, const std::string& device,
                const lut::OpEstimate& estimate, const Pricing& pricing) {
  object["op_type"] = key.op_type;
  object["operator"] = lut::describe(key);
  object["device"] = device;
  object["mode"] = lut::to_string(pricing.options.mode);
  object["statistic"] = lut::to_string(pricing.options.statistic);
  object["status"] = lut::to_string(estimate.status);
  object["us"] = base::or_null(estimate.time_us);
  object["error_us"] = base::or_null(estimate.error_us);
  object["times_us"] = times_us(estimate, pricing);
  object["type_after_lookup"] = estimate.type_after_lookup;
}

std::string answer_text(const lut::OperatorKey& key, const lut::OpEstimate& estimate,
                        const Pricing& pricing) {
  std::string text = fmt::format("{}\n", lut::describe(key));
  if (!estimate.time_us) {
    return text + fmt::format("  missing: {} has no record of it for {}\n", pricing.lut.string(),
                              pricing.options.device);
  }
  text += fmt::format("  {} us on {}", format_us(*estimate.time_us), pricing.text());
  if (estimate.error_us) text += fmt::format(", estimated: +-{} us", format_us(*estimate.error_us));
  if (estimate.status == lut::Status::kSubstituted) {
    text += fmt::format(", from {}", estimate.type_after_lookup);
  }
  if (estimate.records.size() > 1) {
    text += fmt::format(", of {}", format_count(estimate.records.size(), "record"));
  }
  return text + "\n";
}

int run_one(const OpOptions& options) {
  const lut::OperatorKey key = key_of(options);
  const Pricing pricing = load_pricing(options.pricing);
  const lut::OpEstimate estimate = lut::estimate_operator(key, pricing.table, pricing.options);
  if (options.json) {
    base::Json answer;
    add_answer(answer, key, pricing.options.device, estimate, pricing);
    write_output(json_text(answer));
  } else {
    write_text(answer_text(key, estimate, pricing));
  }
  return estimate.time_us ? kComplete : kSomethingMissing;
}

// Queries may name their device, so a table of several devices needs none on the command line.
Pricing load_table_for_many(const PricingOptions& options) {
  if (!options.device.empty()) return load_pricing(options);
  const lut::EstimateOptions undecided{.mode = lut::parse_mode(options.mode),
                                       .statistic = lut::parse_statistic(options.statistic)};
  return {lut::Table::load(options.lut), undecided, options.lut};
}

// Answers one line. Errors: Error, which concerns this line only.
lut::Status answer_line(base::Json& answer, const std::string& line, const Pricing& pricing) {
  const OperatorQuery query = parse_query(line);
  lut::EstimateOptions options = pricing.options;
  options.device = pricing.table.resolve_device(query.device.empty() ? options.device : query.device);
  const lut::OpEstimate estimate = lut::estimate_operator(query.key, pricing.table, options);
  add_answer(answer, query.key, options.device, estimate, pricing);
  return estimate.status;
}

int run_many(const PricingOptions& options) {
  const Pricing pricing = load_table_for_many(options);
  std::ios::sync_with_stdio(false);  // reading in blocks is many times faster
  bool any_missing = false;
  bool any_malformed = false;
  std::string line;
  for (int64_t number = 1; std::getline(std::cin, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    base::Json answer = {{"line", number}};
    try {
      any_missing |= answer_line(answer, line, pricing) == lut::Status::kMissing;
    } catch (const Error& error) {
      any_malformed = true;
      answer["error"] = error.what();
    }
    write_output(json_line(answer) + '\n');
  }
  if (std::cin.bad()) throw IoError("standard input cannot be read");
  if (any_malformed) return kError;
  return any_missing ? kSomethingMissing : kComplete;
}

int run(const OpOptions& options) {
  if (options.from_stdin) return run_many(options.pricing);
  if (options.type.empty()) throw CLI::RequiredError("--type (or --stdin)");
  return run_one(options);
}

}  // namespace

Command add_op_command(CLI::App& parent) {
  CLI::App* app = parent.add_subcommand("op", kDescription);
  app->footer(kFooter);
  auto options = std::make_shared<OpOptions>();
  add_pricing_options(*app, options->pricing)->required();
  CLI::Option* from_stdin = app->add_flag("--stdin", options->from_stdin,
                                          "Answer queries from standard input, one JSON object per line");
  app->add_flag("--json", options->json, "Print JSON (always the case with --stdin)");
  app->add_option("--type", options->type, "Caffe2 operator type: Conv, Int8ConvRelu, ...")
      ->type_name("TYPE")
      ->excludes(from_stdin);
  app->add_option("--shape", options->shapes,
                  "Shape of an input: activation, weight, bias in this order (repeatable)")
      ->type_name("DIMS")
      ->allow_extra_args(false)
      ->check(valid_by(net::parse_shape))
      ->excludes(from_stdin);
  app->add_option("--dtype", options->dtypes,
                  "Type of each input: uint8 or 6, ... (repeatable) [float32, except for Int8 operators]")
      ->type_name("TYPE")
      ->allow_extra_args(false)
      ->check(valid_by(net::parse_dtype))
      ->excludes(from_stdin);
  app->add_option("--arg", options->args,
                  "An argument: kernel=3, order=NHWC, pads=1,1,1,1 (repeatable); double quotes make a number "
                  "text")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false)
      ->check(valid_by(parse_argument))
      ->excludes(from_stdin);
  app->add_option("--arg-text", options->arg_texts,
                  "An argument as protobuf text: 'name: \"kernel\" i: 3' (repeatable)")
      ->type_name("TEXT")
      ->allow_extra_args(false)
      ->check(valid_by(net::parse_argument_text))
      ->excludes(from_stdin);
  return {app, [options] { return run(*options); }};
}

}  // namespace latgrad::cli
