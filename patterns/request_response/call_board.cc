#include "patterns/request_response/call_board.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "patterns/base/remove_names.h"

namespace zeroipc::patterns::internal {
namespace {

std::string requests_name(std::string_view name) { return absl::StrCat(name, "/requests"); }
std::string seats_name(std::string_view name) { return absl::StrCat(name, "/servers"); }
std::string counters_name(std::string_view name) { return absl::StrCat(name, "/counters"); }

}  // namespace

std::string CallBoard::records_name(std::string_view name) { return absl::StrCat(name, "/calls"); }

absl::Status CallBoard::check(const memory& mem, std::string_view name, size_t capacity) {
  if (capacity != 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("segment ", mem.name(), ": service '", name,
                                                 "': a capacity of 0 calls; at least 1"));
}

absl::StatusOr<CallBoard> CallBoard::with(const memory& mem, std::string_view name,
                                          absl::StatusOr<channel<uint64_t>> requests) {
  if (!requests.ok()) return requests.status();
  auto seats = Roll::open_or_create(mem, seats_name(name), kMostServers);
  if (!seats.ok()) return seats.status();
  auto counters = Counters<CallEvent>::open_or_create(mem, counters_name(name));
  if (!counters.ok()) return counters.status();
  // All may have died before anybody could notice.
  counters->add(CallEvent::kAsked);
  return CallBoard(mem, name, *std::move(requests), *std::move(seats), *std::move(counters));
}

absl::StatusOr<CallBoard> CallBoard::open_or_create(const memory& mem, std::string_view name,
                                                    size_t capacity) {
  return with(mem, name, channel<uint64_t>::open_or_create(mem, requests_name(name), capacity));
}

absl::StatusOr<CallBoard> CallBoard::open(const memory& mem, std::string_view name) {
  return with(mem, name, channel<uint64_t>::open(mem, requests_name(name)));
}

ServiceStats CallBoard::stats() const {
  ServiceStats s;
  s.capacity = requests_.capacity();
  s.servers = seats_.living();
  s.calls = counters_.get(CallEvent::kCalls);
  s.answered = counters_.get(CallEvent::kAnswered);
  s.failed = counters_.get(CallEvent::kFailed);
  s.timed_out = counters_.get(CallEvent::kTimedOut);
  s.late = counters_.get(CallEvent::kLate);
  s.skipped = counters_.get(CallEvent::kSkipped);
  s.retried = counters_.get(CallEvent::kRetried);
  s.server_deaths = counters_.get(CallEvent::kServerDeaths);
  s.refused = counters_.get(CallEvent::kRefused);
  s.closed = requests_.closed();
  return s;
}

Health CallBoard::health(const ServiceStats& s) const {
  const std::string service = absl::StrCat("service '", name_, "': ");
  if (s.closed) return {false, absl::StrCat(service, "stopped, ", s.waiting, " calls left")};
  if (s.servers == 0)
    return {false, absl::StrCat(service, "nobody serves, ", s.waiting, " calls wait")};
  if (s.waiting >= s.capacity) {
    return {false,
            absl::StrCat(service, "full, ", s.waiting, " calls wait for ", s.servers, " servers")};
  }
  return {};
}

std::string CallBoard::about() const {
  return absl::StrCat("segment ", mem_.name(), ": service '", name_, "': ");
}

absl::Status CallBoard::refused(outcome why) const {
  if (why == outcome::closed) return absl::UnavailableError(absl::StrCat(about(), "it is stopped"));
  if (why == outcome::full || why == outcome::timed_out) {
    return absl::ResourceExhaustedError(absl::StrCat(
        about(), requests_.capacity(), " calls wait already, for ", seats_.living(), " servers"));
  }
  return absl::InternalError(absl::StrCat(about(), "the call could not be made: ", why.name()));
}

absl::Status CallBoard::server_died(const CallRecord& r) const {
  const std::string text =
      r.failure.code == static_cast<int32_t>(absl::StatusCode::kAborted)
          ? absl::StrCat(about(), r.deaths, " servers have died at this call")
          : absl::StrCat(about(),
                         "the server has died at this call, which may have been carried out");
  return absl::Status(static_cast<absl::StatusCode>(r.failure.code), text);
}

absl::Status CallBoard::not_in_time(const CallRecord& r) const {
  if (r.state == CallState::kAtWork) {
    return absl::DeadlineExceededError(
        absl::StrCat(about(), "a server has begun, and is not done in time"));
  }
  return absl::DeadlineExceededError(
      absl::StrCat(about(), "no server has begun in time; ", seats_.living(), " serve"));
}

absl::Status CallBoard::remove() const {
  const std::array<std::string, 4> names = {requests_name(name_), seats_name(name_),
                                            counters_name(name_), records_name(name_)};
  return remove_names(mem_, names);
}

}  // namespace zeroipc::patterns::internal
