// A loop on all cores: oneTBB's, whose order of events ThreadSanitizer understands, too.
//
//   std::vector<double> roots(values.size());
//   parallel_for(values.size(), [&](size_t i) { roots[i] = std::sqrt(values[i]); });
//
// Costs what tbb::parallel_for costs. Any number of threads may loop at the same time, and a body may, too.
#pragma once

#include <tbb/parallel_for.h>

#include <cstddef>

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

namespace latgrad {

#ifdef __SANITIZE_THREAD__
namespace internal {

// A body that tells ThreadSanitizer what it cannot see, as libtbb is not built for it: what precedes the loop
// happens before every body, and every body happens before what follows the loop. Each of the two has a token
// of its own: with a single one the end of a body would seem to happen before the start of a later one, and
// most races of two bodies would stay unseen.
template <typename Body>
class TracedBody {
 public:
  explicit TracedBody(const Body& body) : body_(body) { __tsan_release(&loop_starts_); }
  ~TracedBody() { __tsan_acquire(&body_ends_); }
  TracedBody(const TracedBody&) = delete;  // the tokens are addresses
  TracedBody& operator=(const TracedBody&) = delete;

  // Not itself instrumented, as it reads a member before the edge is drawn; the body that it calls is.
  __attribute__((no_sanitize("thread"))) void operator()(size_t i) const {
    __tsan_acquire(&loop_starts_);
    const End end{&body_ends_};
    body_(i);
  }

 private:
  struct End {
    char* token;
    ~End() { __tsan_release(token); }
  };

  const Body& body_;
  mutable char loop_starts_ = 0;
  mutable char body_ends_ = 0;
};

}  // namespace internal
#endif

// Calls body(i) for each i below count, in any order, at the same time.
// Errors: that of a body; other bodies may then never be called.
template <typename Body>
void parallel_for(size_t count, const Body& body) {
#ifdef __SANITIZE_THREAD__
  tbb::parallel_for(size_t{0}, count, internal::TracedBody<Body>(body));
#else
  tbb::parallel_for(size_t{0}, count, body);
#endif
}

}  // namespace latgrad
