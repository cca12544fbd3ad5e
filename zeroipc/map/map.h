// map<K, V>: values under keys, between processes, any of which may die at any instruction.
//
//   zeroipc::map<uint32_t, Quote> quotes(mem, "quotes", 10'000);   // opens it, or creates it with room for 10'000
//   quotes.insert_or_assign(symbol, quote);
//   quotes.update(symbol, [](Quote& q) { q.volume += 100; });      // nobody else's change comes in between
//
//   if (auto q = quotes.get(symbol)) trade(*q);                    // whole, without a lock
//   uint64_t seen = 0;
//   quotes.get(symbol, quote, &seen);
//   seen = quotes.wait_for_change(symbol, seen);                   // sleeps until it is another one
//
// When to use it: for state under keys that many read. When not: for a few values use zeroipc::cell, under dense integers
// zeroipc::array; for keys alone, zeroipc::set.
//
// Keys are hashed and compared by zeroipc::key_traits: any type whose bytes say all about it, fixed_string, and types for which it
// is specialized.
//
// What is promised when a process is killed
//   * A change that returned is there. One that did not return happened or did not: the old entry is there, whole, or the new one.
//   * Readers wait for nobody, dead, stopped or alive. Writers of a key wait for a live one that is stopped (SIGSTOP) while it
//     changes a key of the same part of the map (one of up to 256); a dead one is replaced at once.
//
// Room: for at least `capacity` keys if their hashes are spread; more fit in until all slots near a key's place are taken (`full`).
// Keys that hash alike answer that early: at most 112 may share a place.
//
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped.
// Progress: reading is lock-free, and writes nothing: it looks again only at a slot that a writer changed meanwhile. Writing is
// blocking, by one robust lock for each part.
// Complexity: O(1), however much was erased and inserted before: there are no tombstones. A hit costs two cache misses, a miss
// mostly one. Memory: for each of 1.43 times the capacity 9.2 bytes of slots, and the entry with 16 bytes; 128 for each part.
// Source: counts of overflow in place of tombstones as in F14 (Bronson and Shi, 2019); entries that are never changed in
// place, after read-copy-update (McKenney, 1998).
#ifndef ZEROIPC_MAP_MAP_H_
#define ZEROIPC_MAP_MAP_H_

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/statusor.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/error.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/base/shareable.h"
#include "zeroipc/map/core.h"
#include "zeroipc/map/key_traits.h"
#include "zeroipc/map/open.h"
#include "zeroipc/name_table/sized_structure.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {

template <typename K, typename V>
struct map_entry {
  K key;
  V value;
};

// Changes answer:
//   ok         it happened
//   exists     insert: the key is there already          missing    assign, update, erase...: it is not
//   unequal    compare_and_set: the value is another     full       insertions: no room
//   exhausted  this process is a forked child that could not join the segment
//   corrupt    the segment holds what no correct participant can have written
template <typename K, typename V>
class map : public sized_structure<map<K, V>> {
  // A map of pointers may be named, but nothing can be put into it: see sharing().
  static_assert(internal::check_shareable<K>());
  static_assert(internal::check_shareable<std::conditional_t<std::is_pointer_v<V>, K, V>>());
  using entry = map_entry<K, V>;
  using core_type = internal::map_core<hardware, internal::participant, entry, key_traits<K>>;
  using when = typename core_type::when;

 public:
  using key_type = K;
  using mapped_type = V;

  // Opens the map, or creates it; one that exists with another capacity is an error. Throws zeroipc::error.
  map(const memory& mem, std::string_view name, size_t capacity)
      : map(internal::value_or_raise(map::open_or_create(mem, name, capacity))) {}
  // Opens a map that exists. Throws zeroipc::error.
  map(const memory& mem, std::string_view name)
      : map(internal::value_or_raise(map::open(mem, name))) {}

  // --- reading: `ok`, `missing`, `corrupt` ---

  // The entry's version is left in *version: it grows with each change of the key; 0 if there is none.
  outcome get(const K& key, V& value, uint64_t* version = nullptr) const {
    room e;
    const outcome r = core().get(key, e.whole, sizeof(entry), version);
    if (r) std::memcpy(static_cast<void*>(&value), &e.whole.value, sizeof(V));
    return r;
  }
  std::optional<V> get(const K& key) const {
    room e;
    std::optional<V> result;
    if (core().get(key, e.whole, sizeof(entry), nullptr)) result.emplace(e.whole.value);
    return result;
  }
  bool contains(const K& key) const { return core().version(key) != 0; }
  uint64_t version(const K& key) const { return core().version(key); }

  // Waits until the key's version is another than `since` (0: until it is there), and returns it: 0 if it is not there any more.
  uint64_t wait_for_change(const K& key, uint64_t since) const {
    uint64_t now = 0;
    core().wait_for_change(key, since, now, deadline::never());
    return now;
  }
  // The same within a time; `since` again if that passes first.
  template <typename Rep, typename Period>
  uint64_t wait_for_change_for(const K& key, uint64_t since,
                               std::chrono::duration<Rep, Period> timeout) const {
    uint64_t now = 0;
    core().wait_for_change(key, since, now, deadline::after(timeout));
    return now;
  }

  // For what waits for a key's change and for other things: its env and its event, which others' changes tell, too.
  auto waitable(const K& key) const { return core().waitable(key); }

  // Calls f(key, value) for each entry, whole, in no order. Entries that are changed meanwhile are met as they were or as they
  // are; those put in or taken out may be met or not.
  template <typename F>
  outcome for_each(F&& f) const {
    return core().for_each([&](const entry& e) { f(e.key, e.value); });
  }

  // --- writing ---

  outcome insert(const K& key, const V& value) {
    return sharing().put({key, value}, when::missing);
  }
  outcome insert_or_assign(const K& key, const V& value) {
    return sharing().put({key, value}, when::either);
  }
  outcome assign(const K& key, const V& value) {
    return sharing().put({key, value}, when::present);
  }
  // Calls change(V&) on a copy of the value, and puts that in its place. `change` must not write to this map.
  template <std::invocable<V&> F>
  outcome update(const K& key, F&& change) {
    return sharing().update(key, [&](entry& e) {
      std::forward<F>(change)(e.value);
      return true;
    });
  }
  // `unequal`: the value was not `expected`; what it was is left there. Values are compared by ==, or by their bytes if they have
  // no other say.
  outcome compare_and_set(const K& key, V& expected, const V& desired) {
    return sharing().update(key, [&](entry& e) {
      if (!same(e.value, expected)) {
        std::memcpy(static_cast<void*>(&expected), &e.value, sizeof(V));
        return false;
      }
      std::memcpy(static_cast<void*>(&e.value), &desired, sizeof(V));
      return true;
    });
  }
  outcome erase(const K& key) { return core().erase(key); }
  // Erases one key after the other: what is put in meanwhile may stay.
  outcome clear() { return core().clear(); }

  // Snapshots: by the time they are used they are history. A writer that died leaves its part's count one off, until the next.
  size_t size() const { return static_cast<size_t>(core().stats().size); }
  bool empty() const { return size() == 0; }
  size_t capacity() const { return static_cast<size_t>(core().stats().capacity); }
  map_stats stats() const { return core().stats(); }
  const std::string& name() const { return state_->held.name(); }

 private:
  friend class sized_structure<map>;
  using state = internal::map_state<core_type>;
  // Keys and values need not have a default constructor.
  union room {
    room() {}
    entry whole;
  };

  explicit map(std::shared_ptr<state> s) : state_(std::move(s)) {}
  static absl::StatusOr<map> make(const memory& mem, std::string_view name,
                                  internal::open_mode mode, size_t capacity) {
    auto s = internal::open_map<core_type>(mem, name, mode, structure_type::of<entry>(kind::map),
                                           capacity);
    if (!s.ok()) return s.status();
    return map(*std::move(s));
  }
  static bool same(const V& a, const V& b) {
    if constexpr (std::equality_comparable<V>) {
      return a == b;
    } else {
      static_assert(std::has_unique_object_representations_v<V>,
                    "compare_and_set needs values with ==, or without padding");
      return std::memcmp(&a, &b, sizeof(V)) == 0;
    }
  }
  core_type& core() const { return state_->core; }
  // The same, for what puts values in.
  core_type& sharing() const {
    static_assert(internal::check_shareable<V>());
    return core();
  }

  std::shared_ptr<state> state_;
};

}  // namespace zeroipc

#endif  // ZEROIPC_MAP_MAP_H_
