// The side of a queue that only one may be on at a time, where the policy says so.
//
// The role word in the segment holds the owner tag of the process that has it, so that taking it and saying who took it are
// one CAS, and a dead holder's role is taken over by the next one who asks. Which *handle* of the process has it, is in
// private memory: a second handle in the same process is refused like another process. A forked child is not its parent:
// its tag differs from the one remembered here.
#ifndef ZEROIPC_QUEUE_ROLE_H_
#define ZEROIPC_QUEUE_ROLE_H_

#include <atomic>
#include <cstdint>

#include "zeroipc/base/outcome.h"
#include "zeroipc/participant/owner_tag.h"

namespace zeroipc::internal {

template <typename P, typename Env>
class role {
 public:
  using word_type = typename P::template atomic<uint32_t>;

  bool held(const Env& env) const {
    const uint32_t mine =
        mine_.load(std::memory_order_relaxed);  // relaxed: private, and a process' own
    return mine != 0 && mine == env.tag().bits();
  }

  // From nobody or from the dead. The caller repairs what a dead holder may have left half done.
  outcome take(Env& env, word_type& word) {
    const uint32_t me = env.self().bits();
    if (me == 0) return outcome::exhausted;
    // Acquire: pairs with the release in give_up(): the counter is where the last holder left it.
    uint32_t seen = word.load(std::memory_order_acquire);
    if (seen != 0 && (seen == me || !env.is_dead(owner_tag::from_bits(seen))))
      return outcome::taken;
    if (!word.compare_exchange_strong(seen, me, std::memory_order_acq_rel,
                                      std::memory_order_relaxed)) {
      return outcome::taken;
    }
    mine_.store(me, std::memory_order_relaxed);
    return outcome::ok;
  }

  void give_up(const Env& env, word_type& word) {
    if (!held(env)) return;
    uint32_t mine = mine_.exchange(0, std::memory_order_relaxed);
    word.compare_exchange_strong(mine, 0, std::memory_order_release, std::memory_order_relaxed);
  }

 private:
  std::atomic<uint32_t> mine_{0};
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_QUEUE_ROLE_H_
