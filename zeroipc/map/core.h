// The algorithm of zeroipc::map and zeroipc::set. Layout: layout.h.
//
// Entries are never changed in place. A writer fills its stripe's spare cell, and one CAS on a slot's word publishes that cell
// and takes the slot's old one in exchange, to be the next spare. So cells belong to slots and stripes, one each, whoever dies.
//
// Writer of a key, under the lock of its stripe               killed after it
//   1  fills the spare cell                                    nobody refers to it; the next one fills it again
//   2  journal: home, slot, from, to, count                    `home` is written last: see below
//   3  insertion: home.spread + 1 at that distance             readers look at one bucket too many; settled
//   4  CAS slot: from -> to     (linearisation point)          settled: spare and count follow
//   5  erasure: home.spread - 1                                settled
//   6  spare = the old cell, count                             settled
//   7  journal: home = 0                                       done
//   8  changed.notify                                          sleepers are woken by the death epoch
//
// Settling, by who inherits the lock. A slot that holds a key of this stripe is only changed under its lock, and the spare cell
// is in nobody else's hands. So the CAS has happened if an occupied `from` is not there any more, or, where `from` was empty
// and others may have been quicker, if `to` is there. Then spare and count are set from the journal, and home.spread is
// counted anew: whatever keys of that home are there, nobody else changes them meanwhile. All that can be done again.
//
// Reader of a key: reads home.spread and looks through those buckets; at a slot with its tag: word, cell.sequence, the entry,
// cell.sequence again, word again. If both are what they were, the entry was published then (linearisation point: the last
// look); else the slot was changed and is looked at again. A key that is there all the time stays in its slot, so it is found;
// one that is not found was not there at some moment of the search.
// Lock-free: a look is repeated only because a writer changed that slot.
#ifndef ZEROIPC_MAP_CORE_H_
#define ZEROIPC_MAP_CORE_H_

#include <bit>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "zeroipc/base/atomics.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/base/word_copy.h"
#include "zeroipc/map/layout.h"
#include "zeroipc/wait/robust_hold.h"
#include "zeroipc/wait/wait.h"

namespace zeroipc {

struct map_stats {
  uint64_t size = 0;        // a snapshot
  uint64_t capacity = 0;    // what it was created for
  uint64_t slots = 0;       // at most so many
  uint64_t waits = 0;       // waits for a change that had to sleep or spin
  uint64_t recoveries = 0;  // writers that died inside
};

namespace internal {

// Entry: trivially copyable, with a member `key` at its beginning. Traits: hash(key) and equal(key, key).
template <typename P, typename Env, typename Entry, typename Traits>
class map_core {
 public:
  using key_type = decltype(Entry::key);
  static constexpr uint64_t kStride = map_cell_stride(sizeof(Entry), alignof(Entry));

  void bind(Env& env, map_header<P>& header, map_stripe<P>* stripes, map_bucket<P>* buckets,
            std::byte* cells, uint64_t capacity, uint64_t n_buckets) {
    env_ = &env;
    header_ = &header;
    stripes_ = stripes;
    buckets_ = buckets;
    cells_ = cells;
    capacity_ = capacity;
    n_buckets_ = n_buckets;
    n_stripes_ = map_stripes(n_buckets);
    reach_ = map_reach(n_buckets);
    within_reach_ = reach_ == kReach ? ~uint64_t{0} : (uint64_t{1} << 4 * reach_) - 1;
  }
  // Of zeroed memory, by the creator.
  static void initialize(map_stripe<P>* stripes, map_bucket<P>* buckets, uint64_t n_buckets) {
    for (uint64_t i = 0; i < n_buckets * kBucketSlots; ++i) {
      buckets[i / kBucketSlots].slots[i % kBucketSlots].store(i, std::memory_order_relaxed);
    }
    for (uint64_t i = 0; i < map_stripes(n_buckets); ++i) {
      stripes[i].spare.store(static_cast<uint32_t>(n_buckets * kBucketSlots + i),
                             std::memory_order_relaxed);
    }
  }

  // --- readers ---

  // `ok`, `missing` or `corrupt`. `bytes` of the entry, from its beginning, are copied.
  outcome get(const key_type& key, Entry& entry, size_t bytes, uint64_t* version) const {
    place where;
    const outcome r = find(place_of(key), key, entry, bytes, where);
    if (version != nullptr) *version = r ? where.change : 0;
    return r;
  }

  // The version of the key's entry, which grows with each change; 0: there is none.
  uint64_t version(const key_type& key) const {
    room entry;
    uint64_t v = 0;
    get(key, entry.value, sizeof(key_type), &v);
    return v;
  }

  // Until the key's version is another than `since`.
  outcome wait_for_change(const key_type& key, uint64_t since, uint64_t& now, deadline until) {
    now = version(key);
    if (now != since) return outcome::ok;
    if (until.is_at_once()) return outcome::timed_out;
    header_->waits.fetch_add(1, std::memory_order_relaxed);  // relaxed: a figure for people
    const bool changed = wait_until<P>(*env_, stripe_of(place_of(key).home).changed, until, [&] {
      now = version(key);
      return now != since;
    });
    return changed ? outcome::ok : outcome::timed_out;
  }

  struct waitable_key {
    Env& env;
    event_word<P>& event;
  };
  waitable_key waitable(const key_type& key) const {
    return {*env_, stripe_of(place_of(key).home).changed};
  }

  // Calls f(entry) for each entry, whole, in no order. What is put in or taken out meanwhile may be met or not. Ends early, with
  // `corrupt`, at what no correct participant can have written.
  template <typename F>
  outcome for_each(F&& f) const {
    room entry;
    for (uint64_t i = 0; i < n_buckets_ * kBucketSlots; ++i) {
      uint64_t change;
      for (looks again;;) {
        const uint64_t word = slot(i).load(std::memory_order_acquire);
        if (!map_slot::of(word).occupied) break;
        if (read(slot(i), word, entry.value, sizeof(Entry), change)) {
          f(std::as_const(entry.value));
          break;
        }
        if (!again.make_sense(slot(i), word)) return outcome::corrupt;
      }
    }
    return outcome::ok;
  }

  // --- writers ---

  enum class when : uint8_t { missing, present, either };

  // `ok`; `exists` or `missing` if it was to be otherwise; `full`; `exhausted`; `corrupt`.
  outcome put(const Entry& entry, when only) {
    const spot s = place_of(entry.key);
    robust_hold<P, Env> hold(*env_, stripe_of(s.home).lock);
    outcome r = begin(hold, s);
    if (!r) return r;
    room found;
    place where;
    r = find(s, entry.key, found.value, sizeof(key_type), where);
    if (r == outcome::corrupt) return r;
    if (r && only == when::missing) return outcome::exists;
    if (!r && only == when::present) return r;
    return r ? replace(s, where, entry) : insert(s, entry);
  }

  // Replaces the key's entry by what change(entry) makes of a copy, if that returns true; `unequal` if not. It must leave the
  // key alone, and not use this structure's writers.
  template <typename F>
  outcome update(const key_type& key, F&& change) {
    const spot s = place_of(key);
    robust_hold<P, Env> hold(*env_, stripe_of(s.home).lock);
    outcome r = begin(hold, s);
    if (!r) return r;
    room entry;
    place where;
    r = find(s, key, entry.value, sizeof(Entry), where);
    if (!r) return r;
    if (!std::forward<F>(change)(entry.value)) return outcome::unequal;
    std::memcpy(static_cast<void*>(&entry.value.key), &key, sizeof key);
    return replace(s, where, entry.value);
  }

  outcome erase(const key_type& key) {
    const spot s = place_of(key);
    robust_hold<P, Env> hold(*env_, stripe_of(s.home).lock);
    outcome r = begin(hold, s);
    if (!r) return r;
    room entry;
    place where;
    r = find(s, key, entry.value, sizeof(key_type), where);
    if (!r) return r;
    map_slot empty = map_slot::of(where.word);
    empty.occupied = false;
    map_stripe<P>& stripe = stripe_of(s.home);
    write_journal(stripe, s.home, where.slot, where.word, empty.word());
    uint64_t seen = where.word;
    // Nobody else changes a slot that holds a key of this stripe. Release: readers that find it empty see what came before.
    if (!slot(where.slot)
             .compare_exchange_strong(seen, empty.word(), std::memory_order_acq_rel,
                                      std::memory_order_relaxed)) {
      return outcome::corrupt;
    }
    add_to_spread(s.home, where.distance, -1);
    finish(stripe, stripe.count.load(std::memory_order_relaxed) - 1);
    return outcome::ok;
  }

  // One key after the other.
  outcome clear() {
    outcome worst = outcome::ok;
    const outcome met = for_each([&](const Entry& entry) {
      const outcome r = erase(entry.key);
      if (!r && r != outcome::missing) worst = r;
    });
    return met ? worst : met;
  }

  map_stats stats() const {
    // Relaxed: figures for people.
    map_stats s = {0, capacity_, n_buckets_ * kBucketSlots,
                   header_->waits.load(std::memory_order_relaxed),
                   header_->recoveries.load(std::memory_order_relaxed)};
    for (uint64_t i = 0; i < n_stripes_; ++i) {
      s.size += stripes_[i].count.load(std::memory_order_relaxed);
    }
    return s;
  }

 private:
  using word = typename P::template atomic<uint64_t>;

  // Whether to look again at a slot whose word had gone, or did not fit its cell.
  class looks {
   public:
    bool make_sense(const word& slot, uint64_t was) {
      // What was read of the cell was written after it had left the slot, so the word is another by now: unless it came again,
      // after 65,536 fillings of that cell, or no correct participant wrote this.
      if (slot.load(std::memory_order_acquire) == was && ++misfits_ == kMisfits) return false;
      return ++looks_ != kLooks;
    }

   private:
    static constexpr int kMisfits = 8;
    // More would mean that a writer changes one slot in the time of each of our looks, for ever.
    static constexpr int kLooks = 1'000'000;

    int misfits_ = 0;
    int looks_ = 0;
  };

  // Storage without the constructors of keys and values, which need not have a default one.
  union room {
    room() {}
    Entry value;
  };
  // Where a key belongs.
  struct spot {
    uint64_t home;
    uint16_t tag;
  };
  // Where it is.
  struct place {
    uint64_t slot = 0;
    uint64_t distance = 0;
    uint64_t word = 0;
    uint64_t change = 0;
  };

  spot place_of(const key_type& key) const {
    const uint64_t hash = Traits::hash(key);
    // The upper half picks the bucket, the lower the tag.
    return {(hash >> 32) * n_buckets_ >> 32, static_cast<uint16_t>(hash & 0x7fff)};
  }
  map_stripe<P>& stripe_of(uint64_t home) const { return stripes_[home % n_stripes_]; }
  word& slot(uint64_t i) const { return buckets_[i / kBucketSlots].slots[i % kBucketSlots]; }
  map_cell<P>* cell(uint64_t i) const {
    if (i >= n_buckets_ * kBucketSlots + n_stripes_) return nullptr;
    return reinterpret_cast<map_cell<P>*>(cells_ + i * kStride);
  }
  static std::byte* entry_of(map_cell<P>* c) {
    return reinterpret_cast<std::byte*>(c) + map_entry_offset(alignof(Entry));
  }

  // What the word that was read in a slot has published; false if it is not there any more.
  bool read(const word& slot, uint64_t was, Entry& entry, size_t bytes, uint64_t& change) const {
    const map_slot s = map_slot::of(was);
    map_cell<P>* c = cell(s.cell);
    if (c == nullptr) return false;
    // Acquire: pairs with the release in fill().
    const uint64_t sequence = c->sequence.load(std::memory_order_acquire);
    if (static_cast<uint16_t>(sequence >> 1) != s.version || (sequence & 1) != 0) return false;
    read_object<P>(&entry, entry_of(c), bytes);
    change = c->change.load(std::memory_order_acquire);
    // Acquire: that the word is still there is looked at after this.
    return c->sequence.load(std::memory_order_acquire) == sequence &&
           slot.load(std::memory_order_acquire) == was;
  }

  static bool holds(uint64_t word, uint16_t tag) { return word >> 48 == (0x8000u | tag); }
  // The slots that hold a key with that tag, as bits: without a branch for each, of which half would be predicted wrongly.
  static unsigned candidates(const map_bucket<P>& b, uint16_t tag) {
    unsigned found = 0;
#pragma GCC unroll 7
    for (unsigned i = 0; i < kBucketSlots; ++i) {
      // Acquire: whether a key is there is decided here.
      found |= static_cast<unsigned>(holds(b.slots[i].load(std::memory_order_acquire), tag)) << i;
    }
    return found;
  }

  outcome find(const spot& s, const key_type& key, Entry& entry, size_t bytes, place& where) const {
    // Acquire: pairs with the release in add_to_spread().
    const uint64_t spread = buckets_[s.home].spread.load(std::memory_order_acquire) & within_reach_;
    looks again;
    for (uint64_t rest = spread; rest != 0;) {
      const auto d = static_cast<uint64_t>(std::countr_zero(rest)) / 4;
      rest &= ~(uint64_t{15} << 4 * d);
      const uint64_t b = bucket_at(s.home, d, n_buckets_);
      for (unsigned left = candidates(buckets_[b], s.tag); left != 0; left &= left - 1) {
        const auto i = static_cast<uint64_t>(std::countr_zero(left));
        const word& at = buckets_[b].slots[i];
        for (;;) {
          const uint64_t word = at.load(std::memory_order_acquire);
          if (!holds(word, s.tag)) break;
          if (!read(at, word, entry, bytes, where.change)) {
            if (!again.make_sense(at, word)) return outcome::corrupt;
            continue;
          }
          if (!Traits::equal(entry.key, key)) break;
          where.slot = b * kBucketSlots + i;
          where.distance = d;
          where.word = word;
          return outcome::ok;
        }
      }
    }
    return outcome::missing;
  }

  outcome begin(robust_hold<P, Env>& hold, const spot& s) {
    if (!hold) return hold.why();
    if (!hold.inherited()) return outcome::ok;
    header_->recoveries.fetch_add(1, std::memory_order_relaxed);  // relaxed: a figure for people
    return settle(stripe_of(s.home));
  }

  // All below: REQUIRES the stripe's lock. Its words are read relaxed: the lock orders them.

  outcome replace(const spot& s, const place& where, const Entry& entry) {
    map_stripe<P>& stripe = stripe_of(s.home);
    uint64_t to = 0;
    if (!fill(stripe, s, entry, to)) return outcome::corrupt;
    write_journal(stripe, s.home, where.slot, where.word, to);
    uint64_t seen = where.word;
    if (!publish(where.slot, seen, to)) return outcome::corrupt;
    stripe.spare.store(map_slot::of(where.word).cell, std::memory_order_relaxed);
    finish(stripe, stripe.count.load(std::memory_order_relaxed));
    return outcome::ok;
  }

  outcome insert(const spot& s, const Entry& entry) {
    map_stripe<P>& stripe = stripe_of(s.home);
    uint64_t to = 0;
    if (!fill(stripe, s, entry, to)) return outcome::corrupt;
    for (uint64_t d = 0; d < reach_; ++d) {
      const uint64_t first = bucket_at(s.home, d, n_buckets_) * kBucketSlots;
      for (uint64_t i = first; i < first + kBucketSlots; ++i) {
        uint64_t from = slot(i).load(std::memory_order_relaxed);
        if (map_slot::of(from).occupied) continue;
        write_journal(stripe, s.home, i, from, to);
        add_to_spread(s.home, d, 1);
        if (!publish(i, from, to)) {
          // Another stripe's.
          add_to_spread(s.home, d, -1);
          continue;
        }
        stripe.spare.store(map_slot::of(from).cell, std::memory_order_relaxed);
        finish(stripe, stripe.count.load(std::memory_order_relaxed) + 1);
        return outcome::ok;
      }
    }
    stripe.journal.home.store(0, std::memory_order_release);
    return outcome::full;
  }

  // Acquire: the cell that comes in exchange was filled by whoever published it. Release: pairs with readers' acquire.
  bool publish(uint64_t i, uint64_t& from, uint64_t to) {
    return slot(i).compare_exchange_strong(from, to, std::memory_order_acq_rel,
                                           std::memory_order_relaxed);
  }

  // Puts the entry into the spare cell; `word`: what publishes it.
  bool fill(map_stripe<P>& stripe, const spot& s, const Entry& entry, uint64_t& word) {
    const uint32_t spare = stripe.spare.load(std::memory_order_relaxed);
    map_cell<P>* c = cell(spare);
    if (c == nullptr) return false;
    const uint64_t change = stripe.changes.load(std::memory_order_relaxed) + 1;
    stripe.changes.store(change, std::memory_order_relaxed);
    const uint64_t odd = c->sequence.load(std::memory_order_relaxed) | 1;
    c->sequence.store(odd, std::memory_order_release);
    write_object<P>(entry_of(c), &entry, sizeof entry);
    c->change.store(change, std::memory_order_release);
    c->sequence.store(odd + 1, std::memory_order_release);
    word = map_slot{true, s.tag, static_cast<uint16_t>((odd + 1) >> 1), spare}.word();
    return true;
  }

  void add_to_spread(uint64_t home, uint64_t distance, int n) {
    word& spread = buckets_[home].spread;
    const uint64_t one = uint64_t{1} << 4 * distance;
    const uint64_t before = spread.load(std::memory_order_relaxed);
    // Release: who sees a key's slot through it sees it.
    spread.store(n > 0 ? before + one : before - one, std::memory_order_release);
  }

  void write_journal(map_stripe<P>& stripe, uint64_t home, uint64_t i, uint64_t from, uint64_t to) {
    map_journal<P>& j = stripe.journal;
    // Release, here and at the end: who finds `home` finds what belongs to it.
    j.home.store(0, std::memory_order_release);
    j.slot.store(i, std::memory_order_release);
    j.from.store(from, std::memory_order_release);
    j.to.store(to, std::memory_order_release);
    j.count.store(stripe.count.load(std::memory_order_relaxed), std::memory_order_release);
    j.home.store(home + 1, std::memory_order_release);
  }
  void finish(map_stripe<P>& stripe, uint64_t count) {
    stripe.count.store(count, std::memory_order_release);
    stripe.journal.home.store(0, std::memory_order_release);
    stripe.changed.notify(*env_, INT_MAX);
  }

  // What the last holder of the stripe's lock was at when it died.
  outcome settle(map_stripe<P>& stripe) {
    map_journal<P>& j = stripe.journal;
    const uint64_t home = j.home.load(std::memory_order_acquire) - 1;
    if (home == ~uint64_t{0}) return outcome::ok;
    const uint64_t i = j.slot.load(std::memory_order_relaxed);
    const map_slot from = map_slot::of(j.from.load(std::memory_order_relaxed));
    const map_slot to = map_slot::of(j.to.load(std::memory_order_relaxed));
    if (home >= n_buckets_ || i >= n_buckets_ * kBucketSlots) return outcome::corrupt;
    const uint64_t now = slot(i).load(std::memory_order_acquire);
    const bool done = from.occupied ? now != from.word() : now == to.word();
    uint64_t count = j.count.load(std::memory_order_relaxed);
    if (done) {
      if (to.occupied) stripe.spare.store(from.cell, std::memory_order_relaxed);
      count += uint64_t{to.occupied} - uint64_t{from.occupied};
    }
    uint64_t spread = 0;
    if (!count_spread(home, spread)) return outcome::corrupt;
    buckets_[home].spread.store(spread, std::memory_order_release);
    finish(stripe, count);
    return outcome::ok;
  }

  // How many keys of that home there are at each distance. Only its stripe's writers change that.
  bool count_spread(uint64_t home, uint64_t& spread) const {
    room entry;
    uint64_t change;
    looks again;
    for (uint64_t d = 0; d < reach_; ++d) {
      const uint64_t first = bucket_at(home, d, n_buckets_) * kBucketSlots;
      for (uint64_t i = first; i < first + kBucketSlots;) {
        const uint64_t word = slot(i).load(std::memory_order_acquire);
        if (map_slot::of(word).occupied) {
          if (!read(slot(i), word, entry.value, sizeof(key_type), change)) {
            if (!again.make_sense(slot(i), word)) return false;
            continue;
          }
          if (place_of(entry.value.key).home == home) spread += uint64_t{1} << 4 * d;
        }
        ++i;
      }
    }
    return true;
  }

  Env* env_ = nullptr;
  map_header<P>* header_ = nullptr;
  map_stripe<P>* stripes_ = nullptr;
  map_bucket<P>* buckets_ = nullptr;
  std::byte* cells_ = nullptr;
  uint64_t capacity_ = 0;
  uint64_t n_buckets_ = 0;
  uint64_t n_stripes_ = 0;
  uint64_t reach_ = 0;
  uint64_t within_reach_ = 0;  // the bits of a spread that mean something
};

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_MAP_CORE_H_
