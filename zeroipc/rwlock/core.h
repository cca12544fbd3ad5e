// The algorithm of zeroipc::rwlock: writers exclude each other by a robust lock; each process counts its readers in a word of
// its own.
//
//   +------------------------------------------------+ 0
//   | structure_geometry       capacity: slots       |
//   +------------------------------------------------+ 128
//   | writer         robust lock                     |
//   | writing        1: the writer is inside         |
//   | suspect        1: a writer died inside         |
//   | slots          slots ever used                 |
//   +------------------------------------------------+ 256
//   | drained        the writer waits for readers    |
//   | admitted       readers wait for the writer     |
//   | waits, deaths                                  |
//   +------------------------------------------------+ offsets[0]
//   | readers[capacity]   one to a cache line        |   of the participant in that slot:
//   +------------------------------------------------+   tag:32 · inside:12 · waiting:10 · granted:10
//
// Reader                                                        owner         its process dies here
//   1  CAS own word: inside + 1                                 own word      the word's tag is dead: it counts for nothing, and
//   2  writer's word is 0: it is in (linearisation point: 1)    own word        who meets it (a writer) sets it to 0
//   3  else CAS: inside - 1, waiting + 1; tell the writer       own word      the same
//   4  sleeps until granted > 0: CAS granted - 1, it is in;     own word      the same
//      or until the writer's word is 0: CAS waiting - 1, inside + 1, and on at 2
//   5  leaving: CAS inside - 1; tell the writer                 own word      the same
// Writer
//   1  takes the robust lock                                    its word      the next one inherits it
//   2  waits until no live process has readers inside           its word      the same
//   3  writing = 1; it is in                                    its word      the next one inherits it and sets suspect
//   4  leaving: writing = 0                                     its word      the next one inherits it
//   5  moves each word's waiting to inside and granted          its word      the same: those who were granted are in, and
//   6  unlocks                                                                   the next one grants the rest
//
// Step 1 of a reader and step 1 of a writer are each followed by a look at the other's word, all sequentially consistent: one of
// the two sees the other.
//
// Neither side starves: a reader that waits when a writer leaves is let in by that, before the next writer; and while a writer
// waits for readers to leave, no new ones come in. Between writers there is no order.
//
// A waiting reader that finds the writer dead takes its lock, sets suspect if it was inside, and does steps 4 to 6 in its place.
#ifndef ZEROIPC_RWLOCK_CORE_H_
#define ZEROIPC_RWLOCK_CORE_H_

#include <climits>
#include <cstddef>
#include <cstdint>

#include "zeroipc/base/atomics.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/participant/owner_tag.h"
#include "zeroipc/wait/death_watch.h"
#include "zeroipc/wait/robust_lock.h"
#include "zeroipc/wait/wait.h"

namespace zeroipc {

struct rwlock_stats {
  bool written = false;  // a snapshot: a writer has it, or waits for readers to leave
  uint64_t readers = 0;  // a snapshot: inside
  uint64_t waiting = 0;  // a snapshot: readers that wait for a writer to leave
  bool suspect = false;  // a writer died inside, and nobody has called mark_consistent() since
  uint64_t waits = 0;    // locks, of either kind, that had to wait
  uint64_t deaths = 0;   // writers that died inside
};

namespace internal {

template <typename P>
struct rwlock_header {
  template <typename T>
  using atomic = typename P::template atomic<T>;

  structure_geometry geometry;

  alignas(kApart) robust_lock<P> writer;
  atomic<uint32_t> writing;
  atomic<uint32_t> suspect;
  atomic<uint32_t> slots;

  alignas(kApart) event_word<P> drained;
  event_word<P> admitted;
  atomic<uint64_t> waits;
  atomic<uint64_t> deaths;
};
static_assert(offsetof(rwlock_header<hardware>, writer) == 128);
static_assert(offsetof(rwlock_header<hardware>, drained) == 256);

// The readers of one process.
struct reader_count {
  static constexpr uint32_t kMostInside = (1u << 12) - 1, kMostWaiting = (1u << 10) - 1;

  owner_tag tag;
  uint32_t inside = 0;   // granted ones included
  uint32_t waiting = 0;  // for the writer to leave
  uint32_t granted = 0;  // let in, and not aware of it yet

  static constexpr reader_count of(uint64_t word) {
    return {owner_tag::from_bits(static_cast<uint32_t>(word >> 32)),
            static_cast<uint32_t>(word >> 20) & kMostInside,
            static_cast<uint32_t>(word >> 10) & kMostWaiting,
            static_cast<uint32_t>(word) & kMostWaiting};
  }
  constexpr uint64_t word() const {
    return uint64_t{tag.bits()} << 32 | uint64_t{inside} << 20 | uint64_t{waiting} << 10 | granted;
  }
};

template <typename P, typename Env>
class rwlock_core {
 public:
  using reader_word = typename P::template atomic<uint64_t>;
  static constexpr uint64_t kStride = kCacheLine;

  // `readers`: n words, kStride apart.
  void bind(Env& env, rwlock_header<P>& header, std::byte* readers, uint64_t n) {
    env_ = &env;
    header_ = &header;
    readers_ = readers;
    n_ = n;
  }

  // --- for writers: answers as those of mutex_core ---

  outcome lock(deadline until) {
    lock_result got = header_->writer.try_lock(*env_);
    if (got == lock_result::busy) {
      if (!env_->tag()) return outcome::exhausted;
      if (until.is_at_once()) return outcome::taken;
      count(header_->waits);
      got = header_->writer.lock(*env_, until);
      if (got == lock_result::busy) return outcome::timed_out;
    }
    if (got == lock_result::inherited) settle_death();
    // Sequentially consistent, with the loads in nobody_inside(): see above. The lock's own exchange is not.
    uint32_t self = env_->tag().bits();
    header_->writer.owner.compare_exchange_strong(self, self, std::memory_order_seq_cst,
                                                  std::memory_order_seq_cst);
    death_watch<Env> deaths(*env_);
    if (!nobody_inside(deaths)) {
      if (!until.is_at_once()) count(header_->waits);
      if (!wait_until<P>(*env_, header_->drained, until, [&] { return nobody_inside(deaths); })) {
        leave_as_writer();
        return until.is_at_once() ? outcome::taken : outcome::timed_out;
      }
    }
    // Relaxed, as all accesses to it: the lock orders them.
    header_->writing.store(1, std::memory_order_relaxed);
    return held();
  }

  outcome unlock() {
    if (!written_here()) return outcome::gone;
    leave_as_writer();
    return outcome::ok;
  }

  outcome mark_consistent() {
    if (!written_here()) return outcome::gone;
    header_->suspect.store(0, std::memory_order_relaxed);
    return outcome::ok;
  }

  // --- for readers ---

  // Also `exhausted`: more threads of this process read than can be counted.
  outcome lock_shared(deadline until) {
    const owner_tag self = env_->self();
    if (!self || self.slot() >= n_) return outcome::exhausted;
    use(self.slot());
    reader_word& mine = readers(self.slot());
    for (int tries = 0;; ++tries) {
      if (!change(mine, self, [](reader_count& c) {
            return c.inside < reader_count::kMostInside && ++c.inside;
          })) {
        return outcome::exhausted;
      }
      if (no_writer()) return held();
      if (!until.is_at_once()) {
        count(header_->waits);
        return wait_to_read(mine, self, until);
      }
      step_back(mine, self, 0);
      // Unless that writer is dead.
      death_watch<Env> deaths(*env_);
      if (tries != 0 || !replace_dead_writer(self, deaths)) return outcome::taken;
    }
  }

  // `gone`, without effect: this process has no reader inside.
  outcome unlock_shared() {
    const owner_tag self = env_->tag();
    if (!self || self.slot() >= n_) return outcome::gone;
    reader_word& mine = readers(self.slot());
    if (reader_count::of(mine.load(std::memory_order_relaxed)).tag != self) return outcome::gone;
    if (!change(mine, self, [](reader_count& c) { return c.inside > c.granted && c.inside--; })) {
      return outcome::gone;
    }
    header_->drained.notify(*env_, 1);
    return outcome::ok;
  }

  rwlock_stats stats() const {
    // Relaxed: figures for people.
    rwlock_stats s = {header_->writer.owner.load(std::memory_order_relaxed) != 0,
                      0,
                      0,
                      header_->suspect.load(std::memory_order_relaxed) != 0,
                      header_->waits.load(std::memory_order_relaxed),
                      header_->deaths.load(std::memory_order_relaxed)};
    for (uint64_t i = 0; i < slots(); ++i) {
      const reader_count c = reader_count::of(readers(i).load(std::memory_order_relaxed));
      s.readers += c.inside;
      s.waiting += c.waiting;
    }
    return s;
  }

 private:
  reader_word& readers(uint64_t slot) const {
    return *reinterpret_cast<reader_word*>(readers_ + slot * kStride);
  }

  // Slots beyond these have never had a reader. Before its word says so.
  void use(uint32_t slot) {
    uint32_t seen = header_->slots.load();
    while (seen <= slot &&
           !header_->slots.compare_exchange_weak(seen, slot + 1, std::memory_order_seq_cst,
                                                 std::memory_order_seq_cst)) {
    }
  }
  uint64_t slots() const {
    const uint64_t seen = header_->slots.load();
    return seen < n_ ? seen : n_;
  }

  bool no_writer() const { return header_->writer.owner.load() == 0; }
  outcome held() const {
    // Relaxed: writers change it, and the lock orders them with who holds it.
    return header_->suspect.load(std::memory_order_relaxed) != 0 ? outcome::owner_died
                                                                 : outcome::ok;
  }
  bool written_here() const {
    const owner_tag self = env_->tag();
    // Relaxed: only this process writes its own tag there and takes it away.
    return self && header_->writer.owner.load(std::memory_order_relaxed) == self.bits();
  }
  // REQUIRES: the lock was inherited.
  void settle_death() {
    if (header_->writing.load(std::memory_order_relaxed) == 0) return;
    header_->suspect.store(1, std::memory_order_relaxed);
    header_->writing.store(0, std::memory_order_relaxed);
    count(header_->deaths);
  }

  // Applies `f` to the counts of this process, which are zero if the word is still its slot's last tenant's. False if `f` does not
  // want to, or, where `f` found something to take, it is not there.
  template <typename F>
  static bool change(reader_word& mine, owner_tag self, F f) {
    uint64_t seen = mine.load(std::memory_order_relaxed);
    for (;;) {
      reader_count c = reader_count::of(seen);
      if (c.tag != self) c = {.tag = self};
      if (!f(c)) return false;
      // Sequentially consistent, with the load of the writer's word that follows: see above. Release: what was read has been.
      // Acquire: pairs with the writer's release, where it let us in.
      if (mine.compare_exchange_weak(seen, c.word(), std::memory_order_seq_cst,
                                     std::memory_order_seq_cst))
        return true;
    }
  }

  // Out again, to wait (1) or not (0). The writer may have been waiting for that.
  bool step_back(reader_word& mine, owner_tag self, uint32_t to_wait) {
    const bool counted = change(mine, self, [&](reader_count& c) {
      if (c.waiting + to_wait > reader_count::kMostWaiting) return false;
      c.waiting += to_wait;
      return c.inside-- > 0;
    });
    if (counted) header_->drained.notify(*env_, 1);
    return counted;
  }

  // REQUIRES: inside is counted, and a writer was seen.
  outcome wait_to_read(reader_word& mine, owner_tag self, deadline until) {
    if (!step_back(mine, self, 1)) {
      step_back(mine, self, 0);
      return outcome::exhausted;
    }
    death_watch<Env> deaths(*env_);
    const auto let_in = [&](reader_count& c) { return c.granted > 0 && c.granted--; };
    const auto enter = [&](reader_count& c) { return c.waiting > 0 && (++c.inside, c.waiting--); };
    outcome why = outcome::ok;  // else it is over, without being in
    const auto in = [&] {
      for (;;) {
        if (change(mine, self, let_in)) return true;
        if (!no_writer()) {
          if (!replace_dead_writer(self, deaths)) return false;
          continue;  // which let us in
        }
        if (!change(mine, self, enter)) {
          // It was let in since, or one who waits is not counted.
          const reader_count c = reader_count::of(mine.load(std::memory_order_relaxed));
          if (c.tag == self && c.granted != 0) continue;
          why = outcome::corrupt;
          return true;
        }
        if (no_writer()) return true;
        if (!step_back(mine, self, 1)) {
          step_back(mine, self, 0);
          why = outcome::exhausted;
          return true;
        }
      }
    };
    if (wait_until<P>(*env_, header_->admitted, until, in)) return why ? held() : why;
    // In one step: let in after the last look, it is in; else it does not wait any more.
    bool late_but_in = false;
    change(mine, self, [&](reader_count& c) {
      late_but_in = c.granted > 0;
      return late_but_in ? c.granted-- > 0 : c.waiting > 0 && c.waiting-- > 0;
    });
    if (late_but_in) return held();
    return outcome::timed_out;
  }

  // Whether there was one: then it is gone.
  bool replace_dead_writer(owner_tag self, death_watch<Env>& deaths) {
    uint32_t seen = header_->writer.owner.load(std::memory_order_acquire);
    const owner_tag writer = owner_tag::from_bits(seen);
    if (!writer || writer == self || !deaths.dead(writer)) return false;
    // Acquire: is_dead() synchronises with everything the dead did.
    if (header_->writer.owner.compare_exchange_strong(seen, self.bits(), std::memory_order_seq_cst,
                                                      std::memory_order_seq_cst)) {
      settle_death();
      leave_as_writer();
    }
    return true;
  }

  // Whether no live process has readers inside. Those of the dead are struck out.
  bool nobody_inside(death_watch<Env>& deaths) {
    const uint64_t n = slots();
    for (uint64_t i = 0; i < n; ++i) {
      uint64_t seen = readers(i).load();
      for (;;) {
        const reader_count c = reader_count::of(seen);
        if (c.inside == 0) break;
        if (!c.tag || !deaths.dead(c.tag)) return false;
        if (readers(i).compare_exchange_strong(seen, 0, std::memory_order_seq_cst,
                                               std::memory_order_seq_cst))
          break;
      }
    }
    return true;
  }

  // REQUIRES: the writer's lock is held.
  void leave_as_writer() {
    header_->writing.store(0, std::memory_order_relaxed);
    const uint64_t n = slots();
    for (uint64_t i = 0; i < n; ++i) {
      uint64_t seen = readers(i).load(std::memory_order_relaxed);
      for (;;) {
        reader_count c = reader_count::of(seen);
        // What does not fit is let in with the rest, when the lock is free.
        if (c.waiting == 0 || c.waiting + c.granted > reader_count::kMostWaiting ||
            c.waiting + c.inside > reader_count::kMostInside) {
          break;
        }
        c.inside += c.waiting;
        c.granted += c.waiting;
        c.waiting = 0;
        // Release: pairs with the acquire in change().
        if (readers(i).compare_exchange_weak(seen, c.word(), std::memory_order_seq_cst,
                                             std::memory_order_seq_cst))
          break;
      }
    }
    header_->writer.unlock(*env_);
    header_->admitted.notify(*env_, INT_MAX);
  }

  static void count(typename P::template atomic<uint64_t>& counter) {
    counter.fetch_add(1, std::memory_order_relaxed);  // relaxed: a figure for people
  }

  Env* env_ = nullptr;
  rwlock_header<P>* header_ = nullptr;
  std::byte* readers_ = nullptr;
  uint64_t n_ = 0;
};

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_RWLOCK_CORE_H_
