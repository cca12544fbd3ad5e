// What a participant is to the templates of this library (see zeroipc/wait/wait.h), for explored programs: thread i of the
// program is a process of its own, with the tag (slot i, generation 1); kSurvivor is the one who judges.
#ifndef ZEROIPC_TESTING_EXPLORER_ENVIRONMENT_H_
#define ZEROIPC_TESTING_EXPLORER_ENVIRONMENT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "testing/explorer/policy.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/participant/owner_tag.h"
#include "zeroipc/participant/thread_record.h"

namespace zeroipc::explorer {

class environment {
 public:
  static constexpr uint32_t kSurvivor = kMaxThreads - 1;

  // `records`: of `count` threads and of the survivor, in shared memory; none where nothing claims.
  explicit environment(uint32_t i, internal::thread_record<policy>* records = nullptr,
                       uint32_t count = 0)
      : i_(i), records_(records), count_(count) {}

  owner_tag self() const { return owner_tag(i_, 1); }
  owner_tag tag() const { return owner_tag(i_, 1); }
  bool is_dead(owner_tag who) const {
    return who.generation() != 1 || search::running()->dead(static_cast<int>(who.slot()));
  }
  uint32_t death_epoch() const { return search::running()->death_epoch(); }

  internal::thread_record<policy>* record() { return &records_[i_ < count_ ? i_ : count_]; }
  template <typename F>
  void for_each_record(F&& f) const {
    for (uint32_t i = 0; i < count_; ++i) f(records_[i], owner_tag(i, 1));
    f(records_[count_], owner_tag(kSurvivor, 1));
  }

  void light_fence() const { search::running()->light_fence(); }
  void heavy_fence() const { search::running()->heavy_fence(); }
  int spins() const { return 0; }
  bool sleep(policy::atomic<uint32_t>& word, uint32_t key, uint32_t epoch, deadline until) const {
    const search::sleep_word one = {&word, key, epoch};
    return search::running()->sleep({&one, 1}, !until.is_never(), until.is_at_once());
  }
  static constexpr size_t kMostAwaited = search::kMostAwaited;
  struct sleep_word {
    environment* env;
    policy::atomic<uint32_t>* word;
    uint32_t key;
    uint32_t epoch;
  };
  static bool sleep_any(std::span<const sleep_word> words, deadline until) {
    // Nothing on the heap: a thread that dies here would leave it behind.
    std::array<search::sleep_word, search::kMostAwaited> all;
    size_t n = 0;
    for (const sleep_word& w : words) {
      check(n < all.size(), "it sleeps on more words than are modelled");
      all[n++] = {w.word, w.key, w.epoch};
    }
    return search::running()->sleep({all.data(), n}, !until.is_never(), until.is_at_once());
  }
  int wake(policy::atomic<uint32_t>& word, int n) const {
    return search::running()->wake(&word, n);
  }

 private:
  uint32_t i_;
  internal::thread_record<policy>* records_;
  uint32_t count_;
};

}  // namespace zeroipc::explorer

#endif  // ZEROIPC_TESTING_EXPLORER_ENVIRONMENT_H_
