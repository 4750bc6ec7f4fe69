#include "measuring_options.h"

#include <fmt/format.h>

#include <string>

#include "latgrad/base/duration.h"
#include "latgrad/base/percentage.h"
#include "option_check.h"

namespace latgrad::cli {

void add_measuring_options(CLI::App& app, const char* what, double& target, double& budget_s) {
  app.add_option_function<std::string>(
         "--target", [&target](const std::string& text) { target = base::parse_percentage(text); },
         fmt::format("Precision to which {} is measured: half its 95 % confidence interval [{:g}%]", what,
                     100 * target))
      ->type_name("PERCENT")
      ->check(valid_by(base::parse_percentage));
  app.add_option_function<std::string>(
         "--budget", [&budget_s](const std::string& text) { budget_s = base::parse_duration_s(text); },
         fmt::format(
             "When to stop even if the target is not reached, such as 90s or 5m; the first round is always "
             "finished [{}]",
             base::format_duration(budget_s)))
      ->type_name("TIME")
      ->check(valid_by(base::parse_duration_s));
}

}  // namespace latgrad::cli
