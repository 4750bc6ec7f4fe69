#include "json_writer.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <cmath>

namespace latgrad::cli {

namespace {

// The length of the valid UTF-8 sequence that `text` starts with, 0 where there is none.
size_t utf8_length(std::string_view text) {
  for (size_t length = 1; length <= 4 && length <= text.size(); ++length) {
    if (simdjson::validate_utf8(text.data(), length)) return length;
  }
  return 0;
}

}  // namespace

void JsonWriter::key(std::string_view name) {
  separate();
  append_string(name);
  text_ += ": ";
  after_key_ = true;
}

void JsonWriter::value(std::string_view text) {
  separate();
  append_string(text);
}

void JsonWriter::value(bool flag) { raw(flag ? "true" : "false"); }

void JsonWriter::value(double number) {
  if (!std::isfinite(number)) {
    raw("null");
    return;
  }
  std::string digits = fmt::format("{}", number);
  if (digits.find_first_of(".e") == std::string::npos) digits += ".0";
  raw(digits);
}

void JsonWriter::raw(std::string_view json) {
  separate();
  text_ += json;
}

void JsonWriter::begin(char bracket, Layout layout) {
  separate();
  text_ += bracket;
  const bool is_inline = !open_.empty() && open_.back().layout == Layout::kInline;
  open_.push_back({is_inline ? Layout::kInline : layout});
}

void JsonWriter::end(char bracket) {
  const Container closed = open_.back();
  open_.pop_back();
  if (closed.layout == Layout::kLines && !closed.empty) {
    text_ += '\n';
    text_.append(2 * open_.size(), ' ');
  }
  text_ += bracket;
}

void JsonWriter::separate() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (open_.empty()) return;
  Container& container = open_.back();
  if (container.layout == Layout::kLines) {
    text_ += container.empty ? "\n" : ",\n";
    text_.append(2 * open_.size(), ' ');
  } else if (!container.empty) {
    text_ += ", ";
  }
  container.empty = false;
}

void JsonWriter::append_string(std::string_view text) {
  text_ += '"';
  while (!text.empty()) {
    size_t length = utf8_length(text);
    const char first = text.front();
    if (length == 0) {
      text_ += "\xef\xbf\xbd";
      length = 1;
    } else if (first == '"' || first == '\\') {
      text_ += '\\';
      text_ += first;
    } else if (first == '\n') {
      text_ += "\\n";
    } else if (static_cast<unsigned char>(first) < 0x20) {
      text_ += fmt::format("\\u{:04x}", static_cast<unsigned>(first));
    } else {
      text_ += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  text_ += '"';
}

}  // namespace latgrad::cli
