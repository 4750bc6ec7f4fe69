#include "options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <filesystem>
#include <sstream>

#include "duration.h"
#include "latgrad/lut/error.h"
#include "machine.h"

namespace latgrad::profile {
namespace {

constexpr const char* kDescription =
    "Measures operators on this machine and writes a latency look-up table (LUT).\n\n"
    "It lists the distinct operators that spaces and networks need, runs each with LibTorch's kernels (int8 "
    "through\n"
    "QNNPACK, fp32 through the default ones) and writes their times in the public LUT format, and beside the "
    "table\n"
    "<output stem>.provenance.json. An interrupted run is resumed by the same command.";

constexpr const char* kFooter =
    "Examples:\n"
    "  latgrad profile --space fbnet\n"
    "  latgrad profile --net models/FBNet-C/int8 --lut mine.json --output mine.json   # adds what mine.json "
    "lacks\n"
    "  latgrad profile --space fbnet --precision both --dry-run\n\n"
    "Exit codes: 0 complete, 1 error, 2 wrong usage, 3 some operators could not be measured (they are "
    "listed).";

// A name that can stand in a file name and a JSON record.
void check_device(const std::string& name) {
  bool valid =
      !name.empty() && name.front() != '.' && std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return c < 128 && (std::isalnum(c) || c == '-' || c == '_' || c == '.');
      });
  if (!valid) {
    throw ValueError(
        fmt::format("device must consist of letters, digits, '-', '_' and '.', got \"{}\"", name));
  }
}

// What could only fail after the measurement, or would write plain text under a name that says otherwise.
void check_output(std::string_view text) {
  const std::filesystem::path path(text);
  if (std::filesystem::is_directory(path)) {
    throw ValueError(fmt::format("the output must be a file, got the folder \"{}\"", text));
  }
  if (path.extension() == ".zip" || path.extension() == ".gz") {
    throw ValueError(fmt::format("the output is written as plain JSON lines, got the name \"{}\"", text));
  }
}

// Without its name in the help, where it would stand behind the name of the value.
CLI::Validator unnamed(const CLI::Validator& validator) { return validator.description(""); }

template <typename Parse>
CLI::Validator check_by(Parse parse) {
  return CLI::Validator(
      [parse](std::string& text) -> std::string {
        try {
          parse(text);
          return "";
        } catch (const Error& error) {
          return error.what();
        }
      },
      "");
}

// Options that are read as text first.
struct OptionTexts {
  std::vector<std::string> inputs;
  std::string precision = "int8";
  std::string budget;
};

void declare_options(CLI::App& app, Options& options, OptionTexts& texts) {
  app.add_option("--space", options.spaces,
                 "Search space whose operators to measure: a file, or the name of one that comes with "
                 "latgrad (repeatable)")
      ->type_name("SPACE")
      ->allow_extra_args(false);
  app.add_option("--net", options.nets,
                 "Network to measure: a folder with model.pb or model.pbtxt, or a file (repeatable)")
      ->type_name("MODEL")
      ->allow_extra_args(false);
  app.add_option("--input", texts.inputs, "Shape of a network's input, data=1,3,224,224 (repeatable)")
      ->type_name("NAME=DIMS")
      ->check(check_by(parse_input))
      ->allow_extra_args(false);
  app.add_option("--precision", texts.precision, "Of spaces: int8, fp32 or both")
      ->type_name("NAME")
      ->capture_default_str()
      ->check(unnamed(CLI::IsMember({"int8", "fp32", "both"})));
  app.add_option("--lut", options.lut,
                 "Table to extend: what it holds for the device is not measured again, and its "
                 "records stand first in the output")
      ->type_name("FILE");
  app.add_option("--output,-o", options.output, "Table to write [<device>-op_lut_database.json]")
      ->type_name("FILE")
      ->check(check_by(check_output));
  app.add_option("--device", options.device, "Name of the device in the table [from the CPU's name]")
      ->type_name("NAME")
      ->check(check_by(check_device));
  app.add_option("--threads", options.threads, "Threads that the kernels may use")
      ->type_name("N")
      ->capture_default_str()
      ->check(unnamed(CLI::Range(1, 1024)));
  app.add_option("--warmup", options.measure.warmup, "Calls before the first sample of each visit")
      ->type_name("N")
      ->capture_default_str()
      ->check(unnamed(CLI::Range(0, 1'000'000)));
  app.add_option("--repetitions", options.measure.repetitions, "Samples of each operator")
      ->type_name("N")
      ->capture_default_str()
      ->check(unnamed(CLI::Range(1, 1'000'000)));
  app.add_option("--budget", texts.budget,
                 "Time after which no further round begins, like 90s or 3m; the first round is "
                 "always finished")
      ->type_name("TIME")
      ->check(check_by(parse_duration_s));
  app.add_option("--seed", options.measure.seed, "Of the random order of the operators")
      ->capture_default_str();
  app.add_flag("--dry-run", options.dry_run, "List the operators and estimate the time, measure nothing");
  app.add_flag("--json", options.json, "Print the summary (or the list of --dry-run) as JSON");
  app.add_flag("--quiet,-q", options.quiet, "No progress");
}

}  // namespace

std::pair<std::string, lut::Shape> parse_input(std::string_view text) {
  auto refuse = [&] {
    return ValueError(
        fmt::format("an input must be NAME=DIM,DIM,... with positive dimensions, got \"{}\"", text));
  };
  size_t equals = text.find('=');
  if (equals == 0 || equals == text.npos) throw refuse();
  std::pair<std::string, lut::Shape> input{std::string(text.substr(0, equals)), {}};
  for (std::string_view rest = text.substr(equals + 1);;) {
    int64_t dimension = 0;
    auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), dimension);
    if (error != std::errc() || dimension < 1) throw refuse();
    input.second.push_back(dimension);
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    if (rest.empty()) break;
    if (rest.front() != ',') throw refuse();
    rest.remove_prefix(1);
  }
  lut::num_elements(input.second);
  return input;
}

Invocation parse_command_line(int argc, const char* const* argv, const std::string& torch_version) {
  Options options;
  OptionTexts texts;
  CLI::App app(kDescription, "latgrad profile");
  app.footer(kFooter);
  app.set_version_flag("--version", "latgrad profile " LATGRAD_VERSION ", torch " + torch_version);
  declare_options(app, options, texts);
  try {
    app.parse(argc, argv);
    if (options.spaces.empty() && options.nets.empty()) throw CLI::RequiredError("--space or --net");
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    bool asked_for = app.exit(error, out, out) == 0;
    return {std::nullopt, asked_for ? 0 : 2, out.str()};
  }

  for (const std::string& input : texts.inputs) {
    auto [name, shape] = parse_input(input);
    options.inputs.insert_or_assign(name, shape);
  }
  if (texts.precision != "fp32") options.precisions.push_back(search::Precision::kInt8);
  if (texts.precision != "int8") options.precisions.push_back(search::Precision::kFp32);
  if (!texts.budget.empty()) options.measure.budget_s = parse_duration_s(texts.budget);
  if (options.device.empty()) options.device = default_device(this_machine());
  if (options.output.empty()) options.output = options.device + "-op_lut_database.json";
  return {std::move(options), 0, ""};
}

}  // namespace latgrad::profile
