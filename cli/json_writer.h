// Writes one JSON document.
//
//   JsonWriter json;
//   json.begin_object();
//   json.member("model", "FBNet-A");
//   json.member("total_us", estimate.total_us());    // nothing becomes null
//   json.end_object();
//   write_output(json.document());
//
// Numbers are the shortest that read back as the same; a floating-point number always shows as one
// (`259.0`). Text that is not UTF-8 is repaired with U+FFFD. Calls must nest correctly; nothing checks them.

#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace latgrad::cli {

class JsonWriter {
 public:
  // Each member on a line of its own, or all on one line. Inside an inline container all is inline.
  enum class Layout { kLines, kInline };

  void begin_object(Layout layout = Layout::kLines) { begin('{', layout); }
  void end_object() { end('}'); }
  void begin_array(Layout layout = Layout::kLines) { begin('[', layout); }
  void end_array() { end(']'); }

  void key(std::string_view name);

  void value(std::string_view text);
  void value(const char* text) { value(std::string_view(text)); }
  void value(const std::string& text) { value(std::string_view(text)); }
  void value(bool flag);
  void value(double number);  // null where it is not finite: JSON has no such number
  template <std::integral Integer>
  void value(Integer number) {
    raw(std::to_string(number));
  }
  template <typename T>
  void value(const std::optional<T>& maybe) {
    maybe ? value(*maybe) : raw("null");
  }
  template <typename T>
  void value(const std::vector<T>& list) {
    begin_array(Layout::kInline);
    for (const T& item : list) value(item);
    end_array();
  }
  // A value that is JSON already.
  void raw(std::string_view json);

  template <typename T>
  void member(std::string_view name, const T& member_value) {
    key(name);
    value(member_value);
  }

  // The document, with a newline at its end.
  std::string document() const { return text_ + '\n'; }

 private:
  struct Container {
    Layout layout;
    bool empty = true;
  };

  void begin(char bracket, Layout layout);
  void end(char bracket);
  void separate();

  std::string text_;
  std::vector<Container> open_;
  bool after_key_ = false;
};

}  // namespace latgrad::cli
