// The report of a search: the contents of its folder as one HTML page.
//
//   base::replace_file("report.html", report_page(read_run("runs/pixel")));
//
// The page says what the folder lacks and what is too large to show, and shows the rest. Every text of the
// run is escaped. Linear in the run, with limits on parts that take much more space on the page than in the
// run: maps, the table, the drawing, samples.

#pragma once

#include <string>

#include "report/run_folder.h"

namespace latgrad::cli::report {

std::string report_page(const Run& run);

}  // namespace latgrad::cli::report
