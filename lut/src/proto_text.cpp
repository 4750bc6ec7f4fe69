#include "proto_text.h"

#include <fmt/format.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/text_format.h>

#include <climits>
#include <optional>

#include "latgrad/lut/error.h"

namespace latgrad::lut {
namespace {

// NetDef nests four deep; what unknown fields nest beyond this is an attack on the stack.
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

}  // namespace

void parse_proto_text(std::string_view text, const std::string& kind, const std::string& source,
                      google::protobuf::Message& message) {
  if (text.size() > INT_MAX) {
    throw ParseError(fmt::format("{} text must be smaller than 2 GiB, got {} bytes", kind, text.size()),
                     {.file = source});
  }
  const google::protobuf::LogSilencer silencer;
  FirstError errors;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&errors);
  parser.AllowUnknownField(true);
  parser.SetRecursionLimit(kMaxDepth);
  google::protobuf::io::ArrayInputStream stream(text.data(), static_cast<int>(text.size()));
  if (!parser.Parse(&stream, &message)) {
    throw ParseError(fmt::format("{} text is malformed: {}", kind, errors.message()),
                     {.file = source, .line = errors.line()});
  }
}

std::string print_proto_text(const google::protobuf::Message& message) {
  const google::protobuf::LogSilencer silencer;
  std::string text;
  google::protobuf::TextFormat::PrintToString(message, &text);
  return text;
}

}  // namespace latgrad::lut
