// Text that grows by formatted pieces.
//
//   class Drawing : private TextBuilder {
//     ... add("<text x=\"{}\">{}</text>\n", x, xml_text(name));
//     return take();

#pragma once

#include <fmt/format.h>

#include <iterator>
#include <string>
#include <utility>

namespace latgrad::base {

class TextBuilder {
 public:
  template <typename... Values>
  void add(fmt::format_string<Values...> format, Values&&... values) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Values>(values)...);
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

}  // namespace latgrad::base
