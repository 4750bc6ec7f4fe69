#include "onednn_isa.h"

#include <torch/version.h>

#include <cstdlib>

namespace latgrad::profile {

std::string onednn_isa_limit() {
  // In oneDNN's own order; the second is its older name.
  for (const char* name : {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"}) {
    const char* limit = std::getenv(name);
    if (limit != nullptr && *limit != '\0') return limit;
  }
  return "";
}

void avoid_faulty_amx() {
  if (TORCH_VERSION_MAJOR < 2 && onednn_isa_limit().empty())
    ::setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16", 1);
}

}  // namespace latgrad::profile
