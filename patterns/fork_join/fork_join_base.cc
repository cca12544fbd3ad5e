#include "patterns/fork_join/fork_join_base.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "absl/strings/str_cat.h"
#include "patterns/base/remove_names.h"

namespace zeroipc::patterns::internal {
namespace {

std::string queue_name(std::string_view name) { return absl::StrCat(name, "/shares"); }
std::string once_name(std::string_view name) { return absl::StrCat(name, "/scattered"); }

}  // namespace

std::string ForkJoinBase::input_name(std::string_view name) { return absl::StrCat(name, "/input"); }
std::string ForkJoinBase::result_name(std::string_view name, size_t share) {
  return absl::StrCat(name, "/result/", share);
}

absl::Status ForkJoinBase::check_shares(const memory& mem, std::string_view name, size_t size,
                                        size_t shares) {
  if (shares != 0 && shares <= size) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("segment ", mem.name(), ": fork-join '", name,
                                                 "': ", size, " inputs can be cut into 1 to ", size,
                                                 " shares, not ", shares));
}

absl::Status ForkJoinBase::check_shape(size_t its_size, size_t size, size_t shares) const {
  if (its_size == size && this->shares() == shares) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "segment ", mem_.name(), ": fork-join '", name_, "': exists with ", its_size, " inputs in ",
      this->shares(), " shares, asked for with ", size, " in ", shares));
}

absl::StatusOr<ForkJoinBase> ForkJoinBase::create_base(const memory& mem, std::string_view name,
                                                       size_t shares,
                                                       const ForkJoinOptions& options) {
  auto scattered = once::open_or_create(mem, once_name(name));
  if (!scattered.ok()) return scattered.status();
  // Room for those that are put in a second time.
  auto queue = zeroipc::queue<uint64_t>::open_or_create(mem, queue_name(name), 2 * shares);
  if (!queue.ok()) return queue.status();
  return ForkJoinBase(mem, name, options, *std::move(queue), *std::move(scattered));
}

absl::StatusOr<ForkJoinBase> ForkJoinBase::open_base(const memory& mem, std::string_view name,
                                                     const ForkJoinOptions& options) {
  auto queue = zeroipc::queue<uint64_t>::open(mem, queue_name(name));
  if (!queue.ok()) return queue.status();
  auto scattered = once::open(mem, once_name(name));
  if (!scattered.ok()) return scattered.status();
  return ForkJoinBase(mem, name, options, *std::move(queue), *std::move(scattered));
}

outcome ForkJoinBase::scatter() {
  return scattered_.call([&] {
    for (uint64_t i = 0; i < shares() && shares_.push(i); ++i) {
    }
    shares_.close();
  });
}

std::pair<size_t, size_t> ForkJoinBase::range_of(size_t share, size_t size) const {
  // The first few have one more. Without a product, which might not fit.
  const size_t each = size / shares(), more = size % shares();
  return {share * each + std::min(share, more), each + (share < more ? 1 : 0)};
}

size_t ForkJoinBase::work_through(deadline until,
                                  absl::FunctionRef<bool(size_t, uint32_t)> does) const {
  queue<uint64_t> shares = shares_;
  size_t done = 0;
  for (;;) {
    auto lease = until.is_never()
                     ? shares.lease()
                     : shares.lease_for(std::chrono::nanoseconds(until.ns() - deadline::now_ns()));
    if (!lease) return done;
    if (*lease < this->shares() && does(*lease, lease.deliveries())) ++done;
    lease.ack();
  }
}

absl::Status ForkJoinBase::remove_base() const {
  std::vector<std::string> names = {queue_name(name_), once_name(name_), input_name(name_)};
  for (size_t i = 0; i < shares(); ++i) names.push_back(result_name(name_, i));
  return remove_names(mem_, names);
}

ForkJoinStats ForkJoinBase::base_stats() const {
  const queue_stats q = shares_.stats();
  ForkJoinStats s;
  s.shares = shares();
  s.at_work = q.leased;
  s.redelivered = q.redelivered;
  s.scattered = scattered_.done();
  return s;
}

absl::Status ForkJoinBase::given_up(uint32_t deaths) {
  return absl::AbortedError(absl::StrCat(deaths, " processes have died at it"));
}

absl::Status ForkJoinBase::failure_of(size_t share, const std::optional<future_error>& why) const {
  const std::string text =
      absl::StrCat("segment ", mem_.name(), ": fork-join '", name_, "': share ", share, " of ",
                   shares(), ": ", why ? why->message.view() : "its result is corrupt");
  if (!why) return absl::DataLossError(text);
  return why->code == static_cast<int>(absl::StatusCode::kCancelled) ? absl::CancelledError(text)
                                                                     : absl::AbortedError(text);
}

absl::Status ForkJoinBase::not_in_time(const ForkJoinStats& s) const {
  return absl::DeadlineExceededError(
      absl::StrCat("segment ", mem_.name(), ": fork-join '", name_, "': ", s.done, " of ", s.shares,
                   " shares are done, ", s.at_work, " are being done",
                   s.scattered ? "" : "; they have not been scattered"));
}

}  // namespace zeroipc::patterns::internal
