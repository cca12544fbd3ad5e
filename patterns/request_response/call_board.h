// What clients and servers of a request-response service have that does not depend on its types. How the parts go together:
// request_response.h.
#ifndef ZEROIPC_PATTERNS_REQUEST_RESPONSE_CALL_BOARD_H_
#define ZEROIPC_PATTERNS_REQUEST_RESPONSE_CALL_BOARD_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "patterns/base/counters.h"
#include "patterns/base/failure.h"
#include "patterns/base/health.h"
#include "patterns/base/look.h"
#include "patterns/base/process_id.h"
#include "patterns/base/roll.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/channel/channel.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {

// What becomes of a call whose server dies at it.
enum class WhenServerDies {
  kFail,   // it fails with Unavailable: it may have been carried out, or not, but not twice
  kRetry,  // another server gets it: for handlers that may be called again
};

struct ClientOptions {
  WhenServerDies when_server_dies = WhenServerDies::kFail;
  // kRetry: so many may die at one call. Then it fails with Aborted.
  uint32_t most_deaths = 3;
};

struct ServiceStats {
  // Now.
  uint64_t capacity = 0;  // calls that may wait for a server
  uint64_t waiting = 0;
  uint64_t at_work = 0;
  uint64_t servers = 0;  // threads that serve, in processes that live
  // Since it was created.
  uint64_t calls = 0;
  uint64_t answered = 0;
  uint64_t failed = 0;     // of those answered: with an error
  uint64_t timed_out = 0;  // calls that were given up by their clients
  uint64_t late = 0;       // answers to calls that had been given up: dropped
  uint64_t skipped = 0;    // calls that were given up before a server began
  uint64_t retried = 0;
  uint64_t server_deaths = 0;  // at a call
  uint64_t refused = 0;        // calls for which there was no room
  bool closed = false;
};

namespace internal {

enum class CallState : uint32_t { kAsked = 1, kAtWork, kAnswered, kFailed };

struct CallRecord {
  CallState state = CallState::kAsked;
  ProcessId client;
  ProcessId server;  // kAtWork
  uint32_t deaths = 0;
  Failure failure;  // kFailed
};

enum class CallEvent {
  kNumbers,  // calls that were given a number
  kScanned,  // the last death after which all records were looked at
  kAsked,    // how often that was not enough
  kCalls,
  kAnswered,
  kFailed,
  kTimedOut,
  kLate,
  kSkipped,
  kRetried,
  kServerDeaths,
  kRefused,
  kCount
};

class CallBoard {
 public:
  // Threads that may serve at a time, and calls that may be under way beyond those that wait.
  static constexpr size_t kMostServers = 256;
  static constexpr size_t records_for(size_t capacity) { return capacity + 4 * kMostServers; }
  static std::string records_name(std::string_view name);

  static absl::Status check(const memory& mem, std::string_view name, size_t capacity);
  static absl::StatusOr<CallBoard> open_or_create(const memory& mem, std::string_view name,
                                                  size_t capacity);
  static absl::StatusOr<CallBoard> open(const memory& mem, std::string_view name);

  // One for each thread that serves; those of the dead come back.
  Roll::Seat attend() const { return seats_.join(); }
  // Numbers of calls to look at: hints.
  channel<uint64_t>& requests() { return requests_; }
  bool stopped() const { return requests_.closed(); }
  struct waitable_requests {
    zeroipc::internal::participant& env;
    zeroipc::internal::event_word<hardware>& event;
  };
  waitable_requests waitable() const {
    const zeroipc::internal::channel_events<uint64_t> events(requests_);
    return {events.env(), events.receivable()};
  }
  ProcessId self() const { return this_process(mem_); }
  bool is_dead(ProcessId who) const { return who && patterns::is_dead(mem_, who); }

  uint64_t next_number() const { return counters_.add(CallEvent::kNumbers) + 1; }
  void count(CallEvent e) const { counters_.add(e); }
  bool after_deaths(absl::FunctionRef<bool()> look) const {
    return patterns::after_deaths(mem_, counters_, CallEvent::kScanned, CallEvent::kAsked, look);
  }

  ServiceStats stats() const;
  Health health(const ServiceStats& s) const;
  // Why a call was not made, or ended without an answer.
  absl::Status refused(outcome why) const;
  absl::Status server_died(const CallRecord& r) const;
  absl::Status not_in_time(const CallRecord& r) const;
  absl::Status remove() const;
  const std::string& name() const { return name_; }

 private:
  CallBoard(const memory& mem, std::string_view name, channel<uint64_t> requests, Roll seats,
            Counters<CallEvent> counters)
      : mem_(mem),
        name_(name),
        requests_(std::move(requests)),
        seats_(std::move(seats)),
        counters_(std::move(counters)) {}
  static absl::StatusOr<CallBoard> with(const memory& mem, std::string_view name,
                                        absl::StatusOr<channel<uint64_t>> requests);
  std::string about() const;

  memory mem_;
  std::string name_;
  channel<uint64_t> requests_;
  Roll seats_;
  Counters<CallEvent> counters_;
};

}  // namespace internal
}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_REQUEST_RESPONSE_CALL_BOARD_H_
