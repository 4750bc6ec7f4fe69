// The report of a search: what its folder holds, as one HTML page.
//
//   base::replace_file("report.html", report_page(read_run("runs/pixel")));
//
// Of what the folder lacks, the page says so and goes on, and so of what is too large to be shown. Every text
// of the run is escaped. Linear in the run, with a limit on what takes much more of the page than of the run:
// maps, the table, the drawing, samples.

#pragma once

#include <string>

#include "report/run_folder.h"

namespace latgrad::cli::report {

std::string report_page(const Run& run);

}  // namespace latgrad::cli::report
