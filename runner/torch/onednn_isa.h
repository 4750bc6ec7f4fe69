// Which instruction sets oneDNN may use in this process.

#pragma once

#include <string>

namespace latgrad::runner {

// On CPUs with AMX the oneDNN 2 of torch before 2.1 writes past its memory in int8 convolutions and brings
// the process down (seen with oneDNN 2.6.3, 1x1 convolutions): from now on it stays below AMX. Must be called
// before anything is computed, as oneDNN asks once. Does nothing with other torches, on other CPUs, and where
// the environment says already what oneDNN may use.
void avoid_faulty_amx();

// The environment's limit, such as "AVX512_CORE_BF16"; empty: none.
std::string onednn_isa_limit();

}  // namespace latgrad::runner
