// One thing of several that a select waits for, whatever kind of thing it is.
#ifndef ZEROIPC_SELECT_SELECT_CASE_H_
#define ZEROIPC_SELECT_SELECT_CASE_H_

#include <vector>

#include "zeroipc/base/atomics.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/wait/wait_any.h"

namespace zeroipc {

class select_case {
 public:
  // How a look at it ended.
  enum class look {
    taken,    // it has happened, to this select: run() is called next
    not_yet,  // it may happen later
    never,    // it cannot happen any more
  };

  virtual ~select_case() = default;

  // Takes it if that can be done at once, and keeps what run() needs. A look that does not answer `taken` has no effect.
  virtual look attempt() = 0;
  // Hands what was taken to the program.
  virtual void run() = 0;

  // What announces that another look is worth while. One without an event only waits for deaths in that segment.
  virtual void add_events(std::vector<internal::awaited<hardware, internal::participant>>&) {}
  // When another look is worth while though nothing announces it.
  virtual deadline due() const { return deadline::never(); }

  // For what others can take only while it stands in the open: an offer on a rendezvous channel. Only one case of a select stands.
  //
  // Whether it is such a case, and none of the words of the others is changed by its standing.
  virtual bool can_stand(
      const std::vector<internal::awaited<hardware, internal::participant>>&) const {
    return false;
  }
  // `taken`: at once; `not_yet`: it stands; `never`: it does not.
  virtual look stand() { return look::never; }
  // No longer. `taken`: somebody was faster, and this case is the one.
  virtual look take_back() { return look::not_yet; }
  // The last time was the last.
  virtual void stood() {}
};

}  // namespace zeroipc

#endif  // ZEROIPC_SELECT_SELECT_CASE_H_
