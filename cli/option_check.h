// Makes the command line refuse what one of our parsers refuses, with the parser's message.

#pragma once

#include <CLI/Validators.hpp>
#include <string>

#include "latgrad/base/error.h"

namespace latgrad::cli {

// Accepts what `parse` reads without throwing an Error.
template <typename Parse>
CLI::Validator valid_by(Parse parse) {
  return CLI::Validator(
      [parse](std::string& text) -> std::string {
        try {
          parse(text);
          return "";
        } catch (const Error& error) {
          return error.what();
        }
      },
      "");
}

}  // namespace latgrad::cli
