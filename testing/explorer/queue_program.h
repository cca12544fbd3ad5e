// A queue for the explorer: threads that each run a script of operations, and what must hold when they have ended.
#ifndef ZEROIPC_TESTING_EXPLORER_QUEUE_PROGRAM_H_
#define ZEROIPC_TESTING_EXPLORER_QUEUE_PROGRAM_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "testing/explorer/environment.h"
#include "testing/explorer/explorer.h"
#include "testing/explorer/policy.h"
#include "zeroipc/queue/core.h"

namespace zeroipc::explorer {

using internal::claim_word;
using internal::queue_core;
using internal::queue_geometry;
using internal::queue_header;
using internal::thread_record;

struct item {
  uint64_t id = 0;
  uint64_t check = 0;
};
inline item make(uint64_t id) { return {id, ~id}; }

enum class op : uint8_t {
  push,
  push_wait,
  push_two,
  commit,
  abort,
  pop,
  pop_wait,
  pop_two,
  peek_release,
  peek_drop,
  lease_ack,
  lease_nack,
  lease_wait,
  close,
  recover
};
using script = std::vector<op>;

inline constexpr deadline kNow = deadline::at_once();
inline constexpr deadline kNever = deadline::never();

// What one thread has seen of its operations; no pointers, no padding that varies.
struct books {
  uint64_t step = 0;
  uint64_t acked[4] = {};  // pushes that returned
  uint64_t n_acked = 0;
  uint64_t begun[4] = {};  // pushes that may have happened
  uint64_t n_begun = 0;
  uint64_t got[6] = {};  // items consumed
  uint64_t n_got = 0;
  uint64_t may_take = 0;              // items that die with this thread, if it dies now
  uint64_t closed = 0;                // 1: close() was called, 2: it returned
  uint64_t pushing = 0, popping = 0;  // in an operation that waits
  uint64_t drained = 0;               // it was told that nothing will come

  void get(const item& x) {
    check(x.check == ~x.id, "a torn item");
    got[n_got++] = x.id;
  }
};

template <typename Policy>
class queue_program : public explorer::program {
 public:
  using core_type = queue_core<explorer::policy, environment, item, Policy>;
  static constexpr bool kBare = !Policy::multi_producer && !Policy::multi_consumer;

  queue_program(uint64_t capacity, uint64_t filled, std::vector<script> scripts)
      : geometry_(*internal::make_queue_geometry(
            capacity, 1, {sizeof(item), alignof(item), Policy::variant, kBare}, uint64_t{1} << 30,
            "test")),
        filled_(filled),
        scripts_(std::move(scripts)) {
    for (const script& s : scripts_) {
      for (const op o : s) {
        keeps_ = keeps_ || o == op::commit || o == op::abort || o == op::peek_release ||
                 o == op::peek_drop;
        returns_ = returns_ || o == op::peek_drop || o == op::lease_nack;
      }
    }
  }
  // The threads that may die or stop, as bits.
  unsigned mortal = ~0u;

  int threads() const override { return static_cast<int>(scripts_.size()); }
  bool may_die(int i) const override { return (mortal >> i & 1) != 0; }
  bool may_stop(int i) const override { return (mortal >> i & 1) != 0; }
  bool may_sleep_for_ever(int) const override { return true; }  // judge() knows better

  void start() override {
    const auto n = static_cast<uint32_t>(scripts_.size());
    auto* const bytes = static_cast<std::byte*>(explorer::shared(geometry_.bytes, 128, "queue"));
    auto* const header = reinterpret_cast<queue_header<explorer::policy>*>(bytes);
    bytes_ = bytes;
    header_ = header;
    records_ = static_cast<record*>(explorer::shared((n + 1) * sizeof(record), 128, "records"));
    header->geometry = geometry_;
    give_names(*header, bytes, n);
    explorer::unobserved(&header->refused, 6 * 8);
    for (uint32_t i = 0; i <= n; ++i) {
      const size_t kept = keeps_ ? 2 : 1;
      explorer::constant(&records_[i].claims[kept],
                         (record::kClaims - kept) * sizeof(records_->claims[0]));
      explorer::constant(&records_[i].owner, 12);
      new (&env_[i]) environment(i < n ? i : environment::kSurvivor, records_, n);
      std::memset(static_cast<void*>(&cores_[i]), 0, sizeof(core_storage));
      new (&cores_[i]) core_type();
      core(i).bind(env(i), bytes, geometry_, 7);
      books_[i] = {};
    }
    // Filled by the survivor, after a lap, so that no position is zero.
    core_type& filler = core(n);
    item x;
    if (filled_ != 0) {
      check(bool(filler.push(make(90), kNow)) && bool(filler.pop(x, kNow)), "the first lap");
      for (uint64_t i = 0; i < filled_; ++i) {
        check(bool(filler.push(make(91 + i), kNow)), "filling");
        books_[n].acked[books_[n].n_acked++] = books_[n].begun[books_[n].n_begun++] = 91 + i;
      }
      filler.give_up_producer();
      filler.give_up_consumer();
    }
  }

  void run(int i) override {
    core_type& c = core(static_cast<uint32_t>(i));
    books& b = books_[i];
    for (const op o : scripts_[static_cast<size_t>(i)]) {
      run(o, c, b, static_cast<uint64_t>(i + 1) * 10);
      b.may_take = b.pushing = b.popping = 0;
      ++b.step;
      settle(static_cast<uint32_t>(i));
    }
    c.give_up_producer();
    c.give_up_consumer();
  }

  void judge() override;

 private:
  using record = thread_record<explorer::policy>;
  struct alignas(128) core_storage {
    std::byte bytes[sizeof(core_type)];
  };
  struct alignas(16) env_storage {
    std::byte bytes[sizeof(environment)];
  };

  core_type& core(uint32_t i) { return *std::launder(reinterpret_cast<core_type*>(&cores_[i])); }
  environment& env(uint32_t i) { return *std::launder(reinterpret_cast<environment*>(&env_[i])); }

  void settle(uint32_t i) {
    struct {
      core_storage core;
      books b;
    } all;
    std::memset(static_cast<void*>(&all), 0, sizeof all);
    std::memcpy(all.core.bytes, &cores_[i], sizeof(core_storage));
    std::memcpy(static_cast<void*>(&all.b), &books_[i], sizeof(books));
    explorer::settle(&all, sizeof all);
  }

  // Nobody is in an operation any more. If the queue says that its recovery is done, another pass finds nothing to repair:
  // whoever held one up has run it again.
  void judge_recovery() {
    const auto n = static_cast<uint32_t>(scripts_.size());
    if (header_->recovered_epoch.load(std::memory_order_relaxed) != env(n).death_epoch()) return;
    check((header_->hints.load(std::memory_order_relaxed) & internal::kUnresolved) == 0,
          "recovery is held up by nobody");
    const auto words = [&](auto&& each) {
      for (uint64_t i = 0; !kBare && i < geometry_.capacity; ++i) {
        each(geometry_.slots_offset + i * geometry_.slot_stride, i);
      }
      each(geometry_.leases_offset, geometry_.capacity);
    };
    using word = explorer::policy::atomic<uint64_t>;
    uint64_t before[8];
    const auto at = [&](uint64_t offset) {
      return reinterpret_cast<const word*>(bytes_ + offset)->load(std::memory_order_relaxed);
    };
    words([&](uint64_t offset, uint64_t i) { before[i] = at(offset); });
    core(n).recover();
    words([&](uint64_t offset, uint64_t i) {
      check(at(offset) == before[i], "recovery said that it was done, and was not");
    });
  }
  void run(op o, core_type& c, books& b, uint64_t base);
  void give_names(queue_header<explorer::policy>& h, std::byte* bytes, uint32_t n);

  queue_geometry geometry_;
  uint64_t filled_;
  std::vector<script> scripts_;
  bool keeps_ = false;    // reservations or views
  bool returns_ = false;  // items that were taken
  std::byte* bytes_ = nullptr;
  queue_header<explorer::policy>* header_ = nullptr;
  record* records_ = nullptr;
  core_storage cores_[explorer::kMaxThreads];
  env_storage env_[explorer::kMaxThreads];
  books books_[explorer::kMaxThreads];
};

template <typename Policy>
void queue_program<Policy>::run(op o, core_type& c, books& b, uint64_t base) {
  const auto fresh = [&] { return b.begun[b.n_begun++] = base + b.n_begun; };
  const auto ack = [&](uint64_t id) { b.acked[b.n_acked++] = id; };
  const auto sound = [&](outcome r) {
    check(r != outcome::corrupt && r != outcome::gone && r != outcome::exhausted &&
              r != outcome::timed_out,
          "an answer that nothing explains");
  };
  const deadline until =
      o == op::push_wait || o == op::pop_wait || o == op::lease_wait ? kNever : kNow;
  switch (o) {
    case op::push:
    case op::push_wait: {
      const item x = make(fresh());
      b.pushing = o == op::push_wait;
      const outcome r = c.push(x, until);
      sound(r);
      if (r) ack(x.id);
      break;
    }
    case op::push_two: {
      item x[2];
      for (item& e : x) e = make(fresh());
      uint64_t n = 0;
      sound(c.push_n(x, 2, n, kNow));
      for (uint64_t i = 0; i < n; ++i) ack(x[i].id);
      break;
    }
    case op::commit:
    case op::abort: {
      typename core_type::ticket t;
      const outcome r = c.reserve(t, kNow);
      sound(r);
      if (!r) break;
      const item x = make(o == op::commit ? fresh() : 99);
      explorer::policy::copy_in(t.payload, &x, sizeof x);
      if (o == op::abort) {
        c.abort(t);
        break;
      }
      c.commit(t);
      ack(x.id);
      break;
    }
    case op::pop:
    case op::pop_wait: {
      item x;
      b.may_take = 1;
      b.popping = o == op::pop_wait;
      const outcome r = c.pop(x, until);
      sound(r);
      if (r == outcome::closed) b.drained = 1;
      if (r) b.get(x);
      break;
    }
    case op::pop_two: {
      item x[2];
      uint64_t n = 0;
      b.may_take = 2;
      sound(c.pop_n(x, 2, n, kNow));
      for (uint64_t i = 0; i < n; ++i) b.get(x[i]);
      break;
    }
    case op::peek_release:
    case op::peek_drop: {
      typename core_type::view_ticket v;
      const outcome r = c.peek(v, kNow);
      sound(r);
      if (!r) break;
      item x;
      explorer::policy::copy_out(&x, c.value(v), sizeof x);
      check(x.check == ~x.id, "a torn item in a view");
      if (o == op::peek_drop) {
        c.put_back(v);
        break;
      }
      b.may_take = 1;
      c.release(v);
      b.get(x);
      break;
    }
    case op::lease_ack:
    case op::lease_nack:
    case op::lease_wait: {
      typename core_type::held_lease h;
      b.popping = o == op::lease_wait;
      const outcome r = c.lease(h, until);
      if (r != outcome::exhausted) sound(r);
      if (!r) break;
      b.popping = 0;
      item x;
      explorer::policy::copy_out(&x, &c.value(h), sizeof x);
      check(x.check == ~x.id, "a torn item under a lease");
      check(c.deliveries(h) >= 1, "a lease that was never delivered");
      if (o == op::lease_nack) {
        check(bool(c.nack(h)), "a lease of one who lives is gone");
        break;
      }
      b.may_take = 1;
      check(bool(c.ack(h)), "a lease of one who lives is gone");
      b.get(x);
      break;
    }
    case op::close:
      b.closed = 1;
      c.close();
      b.closed = 2;
      break;
    case op::recover:
      c.recover();
      break;
  }
}

template <typename Policy>
void queue_program<Policy>::judge() {
  const auto n = static_cast<uint32_t>(scripts_.size());
  const bool stopped = explorer::anybody(ending::stopped);
  const bool died = explorer::anybody(ending::died) || stopped;
  uint64_t may_miss = 0, closed = 0;
  bool pusher_sleeps = false, popper_sleeps = false, drained = false;
  std::map<uint64_t, int> seen;
  std::map<uint64_t, bool> may, must;
  for (uint32_t i = 0; i <= n; ++i) {
    const books& b = books_[i];
    const ending end = i < n ? explorer::ending_of(static_cast<int>(i)) : ending::returned;
    for (uint64_t k = 0; k < b.n_begun; ++k) may[b.begun[k]] = true;
    for (uint64_t k = 0; k < b.n_acked; ++k) must[b.acked[k]] = true;
    if (end == ending::died || end == ending::stopped) may_miss += b.may_take;
    if (end == ending::asleep) {
      pusher_sleeps = pusher_sleeps || b.pushing != 0;
      popper_sleeps = popper_sleeps || b.popping != 0;
      check(b.pushing + b.popping != 0, "an operation that does not wait sleeps");
    }
    closed = std::max(closed, b.closed);
    drained = drained || b.drained != 0;
    uint64_t last[explorer::kMaxThreads] = {};
    for (uint64_t k = 0; k < b.n_got; ++k) {
      const uint64_t id = b.got[k];
      ++seen[id];
      if (died || returns_ || id >= 90) continue;
      check(id > last[id / 10], "items of one producer came out of order");
      last[id / 10] = id;
    }
  }
  if (!stopped) judge_recovery();
  explorer::bury_the_rest();
  core_type& c = core(n);
  uint64_t found = 0;
  outcome end;
  for (;; ++found) {
    item x;
    end = c.pop(x, kNow);
    if (!end) break;
    check(x.check == ~x.id, "a torn item was left");
    ++seen[x.id];
  }
  check(!drained || found == 0, "an item comes after somebody was told that none will");
  if (closed == 2) {
    check(end == outcome::closed, "a closed queue that is drained does not say so");
    check(!pusher_sleeps && !popper_sleeps, "somebody sleeps though the queue is closed");
  } else if (closed == 0) {
    check(end == outcome::empty, "an empty queue does not say so");
  }
  for (const auto& [id, times] : seen) {
    check(times == 1, "an item came twice");
    check(may[id], "an item that was never pushed");
  }
  uint64_t missing = 0;
  for (const auto& [id, there] : must) missing += there && seen[id] == 0;
  check(missing <= may_miss, "an item was lost");
  if (!stopped) {
    check(!popper_sleeps || found == 0, "somebody sleeps though there was an item");
    // A single consumer's tombs take up room until it steps over them.
    const bool tombs = Policy::multi_producer && !Policy::multi_consumer && died;
    check(!pusher_sleeps || tombs || found >= c.capacity(),
          "somebody sleeps though there was room");
  }
  if (closed != 0) return;
  for (uint64_t i = 0; i < c.capacity(); ++i)
    check(bool(c.push(make(200 + i), kNow)), "room is lost");
  check(c.push(make(300), kNow) == outcome::full, "more room than there should be");
  typename core_type::held_lease h;
  check(bool(c.lease(h, kNow)), "a lease entry is lost");
  check(c.value(h).id == 200, "the wrong item under the lease");
  check(bool(c.ack(h)), "the lease is gone");
  for (uint64_t i = 1; i < c.capacity(); ++i) {
    item x;
    check(bool(c.pop(x, kNow)) && x.id == 200 + i, "an item is lost when all is over");
  }
  check(c.depth() == 0, "something is left when all is over");
}

template <typename Policy>
void queue_program<Policy>::give_names(queue_header<explorer::policy>& h, std::byte* bytes,
                                       uint32_t n) {
  explorer::name(&h.tail, "tail");
  explorer::name(&h.head, "head");
  explorer::name(&h.not_empty, "not_empty");
  explorer::name(&h.not_full, "not_full");
  explorer::name(&h.lease_freed, "lease_freed");
  explorer::name(&h.hints, "hints");
  explorer::name(&h.recovered_epoch, "recovered_epoch");
  explorer::name(&h.busy, "busy");
  explorer::name(&h.recovery, "recovery");
  explorer::name(&h.producer, "producer");
  explorer::name(&h.consumer, "consumer");
  for (uint64_t i = 0; i < geometry_.capacity; ++i) {
    explorer::name(bytes + geometry_.slots_offset + i * geometry_.slot_stride,
                   "slot" + std::to_string(i));
  }
  explorer::name(bytes + geometry_.leases_offset, "lease0");
  for (uint32_t i = 0; i < n; ++i) explorer::name(&records_[i], "record" + std::to_string(i));
}

}  // namespace zeroipc::explorer

#endif  // ZEROIPC_TESTING_EXPLORER_QUEUE_PROGRAM_H_
