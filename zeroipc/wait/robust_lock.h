// A lock in shared memory whose owner may die: the next one takes it over and is told.
//
// One word holds the owner's tag, so claiming and saying who claims are one instruction. Blocking; a waiter sleeps and is
// woken by the unlock or by the segment's death epoch. Not recursive; threads of one process exclude each other.
//
//   state        owner            left by
//   free         0                lock(): CAS 0 -> tag
//   held         tag              unlock(): store 0, release
//   orphaned     dead tag         lock() of a survivor: CAS dead tag -> own tag, answers `inherited`
#ifndef ZEROIPC_WAIT_ROBUST_LOCK_H_
#define ZEROIPC_WAIT_ROBUST_LOCK_H_

#include <cstdint>

#include "zeroipc/base/deadline.h"
#include "zeroipc/participant/owner_tag.h"
#include "zeroipc/wait/event_word.h"
#include "zeroipc/wait/wait.h"

namespace zeroipc::internal {

enum class lock_result : uint8_t {
  acquired,
  inherited,  // the last owner died inside: repair what it was changing first
  busy,       // held by a live participant (try) or until the deadline (timed)
};

template <typename P>
struct robust_lock {
  typename P::template atomic<uint32_t> owner;
  event_word<P> released;

  // Env: as for wait_until, plus `owner_tag self()` and `bool is_dead(owner_tag)`. An Env that is nobody (a forked child that
  // could not join) never gets the lock: `busy`, at once.
  template <typename Env>
  lock_result try_lock(Env& env) {
    owner_tag alive;
    return try_lock(env, alive);
  }

  template <typename Env>
  lock_result lock(Env& env, deadline until = deadline::never()) {
    // Whether the holder lives is a system call, so it is asked again only if the holder changed or somebody's death was
    // announced since: `alive` was found so after the epoch was `alive_at`. Its death will move the epoch on, which ends
    // the sleep that follows.
    owner_tag alive;
    uint32_t alive_at = env.death_epoch();
    lock_result result = try_lock(env, alive);
    if (result != lock_result::busy || !env.self()) return result;
    wait_until<P>(env, released, until, [&] {
      const uint32_t epoch = env.death_epoch();
      if (epoch != alive_at) alive = owner_tag();
      alive_at = epoch;
      result = try_lock(env, alive);
      return result != lock_result::busy;
    });
    return result;
  }

  template <typename Env>
  void unlock(Env& env) {
    owner.store(0, std::memory_order_release);  // pairs with the acquire in try_lock()
    released.notify(env, 1);
  }

 private:
  // `alive`: a holder known to live, updated to the one that was found in the way.
  template <typename Env>
  lock_result try_lock(Env& env, owner_tag& alive) {
    const owner_tag self = env.self();
    if (!self) return lock_result::busy;
    uint32_t seen = 0;
    // Acquire: pairs with the release store in unlock().
    if (owner.compare_exchange_strong(seen, self.bits(), std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
      return lock_result::acquired;
    }
    const owner_tag holder = owner_tag::from_bits(seen);
    if (holder == self || holder == alive) return lock_result::busy;
    if (!env.is_dead(holder)) {
      alive = holder;
      return lock_result::busy;
    }
    // Acquire: is_dead() synchronises with everything the dead did (the kernel released its lock after).
    if (owner.compare_exchange_strong(seen, self.bits(), std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
      return lock_result::inherited;
    }
    return lock_result::busy;
  }
};

static_assert(sizeof(robust_lock<hardware>) == 8);

}  // namespace zeroipc::internal

#endif  // ZEROIPC_WAIT_ROBUST_LOCK_H_
