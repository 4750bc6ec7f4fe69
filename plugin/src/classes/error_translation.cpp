#include "classes/error_translation.h"

#include <c10/util/Exception.h>

#include "latgrad/base/error.h"

namespace latgrad {

void rethrow_as_torch_error() {
  try {
    throw;
  } catch (const ValueError& error) {
    TORCH_CHECK_VALUE(false, error.what());
  } catch (const Error& error) {
    TORCH_CHECK(false, error.what());
  }
}

}  // namespace latgrad
