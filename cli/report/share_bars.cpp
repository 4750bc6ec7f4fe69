#include "report/share_bars.h"

#include <fmt/format.h>

#include <algorithm>

#include "latgrad/base/xml_text.h"
#include "quantities.h"
#include "report/text.h"

namespace latgrad::cli::report {

using base::xml_text;

std::string share_bars(const char* heading, const std::vector<Share>& shares, double whole_us) {
  if (shares.empty()) return "";
  double longest_us = 0;
  for (const Share& share : shares) longest_us = std::max(longest_us, share.us.value_or(0));
  std::string html = fmt::format(
      "<table class=\"bars\">\n<thead><tr><th scope=\"col\" colspan=\"2\">{}</th><th "
      "scope=\"col\">ms</th><th "
      "scope=\"col\">share</th></tr></thead>\n<tbody>\n",
      heading);
  for (const Share& share : shares) {
    const double us = share.us.value_or(0);
    html += fmt::format(
        "<tr><th scope=\"row\">{}</th><td><div "
        "style=\"width:{:.1f}%\"></div></td><td>{}</td><td>{}</td></tr>\n",
        xml_text(share.name), longest_us > 0 ? 100 * us / longest_us : 0,
        share.us ? fmt::format("{:.3f}", us / 1000) : "\u2013",
        share.us ? share_text(us, whole_us) : "\u2013");
  }
  return html + "</tbody></table>\n";
}

}  // namespace latgrad::cli::report
