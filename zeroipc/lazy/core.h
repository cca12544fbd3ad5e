// The algorithm of zeroipc::lazy: who asks, who computes, and what counts. The bytes and the states are in layout.h.
//
// Linearisation points, all on `word`, which is changed by compare-and-swap alone:
//   get(), that finds a result   its first load of the word, if the second one reads the same
//   an evaluation                begins with claim()'s CAS, counts from publish()'s
//   invalidate(), refresh()      their CAS
//
// No stale result. invalidate() is always a read-modify-write (release), even where it changes nothing; claim() acquires. So
// either the evaluation was begun before, and then its word is no longer the one that publish() expects; or it is begun after
// that, and the computation sees what its invalidator did before.
//
//   invalidator                            evaluator
//   source = new                           CAS word: wanted -> evaluating       acquire
//   CAS word: w -> stale, none or w        x = source                           new, or the CAS below fails
//             release                      CAS word: evaluating -> value        release
//
// No torn result, and none that is overwritten by a late evaluator, one that take_over() has given up on:
//   publish                                              killed after it
//   1  a buffer's writer: 0 or a dead tag -> tag         the next one to write takes the buffer over
//   2  word == own? else it is fenced: 5                 the same
//   3  the buffer's version and result (release each)    the same: nobody reads it
//   4  CAS word: own -> value, that buffer (release)     published: the linearisation point
//   5  writer = 0                                        taken over by a later one, at whose step 2 no buffer counts
//   6  changed.notify                                    sleepers wake by the death epoch
// While an evaluation is under way no buffer counts (2). One can come to count only by a CAS of who holds it (1), and the writer
// holds it until 5. So what is written in 3 is not what readers are sent to, however late the writer is; and it never comes to
// count, for its word has passed. A reader of an older result that meets one of the words of 3 has met a release after 2, and
// its second look finds another word than its own. One buffer is lost to each process that is stopped between 1 and 5, until it
// goes on or dies; with all four lost, publish() waits.
//
// Who asks sleeps on `changed`, providers on `demand`; each of them on the death epoch too. After each change of the word that
// lets somebody go on, those are told; whoever dies in between leaves it to the death epoch.
//
// Progress: load() is lock-free, looks again only if others changed the word. Everything else blocks as said.
#ifndef ZEROIPC_LAZY_CORE_H_
#define ZEROIPC_LAZY_CORE_H_

#include <climits>
#include <cstddef>
#include <cstdint>

#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/lazy/layout.h"
#include "zeroipc/lazy/results.h"
#include "zeroipc/lazy/seats.h"
#include "zeroipc/participant/owner_tag.h"
#include "zeroipc/wait/death_watch.h"
#include "zeroipc/wait/wait.h"

namespace zeroipc::internal {

// What became of a result.
enum class lazy_publication : uint8_t {
  counts,
  fenced,  // it is not wanted any more: another is at it, or nobody asks
  again,   // invalidated, and asked for since: its evaluator has the next turn
};

template <typename P, typename Env, typename T>
class lazy_core {
 public:
  static constexpr uint64_t kStride = lazy_results<P, Env, T>::kStride;

  // `buffers`: of kLazyBuffers.
  void bind(Env& env, lazy_header<P>& header, std::byte* buffers) {
    env_ = &env;
    header_ = &header;
    results_.bind(env, buffers);
    seats_.bind(env, header);
  }
  lazy_seats<P, Env>& seats() { return seats_; }

  // --- who asks ---

  // `empty`: no result that stays; `failed`: an error, left in *why.
  outcome load(T& value, uint64_t* version, lazy_error* why) const {
    for (;;) {
      // Acquire: pairs with the release in publish().
      const uint64_t seen = header_->word.load(std::memory_order_acquire);
      const lazy_state s = lazy_word::of(seen).state;
      if (s != lazy_state::value && s != lazy_state::error) return outcome::empty;
      const outcome r = read(seen, value, version, why);
      if (r != outcome::empty) return r;
    }
  }

  // Until there is a result; asks for one. `here()`: computes it in this thread, if that is possible; whether it did. At the end of
  // the time `timed_out`, or `missing` if nobody is there to compute it.
  template <typename Here>
  outcome get(T& value, uint64_t* version, lazy_error* why, deadline until, Here&& here) {
    outcome r = load(value, version, why);
    if (r != outcome::empty) return r;
    count(header_->waits);
    death_watch<Env> watch(*env_);
    bool asked = false;  // from then on an error that is not kept is for us, too
    const bool settled = wait_until<P>(*env_, header_->changed, until, [&] {
      for (;;) {
        const uint64_t seen = header_->word.load(std::memory_order_acquire);  // as in load()
        const lazy_word w = lazy_word::of(seen);
        if (w.state == lazy_state::value || w.state == lazy_state::error ||
            (w.state == lazy_state::failed && asked)) {
          r = read(seen, value, version, why);
          if (r != outcome::empty) return true;
        } else if (claimable(w, true, watch) && here()) {
          asked = true;
        } else {
          asked = true;
          if (!ask(seen, w)) return false;
        }
      }
    });
    if (settled) return r;
    return seats_.living() == 0 ? outcome::missing : outcome::timed_out;
  }

  // The error that stands there, kept or not.
  bool error(lazy_error& why) const {
    for (;;) {
      const uint64_t seen = header_->word.load(std::memory_order_acquire);  // as in load()
      const lazy_word w = lazy_word::of(seen);
      if (!w.has_error()) return false;
      results_.read(w.low, why);
      if (unchanged(seen)) return true;
    }
  }
  // Of the value; 0 if there is none.
  uint64_t version() const {
    for (;;) {
      const uint64_t seen = header_->word.load(std::memory_order_acquire);  // as in load()
      const lazy_word w = lazy_word::of(seen);
      if (w.state != lazy_state::value) return 0;
      const uint64_t v = results_.version(w.low);
      if (unchanged(seen)) return v;
    }
  }

  // --- who changes what it is computed from ---

  void invalidate() {
    change([](const lazy_word& w) {
      if (w.state == lazy_state::evaluating) return w.same_turn(lazy_state::stale);
      if (w.state == lazy_state::value || w.has_error()) return w.next(lazy_state::none);
      return w;
    });
  }
  // And asks for the next one.
  void refresh() {
    change([](const lazy_word& w) {
      if (w.at_work()) return w.same_turn(lazy_state::again);
      return w.state == lazy_state::wanted ? w : w.next(lazy_state::wanted);
    });
    wake_providers();  // in `again`, too: as in ask()
  }

  // Gives up on who is at it, alive or not. `empty`: nobody is.
  outcome take_over() {
    // Relaxed, as in all that ends a turn: the CAS looks again; it hands on what invalidators released, as any
    // read-modify-write does.
    uint64_t seen = header_->word.load(std::memory_order_relaxed);
    for (;;) {
      const lazy_word w = lazy_word::of(seen);
      if (!w.at_work()) return outcome::empty;
      if (end_turn(seen, w)) break;
    }
    count(header_->take_overs);
    return outcome::ok;
  }

  // --- who computes ---

  // Until there is something to compute, or `stop()`.
  template <typename Stop>
  void wait_for_work(Stop&& stop) {
    death_watch<Env> watch(*env_);
    wait_until<P>(*env_, header_->demand, deadline::never(), [&] {
      if (stop()) return true;
      // Relaxed: claim() looks again. The look after the fence finds what its publisher notified of.
      return claimable(lazy_word::of(header_->word.load(std::memory_order_relaxed)), false, watch);
    });
  }

  // After what stop() is to see.
  void wake_providers() { header_->demand.notify(*env_, INT_MAX); }

  // Begins an evaluation if one is wanted, or if the caller `asks` for one itself. `mine` is for publish().
  bool claim(uint64_t& mine, bool asks) {
    const owner_tag self = env_->self();
    if (!self) return false;
    death_watch<Env> watch(*env_);
    uint64_t seen = header_->word.load(std::memory_order_relaxed);  // relaxed: the CAS looks again
    for (;;) {
      const lazy_word w = lazy_word::of(seen);
      if (!claimable(w, asks, watch)) return false;
      mine = w.next(lazy_state::evaluating, self.bits()).bits();
      // Acquire: pairs with the release in change(), whose release sequence goes on to here.
      if (header_->word.compare_exchange_weak(seen, mine, std::memory_order_acquire,
                                              std::memory_order_relaxed)) {
        count(header_->evaluations);
        if (w.at_work()) count(header_->handovers);
        return true;
      }
    }
  }

  lazy_publication publish(uint64_t& mine, const T& value) {
    return publish(mine, lazy_state::value, value);
  }
  // `keep`: until it is invalidated; else it is for those who have asked by now.
  lazy_publication publish_error(uint64_t& mine, const lazy_error& why, bool keep) {
    count(header_->failures);
    return publish(mine, keep ? lazy_state::error : lazy_state::failed, why);
  }

  lazy_stats stats() const {
    // Relaxed: figures for people.
    const auto figure = [](const auto& c) { return c.load(std::memory_order_relaxed); };
    const lazy_word w = lazy_word::of(figure(header_->word));
    return {.has_value = w.state == lazy_state::value,
            .evaluating = w.at_work(),
            .version = version(),
            .providers = seats_.living(),
            .evaluations = figure(header_->evaluations),
            .failures = figure(header_->failures),
            .handovers = figure(header_->handovers),
            .take_overs = figure(header_->take_overs),
            .fenced = figure(header_->fenced),
            .waits = figure(header_->waits)};
  }

 private:
  // Relaxed: comes after acquire loads of what was read, which see to it that it finds a writer's word or a later one.
  bool unchanged(uint64_t seen) const {
    return header_->word.load(std::memory_order_relaxed) == seen;
  }
  // `empty`: it has changed meanwhile. REQUIRES: `seen` has a result.
  outcome read(uint64_t seen, T& value, uint64_t* version, lazy_error* why) const {
    const lazy_word w = lazy_word::of(seen);
    if (w.state == lazy_state::value) {
      results_.read(w.low, value);
      if (version != nullptr) *version = results_.version(w.low);
      return unchanged(seen) ? outcome::ok : outcome::empty;
    }
    if (why != nullptr) results_.read(w.low, *why);
    return unchanged(seen) ? outcome::failed : outcome::empty;
  }

  bool claimable(const lazy_word& w, bool asks, death_watch<Env>& watch) const {
    switch (w.state) {
      case lazy_state::wanted:
        return true;
      case lazy_state::none:
      case lazy_state::failed:
        return asks;
      case lazy_state::evaluating:
      case lazy_state::again:
        return watch.dead(w.owner());
      default:
        return false;
    }
  }

  // False if that has been done already; else look again.
  bool ask(uint64_t seen, const lazy_word& w) {
    lazy_word to = w;
    if (w.state == lazy_state::none || w.state == lazy_state::failed) {
      to = w.next(lazy_state::wanted);
    } else if (w.state == lazy_state::stale) {
      to = w.same_turn(lazy_state::again);
    } else {
      return false;
    }
    // Strong: if it fails, an error that is found from now on was published after get() began. Relaxed: hands on what invalidators
    // released; who asks promises nothing of its own.
    if (header_->word.compare_exchange_strong(seen, to.bits(), std::memory_order_relaxed,
                                              std::memory_order_relaxed)) {
      // In `again`, too: its evaluator may be dead, and providers have nothing to do with one that is stale.
      wake_providers();
    }
    return true;
  }

  // A read-modify-write even if it stays as it is: see above. Release: pairs with the acquire in claim() and end().
  template <typename To>
  void change(To&& to) {
    uint64_t seen = header_->word.load(std::memory_order_relaxed);  // relaxed: the CAS looks again
    while (!header_->word.compare_exchange_weak(seen, to(lazy_word::of(seen)).bits(),
                                                std::memory_order_release,
                                                std::memory_order_relaxed)) {
    }
  }

  // The evaluation does not count: whoever still asks is served by the next. False if the word has changed.
  bool end_turn(uint64_t& seen, const lazy_word& w) {
    const bool asked = w.state != lazy_state::stale;
    const uint64_t to = w.next(asked ? lazy_state::wanted : lazy_state::none).bits();
    if (!header_->word.compare_exchange_weak(seen, to, std::memory_order_relaxed,
                                             std::memory_order_relaxed)) {
      return false;
    }
    // Who asked before it was invalidated sleeps, and has to ask again.
    (asked ? header_->demand : header_->changed).notify(*env_, INT_MAX);
    return true;
  }

  // Steps 1 to 6.
  template <typename Result>
  lazy_publication publish(uint64_t& mine, lazy_state as, const Result& result) {
    const lazy_word own = lazy_word::of(mine);
    // In a child that its process forked meanwhile the turn is the parent's.
    if (own.owner() != env_->tag()) return lazy_publication::fenced;
    const uint32_t n = results_.take(own.turn);
    if (n == kLazyBuffers) return end(mine);
    bool counts = false;
    // Relaxed: the lock's acquire shows what the buffer's last writer did to the word.
    if (header_->word.load(std::memory_order_relaxed) == mine) {
      // Relaxed: drawn between claim() and the CAS below, so in the order of the turns.
      results_.write(n, header_->versions.fetch_add(1, std::memory_order_relaxed) + 1, result);
      uint64_t expected = mine;
      // Release: pairs with the acquire in load(); and with that in claim(), so that versions grow.
      counts = header_->word.compare_exchange_strong(
          expected, own.next(as, n).bits(), std::memory_order_release, std::memory_order_relaxed);
    }
    results_.give_back(n);
    if (!counts) return end(mine);
    header_->changed.notify(*env_, INT_MAX);
    return lazy_publication::counts;
  }

  // Of an evaluation whose result does not count.
  lazy_publication end(uint64_t& mine) {
    const lazy_word own = lazy_word::of(mine);
    uint64_t seen = header_->word.load(std::memory_order_relaxed);  // relaxed: the CAS looks again
    for (;;) {
      const lazy_word w = lazy_word::of(seen);
      if (!w.at_work() || w.turn != own.turn || w.low != own.low) {
        count(header_->fenced);
        return lazy_publication::fenced;
      }
      if (w.state != lazy_state::again) {
        if (end_turn(seen, w)) return lazy_publication::fenced;
        continue;
      }
      const uint64_t next = w.next(lazy_state::evaluating, own.low).bits();
      // Acquire: the next evaluation begins, as in claim().
      if (header_->word.compare_exchange_weak(seen, next, std::memory_order_acquire,
                                              std::memory_order_relaxed)) {
        mine = next;
        count(header_->evaluations);
        return lazy_publication::again;
      }
    }
  }

  static void count(typename P::template atomic<uint64_t>& counter) {
    counter.fetch_add(1, std::memory_order_relaxed);  // relaxed: a figure for people
  }

  Env* env_ = nullptr;
  lazy_header<P>* header_ = nullptr;
  lazy_results<P, Env, T> results_;
  lazy_seats<P, Env> seats_;
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_LAZY_CORE_H_
