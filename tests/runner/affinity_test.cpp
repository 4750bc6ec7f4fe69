#include "latgrad/runner/affinity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "latgrad/base/error.h"

namespace latgrad::runner {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

std::string message_of(const std::function<void()>& function) {
  try {
    function();
  } catch (const ValueError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(ChooseCoresTest, AmongEqualsTakesTheLast) {
  EXPECT_THAT(choose_cores({.threads = 2, .allowed = {0, 1, 2, 5}, .cpu_folder = "/nonexistent"}),
              ElementsAre(2, 5));
}

TEST(ChooseCoresTest, PrefersTheFastest) {
  // Cores 0 and 1 are the big ones, of 4 GHz beside 2 GHz; the system does not tell about core 3.
  fs::path folder = fs::path(::testing::TempDir()) / ("latgrad-cores-" + std::to_string(::getpid()));
  for (int core = 0; core < 3; ++core) {
    fs::path cpufreq = folder / ("cpu" + std::to_string(core)) / "cpufreq";
    fs::create_directories(cpufreq);
    std::ofstream(cpufreq / "cpuinfo_max_freq") << (core < 2 ? 4'000'000 : 2'000'000) << "\n";
  }
  auto chosen = [&](int threads) {
    return choose_cores({.threads = threads, .allowed = {0, 1, 2, 3}, .cpu_folder = folder});
  };
  EXPECT_THAT(chosen(1), ElementsAre(1));
  EXPECT_THAT(chosen(2), ElementsAre(0, 1));
  EXPECT_THAT(chosen(3), ElementsAre(0, 1, 2));
  fs::remove_all(folder);
}

TEST(ChooseCoresTest, TakesThoseAskedFor) {
  EXPECT_THAT(choose_cores({.threads = 1, .asked = {3, 0}, .allowed = {0, 1, 2, 3}}), ElementsAre(0, 3));
}

TEST(ChooseCoresTest, RefusesWhatIsNotThere) {
  EXPECT_EQ(message_of([] {
              choose_cores({.threads = 1, .asked = {4}, .allowed = {0, 2}});
            }),
            "cores must be among those that this process may use (0,2), got 4");
  EXPECT_EQ(message_of([] {
              choose_cores({.threads = 2, .asked = {2, 2}, .allowed = {0, 2}});
            }),
            "each core must be named once, got 2 twice");
  EXPECT_EQ(message_of([] {
              choose_cores({.threads = 2, .asked = {2}, .allowed = {0, 2}});
            }),
            "there must be one core for each of the 2 threads, got 1");
  EXPECT_EQ(message_of([] {
              choose_cores({.threads = 3, .allowed = {0, 2}});
            }),
            "threads must be 1 to 2, the number of cores that this process may use, got 3");
  EXPECT_EQ(message_of([] {
              choose_cores({.threads = 0, .allowed = {0, 2}});
            }),
            "threads must be 1 to 2, the number of cores that this process may use, got 0");
}

TEST(PinToTest, KeepsTheThreadAndThoseThatItStartsOnTheCores) {
  std::vector<int> before = allowed_cores();
  if (before.empty()) GTEST_SKIP() << "needs a system that tells the cores of a process";
  std::thread([&] {  // a thread of its own: the other tests keep their cores
    pin_to({before.back()});
    EXPECT_THAT(allowed_cores(), ElementsAre(before.back()));
    std::thread([&] { EXPECT_THAT(allowed_cores(), ElementsAre(before.back())); }).join();
  })
      .join();
  EXPECT_EQ(allowed_cores(), before);
}

TEST(PinToTest, RefusesCoresThatTheMachineHasNot) {
  if (allowed_cores().empty()) GTEST_SKIP() << "needs a system that tells the cores of a process";
  EXPECT_EQ(message_of([] { pin_to({16000}); }),
            "this process must be allowed to run on the cores to pin to, got 16000: Invalid argument");
}

}  // namespace
}  // namespace latgrad::runner
