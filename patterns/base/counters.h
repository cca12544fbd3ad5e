// Counters that all processes of a pattern share: one for each enumerator of E, under one name.
//
//   enum class Event { kCalls, kTimeouts, kCount };
//   Counters<Event> counters(mem, "orders/counters");
//   counters.add(Event::kCalls);
//   uint64_t calls = counters.get(Event::kCalls);
//
// Counters are statistics. A process that is killed between an effect and its count leaves the count one short; an account that must
// be exact is taken from the structures themselves.
//
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped. Progress: wait-free, raise_to() lock-free.
// Memory: 8 bytes for each, and what an array takes.
#ifndef ZEROIPC_PATTERNS_BASE_COUNTERS_H_
#define ZEROIPC_PATTERNS_BASE_COUNTERS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "zeroipc/array/array.h"
#include "zeroipc/base/error.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {

// E::kCount is the last of E, and their number.
template <typename E>
class Counters {
 public:
  // Opens the counters, or creates them, all 0. Throws zeroipc::error.
  Counters(const memory& mem, std::string_view name)
      : Counters(zeroipc::internal::value_or_raise(open_or_create(mem, name))) {}
  // The same, without an exception. FailedPrecondition if something else has the name, or other counters.
  static absl::StatusOr<Counters> open_or_create(const memory& mem, std::string_view name) {
    auto values = array<uint64_t>::open_or_create(mem, name, static_cast<size_t>(E::kCount));
    if (!values.ok()) return values.status();
    return Counters(*std::move(values));
  }

  // Relaxed: a count orders nothing. Answers what it was before.
  uint64_t add(E which, uint64_t n = 1) const {
    return values_.atomic(static_cast<size_t>(which)).fetch_add(n, std::memory_order_relaxed);
  }
  // To `value`, if it is less.
  void raise_to(E which, uint64_t value) const {
    const std::atomic_ref<uint64_t> counter = values_.atomic(static_cast<size_t>(which));
    uint64_t now = counter.load(std::memory_order_relaxed);
    while (now < value && !counter.compare_exchange_weak(now, value, std::memory_order_relaxed)) {
    }
  }
  void set(E which, uint64_t value) const {
    values_.atomic(static_cast<size_t>(which)).store(value, std::memory_order_relaxed);
  }
  uint64_t get(E which) const {
    return values_.atomic(static_cast<size_t>(which)).load(std::memory_order_relaxed);
  }

 private:
  explicit Counters(array<uint64_t> values) : values_(std::move(values)) {}

  array<uint64_t> values_;
};

}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_BASE_COUNTERS_H_
