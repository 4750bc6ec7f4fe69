// The subcommands of latgrad. Each has its own file, `<name>_command.cpp`, which declares its options and
// runs it:
//
//   std::vector<Command> commands = {add_net_command(app), ...};
//   app.parse(argc, argv);
//   for (Command& command : commands) if (command.app->parsed()) return command.run();
//
// A command throws errors before it writes anything, and main prints them.

#pragma once

#include <CLI/App.hpp>
#include <functional>

namespace latgrad::cli {

// The same for every subcommand; --help prints them.
enum ExitCode : int {
  kComplete = 0,
  kError = 1,
  kUsage = 2,
  kSomethingMissing = 3,
};

struct Command {
  CLI::App* app;             // owned by the app it was added to
  std::function<int()> run;  // returns an ExitCode
};

Command add_net_command(CLI::App& parent);
Command add_op_command(CLI::App& parent);
Command add_space_command(CLI::App& parent);
Command add_arch_command(CLI::App& parent);
Command add_lut_info_command(CLI::App& parent);
Command add_profile_command(CLI::App& parent);
Command add_validate_command(CLI::App& parent);
Command add_calibrate_command(CLI::App& parent);
Command add_search_command(CLI::App& parent);
Command add_report_command(CLI::App& parent);

}  // namespace latgrad::cli
