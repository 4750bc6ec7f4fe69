// Times and counts as text for people; JSON has the exact values.

#pragma once

#include <cstdint>
#include <string>

namespace latgrad::cli {

std::string format_us(double time_us);                     // "258.3"
std::string format_ms(double time_us);                     // "19.839 ms"
std::string format_ms_and_us(double time_us);              // "19.839 ms (19838.7 us)"
std::string format_millions(int64_t count);                // "249.4 M"; "6912" below a million
std::string format_bytes(int64_t bytes);                   // "4.8 MB", of a million bytes
std::string format_count(size_t count, const char* noun);  // "1 record", "3 records"

}  // namespace latgrad::cli
