// EffectLedger: what has happened, by key, so that it does not happen twice, whoever tries again.
//
//   patterns::EffectLedger ledger(mem, "payments/effects", 10'000);
//   const outcome r = ledger.once(step.key(), [&] { charge(card, amount); });
//   // ok: it has happened now; exists: earlier; broken: a process has died at it, and it may have happened or not
//
// When to use it: for effects of a saga's steps that would do harm if they were repeated. When not: where the effect itself is one change of one
// value of a map or a cell: keep the key there, with the value, and nothing is ever in doubt.
//
// What is promised when a process is killed: an effect is begun at most once for each key. One that was begun and whose process died before its end
// is `broken` for all who ask after that.
//
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped. Progress: blocking, while a live process is at the same key.
// Complexity: O(1). Memory: that of a map of keys.
#ifndef ZEROIPC_PATTERNS_SAGA_EFFECT_LEDGER_H_
#define ZEROIPC_PATTERNS_SAGA_EFFECT_LEDGER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "patterns/base/process_id.h"
#include "patterns/saga/saga_log.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/map/map.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {

class EffectLedger {
 public:
  // Opens it, or creates it with room for so many keys. Throws zeroipc::error.
  EffectLedger(const memory& mem, std::string_view name, size_t capacity);
  // Errors: those of a map.
  static absl::StatusOr<EffectLedger> open_or_create(const memory& mem, std::string_view name,
                                                     size_t capacity);

  // Calls effect(), unless that was done for this key. `ok`: it has happened; `exists`: earlier; `broken`: see above; `full`: no room for the
  // key, and it was not called. What it throws goes on, and the key is as if nothing had been: it has not happened.
  outcome once(const EffectKey& key, absl::FunctionRef<void()> effect) {
    return once_until(key, effect, deadline::never());
  }
  // The same; waits at most that long for another process that is at it: `timed_out`.
  template <typename Rep, typename Period>
  outcome once_for(const EffectKey& key, std::chrono::duration<Rep, Period> timeout,
                   absl::FunctionRef<void()> effect) {
    return once_until(key, effect, deadline::after(timeout));
  }
  // `ok`: it has happened; `empty`: somebody is at it; `broken`; `missing`.
  outcome look(const EffectKey& key) const;
  // Of a saga that is over and forgotten: its keys are room for others.
  void forget(uint64_t saga, uint32_t steps);
  size_t size() const { return effects_.size(); }

 private:
  struct Effect {
    ProcessId who;
    uint32_t happened;
  };
  EffectLedger(const memory& mem, map<EffectKey, Effect> effects)
      : mem_(mem), effects_(std::move(effects)) {}
  outcome once_until(const EffectKey& key, absl::FunctionRef<void()> effect, deadline until);

  memory mem_;
  map<EffectKey, Effect> effects_;
};

}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_SAGA_EFFECT_LEDGER_H_
