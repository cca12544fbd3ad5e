// The words that the waits of an executor sleep on, whatever their number.
//
// Each word is here once, with all who wait for it, and so is each segment's death epoch. A word is prepared once (event_word.h), and
// not again until it has changed: while it is what prepare() left, nothing was published there that has not been looked at. So a wait
// costs nothing while others come and go.
//
// The loop's own thread sleeps on up to kWordsPerSleep words; for each further set of that size there is a helper thread, asleep, that
// reports when a word of its set has changed. The words that have not changed for longest are moved to helpers when there are too many
// for one sleep; or, since each word costs the kernel some 0.3 us in each, when there are more than a few and the loop has slept often.
#ifndef ZEROIPC_COROUTINE_WATCH_LIST_H_
#define ZEROIPC_COROUTINE_WATCH_LIST_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "zeroipc/coroutine/helper.h"
#include "zeroipc/coroutine/hook.h"
#include "zeroipc/coroutine/waiting.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/select/select_case.h"
#include "zeroipc/wait/event_word.h"

namespace zeroipc::internal {

struct watched_word : hook {  // among those that are to be prepared
  const std::atomic<uint32_t>* word = nullptr;
  event_word<hardware>* event = nullptr;  // nullptr: it is a death epoch
  participant* env = nullptr;
  uint32_t key = 0;  // what it was when all its waits had been looked at
  bool prepared = false;
  // It changed, so this process may have been chosen to be woken, and none of its waits took anything for that yet.
  bool owes = false;
  size_t set = 0;      // who sleeps on it
  size_t place = 0;    // where in that set
  uint64_t since = 0;  // it came, or changed
  hook_list<link> links;
};

class watch_list {
 public:
  // Of the 128 that the kernel takes, for the loop and the helpers have words of their own.
  static constexpr size_t kWordsPerSleep = 120;
  static constexpr size_t kFewWords = 32;
  static constexpr uint32_t kManySleeps = 256;

  // `ended`: called on a helper's thread when a word of its set may have changed.
  explicit watch_list(std::function<void()> ended) : ended_(std::move(ended)), sets_(1) {}

  // Adds its words, and the death epochs of their segments. The new ones are prepared by the next prepare().
  void link_up(waiting& w, const awaited_words& words);
  // Leaves them. What was taken, if anything, was announced by one of `taken`; a word that wakes one at a time, and may have woken us
  // for something else, wakes another one.
  void unlink(waiting& w, const awaited_words& taken);

  // Appends to `changed` who waits for a word that has changed.
  void scan(hook_list<waiting>& changed);
  // Whether all words are prepared.
  bool prepared() const { return unprepared_.empty(); }
  // Prepares those that are not, and appends to `look` who waits for them: they are looked at before the sleep.
  void prepare(hook_list<waiting>& look);

  // Has the helpers sleep; from now on each may call `ended`. Throws zeroipc::error if one is needed and cannot be had. REQUIRES:
  // prepared.
  void start_helpers();
  // What the loop itself is to sleep on, appended.
  void add_to(std::vector<futex_wait_entry>& entries) const;
  // What one scan looks at, at least.
  size_t own_words() const { return sets_[0].words.size(); }

 private:
  struct word_set {
    std::vector<watched_word*> words;
    std::unique_ptr<helper> by;  // nullptr: the loop
  };

  watched_word& find_or_add(const std::atomic<uint32_t>& word, event_word<hardware>* event,
                            participant& env);
  void put(watched_word& word, size_t set);
  void take_out(watched_word& word);
  void remove(watched_word& word, bool used);
  void keep_newest(size_t n);
  void scan(const word_set& set, hook_list<waiting>& changed);

  const std::function<void()> ended_;
  absl::flat_hash_map<const void*, std::unique_ptr<watched_word>> words_;
  std::vector<std::unique_ptr<watched_word>> spare_;
  hook_list<watched_word> unprepared_;
  std::vector<participant*> unfenced_;
  std::vector<watched_word*> scratch_;
  uint64_t clock_ = 0;
  uint32_t sleeps_ = 0;         // with more than a few words
  std::vector<word_set> sets_;  // last: their helpers end before what they report to
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_COROUTINE_WATCH_LIST_H_
