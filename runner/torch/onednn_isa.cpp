#include "onednn_isa.h"

#include <torch/version.h>

#ifdef __x86_64__
#include <cpuid.h>
#endif

#include <cstdlib>

namespace latgrad::runner {
namespace {

constexpr bool kHasOnednn2 = TORCH_VERSION_MAJOR < 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR < 1);

bool cpu_has_amx() {
#ifdef __x86_64__
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  constexpr unsigned kAmxTile = 1U << 24;
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (edx & kAmxTile) != 0;
#else
  return false;
#endif
}

}  // namespace

std::string onednn_isa_limit() {
  // In oneDNN's own order; the second is its older name.
  for (const char* name : {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"}) {
    const char* limit = std::getenv(name);
    if (limit != nullptr && *limit != '\0') return limit;
  }
  return "";
}

void avoid_faulty_amx() {
  if (kHasOnednn2 && cpu_has_amx() && onednn_isa_limit().empty())
    ::setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16", 1);
}

}  // namespace latgrad::runner
