// What of a ForkJoin does not depend on its types: the shares, and who does them.
//
// The shares' numbers go through a queue, under leases. A share's result is a future, which is set before the lease ends:
//
//   state of a share        owner        left by                              if the owner dies
//   in no queue             nobody       scatter()                            whoever calls scatter() puts in all that have no result
//   in the queue            nobody       a lease                              -
//   leased, no result       the worker   setting the future                   the queue gives it to another, one delivery more
//   leased, with a result   the worker   the end of the lease                 the same; the next one sees the result and ends the lease
//   done                    nobody       -                                    -
//
// A share may be in the queue twice, after a death in scatter(): the second one finds its result there, or does it at the same time
// as the first; the future takes one value. The queue is closed when all are in, so workers end when all leases have.
#ifndef ZEROIPC_PATTERNS_FORK_JOIN_FORK_JOIN_BASE_H_
#define ZEROIPC_PATTERNS_FORK_JOIN_FORK_JOIN_BASE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/future/future_base.h"
#include "zeroipc/once/once.h"
#include "zeroipc/queue/queue.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {

struct ForkJoinOptions {
  uint32_t most_deaths = 3;  // of processes at one share, before it is given up
};

struct ForkJoinStats {
  uint64_t shares = 0;
  uint64_t done = 0;         // with a value
  uint64_t failed = 0;       // with an error, or given up, or cancelled
  uint64_t at_work = 0;      // leased now
  uint64_t redelivered = 0;  // shares that were taken from the dead
  bool scattered = false;
};

namespace internal {

class ForkJoinBase {
 public:
  // Hands the shares out. Of several who call it one does it, and the others wait for that. `exhausted`: this process is a forked child
  // that could not join the segment.
  outcome scatter();

  size_t shares() const { return shares_.capacity() / 2; }
  const std::string& name() const { return name_; }
  const memory& mem() const { return mem_; }

 protected:
  static absl::Status check_shares(const memory& mem, std::string_view name, size_t size,
                                   size_t shares);
  static absl::StatusOr<ForkJoinBase> create_base(const memory& mem, std::string_view name,
                                                  size_t shares, const ForkJoinOptions& options);
  static absl::StatusOr<ForkJoinBase> open_base(const memory& mem, std::string_view name,
                                                const ForkJoinOptions& options);
  static std::string input_name(std::string_view name);
  static std::string result_name(std::string_view name, size_t share);
  // Whether it is what somebody asks for.
  absl::Status check_shape(size_t its_size, size_t size, size_t shares) const;

  uint32_t most_deaths() const { return options_.most_deaths; }
  void close() const { queue<uint64_t>(shares_).close(); }
  absl::Status remove_base() const;
  ForkJoinStats base_stats() const;

  // First input and number of inputs.
  std::pair<size_t, size_t> range_of(size_t share, size_t size) const;
  // Calls does(share, attempt) for one after the other, and counts those for which it answers true.
  size_t work_through(deadline until, absl::FunctionRef<bool(size_t, uint32_t)> does) const;

  static absl::Status given_up(uint32_t deaths);
  // `why` is nothing where no correct participant wrote the result.
  absl::Status failure_of(size_t share, const std::optional<future_error>& why) const;
  absl::Status not_in_time(const ForkJoinStats& stats) const;

 private:
  ForkJoinBase(const memory& mem, std::string_view name, const ForkJoinOptions& options,
               queue<uint64_t> shares, once scattered)
      : mem_(mem),
        name_(name),
        options_(options),
        shares_(std::move(shares)),
        scattered_(std::move(scattered)) {}

  memory mem_;
  std::string name_;
  ForkJoinOptions options_;
  queue<uint64_t> shares_;
  once scattered_;
};

}  // namespace internal
}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_FORK_JOIN_FORK_JOIN_BASE_H_
