// Recognises files of other tools, given where one of ours is expected, by their first bytes.
//
//   foreign_format("version https://git-lfs.github.com/spec/v1\n...")   // "a Git LFS pointer: ..."

#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace latgrad::base {

// The name of the format, with advice where that helps; nothing for an unknown format.
// O(1): reads the first few hundred bytes, and the names in a zip.
std::optional<std::string> foreign_format(std::string_view bytes);

// Whether that is a binary ONNX model.
bool is_onnx(std::string_view bytes);

// Errors: ParseError that names the format of a foreign file; `wanted` ("a Caffe2 network") is expected.
void refuse_foreign_file(std::string_view bytes, std::string_view wanted, const std::string& source);

}  // namespace latgrad::base
