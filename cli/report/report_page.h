// The report of a search: what its folder holds, as one HTML page.
//
//   lut::replace_file("report.html", report_page(read_run("runs/pixel")));
//
// Of what the folder lacks, the page says so and goes on. Every text of the run is escaped. Linear in the run
// but for the pictures, whose size has a limit for each layer.

#pragma once

#include <string>

#include "report/run_folder.h"

namespace latgrad::cli::report {

std::string report_page(const Run& run);

}  // namespace latgrad::cli::report
