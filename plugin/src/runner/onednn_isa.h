// Which instruction sets oneDNN may use in this process.

#pragma once

#include <string>

namespace latgrad::profile {

// The oneDNN 2 of torch 1 writes past its memory in int8 convolutions on CPUs with AMX and brings the process
// down: from now on it stays below AMX. Must be called before anything is computed, as oneDNN asks once; does
// nothing with later torches, and where the environment says already what oneDNN may use.
void avoid_faulty_amx();

// The environment's limit, such as "AVX512_CORE_BF16"; empty: none.
std::string onednn_isa_limit();

}  // namespace latgrad::profile
