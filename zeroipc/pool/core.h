// The algorithm of zeroipc::pool: a word for each cell says whose it is, and bitmaps say where to look.
//
//   +------------------------------------------------+ 0
//   | structure_geometry                             |
//   +------------------------------------------------+ 128
//   | frees, freed      cells that came back         |
//   | swept             death epoch                  |
//   +------------------------------------------------+ offsets[0]
//   | summary[W/64]     bit w: hints[w] may be != 0  |
//   +------------------------------------------------+ offsets[1]
//   | hints[W]          bit i: cell i may be free    |   W = capacity / 64, rounded up
//   +------------------------------------------------+ offsets[2]
//   | state[capacity]   owner tag: 32, generation: 32|
//   +------------------------------------------------+ offsets[3]
//   | cell[capacity]                                 |
//   +------------------------------------------------+
//
// state          whose it is        entered by                                  its process dies here
// (0, g)         free               CAS (tag, g) -> (0, g)                      -
// (tag, g)       the tag's          CAS (0, g-1) -> (tag, g)                    (0, g) again, by sweep()
//
// Those two CAS are the linearisation points, and the owner's tag is in the word that claims. Everything else is a hint:
//
//   allocate     takes a hint (clears its bit), then runs the CAS. Killed between: a free cell without a hint.
//   deallocate   runs the CAS, then sets the hint, then the summary's. Killed between: the same.
//   sweep        gives the cells of the dead back, and sets the hint of each free cell. Run when nothing is to be found and
//                somebody has died since the last sweep; any number may run it at once, and each may die.
//
// A hint too many costs a look: the CAS fails, for the cell is taken. A hint too few can only be left by the dead, or be on its
// way: its deallocate has not returned.
//
// Nothing to be found is an answer only if `frees` did not move while one looked: what was free at the end of the look was
// then taken, or is being taken, by somebody alive. So `empty` is exact. Lock-free: one looks again because others freed.
#ifndef ZEROIPC_POOL_CORE_H_
#define ZEROIPC_POOL_CORE_H_

#include <atomic>
#include <bit>
#include <climits>
#include <cstddef>
#include <cstdint>

#include "zeroipc/base/atomics.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/participant/owner_tag.h"
#include "zeroipc/wait/wait.h"

namespace zeroipc {

struct pool_stats {
  uint64_t capacity = 0;
  uint64_t in_use = 0;
  uint64_t freed = 0;      // cells given back since creation
  uint64_t refused = 0;    // allocations that found nothing
  uint64_t waits = 0;      // allocations that had to wait
  uint64_t recovered = 0;  // cells taken back from the dead
};

namespace internal {

template <typename P>
struct pool_header {
  template <typename T>
  using atomic = typename P::template atomic<T>;

  structure_geometry geometry;

  alignas(kApart) atomic<uint64_t> frees;
  event_word<P> freed;
  atomic<uint32_t> swept;  // the death epoch up to which the cells of the dead are free
  // Counted on slow paths only.
  alignas(kCacheLine) atomic<uint64_t> refused;
  atomic<uint64_t> waits;
  atomic<uint64_t> recovered;
};
static_assert(offsetof(pool_header<hardware>, frees) == 128);
static_assert(sizeof(pool_header<hardware>) == 256);

inline constexpr uint64_t kMaxPoolCapacity = uint64_t{1} << 31;

constexpr uint64_t pool_words(uint64_t bits) { return bits / 64 + (bits % 64 != 0); }

// Whose a cell is, and how often it has been allocated.
struct pool_state {
  owner_tag owner;
  uint32_t generation = 0;

  static constexpr pool_state of(uint64_t word) {
    return {owner_tag::from_bits(static_cast<uint32_t>(word >> 32)), static_cast<uint32_t>(word)};
  }
  constexpr uint64_t word() const { return uint64_t{owner.bits()} << 32 | generation; }
};

// What does not depend on the cells' type.
template <typename P, typename Env>
class pool_core {
 public:
  void bind(Env& env, void* data, const structure_geometry& g) {
    env_ = &env;
    header_ = static_cast<pool_header<P>*>(data);
    summary_ = reinterpret_cast<bitmap*>(item_of(data, g, 0, 0));
    hints_ = reinterpret_cast<bitmap*>(item_of(data, g, 1, 0));
    states_ = reinterpret_cast<bitmap*>(item_of(data, g, 2, 0));
    capacity_ = g.capacity;
    words_ = pool_words(capacity_);
    summary_words_ = pool_words(words_);
  }

  uint64_t capacity() const { return capacity_; }

  // Of a pool that nobody else can see yet: all cells are free, and all hints are there. Relaxed: the name is published after.
  void open_for_business() {
    const auto set_first = [](bitmap* words, uint64_t bits) {
      for (uint64_t w = 0; w < pool_words(bits); ++w) {
        const uint64_t left = bits - w * 64;
        words[w].store(left < 64 ? (uint64_t{1} << left) - 1 : ~uint64_t{0},
                       std::memory_order_relaxed);
      }
    };
    set_first(hints_, capacity_);
    set_first(summary_, words_);
    header_->swept.store(env_->death_epoch(), std::memory_order_relaxed);
  }

  // A cell of this process's own. `empty`: all are in use; `exhausted`: this process could not join the segment after a fork.
  outcome allocate(uint64_t& index, uint32_t& generation, deadline until) {
    outcome r = try_allocate(index, generation);
    if (r != outcome::empty) return r;
    if (until.is_at_once()) {
      count(header_->refused);
      return r;
    }
    count(header_->waits);
    const bool settled = wait_until<P>(*env_, header_->freed, until, [&] {
      r = try_allocate(index, generation);
      return r != outcome::empty;
    });
    return settled ? r : outcome(outcome::timed_out);
  }

  // `gone`: it is free, or has been allocated anew (if `generation` is known); `taken`: it is another process's.
  outcome deallocate(uint64_t index, const uint32_t* generation) {
    const owner_tag self = env_->self();
    uint64_t word = states_[index].load(std::memory_order_relaxed);
    for (;;) {
      const pool_state s = pool_state::of(word);
      if (!s.owner) return outcome::gone;
      if (generation != nullptr && s.generation != *generation) return outcome::gone;
      if (s.owner != self) return outcome::taken;
      // Release: what was written to the cell comes before whoever gets it next.
      if (states_[index].compare_exchange_strong(word, pool_state{{}, s.generation}.word(),
                                                 std::memory_order_release,
                                                 std::memory_order_relaxed)) {
        break;
      }
    }
    give_hint(index);
    told(1);
    return outcome::ok;
  }

  // Makes a cell of `from`'s generation ours, for whoever has been handed it. `gone`: it has been given back since.
  outcome adopt(uint64_t index, uint32_t generation) {
    const owner_tag self = env_->self();
    if (!self) return outcome::exhausted;
    uint64_t word = states_[index].load(std::memory_order_relaxed);
    for (;;) {
      const pool_state s = pool_state::of(word);
      if (!s.owner || s.generation != generation) return outcome::gone;
      // Acquire: what its owner wrote to it before it handed it over. A dead owner's cell is as good until it is swept.
      if (s.owner == self || states_[index].compare_exchange_strong(
                                 word, pool_state{self, generation}.word(),
                                 std::memory_order_acq_rel, std::memory_order_relaxed)) {
        return outcome::ok;
      }
    }
  }

  uint32_t generation(uint64_t index) const {
    return pool_state::of(states_[index].load(std::memory_order_relaxed)).generation;
  }

  // Gives back what the dead hold; how many cells that was.
  [[gnu::noinline]] uint64_t sweep() {
    const uint32_t epoch = env_->death_epoch();  // before anybody is judged
    uint64_t back = 0;
    owner_tag alive;
    for (uint64_t i = 0; i < capacity_; ++i) {
      // Acquire: pairs with the CAS of allocate().
      uint64_t word = states_[i].load(std::memory_order_acquire);
      const pool_state s = pool_state::of(word);
      if (s.owner) {
        if (s.owner == alive) continue;
        if (!env_->is_dead(s.owner)) {
          alive = s.owner;
          continue;
        }
        if (!states_[i].compare_exchange_strong(word, pool_state{{}, s.generation}.word(),
                                                std::memory_order_acq_rel,
                                                std::memory_order_relaxed)) {
          continue;  // somebody else swept it
        }
        ++back;
      }
      give_hint(i);
    }
    // Release: whoever sees it finds the hints. Several sweeps may end in any order: a later epoch may be overwritten by an
    // earlier one, which costs one more sweep.
    header_->swept.store(epoch, std::memory_order_release);
    if (back != 0) header_->recovered.fetch_add(back, std::memory_order_relaxed);
    told(back == 0 ? 1 : back);
    return back;
  }

  pool_stats stats() const {
    // Relaxed: figures for people.
    const auto read = [](const auto& a) { return a.load(std::memory_order_relaxed); };
    pool_stats s;
    s.capacity = capacity_;
    for (uint64_t i = 0; i < capacity_; ++i) s.in_use += read(states_[i]) >> 32 != 0;
    s.freed = read(header_->frees);
    s.refused = read(header_->refused);
    s.waits = read(header_->waits);
    s.recovered = read(header_->recovered);
    return s;
  }

 private:
  using bitmap = typename P::template atomic<uint64_t>;

  outcome try_allocate(uint64_t& index, uint32_t& generation) {
    const owner_tag self = env_->self();
    if (!self) return outcome::exhausted;
    // Acquire: pairs with the release in sweep(). Private from here on, so that no peer makes us sweep for ever.
    uint32_t swept = header_->swept.load(std::memory_order_acquire);
    for (int round = 0; round < kRounds; ++round) {
      // Acquire: pairs with told(): the hints of what was counted are there.
      const uint64_t before = header_->frees.load(std::memory_order_acquire);
      while (take_hint(self, index)) {
        uint64_t word = states_[index].load(std::memory_order_relaxed);
        const pool_state s = pool_state::of(word);
        if (s.owner) continue;  // a hint too many
        generation = s.generation + 1;
        // Acquire: what its last owner wrote. Release: our death is known by this tag.
        if (states_[index].compare_exchange_strong(word, pool_state{self, generation}.word(),
                                                   std::memory_order_acq_rel,
                                                   std::memory_order_relaxed)) {
          return outcome::ok;
        }
      }
      if (const uint32_t epoch = env_->death_epoch(); swept != epoch) {
        swept = epoch;
        // Acquire: pairs with the release in sweep().
        if (header_->swept.load(std::memory_order_acquire) != epoch) sweep();
        continue;
      }
      // Relaxed: after the looks, which acquired.
      if (header_->frees.load(std::memory_order_relaxed) == before) return outcome::empty;
    }
    return outcome::corrupt;
  }

  // Finds a set bit, clears it, and says which cell it stands for. Each process begins somewhere else, and where it last
  // found something.
  bool take_hint(owner_tag self, uint64_t& index) {
    uint64_t at = rotor_.load(std::memory_order_relaxed);
    if (at == kNowhere) at = self.slot() * 8;  // of 64 cells each: no two begin in one line
    const uint64_t first = at % words_;
    if (take_hint_in(first, index)) return true;
    for (uint64_t n = 0; n <= summary_words_; ++n) {
      const uint64_t s = (first / 64 + n) % summary_words_;
      // Sequentially consistent, here and in give_hint(): whoever clears a summary bit and then finds hints[w] empty is seen
      // by whoever fills hints[w] and then looks at the summary, or sees it.
      uint64_t bits = summary_[s].load(std::memory_order_seq_cst);
      if (s == words_ / 64) bits &= (uint64_t{1} << words_ % 64) - 1;
      for (; bits != 0; bits &= bits - 1) {
        const auto bit = static_cast<uint64_t>(std::countr_zero(bits));
        const uint64_t w = s * 64 + bit;
        if (take_hint_in(w, index)) {
          rotor_.store(w, std::memory_order_relaxed);
          return true;
        }
        summary_[s].fetch_and(~(uint64_t{1} << bit), std::memory_order_seq_cst);
        if (hints_[w].load(std::memory_order_seq_cst) != 0) {
          summary_[s].fetch_or(uint64_t{1} << bit, std::memory_order_seq_cst);
          if (take_hint_in(w, index)) return true;
        }
      }
    }
    return false;
  }
  // REQUIRES: w < words_
  bool take_hint_in(uint64_t w, uint64_t& index) {
    uint64_t bits = hints_[w].load(std::memory_order_relaxed);
    for (int tries = 0; bits != 0 && tries < kRounds; ++tries) {
      const auto bit = static_cast<uint64_t>(std::countr_zero(bits));
      // Acquire: pairs with give_hint().
      bits = hints_[w].fetch_and(~(uint64_t{1} << bit), std::memory_order_acquire);
      index = w * 64 + bit;
      if ((bits >> bit & 1) != 0 && index < capacity_) return true;
    }
    return false;
  }
  void give_hint(uint64_t index) {
    const uint64_t w = index / 64, s = w / 64, bit = uint64_t{1} << w % 64;
    hints_[w].fetch_or(uint64_t{1} << index % 64, std::memory_order_seq_cst);
    if ((summary_[s].load(std::memory_order_seq_cst) & bit) == 0) {
      summary_[s].fetch_or(bit, std::memory_order_seq_cst);
    }
  }
  // `n` cells have come back.
  void told(uint64_t n) {
    header_->frees.fetch_add(n, std::memory_order_release);
    header_->freed.notify(*env_, n > INT_MAX ? INT_MAX : static_cast<int>(n));
  }

  static void count(bitmap& counter) {
    counter.fetch_add(1, std::memory_order_relaxed);  // relaxed: a figure for people
  }

  // More would mean that for each look of ours others freed and took something, or that somebody writes here who should not.
  static constexpr int kRounds = 100'000;
  static constexpr uint64_t kNowhere = ~uint64_t{0};

  Env* env_ = nullptr;
  pool_header<P>* header_ = nullptr;
  bitmap* summary_ = nullptr;
  bitmap* hints_ = nullptr;
  bitmap* states_ = nullptr;
  uint64_t capacity_ = 0;
  uint64_t words_ = 1;
  uint64_t summary_words_ = 1;
  std::atomic<uint64_t> rotor_{
      kNowhere};  // private: the word of hints where this handle last found something
};

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_POOL_CORE_H_
