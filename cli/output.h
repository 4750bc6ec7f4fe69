// The only way to standard output.

#pragma once

#include <string_view>

namespace latgrad::cli {

// Whoever read standard output has gone, as in `latgrad ... | head`: nobody is left to be told.
struct OutputClosed {};

// Writes the bytes and flushes. Errors: OutputClosed; IoError when they cannot be written (disk full).
void write_output(std::string_view bytes);

// The same for text that people read: control characters, which a hostile file may put into a name to
// steer the terminal, become `?`.
void write_text(std::string_view text);

// To standard error, made safe in the same way. Never fails.
void write_error(std::string_view text);

}  // namespace latgrad::cli
