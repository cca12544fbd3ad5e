// ForkJoin: one large piece of work in shares, which any number of processes do, and whose results come together again.
//
//   // in the process that wants the work done
//   patterns::ForkJoin<double, double> sums(mem, "sums", 1'000'000, 64);   // a million inputs, in 64 shares
//   std::ranges::copy(data, sums.input().begin());
//   sums.scatter();                                     // from now on there is work
//   for (double sum : *sums.join_for(1min)) total += sum;
//   sums.remove();
//
//   // in each worker, before or after that, as many as there are
//   patterns::ForkJoin<double, double> sums(mem, "sums");
//   sums.work([](const patterns::Share<double>& s) { return heavy_computation(s.input); });   // until all is done
//
// When to use it: for work that can be cut into pieces which do not need each other. When not: for tasks that keep coming, use
// WorkerPool; for pieces that wait for each other, zeroipc::barrier.
//
// What is promised when a process is killed
//   * A worker's share is done by another one, as soon as its death is noticed. What the function had done elsewhere by then was
//     done, and is done again; its result counts once.
//   * A share that kills whoever takes it is given up after options.most_deaths of them: its result is an error that says so.
//   * If the process that scatters dies on the way, any other may call scatter() and goes on. Its input is as far as it had come.
//   * If the process that joins dies, the results stay, and any other may join.
// Nobody waits for a share that nobody can do any more; where no worker is left, it waits for one.
//
// Overload: there is none, for the work has a size. A worker more than there are shares waits until it is not needed.
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped. Progress: blocking; nothing is polled.
// Memory: the input, and for each share a future<Out> under a name of its own and 16 bytes.
#ifndef ZEROIPC_PATTERNS_FORK_JOIN_FORK_JOIN_H_
#define ZEROIPC_PATTERNS_FORK_JOIN_FORK_JOIN_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "patterns/base/health.h"
#include "patterns/fork_join/fork_join_base.h"
#include "zeroipc/array/array.h"
#include "zeroipc/background/callback.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/error.h"
#include "zeroipc/future/future.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {

template <typename In>
struct Share {
  size_t number;  // from 0
  size_t first;   // of the whole input: the number of input[0]
  std::span<const In> input;
  uint32_t attempt;  // 1, or more if others have died at it
};

template <typename In, typename Out>
class ForkJoin : public internal::ForkJoinBase {
 public:
  // Opens it, or creates it for `size` inputs in `shares` shares; one that exists otherwise is an error. Throws zeroipc::error.
  ForkJoin(const memory& mem, std::string_view name, size_t size, size_t shares,
           const ForkJoinOptions& options = {})
      : ForkJoin(
            zeroipc::internal::value_or_raise(open_or_create(mem, name, size, shares, options))) {}
  // Opens one that exists. Throws zeroipc::error.
  ForkJoin(const memory& mem, std::string_view name, const ForkJoinOptions& options = {})
      : ForkJoin(zeroipc::internal::value_or_raise(open(mem, name, options))) {}

  // Errors: InvalidArgument (no shares, or more than inputs), FailedPrecondition (it exists with another size, shares or types),
  // NotFound, and those of creating an array, a queue and futures.
  static absl::StatusOr<ForkJoin> open_or_create(const memory& mem, std::string_view name,
                                                 size_t size, size_t shares,
                                                 const ForkJoinOptions& options = {}) {
    if (absl::Status s = check_shares(mem, name, size, shares); !s.ok()) return s;
    auto found = open(mem, name, options);
    if (!absl::IsNotFound(found.status()))
      return found.ok() ? as_asked(*std::move(found), size, shares) : found;
    // The queue comes last: whoever finds that, finds the rest.
    std::vector<future<Out>> results;
    for (size_t i = 0; i < shares; ++i) {
      auto r = future<Out>::open_or_create(mem, result_name(name, i));
      if (!r.ok()) return r.status();
      results.push_back(*std::move(r));
    }
    auto input = array<In>::open_or_create(mem, input_name(name), size);
    if (!input.ok()) return input.status();
    auto base = create_base(mem, name, shares, options);
    if (!base.ok()) return base.status();
    return ForkJoin(*std::move(base), *std::move(input), std::move(results));
  }
  static absl::StatusOr<ForkJoin> open(const memory& mem, std::string_view name,
                                       const ForkJoinOptions& options = {}) {
    auto base = open_base(mem, name, options);
    if (!base.ok()) return base.status();
    auto input = array<In>::open(mem, input_name(name));
    if (!input.ok()) return input.status();
    std::vector<future<Out>> results;
    for (size_t i = 0; i < base->shares(); ++i) {
      auto r = future<Out>::open(mem, result_name(name, i));
      if (!r.ok()) return r.status();
      results.push_back(*std::move(r));
    }
    return ForkJoin(*std::move(base), *std::move(input), std::move(results));
  }

  // To be filled before scatter().
  const array<In>& input() const { return input_; }
  // Of one share, for who wants to wait for it, or for several things at once.
  const future<Out>& result(size_t share) const { return results_.at(share); }

  // Until all shares are done, by whomever; their results in order. Aborted: one was given up, or its function failed (the message
  // names the first such share and says why); Cancelled; DeadlineExceeded: says how many are done.
  absl::StatusOr<std::vector<Out>> join() const { return join_until(deadline::never()); }
  template <typename Rep, typename Period>
  absl::StatusOr<std::vector<Out>> join_for(std::chrono::duration<Rep, Period> timeout) const {
    return join_until(deadline::after(timeout));
  }

  // Does shares, one after the other, until all are done: f(const Share<In>&), which returns an Out or an absl::StatusOr<Out>. What it
  // throws is the share's error. Waits for scatter(), and while others are at the last shares, for they may die. Answers how many
  // it has done.
  template <typename F>
  size_t work(F&& f) const {
    return work_until(f, deadline::never());
  }
  // The same; takes no share any more once the time is over.
  template <typename Rep, typename Period, typename F>
  size_t work_for(std::chrono::duration<Rep, Period> timeout, F&& f) const {
    return work_until(f, deadline::after(timeout));
  }

  // Ends it: shares that are not done will not be, and who joins is told Cancelled, with this text. Workers finish what they are at.
  void cancel(std::string_view why) const {
    close();
    for (const future<Out>& r : results_) future<Out>(r).set_error(absl::CancelledError(why));
  }
  // Takes all its names away. Open handles go on as before.
  absl::Status remove() const { return remove_base(); }

  ForkJoinStats stats() const {
    ForkJoinStats s = base_stats();
    for (const future<Out>& r : results_) {
      if (r.has_value()) {
        ++s.done;
      } else if (r.ready()) {
        ++s.failed;
      }
    }
    return s;
  }
  // Not well: a share has failed. The first one is named.
  Health health() const {
    for (size_t i = 0; i < results_.size(); ++i) {
      if (results_[i].ready() && !results_[i].has_value()) {
        return {false, std::string(failure_of(i, results_[i].error()).message())};
      }
    }
    return {};
  }

 private:
  ForkJoin(ForkJoinBase base, array<In> input, std::vector<future<Out>> results)
      : ForkJoinBase(std::move(base)), input_(std::move(input)), results_(std::move(results)) {}

  static absl::StatusOr<ForkJoin> as_asked(ForkJoin found, size_t size, size_t shares) {
    if (absl::Status s = found.check_shape(found.input_.size(), size, shares); !s.ok()) return s;
    return found;
  }

  absl::StatusOr<std::vector<Out>> join_until(deadline until) const {
    std::vector<Out> all;
    all.reserve(results_.size());
    for (size_t i = 0; i < results_.size(); ++i) {
      const outcome r = results_[i].wait_until(until);
      if (r == outcome::empty || r == outcome::timed_out) return not_in_time(stats());
      if (!r) return failure_of(i, results_[i].error());
      all.push_back(*results_[i].peek());
    }
    return all;
  }

  template <typename F>
  size_t work_until(F& f, deadline until) const {
    return work_through(until, [&](size_t i, uint32_t attempt) {
      future<Out> result = results_[i];
      // Its last taker has died between the result and the end of its lease; or it was cancelled.
      if (result.ready()) return false;
      if (attempt > most_deaths()) {
        result.set_error(given_up(attempt - 1));
        return false;
      }
      const auto [first, n] = range_of(i, input_.size());
      settle(result, f, {i, first, {input_.data() + first, n}, attempt});
      return true;
    });
  }

  template <typename F>
  static void settle(future<Out>& result, F& f, const Share<In>& share) {
    std::optional<absl::StatusOr<Out>> made;
    const std::optional<std::string> thrown =
        zeroipc::internal::message_thrown_by([&] { made.emplace(f(share)); });
    if (thrown) {
      result.set_error(absl::UnknownError(*thrown));
    } else if (made->ok()) {
      result.set_value(**made);
    } else {
      result.set_error(made->status());
    }
  }

  array<In> input_;
  std::vector<future<Out>> results_;
};

}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_FORK_JOIN_FORK_JOIN_H_
