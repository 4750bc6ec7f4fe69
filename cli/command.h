// The subcommands of latgrad. Each lies in a file of its own, `<name>_command.cpp`, which declares its
// options and runs them:
//
//   std::vector<Command> commands = {add_net_command(app), ...};
//   app.parse(argc, argv);
//   for (Command& command : commands) if (command.app->parsed()) return command.run();
//
// A command throws what stops it before it has written anything, and main prints it.

#pragma once

#include <CLI/App.hpp>
#include <functional>

namespace latgrad::cli {

// What the program tells its caller; the same for every subcommand and printed by --help.
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
Command add_report_command(CLI::App& parent);

}  // namespace latgrad::cli
