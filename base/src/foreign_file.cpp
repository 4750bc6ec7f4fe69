#include "latgrad/base/foreign_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "latgrad/base/error.h"
#include "latgrad/base/zip_archive.h"

namespace latgrad::base {
namespace {

using std::string_view_literals::operator""sv;

// The first letters in lower case, without white space and a byte order mark before them.
std::string beginning(std::string_view bytes) {
  if (bytes.starts_with("\xef\xbb\xbf")) bytes.remove_prefix(3);
  const size_t first = bytes.find_first_not_of(" \t\r\n");
  std::string text(bytes.substr(std::min(first, bytes.size()), 256));
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// TorchScript and torch.save write a zip of one folder.
std::string zip_format(std::string_view bytes) {
  constexpr size_t kNamesBytes = size_t{1} << 16;  // the directory of names stands at the end
  const std::string_view front = bytes.substr(0, kNamesBytes);
  const std::string_view back = bytes.substr(bytes.size() - std::min(bytes.size(), kNamesBytes));
  const auto holds = [&](std::string_view name) {
    return front.find(name) != std::string_view::npos || back.find(name) != std::string_view::npos;
  };
  if (holds("constants.pkl")) return "a TorchScript archive";
  if (holds("/data.pkl")) return "a file written by torch.save";
  if (holds("models/model.json") || holds("exported_program.json") || holds(".pt2"))
    return "a torch.export archive";
  if (holds("keras_metadata")) return "a Keras archive";
  return "a zip archive: unpack it";
}

// Four letters behind the offset of the root, which lies within a few kilobytes: a NetDef's name is no such
// offset.
bool is_flatbuffer(std::string_view bytes, std::string_view letters) {
  return bytes.size() >= 8 && bytes.substr(4, letters.size()) == letters && bytes[2] == 0 && bytes[3] == 0;
}

// Caffe's own networks are text of other fields.
bool is_caffe_text(std::string_view bytes) {
  std::string_view front = bytes.substr(0, size_t{1} << 12);
  while (true) {
    for (const std::string_view field : {"layer {", "layers {", "layer{", "input_dim:", "base_lr:"}) {
      if (front.starts_with(field)) return true;
    }
    const size_t end = front.find('\n');
    if (end == std::string_view::npos) return false;
    front.remove_prefix(end + 1);
  }
}

}  // namespace

// ONNX's first field is the version of its format, a small number; a NetDef never begins with a number.
bool is_onnx(std::string_view bytes) {
  constexpr auto kIrVersion = '\x08';
  if (bytes.size() < 4 || bytes[0] != kIrVersion || bytes[1] < 1 || bytes[1] > 64) return false;
  // Then texts about the producer, the graph or the operator sets follow.
  return std::string_view("\x12\x1a\x22\x2a\x32\x3a\x42\x72").find(bytes[2]) != std::string_view::npos ||
         bytes[2] == '\x28';
}

std::optional<std::string> foreign_format(std::string_view bytes) {
  if (is_zip(bytes)) return zip_format(bytes);
  if (bytes.starts_with("\x1f\x8b"sv)) return "a gzip file: unpack it";
  if (bytes.starts_with("\x89HDF"sv)) return "an HDF5 file";
  if (bytes.starts_with("\x89PNG"sv)) return "a PNG picture";
  if (bytes.starts_with("\x7f\x45LF"sv)) return "a program or shared library";
  if (bytes.starts_with("\x80\x02"sv) || bytes.starts_with("\x80\x03"sv) || bytes.starts_with("\x80\x04"sv)) {
    return "a Python pickle";
  }
  if (is_flatbuffer(bytes, "TFL")) return "a TensorFlow Lite model";
  if (is_flatbuffer(bytes, "ET1")) return "an ExecuTorch program";
  if (bytes.size() > 262 && bytes.substr(257, 5) == "ustar") return "a tar archive: unpack it";
  if (is_onnx(bytes)) return "an ONNX model";
  const std::string text = beginning(bytes);
  if (text.starts_with("version https://git-lfs")) {
    return "a Git LFS pointer: the file itself has not been fetched (git lfs pull)";
  }
  if (text.starts_with("<!doctype html") || text.starts_with("<html") || text.starts_with("<head")) {
    return "an HTML page";
  }
  if (text.starts_with("<!--") && text.find("<html") != std::string::npos) return "an HTML page";
  if (text.starts_with("<?xml")) return "an XML document";
  if (text.starts_with("ir_version:")) return "an ONNX model as text";
  if (is_caffe_text(bytes)) return "a Caffe prototxt";
  return std::nullopt;
}

void refuse_foreign_file(std::string_view bytes, std::string_view wanted, const std::string& source) {
  if (const auto format = foreign_format(bytes)) {
    throw ParseError(fmt::format("{} is needed, but this is {}", wanted, *format), {.file = source});
  }
}

}  // namespace latgrad::base
