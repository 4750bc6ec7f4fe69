#include "json_writer.h"

#include <fmt/format.h>

#include <cmath>

#include "latgrad/base/json_string.h"

namespace latgrad::cli {

void JsonWriter::key(std::string_view name) {
  separate();
  text_ += base::json_string(name);
  text_ += ": ";
  after_key_ = true;
}

void JsonWriter::value(std::string_view text) {
  separate();
  text_ += base::json_string(text);
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

}  // namespace latgrad::cli
