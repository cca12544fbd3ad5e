// The operations of a queue: attempts on the ring, what follows them, and waiting until one succeeds.
//
// A template on the atomics policy P and the environment Env (a participant, or what tests and the explorer put in its
// place), like everything below it; queue.h gives it types and guards. Nothing here throws, allocates, or undoes anything
// in a destructor: an operation may be abandoned after any access to shared memory, and that is a crash.
//
// Every operation takes the deadline until which it may wait. deadline::at_once() is the `try` form and answers `full` or
// `empty`; a later one answers `timed_out`.
#ifndef ZEROIPC_QUEUE_CORE_H_
#define ZEROIPC_QUEUE_CORE_H_

#include <cstdint>

#include "zeroipc/queue/core_base.h"

namespace zeroipc::internal {

template <typename P, typename Env, typename T, typename Policy>
class queue_core : public queue_core_base<P, Env, T, Policy> {
  using base = queue_core_base<P, Env, T, Policy>;
  using typename base::patience;

 public:
  using base::kAll;
  using base::kManyPop;
  using base::kManyPush;
  using typename base::held_lease;
  using typename base::ticket;

  // --- producers ---

  outcome push(const T& value, deadline until) {
    const outcome r = push_now(value);
    if (r != outcome::full) [[likely]]
      return r;
    return wait_to_push(until, [&] { return push_again(value); });
  }

  // Pushes all of them, in order; `done` says how many were before the queue was closed or the deadline passed. Others may
  // push in between.
  outcome push_n(const T* values, uint64_t n, uint64_t& done, deadline until) {
    done = 0;
    while (done < n) {
      const auto attempt = [&] {
        uint64_t some = 0;
        const outcome r = push_some_now(values + done, n - done, some);
        if (r) done += some;
        return r;
      };
      outcome r = attempt();
      if (r == outcome::full) r = wait_to_push(until, attempt);
      if (!r) return r;
    }
    return outcome::ok;
  }

  // A position to be filled in place; finish it with commit() or abort().
  outcome reserve(ticket& t, deadline until) {
    const outcome r = reserve_now(t);
    if (r != outcome::full) return r;
    return wait_to_push(until, [&] { return reserve_now(t); });
  }
  void commit(ticket& t) {
    this->ring_.publish(t);
    this->reserved_ = false;
    this->after_push(1);
  }
  void abort(ticket& t) {
    if (this->ring_.abandon(t)) this->count(this->header_->tombs_made);
    this->reserved_ = false;
    if constexpr (kManyPush) {
      this->after_push(1);  // what stands behind the tomb can be popped now
    } else {
      this->after_push(0);
    }
  }

  // --- consumers ---

  outcome pop(T& value, deadline until) {
    const outcome r = pop_now(value);
    if (r != outcome::empty) [[likely]]
      return r;
    return wait_to_pop(until, [&] { return pop_again(value); });
  }

  // Waits for at least one, then takes what is there, up to n; `done` says how many.
  outcome pop_n(T* values, uint64_t n, uint64_t& done, deadline until) {
    done = 0;
    if (n == 0) return outcome::ok;
    const outcome r = pop_some_now(values, n, done);
    if (r != outcome::empty) return r;
    return wait_to_pop(until, [&] { return pop_some_now(values, n, done); });
  }

  // An item looked at in place, or, if it was in a lease that was given back, in the lease table.
  struct view_ticket {
    ticket slot;
    held_lease entry;
    bool in_entry = false;
  };
  outcome peek(view_ticket& v, deadline until) {
    const outcome r = peek_now(v);
    if (r != outcome::empty) return r;
    return wait_to_pop(until, [&] { return peek_now(v); });
  }
  const T* value(const view_ticket& v) const {
    return v.in_entry ? this->leases_.value(v.entry.index)
                      : reinterpret_cast<const T*>(v.slot.payload);
  }
  // The item is consumed.
  void release(view_ticket& v) {
    if (v.in_entry) {
      ack(v.entry);
      return;
    }
    this->ring_.release(v.slot);
    this->viewed_ = false;
    this->after_pop(1);
  }
  // The item goes back: to the head with one consumer, out of order with many.
  void put_back(view_ticket& v) {
    if (v.in_entry) {
      nack(v.entry);
      return;
    }
    this->viewed_ = false;
    if constexpr (kManyPop) {
      if (!this->ring_.put_back(v.slot)) {
        this->header_->recovery.lock(*this->env_);
        this->ring_.put_back_locked(v.slot);
        this->header_->recovery.unlock(*this->env_);
        this->recover();  // whoever asked for it meanwhile found the lock taken
      }
      this->count(this->header_->redelivered);
      this->after_orphan_made();
    }
    this->after_pop(0);
  }

  // Takes an item under a lease: it is the holder's until ack(), and comes back when the holder dies.
  outcome lease(held_lease& h, deadline until) {
    outcome r = lease_now(h);
    for (;;) {
      if (r == outcome::empty) {
        r = wait_to_pop(until, [&] { return lease_now(h); });
        // Late, or: woken for an item, and no entry to put it in. Somebody who needs none may take it.
        if (r == kTableFull) this->header_->not_empty.notify(*this->env_, 1);
        if (r == outcome::empty) return r;
      }
      if (r != kTableFull) return r;
      if (until.is_at_once()) return outcome::exhausted;
      patience p;
      const bool settled = wait_until<P>(*this->env_, this->header_->lease_freed, until, [&] {
        r = lease_now(h);
        if (r == kTableFull && this->heal(p)) r = lease_now(h);
        return r != kTableFull;
      });
      if (!settled) return outcome::timed_out;
      // Woken for an entry, and no item to put into it.
      if (r == outcome::empty) {
        this->header_->lease_freed.notify(*this->env_, 1);
        if (until.passed()) return outcome::timed_out;  // or items and entries could take turns
      }
    }
  }
  const T& value(const held_lease& h) const { return *this->leases_.value(h.index); }
  uint32_t deliveries(const held_lease& h) const { return this->leases_.deliveries(h.index); }
  outcome ack(held_lease& h) {
    const outcome r = this->leases_.ack(h);
    if (r) this->after_lease_freed();
    return r;
  }
  outcome nack(held_lease& h) {
    const outcome r = this->leases_.nack(h);
    if (r) {
      this->count(this->header_->redelivered);
      this->after_orphan_made();
    }
    return r;
  }

 private:
  // What lease_now() answers when no entry is free: not `exhausted`, which waiting does not cure.
  static constexpr outcome::code kTableFull = outcome::code::full;

  // --- single attempts ---

  // With one producer: the role, and the announcement to close() that a push is under way.
  outcome begin_push() {
    if constexpr (!kManyPush) {
      if (!this->producer_.held(*this->env_)) [[unlikely]] {
        const outcome r = this->take_producer();
        if (!r) return r;
      }
      if (this->reserved_) [[unlikely]]
        return outcome::taken;
      // Relaxed, and the light fence: pairs with the heavy fence in drained_or_empty().
      this->header_->busy.store(1, std::memory_order_relaxed);
      this->env_->light_fence();
      if ((this->header_->hints.load(std::memory_order_relaxed) & kClosing) != 0) [[unlikely]] {
        this->after_push(0);
        return outcome::closed;
      }
    }
    return outcome::ok;
  }
  outcome push_now(const T& value) {
    if constexpr (!kManyPush) {
      const outcome begun = begin_push();
      if (!begun) [[unlikely]]
        return begun;
    }
    const outcome r = this->ring_.push(value);
    this->after_push(r ? 1 : 0);
    return r;
  }
  [[gnu::noinline]] outcome push_again(const T& value) { return push_now(value); }
  [[gnu::noinline]] outcome push_some_now(const T* values, uint64_t want, uint64_t& n) {
    if constexpr (!kManyPush) {
      const outcome begun = begin_push();
      if (!begun) return begun;
    }
    const outcome r = this->ring_.push_some(values, want, n);
    this->after_push(r ? static_cast<int>(n > kAll ? kAll : n) : 0);
    return r;
  }
  [[gnu::noinline]] outcome reserve_now(ticket& t) {
    const outcome begun = begin_push();
    if (!begun) return begun;
    const outcome r = this->ring_.reserve(t);
    if (r) {
      this->reserved_ = !kManyPush;  // and `busy` stays, until commit() or abort()
    } else {
      this->after_push(0);
    }
    return r;
  }

  // With one consumer: the role.
  outcome begin_pop() {
    if constexpr (!kManyPop) {
      if (!this->consumer_.held(*this->env_)) [[unlikely]] {
        const outcome r = this->take_consumer();
        if (!r) return r;
      }
      if (this->viewed_) [[unlikely]]
        return outcome::taken;
    }
    return outcome::ok;
  }
  outcome pop_now(T& value) {
    if constexpr (!kManyPop) {
      const outcome begun = begin_pop();
      if (!begun) [[unlikely]]
        return begun;
    }
    if (!this->ring_.stocked() && this->attention()) [[unlikely]] {
      const outcome r = pop_orphan(value);
      if (r != outcome::empty) return r;
    }
    uint64_t passed = 0;
    const outcome r = this->ring_.pop(value, passed);
    if (passed != 0) [[unlikely]]
      this->count(this->header_->tombs_passed, passed);
    this->after_pop(passed + (r ? 1 : 0));
    return r;
  }
  [[gnu::noinline]] outcome pop_again(T& value) { return pop_now(value); }
  [[gnu::noinline]] outcome pop_some_now(T* values, uint64_t want, uint64_t& n) {
    const outcome begun = begin_pop();
    if (!begun) return begun;
    if (this->attention()) [[unlikely]] {
      const outcome r = pop_orphan(*values);
      if (r) n = 1;
      if (r != outcome::empty) return r;
    }
    uint64_t passed = 0;
    const outcome r = this->ring_.pop_some(values, want, n, passed);
    if (passed != 0) this->count(this->header_->tombs_passed, passed);
    this->after_pop(passed + (r ? n : 0));
    return r;
  }
  [[gnu::noinline]] outcome pop_orphan(T& value) {
    if (!this->attend()) return outcome::empty;
    ticket t;
    if (const outcome r = this->ring_.claim_orphan(t, false); r) {
      P::copy_out(&value, t.payload, sizeof(T));
      this->ring_.release(t);
      this->after_pop(1);
      return r;
    }
    held_lease h;
    if (const outcome r = this->leases_.take_orphan(h); r) {
      P::copy_out(&value, this->leases_.payload(h.index), sizeof(T));
      ack(h);
      this->after_pop(0);
      return r;
    }
    this->recover();  // the hint has gone stale: count again
    return outcome::empty;
  }
  [[gnu::noinline]] outcome peek_now(view_ticket& v) {
    const outcome begun = begin_pop();
    if (!begun) return begun;
    v.in_entry = false;
    if (this->attention() && this->attend()) [[unlikely]] {
      outcome r = this->ring_.claim_orphan(v.slot, true);
      this->after_pop(0);
      if (r != outcome::empty) return r;
      r = this->leases_.take_orphan(v.entry);
      if (r) {
        v.in_entry = true;
        return r;
      }
      this->recover();
    }
    uint64_t passed = 0;
    const outcome r = this->ring_.claim_one(v.slot, passed, true);
    if (passed != 0) this->count(this->header_->tombs_passed, passed);
    if (r) this->viewed_ = !kManyPop;
    this->after_pop(passed);
    return r;
  }
  [[gnu::noinline]] outcome lease_now(held_lease& h) {
    const outcome begun = begin_pop();
    if (!begun) return begun;
    const bool orphans = this->attention() && this->attend();
    if (orphans && this->leases_.take_orphan(h)) return outcome::ok;
    // So that a consumer that waits for items does not take and free an entry with each look.
    if (!orphans && !this->ring_.looks_poppable()) return outcome::empty;
    if (!this->leases_.claim(h)) return kTableFull;
    uint64_t passed = 0;
    ticket t;
    outcome r = outcome::empty;
    if (orphans) {
      r = this->ring_.claim_orphan(t, false);
      if (r == outcome::empty) this->recover();  // the hint has gone stale
    }
    if (r == outcome::empty) r = this->ring_.claim_one(t, passed, false);
    if (passed != 0) this->count(this->header_->tombs_passed, passed);
    if (!r) {
      this->leases_.cancel(h);
      this->after_lease_freed();
      this->after_pop(passed);
      return r;
    }
    P::copy_in(this->leases_.payload(h.index), t.payload, sizeof(T));
    this->leases_.fill(h, t.position, static_cast<uint32_t>(seq::turn(t.word)) + 1);
    this->ring_.release(t);
    this->after_pop(passed + 1);
    return r;
  }

  // --- waiting ---

  // Whether an operation that made so many looks has slept: one at once, one per spin, one after preparing to sleep.
  bool has_slept(int looks) const { return looks > this->env_->spins() + 2; }

  // Recovery, and tombs that stand at the head. Whether it is worth trying again.
  bool make_room(patience& p, bool first) {
    const bool healed = this->heal(p);
    if (!healed && !first) return false;
    const uint64_t passed = this->ring_.pass_tombs();
    if (passed != 0) this->count(this->header_->tombs_passed, passed);
    this->after_pop(passed);
    return healed || passed != 0;
  }

  template <typename Attempt>
  [[gnu::noinline]] outcome wait_to_push(deadline until, Attempt&& attempt) {
    patience p;
    int looks = 0;
    outcome r = outcome::full;
    wait_until<P>(*this->env_, this->header_->not_full, until, [&] {
      ++looks;
      r = attempt();
      if (r == outcome::full && make_room(p, looks == 1)) r = attempt();
      return r != outcome::full;
    });
    if (has_slept(looks)) {
      this->count(this->header_->waits);
      if (r && this->ring_.looks_pushable())
        this->header_->not_full.notify(*this->env_, 1);  // chain
    }
    if (r != outcome::full) return r;
    this->count(this->header_->refused);
    return until.is_at_once() ? outcome(outcome::full) : outcome(outcome::timed_out);
  }

  // May answer kTableFull, if `attempt` does.
  template <typename Attempt>
  [[gnu::noinline]] outcome wait_to_pop(deadline until, Attempt&& attempt) {
    patience p;
    int looks = 0;
    outcome r = outcome::empty;
    wait_until<P>(*this->env_, this->header_->not_empty, until, [&] {
      ++looks;
      r = attempt();
      if (r == outcome::empty && this->heal(p)) r = attempt();
      if (r == outcome::empty) r = this->drained_or_empty();
      return r != outcome::empty;
    });
    if (has_slept(looks)) {
      this->count(this->header_->waits);
      if (r && this->ring_.looks_poppable())
        this->header_->not_empty.notify(*this->env_, 1);  // chain
    }
    if (r != outcome::empty) return r;
    return until.is_at_once() ? outcome(outcome::empty) : outcome(outcome::timed_out);
  }
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_QUEUE_CORE_H_
