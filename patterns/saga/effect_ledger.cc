#include "patterns/saga/effect_ledger.h"

#include <utility>

#include "patterns/base/look.h"
#include "zeroipc/base/error.h"

namespace zeroipc::patterns {

EffectLedger::EffectLedger(const memory& mem, std::string_view name, size_t capacity)
    : EffectLedger(zeroipc::internal::value_or_raise(open_or_create(mem, name, capacity))) {}

absl::StatusOr<EffectLedger> EffectLedger::open_or_create(const memory& mem, std::string_view name,
                                                          size_t capacity) {
  auto effects = map<EffectKey, Effect>::open_or_create(mem, name, capacity);
  if (!effects.ok()) return effects.status();
  return EffectLedger(mem, *std::move(effects));
}

outcome EffectLedger::once_until(const EffectKey& key, absl::FunctionRef<void()> effect,
                                 deadline until) {
  const auto told = effects_.waitable(key);
  for (;;) {
    const outcome begun = effects_.insert(key, {this_process(mem_), 0});
    if (begun) break;
    if (begun != outcome::exists) return begun;
    const outcome there =
        wait_for_look(told.env, told.event, until, [&](Look) { return look(key); });
    if (there) return outcome::exists;
    // It threw in the other process: this one tries.
    if (there != outcome::missing) return there == outcome::empty ? outcome::timed_out : there;
  }
  // Not begun any more, if it throws.
  struct unless_done {
    ~unless_done() {
      if (!done) effects.erase(key);
    }
    map<EffectKey, Effect>& effects;
    const EffectKey& key;
    bool done = false;
  } guard{effects_, key};
  effect();
  guard.done = true;
  return effects_.update(key, [](Effect& e) { e.happened = 1; });
}

outcome EffectLedger::look(const EffectKey& key) const {
  Effect e;
  if (const outcome r = effects_.get(key, e); !r) return r;
  if (e.happened != 0) return outcome::ok;
  return is_dead(mem_, e.who) ? outcome::broken : outcome::empty;
}

void EffectLedger::forget(uint64_t saga, uint32_t steps) {
  for (uint32_t step = 0; step < steps; ++step) {
    for (const uint32_t is_compensation : {0u, 1u}) effects_.erase({saga, step, is_compensation});
  }
}

}  // namespace zeroipc::patterns
