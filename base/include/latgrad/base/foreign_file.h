// Files of other tools that stand where one of ours is expected, told apart by their first bytes.
//
//   foreign_format("version https://git-lfs.github.com/spec/v1\n...")   // "a Git LFS pointer: ..."

#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace latgrad::base {

// What the bytes are, in words that say what to do where that helps; nothing for bytes of no known format.
// O(1): looks at the first few hundred bytes, and at the names in a zip.
std::optional<std::string> foreign_format(std::string_view bytes);

// Errors: ParseError that calls a foreign file by its name, where `wanted` ("a Caffe2 network") is expected.
void refuse_foreign_file(std::string_view bytes, std::string_view wanted, const std::string& source);

}  // namespace latgrad::base
