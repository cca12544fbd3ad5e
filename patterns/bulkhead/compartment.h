// What of a bulkhead's compartment does not depend on what it holds: its counters, whether it is stopped, and what it says.
#ifndef ZEROIPC_PATTERNS_BULKHEAD_COMPARTMENT_H_
#define ZEROIPC_PATTERNS_BULKHEAD_COMPARTMENT_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "patterns/base/counters.h"
#include "patterns/base/health.h"
#include "zeroipc/array/array.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/pool/pool.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {

struct CompartmentStats {
  uint64_t resources = 0;
  uint64_t in_use = 0;
  uint64_t most_in_use = 0;  // as far as was looked: by the first 64 entries, then by one of 16
  uint64_t entered = 0;
  uint64_t refused = 0;                // entries that found no place, at once or in their time
  uint64_t waited = 0;                 // entries that had to wait, whatever came of it...
  std::chrono::nanoseconds waiting{};  // ...and for how long, all together
  uint64_t recovered = 0;              // resources taken back from the dead
  bool stopped = false;
};

namespace internal {

enum class CompartmentEvent { kEntered, kMostInUse, kRefused, kWaited, kWaitedNs, kCount };

class Compartment {
 public:
  static absl::StatusOr<Compartment> open_or_create(const memory& mem, std::string_view bulkhead,
                                                    size_t number);

  const std::string& pool_name() const { return name_; }
  // All compartments of a bulkhead at once.
  bool stopped() const { return stopped_.load(0) != 0; }
  void set_stopped(bool to) const { stopped_.store(0, to); }

  void entered(absl::FunctionRef<pool_stats()> look) const;
  void refused() const { counters_.add(CompartmentEvent::kRefused); }
  void waited(int64_t ns) const {
    counters_.add(CompartmentEvent::kWaited);
    counters_.add(CompartmentEvent::kWaitedNs, static_cast<uint64_t>(ns));
  }

  CompartmentStats stats(const pool_stats& pool) const;
  Health health(const pool_stats& pool) const;
  absl::Status refusal(outcome why, size_t resources) const;
  absl::Status remove() const;

 private:
  Compartment(const memory& mem, std::string_view bulkhead, size_t number, array<uint8_t> stopped,
              Counters<CompartmentEvent> counters);
  std::string where() const;

  memory mem_;
  std::string bulkhead_;
  size_t number_;
  std::string name_;
  array<uint8_t> stopped_;
  Counters<CompartmentEvent> counters_;
};

// Counts the time from here to its end as waiting.
class WaitOf {
 public:
  explicit WaitOf(const Compartment& c) : compartment_(c) {}
  ~WaitOf() { compartment_.waited(deadline::now_ns() - since_); }
  WaitOf(const WaitOf&) = delete;
  WaitOf& operator=(const WaitOf&) = delete;

 private:
  const Compartment& compartment_;
  const int64_t since_ = deadline::now_ns();
};

absl::Status check_compartments(const memory& mem, std::string_view name,
                                const std::vector<size_t>& resources);
absl::Status no_such_compartment(size_t i, size_t compartments);

}  // namespace internal
}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_BULKHEAD_COMPARTMENT_H_
