// Keeps torch's deprecation warnings off standard error while it lives. Torch 2.13 announces that quantised
// tensors will go: nothing that a user of the profiler can act on. Other warnings pass.

#pragma once

#include <c10/util/Exception.h>
#include <torch/version.h>

namespace latgrad::runner {

#if TORCH_VERSION_MAJOR >= 2

class DeprecationGuard {
 private:
  class Handler : public c10::WarningHandler {
   public:
    void process(const c10::Warning& warning) override {
      if (warning.msg().find("deprecated") == std::string::npos) c10::WarningHandler::process(warning);
    }
  };

  Handler handler_;
  c10::WarningUtils::WarningHandlerGuard guard_{&handler_};
};

#else

// Torch 1.13 deprecates nothing that is used here, and its handlers have another interface.
class DeprecationGuard {};

#endif

}  // namespace latgrad::runner
