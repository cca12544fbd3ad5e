// set<K>: keys that are there or not, between processes, any of which may die at any instruction.
//
//   zeroipc::set<uint64_t> seen(mem, "orders seen", 1'000'000);    // opens it, or creates it with room for 1'000'000
//   if (seen.insert(order_id)) process(order);                     // the first to see it
//
// When to use it: to know what has been met, is allowed, or is there. When not: for values under keys, zeroipc::map.
//
// It is a zeroipc::map without values: what is said there of keys, deaths, room, progress and complexity is true here.
#ifndef ZEROIPC_SET_SET_H_
#define ZEROIPC_SET_SET_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
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

template <typename K>
struct set_entry {
  K key;
};

using set_stats = map_stats;

template <typename K>
class set : public sized_structure<set<K>> {
  static_assert(internal::check_shareable<K>());
  using entry = set_entry<K>;
  using core_type = internal::map_core<hardware, internal::participant, entry, key_traits<K>>;

 public:
  using key_type = K;
  using value_type = K;

  // Opens the set, or creates it; one that exists with another capacity is an error. Throws zeroipc::error.
  set(const memory& mem, std::string_view name, size_t capacity)
      : set(internal::value_or_raise(set::open_or_create(mem, name, capacity))) {}
  // Opens a set that exists. Throws zeroipc::error.
  set(const memory& mem, std::string_view name)
      : set(internal::value_or_raise(set::open(mem, name))) {}

  bool contains(const K& key) const { return core().version(key) != 0; }
  // `exists`: it is there already; `full`, `exhausted`, `corrupt`.
  outcome insert(const K& key) { return core().put({key}, core_type::when::missing); }
  // `missing`: it is not there.
  outcome erase(const K& key) { return core().erase(key); }
  // Erases one key after the other: what is put in meanwhile may stay.
  outcome clear() { return core().clear(); }
  // Calls f(key) for each, in no order. Those put in or taken out meanwhile may be met or not.
  template <typename F>
  outcome for_each(F&& f) const {
    return core().for_each([&](const entry& e) { f(e.key); });
  }

  // Waits until the key is there, or is not there any more.
  void wait_until_there(const K& key) const { wait(key, true, deadline::never()); }
  void wait_until_gone(const K& key) const { wait(key, false, deadline::never()); }
  // Whether that came about in time.
  template <typename Rep, typename Period>
  bool wait_until_there_for(const K& key, std::chrono::duration<Rep, Period> timeout) const {
    return wait(key, true, deadline::after(timeout));
  }
  template <typename Rep, typename Period>
  bool wait_until_gone_for(const K& key, std::chrono::duration<Rep, Period> timeout) const {
    return wait(key, false, deadline::after(timeout));
  }

  // Snapshots: by the time they are used they are history.
  size_t size() const { return static_cast<size_t>(core().stats().size); }
  bool empty() const { return size() == 0; }
  size_t capacity() const { return static_cast<size_t>(core().stats().capacity); }
  set_stats stats() const { return core().stats(); }
  const std::string& name() const { return state_->held.name(); }

 private:
  friend class sized_structure<set>;
  using state = internal::map_state<core_type>;

  explicit set(std::shared_ptr<state> s) : state_(std::move(s)) {}
  static absl::StatusOr<set> make(const memory& mem, std::string_view name,
                                  internal::open_mode mode, size_t capacity) {
    auto s = internal::open_map<core_type>(mem, name, mode, structure_type::of<entry>(kind::set),
                                           capacity);
    if (!s.ok()) return s.status();
    return set(*std::move(s));
  }
  bool wait(const K& key, bool there, deadline until) const {
    for (uint64_t now = core().version(key); (now != 0) != there;) {
      if (!core().wait_for_change(key, now, now, until)) return false;
    }
    return true;
  }
  core_type& core() const { return state_->core; }

  std::shared_ptr<state> state_;
};

}  // namespace zeroipc

#endif  // ZEROIPC_SET_SET_H_
