// Where the subscribers of a stream have got to, and what that leaves free to be written.
//
//   state      owner      is                               left by                              killed here: repair
//   free       -          unused                           take()        -> passing, durable    -
//   passing    reader     somebody's, for as long as he    let_go()      -> free                free, once an emitter is held
//                         lives                                                                 up by it, or the entry is wanted
//   durable    reader     a name's; he reads on            let_go()      -> durable, nobody     none: anybody may adopt it
//   durable    nobody     a name's; waits for a reader     adopt()       -> durable, his        -
//                                                          forget()      -> free
//   stage      as durable, of a derived stream's pump
//
// All of it under the writer lock, but let_go(), which is one CAS, and moving on, which is the owner's store.
//
// Invariants
//  1. An element is not written over while a cursor stands at it or before it: limit <= position + N, for each cursor. A new cursor
//     lowers the limit before it becomes one; all others only move on, so the limit is at most too low, and is counted anew
//     when it is in the way.
//  2. `position` of a cursor that has an owner is written by that owner alone.
//  3. What stands before a cursor's position was delivered, or is said to have been missed.
#ifndef ZEROIPC_STREAM_CURSORS_H_
#define ZEROIPC_STREAM_CURSORS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "zeroipc/base/outcome.h"
#include "zeroipc/stream/layout.h"
#include "zeroipc/wait/death_watch.h"

namespace zeroipc::internal {

template <typename P, typename Env>
class cursor_table {
 public:
  using cursor = stream_cursor<P>;
  // What a reader keeps: which one, and its word as he left it.
  struct held {
    uint32_t index = 0;
    uint64_t word = 0;
  };
  static constexpr uint64_t kNone = ~uint64_t{0};  // a limit where nobody holds anything

  void bind(Env& env, cursor* first, uint32_t count) {
    env_ = &env;
    first_ = first;
    count_ = count;
  }
  uint32_t count() const { return count_; }
  const cursor& at(uint32_t i) const { return first_[i]; }

  // --- REQUIRES: the writer lock is held ---

  // The lowest position at which a cursor stands, but not beyond `tail`; kNone if there is no cursor. Frees those of the dead that
  // stand before `needed`.
  uint64_t lowest(uint64_t tail, uint64_t needed, death_watch<Env>& deaths) {
    uint64_t found = kNone;
    for (uint32_t i = 0; i < count_; ++i) {
      // Acquire: pairs with the release of let_go(): the owner reads no more.
      uint64_t word = first_[i].word.load(std::memory_order_acquire);
      if (cursor_word::state(word) == cursor_state::free) continue;
      // Acquire: pairs with the release in move_on(): the owner is done with what is before it.
      const uint64_t position = std::min(tail, first_[i].position.load(std::memory_order_acquire));
      if (position < needed && free_if_dead(first_[i], word, deaths)) continue;
      found = std::min(found, position);
    }
    return found;
  }

  // An unused one, or one of the dead. `exhausted` if there is none.
  outcome find_free(uint32_t& index, death_watch<Env>& deaths) {
    for (uint32_t i = 0; i < count_; ++i) {
      uint64_t word = first_[i].word.load(std::memory_order_acquire);
      if (cursor_word::state(word) == cursor_state::free || free_if_dead(first_[i], word, deaths)) {
        index = i;
        return outcome::ok;
      }
    }
    return outcome::exhausted;
  }

  // The durable one, or the stage's, of that name. `missing` if there is none.
  outcome find(cursor_state kind, std::string_view name, uint32_t& index) const {
    for (uint32_t i = 0; i < count_; ++i) {
      if (is(i, kind) && name_of(i) == name) {
        index = i;
        return outcome::ok;
      }
    }
    return outcome::missing;
  }

  // free -> passing, or another kind under a name. REQUIRES: `index` was found free; the limit respects `position`.
  held take(uint32_t index, uint64_t position, cursor_state kind, std::string_view name) {
    cursor& c = first_[index];
    uint64_t words[kNameWords] = {};
    if (!name.empty()) std::memcpy(words, name.data(), std::min(name.size(), kMaxCursorName));
    // Relaxed: published with the word.
    for (size_t i = 0; i < kNameWords; ++i) c.name[i].store(words[i], std::memory_order_relaxed);
    c.position.store(position, std::memory_order_relaxed);
    const uint64_t word =
        cursor_word::next(c.word.load(std::memory_order_relaxed), kind, env_->self());
    c.word.store(word, std::memory_order_release);
    return {index, word};
  }

  // durable or a stage's, of nobody or of a dead owner -> the same, ours. `taken`: a live one reads there.
  outcome adopt(uint32_t index, held& h, death_watch<Env>& deaths) {
    cursor& c = first_[index];
    // Acquire: pairs with the release of let_go(): the position is where the last owner left it. A dead one's is too: is_dead()
    // synchronises with all that it did.
    uint64_t word = c.word.load(std::memory_order_acquire);
    if (!unowned(word, deaths)) return outcome::taken;
    const uint64_t mine = cursor_word::next(word, cursor_word::state(word), env_->self());
    if (!c.word.compare_exchange_strong(word, mine, std::memory_order_acq_rel,
                                        std::memory_order_relaxed)) {
      return outcome::taken;
    }
    h = {index, mine};
    return outcome::ok;
  }

  // durable or a stage's, of nobody or of a dead owner -> free. `taken`: a live one reads there.
  outcome forget(uint32_t index, death_watch<Env>& deaths) {
    cursor& c = first_[index];
    uint64_t word = c.word.load(std::memory_order_acquire);
    if (!unowned(word, deaths)) return outcome::taken;
    const uint64_t unused = cursor_word::next(word, cursor_state::free, owner_tag());
    return c.word.compare_exchange_strong(word, unused, std::memory_order_acq_rel,
                                          std::memory_order_relaxed)
               ? outcome::ok
               : outcome::taken;
  }

  // --- the owner ---

  // Whether it is still ours: not after a fork, in the child.
  bool mine(const held& h) const {
    const owner_tag me = env_->tag();
    return me && cursor_word::owner(h.word) == me;
  }
  uint64_t position(const held& h) const {
    return first_[h.index].position.load(std::memory_order_relaxed);  // relaxed: ours
  }
  // Release: what was read is read before it may be written over.
  void move_on(const held& h, uint64_t position) {
    first_[h.index].position.store(position, std::memory_order_release);
  }
  // passing -> free; the others -> the same, of nobody.
  void let_go(const held& h) {
    uint64_t word = h.word;
    const cursor_state kind = cursor_word::state(word);
    first_[h.index].word.compare_exchange_strong(
        word,
        cursor_word::next(word, kind == cursor_state::passing ? cursor_state::free : kind,
                          owner_tag()),
        std::memory_order_release, std::memory_order_relaxed);
  }

  // --- looking ---

  bool is(uint32_t i, cursor_state kind) const {
    return cursor_word::state(first_[i].word.load(std::memory_order_acquire)) == kind;
  }
  // Of a durable one. Whole if the word was the same before and after.
  std::string name_of(uint32_t i) const {
    uint64_t words[kNameWords];
    for (size_t k = 0; k < kNameWords; ++k) {
      words[k] = first_[i].name[k].load(std::memory_order_relaxed);
    }
    char text[kMaxCursorName + 1];
    std::memcpy(text, words, sizeof text);
    return std::string(text, ::strnlen(text, kMaxCursorName));
  }

 private:
  static constexpr size_t kNameWords = (kMaxCursorName + 1) / 8;

  bool unowned(uint64_t word, death_watch<Env>& deaths) const {
    const owner_tag owner = cursor_word::owner(word);
    return !owner || deaths.dead(owner);
  }
  bool free_if_dead(cursor& c, uint64_t& word, death_watch<Env>& deaths) {
    if (cursor_word::state(word) != cursor_state::passing || !unowned(word, deaths)) {
      return false;
    }
    // Its owner is gone, and all others need the lock: it can only be the one that was read.
    const uint64_t unused = cursor_word::next(word, cursor_state::free, owner_tag());
    return c.word.compare_exchange_strong(word, unused, std::memory_order_acq_rel,
                                          std::memory_order_relaxed);
  }

  Env* env_ = nullptr;
  cursor* first_ = nullptr;
  uint32_t count_ = 0;
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_STREAM_CURSORS_H_
