// A roll of those who do something now, in any processes: how many there are, of those that live.
//
//   Roll servers(mem, "prices/servers", 256);
//   const Roll::Seat seat = servers.join();    // until the end of its scope, or its process
//   if (servers.living() == 0) ...
//
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped. Progress: lock-free. Complexity: O(seats).
// Memory: 4 bytes for each seat, and what an array takes.
#ifndef ZEROIPC_PATTERNS_BASE_ROLL_H_
#define ZEROIPC_PATTERNS_BASE_ROLL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "patterns/base/process_id.h"
#include "zeroipc/array/array.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {

class Roll {
 public:
  // Left at its end. Tests as false if there was none free.
  class Seat {
   public:
    Seat() = default;
    Seat(Seat&& other) noexcept
        : roll_(std::exchange(other.roll_, std::nullopt)),
          index_(other.index_),
          who_(other.who_),
          forks_(other.forks_) {}
    Seat& operator=(Seat&& other) noexcept;
    ~Seat() { leave(); }

    explicit operator bool() const { return roll_.has_value(); }
    void leave();

   private:
    friend class Roll;
    Seat(const Roll& roll, size_t index, ProcessId who);

    std::optional<array<uint32_t>> roll_;
    size_t index_ = 0;
    ProcessId who_;
    uint32_t forks_ = 0;
  };

  // Opens the roll, or creates it; FailedPrecondition if it has another number of seats.
  static absl::StatusOr<Roll> open_or_create(const memory& mem, std::string_view name,
                                             size_t seats);

  // Takes a seat that is free, or one of the dead. A process may have several.
  Seat join() const;
  size_t seats() const { return seats_.size(); }
  // By the time it is used it is history.
  size_t living() const;

 private:
  Roll(const memory& mem, array<uint32_t> seats) : mem_(mem), seats_(std::move(seats)) {}

  memory mem_;
  array<uint32_t> seats_;  // ProcessIds
};

}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_BASE_ROLL_H_
