#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "latgrad/base/json.h"

namespace latgrad::base {
namespace {

// Messages quote this much of a value, and of what the parser says.
constexpr size_t kQuotedBytes = 60;
constexpr size_t kReasonBytes = 200;

std::string cut(std::string text, size_t bytes) {
  if (text.size() <= bytes) return text;
  const auto is_inside_character = [&] { return (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80; };
  while (bytes > 0 && is_inside_character()) --bytes;
  return text.substr(0, bytes) + "...";
}

// "[json.exception.parse_error.101] parse error at line 1, column 2: <reason>": places are told in our words.
std::string reason_of(const nlohmann::detail::exception& error) {
  std::string_view text = error.what();
  if (const size_t end = text.find("] "); end != text.npos) text.remove_prefix(end + 2);
  if (text.starts_with("parse error at line")) text.remove_prefix(text.find(": ") + 2);
  return cut(std::string(text), kReasonBytes);
}

// Where the text is nested too deeply. Exact up to the first thing that is wrong with it, where parsing ends.
std::optional<size_t> byte_too_deep(std::string_view text) {
  size_t depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      in_string = !in_string;
    } else if (in_string) {
      i += c == '\\';
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxJsonDepth) return i;
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return std::nullopt;
}

// Builds the values that the parser finds. Unlike nlohmann's own, it adds a member without a search for its
// name, which makes a large object cost the square of its members, and makes each container in its full size.
class Builder : public nlohmann::json_sax<Json> {
 public:
  Json take_root() { return std::move(values_.front()); }
  const std::string& reason() const { return reason_; }  // of the failure
  size_t byte() const { return byte_; }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // no part of text
  bool start_object(std::size_t) override { return open(); }
  bool key(string_t& name) override {
    names_.push_back(std::move(name));
    return true;
  }
  bool end_object() override {
    const size_t first = close();
    Json object = Json::object();
    auto& members = object.get_ref<Json::object_t&>();
    const size_t count = values_.size() - first;
    members.reserve(count);
    const size_t first_name = names_.size() - count;
    for (size_t i = 0; i < count; ++i) {
      members.emplace_back(std::move(names_[first_name + i]), std::move(values_[first + i]));
    }
    names_.resize(first_name);
    values_.resize(first);
    return add(std::move(object));
  }
  bool start_array(std::size_t) override { return open(); }
  bool end_array() override {
    const auto first = values_.begin() + static_cast<std::ptrdiff_t>(close());
    Json array = Json::array_t(std::make_move_iterator(first), std::make_move_iterator(values_.end()));
    values_.erase(first, values_.end());
    return add(std::move(array));
  }

  bool parse_error(std::size_t bytes_read, const std::string&,
                   const nlohmann::detail::exception& error) override {
    reason_ = reason_of(error);
    byte_ = bytes_read == 0 ? 0 : bytes_read - 1;
    return false;
  }

 private:
  bool add(Json value) {
    values_.push_back(std::move(value));
    return true;
  }

  bool open() {
    open_.push_back(values_.size());
    return true;
  }

  // Where the values of the innermost container begin.
  size_t close() {
    const size_t first = open_.back();
    open_.pop_back();
    return first;
  }

  // Of the containers that are open, the outermost first: the names of their members, that of an open one
  // included; their values; and where the values of each begin.
  std::vector<std::string> names_;
  std::vector<Json> values_;
  std::vector<size_t> open_;
  std::string reason_;
  size_t byte_ = 0;
};

// The line, from 1, of a byte. Where the text ends too early, that of its last character that is not blank.
int64_t line_of(std::string_view text, size_t byte) {
  const size_t last = text.find_last_not_of(" \t\r\n");
  const size_t end = std::min(byte, last == text.npos ? 0 : last);
  return 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end), '\n');
}

// How a value is reached from the root.
struct Path {
  std::string text;    // "layers/3/us"; empty: it is the root
  std::string member;  // the last name in it: "us"
};

// Nothing where the value is not under `root`.
std::optional<Path> path_to(const Json& value, const Json& root) {
  if (&root == &value) return Path{};
  size_t index = 0;
  for (auto child = root.begin(); root.is_structured() && child != root.end(); ++child, ++index) {
    auto path = path_to(value, *child);
    if (!path) continue;
    const std::string step = root.is_object() ? child.key() : std::to_string(index);
    path->text = path->text.empty() ? step : fmt::format("{}/{}", step, path->text);
    if (path->member.empty() && root.is_object()) path->member = step;
    return path;
  }
  return std::nullopt;
}

std::string integer_rule(int64_t least, int64_t most) {
  if (least == JsonValue::kLeast && most == JsonValue::kMost) return "be an integer of 64 bits";
  if (most == JsonValue::kMost) return fmt::format("be an integer from {}", least);
  return fmt::format("be an integer from {} to {}", least, most);
}

// Nothing for what is no integer, or out of the range.
std::optional<int64_t> integer_in(const Json& value, int64_t least, int64_t most) {
  if (!value.is_number_integer()) return std::nullopt;
  if (value.is_number_unsigned() &&
      value.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return std::nullopt;
  }
  const auto integer = value.get<int64_t>();
  return integer >= least && integer <= most ? std::optional(integer) : std::nullopt;
}

}  // namespace

JsonDocument::JsonDocument(std::string_view text, std::string name, Place place)
    : name_(std::move(name)), place_(std::move(place)) {
  if (text.size() > kMaxJsonBytes) {
    throw ParseError(fmt::format("{} must have at most {} bytes, got {}", name_, kMaxJsonBytes, text.size()),
                     place_);
  }
  const auto refuse = [&](std::string_view reason, size_t byte) {
    Place at = place_;
    if (at.file.empty()) {
      at.byte = static_cast<int64_t>(std::min(byte, text.size()));
    } else if (!at.line) {
      at.line = line_of(text, byte);
    }
    throw ParseError(fmt::format("{} must hold JSON: {}", name_, reason), at);
  };
  if (const auto byte = byte_too_deep(text)) {
    refuse(fmt::format("nested deeper than {} levels", kMaxJsonDepth), *byte);
  }
  Builder builder;
  if (!Json::sax_parse(text.data(), text.data() + text.size(), &builder)) {
    refuse(builder.reason(), builder.byte());
  }
  json_ = builder.take_root();
}

JsonValue JsonDocument::root() const { return {*this, json_}; }

void JsonValue::fail(std::string_view rule) const {
  throw ParseError(fmt::format("{} must {}, got {}", name(), rule, cut(json_line(*value_), kQuotedBytes)),
                   place());
}

std::string JsonValue::name() const {
  const std::string member = path_to(*value_, document_->json_)->member;
  return member.empty() ? document_->name_ : member;
}

Place JsonValue::place() const {
  Place place = document_->place_;
  place.field = path_to(*value_, document_->json_)->text;
  return place;
}

std::string JsonValue::text() const {
  if (!value_->is_string()) fail("be text");
  return value_->get_ref<const std::string&>();
}

bool JsonValue::boolean() const {
  if (!value_->is_boolean()) fail("be true or false");
  return value_->get<bool>();
}

double JsonValue::number() const {
  if (!value_->is_number()) fail("be a number");
  return value_->get<double>();
}

int64_t JsonValue::integer(int64_t least, int64_t most) const {
  const auto integer = integer_in(*value_, least, most);
  if (!integer) fail(integer_rule(least, most));
  return *integer;
}

std::vector<JsonValue> JsonValue::list() const {
  if (!value_->is_array()) fail("be a list");
  std::vector<JsonValue> list;
  list.reserve(value_->size());
  for (const Json& item : *value_) list.push_back({*document_, item});
  return list;
}

std::vector<std::string> JsonValue::texts() const {
  std::vector<std::string> texts;
  for (const JsonValue& item : list()) texts.push_back(item.text());
  return texts;
}

std::vector<int64_t> JsonValue::integers(int64_t least, int64_t most) const {
  if (!value_->is_array()) fail("be a list");
  std::vector<int64_t> integers;
  integers.reserve(value_->size());
  for (const Json& item : *value_) integers.push_back(JsonValue(*document_, item).integer(least, most));
  return integers;
}

// Null where there is none.
const Json* JsonValue::member(std::string_view name) const {
  if (!value_->is_object()) fail("be an object");
  const auto found = value_->find(name);
  return found == value_->end() ? nullptr : &*found;
}

JsonValue JsonValue::at(std::string_view name) const {
  const Json* found = member(name);
  if (found == nullptr) fail(fmt::format("have the member {}", name));
  return {*document_, *found};
}

std::optional<JsonValue> JsonValue::find(std::string_view name) const {
  const Json* found = member(name);
  if (found == nullptr || found->is_null()) return std::nullopt;
  return JsonValue(*document_, *found);
}

std::vector<std::pair<std::string_view, JsonValue>> JsonValue::members() const {
  if (!value_->is_object()) fail("be an object");
  std::vector<std::pair<std::string_view, JsonValue>> members;
  members.reserve(value_->size());
  for (const auto& [name, value] : value_->get_ref<const Json::object_t&>()) {
    members.emplace_back(name, JsonValue(*document_, value));
  }
  return members;
}

}  // namespace latgrad::base
