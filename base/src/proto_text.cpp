#include "latgrad/base/proto_text.h"

#include <fmt/format.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <climits>
#include <optional>
#include <utility>

#include "latgrad/base/byte_order_mark.h"

namespace latgrad::base {
namespace {

// Networks and spaces nest four deep; what unknown fields nest beyond this is an attack on the stack.
constexpr int kMaxDepth = 64;

// Keeps the first error and swallows warnings, which protobuf would otherwise print.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, google::protobuf::io::ColumnNumber, const std::string& message) override {
    if (!message_) {
      line_ = line;
      message_ = message;
    }
  }
  void AddWarning(int, google::protobuf::io::ColumnNumber, const std::string&) override {}

  std::string message() const { return message_.value_or("does not follow the text format"); }
  // Protobuf counts from 0 and says -1 where there is no line.
  std::optional<int64_t> line() const { return line_ < 0 ? std::nullopt : std::optional<int64_t>(line_ + 1); }

 private:
  std::optional<std::string> message_;
  int line_ = -1;
};

// What stands before an error is left in `message`. `locations`, where given, tells which fields are
// complete.
bool parse(std::string_view text, google::protobuf::Message& message, bool allow_unknown_fields,
           FirstError& errors, google::protobuf::TextFormat::ParseInfoTree* locations) {
  const google::protobuf::LogSilencer silencer;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&errors);
  parser.AllowUnknownField(allow_unknown_fields);
  parser.SetRecursionLimit(kMaxDepth);
  if (locations != nullptr) parser.WriteLocationsTo(locations);
  google::protobuf::io::ArrayInputStream stream(text.data(), static_cast<int>(text.size()));
  return parser.Parse(&stream, &message);
}

}  // namespace

void parse_proto_text(std::string_view text, const std::string& kind, const std::string& source,
                      google::protobuf::Message& message, const ProtoTextOptions& options) {
  if (text.size() > INT_MAX) {
    throw ParseError(fmt::format("{} text must be smaller than 2 GiB, got {} bytes", kind, text.size()),
                     {.file = source});
  }
  text = without_byte_order_mark(text);
  FirstError errors;
  if (parse(text, message, options.allow_unknown_fields, errors, nullptr)) return;
  Place place{.file = source};
  if (options.place_of_error != nullptr) {
    // Read again, because locations cost as much memory as the message.
    FirstError same_errors;
    google::protobuf::TextFormat::ParseInfoTree locations;
    parse(text, message, options.allow_unknown_fields, same_errors, &locations);
    place = options.place_of_error(message, locations, source);
  }
  place.line = errors.line();
  throw ParseError(fmt::format("{} text is malformed: {}", kind, errors.message()), std::move(place));
}

std::string print_proto_text(const google::protobuf::Message& message) {
  const google::protobuf::LogSilencer silencer;
  std::string text;
  google::protobuf::TextFormat::PrintToString(message, &text);
  return text;
}

}  // namespace latgrad::base
