// latgrad_make_table SPACE PRECISION OUT: writes made_up_records for the tests in Python.

#include <cstdio>
#include <exception>

#include "latgrad/lut/record_json.h"
#include "plugin/made_up_table.h"

int main(int argc, char** argv) try {
  if (argc != 4) {
    std::fputs("usage: latgrad_make_table SPACE PRECISION OUT\n", stderr);
    return 2;
  }
  const auto space = latgrad::search::Space::load(argv[1]);
  const auto precision = latgrad::search::parse_precision(argv[2]);
  latgrad::lut::write_records(latgrad::testing::made_up_records(space, precision), argv[3]);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
