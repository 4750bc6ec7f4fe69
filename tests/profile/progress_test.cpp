#include "latgrad/profile/progress.h"

#include <gtest/gtest.h>

#include <sstream>

namespace latgrad::profile {
namespace {

TEST(ProgressTest, PrintsAPlainLineElsewhereThanOnATerminal) {
  std::ostringstream out;
  Progress progress(out, Progress::Style::kPlain, 60);
  progress.show(7, 190, std::nullopt, "Relu");
  progress.show(8, 190, 42.0, "too soon for another line");
  progress.clear();
  EXPECT_EQ(out.str(), "[  7/190]                 Relu\n");
}

TEST(ProgressTest, RedrawsOneLineOnATerminalAndNeverWrapsIt) {
  std::ostringstream out;
  Progress progress(out, Progress::Style::kTerminal, 60);
  progress.show(97, 190, 42.0, std::string(100, 'x'));
  progress.clear();
  EXPECT_EQ(out.str(), "\r\033[K########........ [ 97/190]      42 s left  xxxxxxxxxxxxxxxx\r\033[K");
}

TEST(ProgressTest, NeverCutsACharacter) {
  for (size_t columns = 50; columns < 60; ++columns) {
    std::ostringstream out;
    Progress(out, Progress::Style::kTerminal, columns)
        .show(1, 2, 3.0, "\u6f22\u5b57\u6f22\u5b57\u6f22\u5b57\u6f22\u5b57");
    const std::string text = out.str();
    const auto last = static_cast<unsigned char>(text[text.size() - 3]);
    // The line ends behind a character of three bytes, or before any of them.
    EXPECT_TRUE(last == 0xE6 || last == 0xE5 || text.back() == ' ') << columns;
    EXPECT_LT(text.size() - 4, columns);
  }
}

TEST(ProgressTest, IsSilentWhenAsked) {
  std::ostringstream out;
  Progress progress(out, Progress::Style::kQuiet, 60);
  progress.show(1, 2, 3.0, "Relu");
  progress.clear();
  EXPECT_EQ(out.str(), "");
}

}  // namespace
}  // namespace latgrad::profile
