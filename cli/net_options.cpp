#include "net_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "latgrad/profile/provenance.h"
#include "option_check.h"

namespace latgrad::cli {

void add_net_options(CLI::App& app, profile::NetFiles& files) {
  app.add_option(
         "--net", files.nets,
         "Network to measure: a folder with model.pb, model.pbtxt or model.onnx, or such a file (repeatable)")
      ->type_name("MODEL")
      ->allow_extra_args(false);
  app.add_option(
         "--init", files.inits,
         "Its init net; for several networks, one for each in the same order [found next to the network]")
      ->type_name("FILE")
      ->allow_extra_args(false);
  add_input_option(app, files.inputs);
}

void add_input_option(CLI::App& app, std::vector<net::InputShape>& inputs) {
  app.add_option_function<std::vector<std::string>>(
         "--input",
         [&inputs](const std::vector<std::string>& texts) {
           for (const std::string& text : texts) inputs.push_back(net::parse_input_shape(text));
         },
         "Shape of a data input, or of the output of an operator of unknown type: data=1,3,224,224 or "
         "data=1,224,224,3:uint8 (repeatable) [shapes.json next to the network]")
      ->type_name("BLOB=DIMS")
      ->allow_extra_args(false)
      ->check(valid_by(net::parse_input_shape));
}

std::string net_arguments(const profile::NetFiles& files) {
  std::string text;
  for (const auto& path : files.nets) text += " --net " + shell_word(path.string());
  for (const auto& path : files.inits) text += " --init " + shell_word(path.string());
  for (const net::InputShape& input : files.inputs) text += " --input " + shell_word(net::to_string(input));
  return text;
}

std::string extended_table(const std::filesystem::path& lut) {
  const bool has_origin = profile::read_origin(lut).has_value();
  return fmt::format(" --lut {}{}", shell_word(lut.string()), has_origin ? "" : " --force");
}

std::string shell_word(std::string_view word) {
  const auto is_plain = [](unsigned char c) {
    return c < 128 && (std::isalnum(c) != 0 ||
                       std::string_view("_-./=,:+@%").find(static_cast<char>(c)) != std::string_view::npos);
  };
  if (!word.empty() && std::ranges::all_of(word, is_plain)) return std::string(word);
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace latgrad::cli
