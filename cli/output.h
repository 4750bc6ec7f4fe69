// The only functions that write to standard output and standard error.

#pragma once

#include <string_view>

namespace latgrad::cli {

// The reader of standard output has gone, as in `latgrad ... | head`, so no error is reported.
struct OutputClosed {};

// Writes the bytes and flushes. Errors: OutputClosed; IoError if they cannot be written (disk full).
void write_output(std::string_view bytes);

// The same for text that people read: control characters become `?`, because a hostile file may put them into
// a name to control the terminal.
void write_text(std::string_view text);

// Writes to standard error, made safe in the same way. Never fails.
void write_error(std::string_view text);

}  // namespace latgrad::cli
