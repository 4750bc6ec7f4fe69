#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <future>
#include <iterator>

#include "expect_error.h"
#include "latgrad/base/error.h"
#include "latgrad/base/mapped_file.h"
#include "latgrad/base/replace_file.h"
#include "temporary_folder.h"

namespace latgrad::base {
namespace {

namespace fs = std::filesystem;

TEST(ReplaceFileTest, LeavesNothingBesideTheFile) {
  const TemporaryFolder folder;
  replace_file(folder / "file", "first");
  replace_file(folder / "file", "second");
  EXPECT_EQ(folder.read("file"), "second");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1);
}

TEST(ReplaceFileTest, KeepsThePermissions) {
  const TemporaryFolder folder;
  folder.write("file", "old");
  fs::permissions(folder / "file", fs::perms::owner_read | fs::perms::owner_write);
  replace_file(folder / "file", "new");
  EXPECT_EQ(fs::status(folder / "file").permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST(ReplaceFileTest, KeepsALinkAndReplacesItsFile) {
  const TemporaryFolder folder;
  folder.write("file", "old");
  fs::create_symlink("file", folder / "link");
  replace_file(folder / "link", "new");
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(folder.read("file"), "new");
}

TEST(ReplaceFileTest, WritesIntoAPipe) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  auto reader = std::async(std::launch::async, [&] { return folder.read("pipe"); });
  replace_file(folder / "pipe", "bytes");
  EXPECT_TRUE(fs::is_fifo(folder / "pipe"));
  EXPECT_EQ(reader.get(), "bytes");
}

TEST(ReplaceFileTest, NamesAFolder) {
  const TemporaryFolder folder;
  LATGRAD_EXPECT_ERROR(replace_file(folder.path(), "bytes"), IoError,
                       testing::HasSubstr("Is a directory (" + folder.path().string()));
}

}  // namespace
}  // namespace latgrad::base
