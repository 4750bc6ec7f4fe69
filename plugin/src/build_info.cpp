// Which torch this library was built for, readable in the file without loading it: the Python package
// compares it with the torch at hand before it loads a library of another one.

#include <torch/version.h>

#define LATGRAD_TEXT_OF(x) #x
#define LATGRAD_TEXT(x) LATGRAD_TEXT_OF(x)

namespace latgrad {

[[gnu::used]] extern const char kBuiltForTorch[] = "latgrad-plugin-built-for-torch:" LATGRAD_TEXT(
    TORCH_VERSION_MAJOR) "." LATGRAD_TEXT(TORCH_VERSION_MINOR) "." LATGRAD_TEXT(TORCH_VERSION_PATCH);

}  // namespace latgrad
