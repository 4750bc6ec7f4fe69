// The command latgrad. It does not depend on torch; a second program measures (runner_options.h).

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "command.h"
#include "latgrad/base/error.h"
#include "output.h"

namespace latgrad::cli {

namespace {

constexpr const char* kDescription =
    "latgrad: predicts the latency of a neural network on a device from measured operator times.\n\n"
    "A look-up table (LUT) holds the time of each operator on a device. The price of a network is the sum\n"
    "over its operators; a search space is priced candidate by candidate.";

constexpr const char* kFooter =
    "Examples:\n"
    "  latgrad net models/FBNet-C/int8 --lut lut.json        price a network\n"
    "  latgrad op --lut lut.json --type Relu --shape 1,64,56,56\n"
    "                                                        price one operator\n"
    "  latgrad space fbnet --lut lut.json                    price every candidate block of a search space\n"
    "  latgrad arch fbnet FBNet-A --lut lut.json             price one architecture of it\n"
    "  latgrad search fbnet --lut lut.json --budget 20ms     the best architecture within 20 ms, proven\n"
    "  latgrad lut info lut.json                             what a table holds\n"
    "  latgrad profile --space fbnet.textproto               measure a table on this machine\n"
    "  latgrad calibrate --space fbnet --measurements m.csv  infer a table from a few measured networks\n"
    "  latgrad validate --lut lut.json --space fbnet         compare its sums with whole networks\n"
    "  latgrad report runs/pixel                             what a supernet search did, as one page\n\n"
    "See latgrad COMMAND --help for more. Exit codes of every command:\n"
    "  0 complete   3 something has no record in the table   2 wrong usage   1 error";

constexpr size_t kOptionColumn = 28;

// `latgrad help net` is `latgrad net --help`.
std::vector<char*> with_help_as_option(int argc, char** argv) {
  static char help[] = "--help";
  std::vector<char*> arguments(argv, argv + argc);
  if (argc > 1 && std::strcmp(argv[1], "help") == 0) {
    arguments.erase(arguments.begin() + 1);
    arguments.push_back(help);
  }
  return arguments;
}

// The innermost subcommand on the command line, whose help is shown.
const CLI::App& innermost(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : innermost(*chosen.front());
}

std::string command_name(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name()
                                     : command_name(*app.get_parent()) + ' ' + app.get_name();
}

int usage_error(const CLI::App& app, const std::string& message) {
  write_error(fmt::format("latgrad: error: {}\nSee: {} --help\n", message, command_name(innermost(app))));
  return kUsage;
}

int parse_and_run(std::vector<char*> arguments) {
  CLI::App app(kDescription, "latgrad");
  app.footer(kFooter);
  app.get_formatter()->column_width(kOptionColumn);
  app.set_version_flag("--version", "latgrad " LATGRAD_VERSION);
  app.get_help_ptr()->description("Print this help");
  app.get_option("--version")->description("Print the version");
  app.require_subcommand(1);
  const Command commands[] = {add_net_command(app),      add_op_command(app),        add_space_command(app),
                              add_arch_command(app),     add_lut_info_command(app),  add_profile_command(app),
                              add_validate_command(app), add_calibrate_command(app), add_search_command(app),
                              add_report_command(app)};
  try {
    app.parse(static_cast<int>(arguments.size()), arguments.data());
    for (const Command& command : commands) {
      if (command.app->parsed()) return command.run();
    }
  } catch (const CLI::CallForHelp&) {
    const CLI::App& asked = innermost(app);
    write_output(asked.help(asked.get_parent() == nullptr ? "" : command_name(*asked.get_parent())));
    return kComplete;
  } catch (const CLI::CallForVersion& version) {
    write_output(fmt::format("{}\n", version.what()));
    return kComplete;
  } catch (const CLI::ParseError& error) {
    if (app.get_subcommands().empty() && app.remaining_size() > 0) {
      return usage_error(app, fmt::format("there is no command or option \"{}\"", app.remaining().front()));
    }
    return usage_error(app, error.what());
  }
  return kComplete;
}

int run(int argc, char** argv) { return parse_and_run(with_help_as_option(argc, argv)); }

}  // namespace

}  // namespace latgrad::cli

int main(int argc, char** argv) {
  using namespace latgrad::cli;
  try {
    return run(argc, argv);
  } catch (const OutputClosed&) {
    return kError;
  } catch (const std::exception& error) {
    write_error(std::string("latgrad: error: ") + error.what() + '\n');
    return kError;
  }
}
