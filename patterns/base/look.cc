#include "patterns/base/look.h"

#include <array>

#include "zeroipc/base/atomics.h"
#include "zeroipc/wait/wait_any.h"

namespace zeroipc::patterns {

outcome wait_for_look(zeroipc::internal::participant& env,
                      zeroipc::internal::event_word<hardware>& event, deadline until,
                      absl::FunctionRef<outcome(Look)> look) {
  using zeroipc::internal::awaited, zeroipc::internal::participant;
  outcome r = look(Look::kThorough);
  if (r != outcome::empty || until.is_at_once()) return r;
  for (int i = env.spins(); i > 0; --i) {
    hardware::pause();
    if (r = look(Look::kQuick); r != outcome::empty) return r;
  }
  const std::array<awaited<hardware, participant>, 1> on = {{{&env, &event}}};
  zeroipc::internal::prepared_words<hardware, participant> words;
  for (;;) {
    words.prepare(on);
    if (r = look(Look::kThorough); r != outcome::empty) return r;
    if (words.sleep(until)) continue;
    r = look(Look::kThorough);
    return r == outcome::empty ? outcome::timed_out : r;
  }
}

}  // namespace zeroipc::patterns
