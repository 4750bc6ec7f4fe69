#include "latgrad/search/find_space.h"

#include <cstdlib>

#include "expect_error.h"
#include "latgrad/base/error.h"
#include "temporary_folder.h"

namespace latgrad::search {
namespace {

using ::testing::StrEq;

class FindSpaceTest : public ::testing::Test {
 protected:
  FindSpaceTest() {
    ::unsetenv("LATGRAD_SPACES");
    first_.write("a.textproto", "");
    second_.write("a.textproto", "");
    second_.write("b.textproto", "");
    second_.write("notes.txt", "");
  }
  ~FindSpaceTest() override { ::unsetenv("LATGRAD_SPACES"); }

  TemporaryFolder first_, second_;
  std::vector<std::filesystem::path> folders_ = {first_.path(), first_ / "absent", second_.path()};
};

TEST_F(FindSpaceTest, ANameIsLookedForInTheFoldersInOrder) {
  EXPECT_EQ(find_space("a", folders_), first_ / "a.textproto");
  EXPECT_EQ(find_space("b", folders_), second_ / "b.textproto");
  EXPECT_EQ(find_space("b.textproto", folders_), second_ / "b.textproto");
}

TEST_F(FindSpaceTest, TheFoldersOfTheEnvironmentComeFirst) {
  ::setenv("LATGRAD_SPACES", ("::" + second_.path().string() + ":/nowhere").c_str(), 1);
  EXPECT_EQ(find_space("a", folders_), second_ / "a.textproto");
  EXPECT_EQ(find_space("b", {}), second_ / "b.textproto");
}

TEST_F(FindSpaceTest, APathIsTakenAsItIs) {
  EXPECT_EQ(find_space("./a", folders_), "./a");
  EXPECT_EQ(find_space("/absent/a.textproto", folders_), "/absent/a.textproto");
}

TEST_F(FindSpaceTest, ListsTheSpacesThereAre) {
  LATGRAD_EXPECT_ERROR(find_space("c", folders_), ValueError,
                       StrEq("a space must be a file or one of: a, b; got \"c\""));
  LATGRAD_EXPECT_ERROR(find_space("", folders_), ValueError,
                       StrEq("a space must be a file or one of: a, b; got \"\""));
}

}  // namespace
}  // namespace latgrad::search
