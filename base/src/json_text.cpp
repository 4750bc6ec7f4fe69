#include <fmt/format.h>

#include <cmath>

#include "latgrad/base/json.h"

namespace latgrad::base {
namespace {

constexpr size_t kLineBytes = 160;
constexpr size_t kIndent = 2;

std::string scalar(const Json& value) {
  if (value.is_binary()) return std::string(value.get_binary().begin(), value.get_binary().end());
  if (!value.is_number_float()) return value.dump(-1, ' ', false, Json::error_handler_t::replace);
  const double number = value.get<double>();
  if (!std::isfinite(number)) return "null";
  std::string digits = fmt::format("{}", number);
  return digits.find_first_of(".e") == digits.npos ? digits + ".0" : digits;
}

class Printer {
 public:
  // On one line, unless that takes more than so many bytes; then some of it is printed, and the result is
  // false.
  bool line(const Json& value, size_t most = std::string::npos) {
    const size_t end = most == std::string::npos ? most : text_.size() + most;
    return line_until(value, end);
  }

  // An object or a list on many lines; what is in it on one each where it fits.
  void lines(const Json& container, size_t depth) {
    const bool is_object = container.is_object();
    text_ += is_object ? '{' : '[';
    bool is_first = true;
    bool after_number = false;
    for (auto item = container.begin(); item != container.end(); ++item) {
      const Json& value = *item;
      if (!is_first) text_ += ',';
      // Numbers are many and short: as many on a line as fit.
      const bool is_number = !is_object && (value.is_number() || value.is_null());
      const std::string number = is_number ? scalar(value) : "";
      if (after_number && is_number && column() + number.size() + 2 <= kLineBytes) {
        text_ += ' ';
      } else {
        new_line(depth + 1);
      }
      if (is_number) {
        text_ += number;
      } else {
        if (is_object) key(item.key());
        fitted(value, depth + 1);
      }
      is_first = false;
      after_number = is_number;
    }
    new_line(depth);
    text_ += is_object ? '}' : ']';
  }

  std::string take() { return std::move(text_); }

 private:
  size_t column() const { return text_.size() - line_begin_; }

  void new_line(size_t depth) {
    text_ += '\n';
    line_begin_ = text_.size();
    text_.append(kIndent * depth, ' ');
  }

  void key(const std::string& name) { text_ += scalar(Json(name)) + ": "; }

  void fitted(const Json& value, size_t depth) {
    if (!value.is_structured() || value.empty()) {
      line(value);
      return;
    }
    const size_t begin = text_.size();
    const size_t used = column();
    if (used < kLineBytes && line(value, kLineBytes - used)) return;
    text_.resize(begin);
    lines(value, depth);
  }

  bool line_until(const Json& value, size_t end) {
    if (!value.is_structured()) {
      // A long text is not printed again by every container around it.
      if (value.is_string() && value.get_ref<const std::string&>().size() > end - text_.size()) return false;
      text_ += scalar(value);
      return text_.size() <= end;
    }
    const bool is_object = value.is_object();
    text_ += is_object ? '{' : '[';
    bool is_first = true;
    for (auto item = value.begin(); item != value.end(); ++item) {
      if (!is_first) text_ += ", ";
      if (is_object) key(item.key());
      if (text_.size() > end || !line_until(*item, end)) return false;
      is_first = false;
    }
    text_ += is_object ? '}' : ']';
    return text_.size() <= end;
  }

  std::string text_;
  size_t line_begin_ = 0;
};

}  // namespace

std::string json_text(const Json& document) {
  Printer printer;
  if (document.is_structured() && !document.empty()) {
    printer.lines(document, 0);
  } else {
    printer.line(document);
  }
  return printer.take() + '\n';
}

std::string json_line(const Json& value) {
  Printer printer;
  printer.line(value);
  return printer.take();
}

Json verbatim_json(std::string_view json) { return Json::binary({json.begin(), json.end()}); }

double rounded(double value, int decimals) {
  const double scale = std::pow(10.0, decimals);
  if (!std::isfinite(value * scale)) return value;  // too large to have decimals
  return std::round(value * scale) / scale + 0.0;   // not -0
}

}  // namespace latgrad::base
