#include "input_option.h"

#include "option_check.h"

namespace latgrad::cli {

void add_input_option(CLI::App& app, std::vector<net::InputShape>& inputs) {
  app.add_option_function<std::vector<std::string>>(
         "--input",
         [&inputs](const std::vector<std::string>& texts) {
           for (const std::string& text : texts) inputs.push_back(net::parse_input_shape(text));
         },
         "Shape of a network's data input: data=1,3,224,224 or data=1,224,224,3:uint8 (repeatable) "
         "[shapes.json beside the network]")
      ->type_name("BLOB=DIMS")
      ->allow_extra_args(false)
      ->check(valid_by(net::parse_input_shape));
}

}  // namespace latgrad::cli
