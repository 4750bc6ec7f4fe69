// latgrad_make_table SPACE PRECISION OUT: writes made_up_records for the tests in Python.
// latgrad_make_table --nets OUT FILE...: the same of the operators of networks.

#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "latgrad/lut/record_json.h"
#include "plugin/made_up_table.h"

int main(int argc, char** argv) try {
  using latgrad::testing::made_up_records;
  if (argc > 3 && std::string_view(argv[1]) == "--nets") {
    latgrad::lut::write_records(made_up_records(std::vector<std::string>(argv + 3, argv + argc)), argv[2]);
    return 0;
  }
  if (argc != 4) {
    std::fputs("usage: latgrad_make_table SPACE PRECISION OUT, or --nets OUT FILE...\n", stderr);
    return 2;
  }
  const auto space = latgrad::search::Space::load(argv[1]);
  const auto precision = latgrad::search::parse_precision(argv[2]);
  latgrad::lut::write_records(made_up_records(space, precision), argv[3]);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
