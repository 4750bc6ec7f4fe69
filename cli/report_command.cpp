#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "command.h"
#include "latgrad/base/replace_file.h"
#include "output.h"
#include "quantities.h"
#include "report/report_page.h"
#include "report/run_folder.h"

namespace latgrad::cli {

namespace {

constexpr const char* kDescription =
    "Show what a supernet search did: one HTML page with its curves, theta, latencies and architecture";

constexpr const char* kFooter =
    "The page needs no other file and no connection: it can be mailed, printed or opened on a phone.\n"
    "The page of a search that has not ended says what is still missing.\n\n"
    "Examples:\n"
    "  latgrad report runs/pixel                              writes runs/pixel/report.html\n"
    "  latgrad report runs/pixel --output pixel.html\n\n"
    "Exit codes: 0 written, 1 error (not the folder of a run, or a malformed file), 2 wrong usage.";

struct ReportOptions {
  std::filesystem::path run;
  std::filesystem::path output;
};

int run(const ReportOptions& options) {
  const report::Run search = report::read_run(options.run);
  const std::string page = report::report_page(search);
  const std::filesystem::path path = options.output.empty() ? options.run / "report.html" : options.output;
  base::replace_file(path, page);
  write_text(fmt::format("{}: {:.0f} kB, {}{}\n", path.string(), static_cast<double>(page.size()) / 1000,
                         format_count(search.epochs.size(), "epoch"),
                         search.result ? "" : ", the search has not ended"));
  return kComplete;
}

}  // namespace

Command add_report_command(CLI::App& parent) {
  CLI::App* app = parent.add_subcommand("report", kDescription);
  app->footer(kFooter);
  auto options = std::make_shared<ReportOptions>();
  app->add_option("RUN", options->run, "The folder that a search has written (docs/run-format.md)")
      ->required();
  app->add_option("--output,-o", options->output, "The page to write [report.html in RUN]")
      ->type_name("FILE");
  return {app, [options] { return run(*options); }};
}

}  // namespace latgrad::cli
