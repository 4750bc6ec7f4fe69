#include "expression.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cctype>
#include <charconv>
#include <ranges>

#include "latgrad/base/error.h"

namespace latgrad::search::internal {
namespace {

constexpr int64_t kLargest = int64_t{1} << 40;
constexpr size_t kMaxLength = 256;  // and so the depth of parentheses

class Parser {
 public:
  Parser(std::string_view text, const Variables& variables) : text_(text), variables_(variables) {}

  int64_t whole() {
    if (text_.size() > kMaxLength) {
      throw ValueError(
          fmt::format("an expression must have at most {} characters, got {}", kMaxLength, text_.size()));
    }
    const int64_t value = sum();
    if (at_ < text_.size()) fail("an operator");
    return value;
  }

 private:
  int64_t sum() {
    int64_t value = product();
    while (true) {
      if (takes('+')) {
        value = checked(value + product());
      } else if (takes('-')) {
        value = checked(value - product());
      } else {
        return value;
      }
    }
  }

  int64_t product() {
    int64_t value = factor();
    while (true) {
      if (takes('*')) {
        const int64_t other = factor();
        int64_t result = 0;
        if (__builtin_mul_overflow(value, other, &result)) result = kLargest + 1;
        value = checked(result);
      } else if (takes('/')) {
        const int64_t divisor = factor();
        const int64_t rest = remainder(value, divisor);
        value = (value - rest) / divisor;
      } else if (takes('%')) {
        value = remainder(value, factor());
      } else {
        return value;
      }
    }
  }

  int64_t factor() {
    if (takes('-')) return -factor();
    if (takes('(')) {
      const int64_t value = sum();
      if (!takes(')')) fail(")");
      return value;
    }
    skip_spaces();
    const size_t begin = at_;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '_')) {
      ++at_;
    }
    const std::string_view word = text_.substr(begin, at_ - begin);
    if (word.empty()) fail("a number, a name or (");
    return std::isdigit(static_cast<unsigned char>(word.front())) != 0 ? number(word) : variable(word);
  }

  // With the sign of the divisor, so that quotients are rounded down.
  int64_t remainder(int64_t value, int64_t divisor) const {
    if (divisor == 0) throw ValueError(fmt::format("an expression must not divide by 0, got \"{}\"", text_));
    const int64_t rest = value % divisor;
    return rest != 0 && (rest < 0) != (divisor < 0) ? rest + divisor : rest;
  }

  int64_t number(std::string_view word) const {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size()) {
      throw ValueError(
          fmt::format("an expression must have whole numbers, got \"{}\" in \"{}\"", word, text_));
    }
    return checked(value);
  }

  int64_t variable(std::string_view name) const {
    const auto found = variables_.find(name);
    if (found != variables_.end()) return found->second;
    throw ValueError(fmt::format("an expression may name {}, got \"{}\" in \"{}\"",
                                 fmt::join(std::views::keys(variables_), ", "), name, text_));
  }

  int64_t checked(int64_t value) const {
    if (value <= kLargest && value >= -kLargest) return value;
    throw ValueError(fmt::format("an expression must stay below 2^40, got \"{}\"", text_));
  }

  bool takes(char c) {
    skip_spaces();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void skip_spaces() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }

  [[noreturn]] void fail(std::string_view expected) const {
    throw ValueError(
        fmt::format("an expression must have {} at character {}, got \"{}\"", expected, at_ + 1, text_));
  }

  std::string_view text_;
  const Variables& variables_;
  size_t at_ = 0;
};

}  // namespace

int64_t evaluate(std::string_view text, const Variables& variables) {
  return Parser(text, variables).whole();
}

}  // namespace latgrad::search::internal
