// The frame of a report: one HTML page that needs no other file, font, script or connection.
//
//   std::string html = page("Search of fbnet", sections);
//
// Its style sheet defines the classes that the parts of the report use, for light and dark screens, phones
// and paper. The page is well-formed XML, too.

#pragma once

#include <string>

namespace latgrad::cli::report {

// `body` is HTML, `title` text.
std::string page(const std::string& title, const std::string& body);

}  // namespace latgrad::cli::report
