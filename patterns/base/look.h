// Waiting for what a record in shared memory says, where two kinds of looks are worth while: a quick one, often, and a thorough one, which also
// sees to what the dead have left.
#ifndef ZEROIPC_PATTERNS_BASE_LOOK_H_
#define ZEROIPC_PATTERNS_BASE_LOOK_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "patterns/base/counters.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/segment/segment.h"
#include "zeroipc/wait/event_word.h"

namespace zeroipc::patterns {

enum class Look : bool {
  kQuick,     // between two others, many times
  kThorough,  // before and after each sleep
};

// Until `look` answers anything but `empty`; otherwise `timed_out`, or `empty` if the deadline was at once. A sleep ends with what is told
// at the event, and with any death in the segment.
outcome wait_for_look(zeroipc::internal::participant& env,
                      zeroipc::internal::event_word<hardware>& event, deadline until,
                      absl::FunctionRef<outcome(Look)> look);

// Calls all() if somebody has died, or asked for it, since it was last called by any process and answered true. Two counters keep that:
// `done`, and `asked`, to be raised by who asks.
template <typename E>
bool after_deaths(const memory& mem, const Counters<E>& counters, E done, E asked,
                  absl::FunctionRef<bool()> all) {
  // Who has died by then is found to be dead.
  const uint64_t now = mem.attachment()->self->death_epoch() + (counters.get(asked) << 32);
  if (counters.get(done) == now) return false;
  if (all()) counters.set(done, now);
  return true;
}

}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_BASE_LOOK_H_
