// Client and Server: questions that some processes ask, and others answer.
//
//   // each server; as many as there are, in any processes
//   patterns::Server<Request, Response> server(mem, "prices", 100);
//   server.serve([](const Request& q) { return look_up(q); });      // until it is stopped
//
//   // each client
//   patterns::Client<Request, Response> prices(mem, "prices", 100);
//   absl::StatusOr<Response> r = prices.call(request, 50ms);
//
//   auto first = prices.start(one), second = prices.start(another);   // several at a time
//   use(first.get(50ms), second.get(50ms));
//
// When to use it: where who asks needs the answer to go on. When not: for work whose results come in any order, use WorkerPool; for services that
// find each other by name, Service and ServiceRegistry; for a value that many read, zeroipc::cell or zeroipc::lazy.
//
// What is promised when a process is killed
//   * A server: its calls fail, or are given to another one, as the client's options say, as soon as the death is noticed.
//   * A client: what it has asked is forgotten. A server that is at it goes on, and its answer is dropped.
//   * A call that is answered `ok` was carried out, once unless its client retries.
// An answer that comes when its client has given up is dropped, and counted: it cannot be taken for the answer to another call.
//
// How it works. A call is one record in a map, under its number: who asks, in which state it is, the request, the response. Each change is one
// step: asked -> at work -> answered or failed, and erased by its client. A channel of numbers tells servers which to look at; so no
// name is made for a call, and memory is the same after ten million of them.
//
// Overload: a call waits, in its time, for room; then ResourceExhausted. With a time of 0 it is refused at once.
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped; a PendingCall is for one thread at a time. Up to 256
// serving threads. Progress: blocking; nothing is polled. Complexity: O(1), and O(capacity) after a death.
// Memory: for each of the capacity and 1024 more a request, a response and 140 bytes.
#ifndef ZEROIPC_PATTERNS_REQUEST_RESPONSE_REQUEST_RESPONSE_H_
#define ZEROIPC_PATTERNS_REQUEST_RESPONSE_REQUEST_RESPONSE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "patterns/base/health.h"
#include "patterns/request_response/call_board.h"
#include "zeroipc/background/callback.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/error.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/map/map.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {

namespace internal {

// What both sides have.
template <typename Request, typename Response>
class ServiceSide {
 public:
  // O(capacity).
  ServiceStats stats() const {
    ServiceStats s = board_.stats();
    calls_.for_each([&](uint64_t, const Record& r) {
      s.waiting += r.state == CallState::kAsked;
      s.at_work += r.state == CallState::kAtWork;
    });
    return s;
  }
  // Not well: it is stopped, nobody serves, or it is full.
  Health health() const { return board_.health(stats()); }
  // No calls from now on; servers end when those that wait are answered. By anybody, any number of times.
  void stop() { board_.requests().close(); }
  bool stopped() const { return board_.stopped(); }
  // Takes its names away. Open handles go on as before.
  absl::Status remove() const { return board_.remove(); }
  const std::string& name() const { return board_.name(); }

 protected:
  struct Record : CallRecord {
    Request request;
    alignas(Response)
        std::byte response[sizeof(Response)];  // kAnswered; need not have a default constructor
  };
  using Calls = map<uint64_t, Record>;

  ServiceSide(Calls calls, CallBoard board) : calls_(std::move(calls)), board_(std::move(board)) {}

  static absl::StatusOr<ServiceSide> open_or_create_side(const memory& mem, std::string_view name,
                                                         size_t capacity) {
    if (absl::Status s = CallBoard::check(mem, name, capacity); !s.ok()) return s;
    auto calls =
        Calls::open_or_create(mem, CallBoard::records_name(name), CallBoard::records_for(capacity));
    if (!calls.ok()) return calls.status();
    // With the channel last: whoever finds that, finds the rest.
    auto board = CallBoard::open_or_create(mem, name, capacity);
    if (!board.ok()) return board.status();
    return ServiceSide(*std::move(calls), *std::move(board));
  }
  static absl::StatusOr<ServiceSide> open_side(const memory& mem, std::string_view name) {
    auto board = CallBoard::open(mem, name);
    if (!board.ok()) return board.status();
    auto calls = Calls::open(mem, CallBoard::records_name(name));
    if (!calls.ok()) return calls.status();
    return ServiceSide(*std::move(calls), *std::move(board));
  }

  // After a death: what the dead have asked is forgotten.
  void forget_the_dead() {
    board_.after_deaths([&] {
      std::vector<uint64_t> found;
      calls_.for_each([&](uint64_t number, const Record& r) {
        if (board_.is_dead(r.client)) found.push_back(number);
      });
      for (const uint64_t number : found) calls_.erase(number);
      return true;
    });
  }

  Calls calls_;
  CallBoard board_;
};

}  // namespace internal

// A call that has been made. Dropped, it is given up.
template <typename Request, typename Response>
class PendingCall;

template <typename Request, typename Response>
class Client : public internal::ServiceSide<Request, Response> {
  using base = internal::ServiceSide<Request, Response>;

 public:
  using Pending = PendingCall<Request, Response>;

  // Opens the service, or creates it; one that exists with another capacity is an error. Throws zeroipc::error.
  Client(const memory& mem, std::string_view name, size_t capacity,
         const ClientOptions& options = {})
      : Client(zeroipc::internal::value_or_raise(open_or_create(mem, name, capacity, options))) {}
  // Opens one that exists. Throws zeroipc::error.
  Client(const memory& mem, std::string_view name, const ClientOptions& options = {})
      : Client(zeroipc::internal::value_or_raise(open(mem, name, options))) {}
  // Errors: InvalidArgument (capacity 0), FailedPrecondition (it exists with another capacity or other types), NotFound, and those of
  // creating a map and a channel.
  static absl::StatusOr<Client> open_or_create(const memory& mem, std::string_view name,
                                               size_t capacity, const ClientOptions& options = {}) {
    return with(base::open_or_create_side(mem, name, capacity), options);
  }
  static absl::StatusOr<Client> open(const memory& mem, std::string_view name,
                                     const ClientOptions& options = {}) {
    return with(base::open_side(mem, name), options);
  }

  // The answer, within that time, which includes waiting for room. What the handler answered or threw (Unknown); DeadlineExceeded (says
  // whether a server had begun); ResourceExhausted: no room; Unavailable: it is stopped, or its server has died; Aborted:
  // options.most_deaths servers have.
  template <typename Rep, typename Period>
  absl::StatusOr<Response> call(const Request& request,
                                std::chrono::duration<Rep, Period> timeout) {
    return call_until(request, deadline::after(timeout));
  }
  // However long it takes.
  absl::StatusOr<Response> call(const Request& request) {
    return call_until(request, deadline::never());
  }
  // Asks, and does not wait for the answer; waits for room at most that long.
  Pending start(const Request& request) { return start_until(request, deadline::never()); }
  template <typename Rep, typename Period>
  Pending start(const Request& request, std::chrono::duration<Rep, Period> timeout) {
    return start_until(request, deadline::after(timeout));
  }

 private:
  friend class PendingCall<Request, Response>;
  using Record = typename base::Record;

  Client(base b, const ClientOptions& options) : base(std::move(b)), options_(options) {}
  static absl::StatusOr<Client> with(absl::StatusOr<base> b, const ClientOptions& options) {
    if (!b.ok()) return b.status();
    return Client(*std::move(b), options);
  }

  absl::StatusOr<Response> call_until(const Request& request, deadline until) {
    uint64_t number = 0;
    if (absl::Status s = begin(request, until, number); !s.ok()) return s;
    return finish(number, until);
  }
  Pending start_until(const Request& request, deadline until) {
    uint64_t number = 0;
    if (absl::Status s = begin(request, until, number); !s.ok()) return Pending(std::move(s));
    return Pending(*this, number);
  }

  absl::Status begin(const Request& request, deadline until, uint64_t& number) {
    using internal::CallEvent;
    // Room for the hint first: then a record is never without one.
    auto hint = reserve_until(until);
    if (!hint) return refused(hint.why());
    number = this->board_.next_number();
    Record r{{}, request, {}};
    r.client = this->board_.self();
    outcome put = this->calls_.insert(number, r);
    if (put == outcome::full) {
      // Those of clients that have died, where no server has found the time.
      this->forget_the_dead();
      put = this->calls_.insert(number, r);
    }
    if (!put) return refused(put);
    *hint = number;
    hint.commit();
    this->board_.count(CallEvent::kCalls);
    return absl::OkStatus();
  }
  absl::Status refused(outcome why) const {
    this->board_.count(internal::CallEvent::kRefused);
    return this->board_.refused(why);
  }
  absl::StatusOr<Response> finish(uint64_t number, deadline until) {
    Record r;
    const outcome got = wait_for_answer(number, r, until);
    this->calls_.erase(number);
    if (got == outcome::empty || got == outcome::timed_out) {
      this->board_.count(internal::CallEvent::kTimedOut);
      return this->board_.not_in_time(r);
    }
    if (!got) return this->board_.refused(got);
    if (r.state == internal::CallState::kFailed) return failure_of(r);
    return *reinterpret_cast<const Response*>(r.response);
  }
  absl::Status failure_of(const Record& r) const {
    // What look_after() found; it leaves the text to be made here, where there is room for it.
    const bool died = r.deaths != 0 && r.failure.message.empty();
    return died ? this->board_.server_died(r) : r.failure.status();
  }
  void give_up(uint64_t number) {
    this->calls_.erase(number);
    this->board_.count(internal::CallEvent::kTimedOut);
  }
  typename channel<uint64_t>::reservation reserve_until(deadline until) {
    channel<uint64_t>& requests = this->board_.requests();
    if (until.is_never()) return requests.reserve();
    if (until.is_at_once()) return requests.try_reserve();
    return requests.reserve_for(std::chrono::nanoseconds(until.ns() - deadline::now_ns()));
  }

  // Until the call is answered or cannot be.
  outcome wait_for_answer(uint64_t number, Record& r, deadline until) {
    const auto told = this->calls_.waitable(number);
    uint64_t seen = 0;
    return wait_for_look(told.env, told.event, until, [&](Look look) -> outcome {
      if (look == Look::kQuick && this->calls_.version(number) == seen) return outcome::empty;
      if (const outcome got = this->calls_.get(number, r, &seen); !got) return got;
      if (r.state >= internal::CallState::kAnswered) return outcome::ok;
      if (look == Look::kThorough) look_after(number, r, until);
      return r.state >= internal::CallState::kAnswered ? outcome::ok : outcome::empty;
    });
  }
  // If its server has died: asked again, or failed. `r` is as it is then.
  void look_after(uint64_t number, Record& r, deadline until) {
    using internal::CallEvent, internal::CallState;
    if (r.state != CallState::kAtWork || !this->board_.is_dead(r.server)) return;
    const bool retry = options_.when_server_dies == WhenServerDies::kRetry;
    this->calls_.update(number, [&](Record& now) {
      // Only this client makes it anything else once its server is dead.
      ++now.deaths;
      const bool is_last = now.deaths >= options_.most_deaths;
      if (retry && !is_last) {
        now.state = CallState::kAsked;
      } else {
        now.state = CallState::kFailed;
        now.failure.code = static_cast<int32_t>(retry ? absl::StatusCode::kAborted
                                                      : absl::StatusCode::kUnavailable);
      }
      r = now;
    });
    this->board_.count(CallEvent::kServerDeaths);
    if (r.state != CallState::kAsked) return;
    this->board_.count(CallEvent::kRetried);
    const outcome sent = ask_again(number, until);
    if (sent || sent == outcome::timed_out) return;
    r.state = CallState::kFailed;
    r.failure = Failure(absl::UnavailableError("its server has died, and it is stopped"));
  }

  outcome ask_again(uint64_t number, deadline until) {
    channel<uint64_t>& requests = this->board_.requests();
    if (until.is_never()) return requests.send(number);
    return requests.send_for(number, std::chrono::nanoseconds(until.ns() - deadline::now_ns()));
  }

  ClientOptions options_;
};

template <typename Request, typename Response>
class PendingCall {
 public:
  PendingCall(PendingCall&& other) noexcept
      : client_(std::exchange(other.client_, std::nullopt)),
        number_(other.number_),
        refused_(std::move(other.refused_)) {}
  PendingCall& operator=(PendingCall&& other) noexcept {
    if (this != &other) {
      cancel();
      client_ = std::exchange(other.client_, std::nullopt);
      number_ = other.number_;
      refused_ = std::move(other.refused_);
    }
    return *this;
  }
  ~PendingCall() { cancel(); }

  // Whether it was made, and is not over yet; get() tells why not.
  explicit operator bool() const { return client_.has_value(); }
  // Waits for the answer, which ends the call, as Client::call() does; so does the end of the time. Once.
  absl::StatusOr<Response> get() { return get_until(deadline::never()); }
  template <typename Rep, typename Period>
  absl::StatusOr<Response> get(std::chrono::duration<Rep, Period> timeout) {
    return get_until(deadline::after(timeout));
  }
  // Whether get() would return at once. Does not end it.
  bool ready() {
    Record r;
    return !client_ || client_->wait_for_answer(number_, r, deadline::at_once()) != outcome::empty;
  }
  // Gives it up. A server that is at it goes on; its answer is dropped.
  void cancel() {
    if (client_) std::exchange(client_, std::nullopt)->give_up(number_);
  }

 private:
  friend class Client<Request, Response>;
  using Record = typename Client<Request, Response>::Record;

  PendingCall(const Client<Request, Response>& client, uint64_t number)
      : client_(client), number_(number) {}
  explicit PendingCall(absl::Status refused) : refused_(std::move(refused)) {}

  absl::StatusOr<Response> get_until(deadline until) {
    if (!client_) return std::exchange(refused_, absl::FailedPreconditionError("the call is over"));
    return std::exchange(client_, std::nullopt)->finish(number_, until);
  }

  std::optional<Client<Request, Response>> client_;
  uint64_t number_ = 0;
  absl::Status refused_ = absl::FailedPreconditionError("the call is over");
};

template <typename Request, typename Response>
class Server : public internal::ServiceSide<Request, Response> {
  using base = internal::ServiceSide<Request, Response>;

 public:
  // As Client's.
  Server(const memory& mem, std::string_view name, size_t capacity)
      : Server(zeroipc::internal::value_or_raise(open_or_create(mem, name, capacity))) {}
  Server(const memory& mem, std::string_view name)
      : Server(zeroipc::internal::value_or_raise(open(mem, name))) {}
  static absl::StatusOr<Server> open_or_create(const memory& mem, std::string_view name,
                                               size_t capacity) {
    return with(base::open_or_create_side(mem, name, capacity));
  }
  static absl::StatusOr<Server> open(const memory& mem, std::string_view name) {
    return with(base::open_side(mem, name));
  }

  // Answers calls: f(const Request&), which returns a Response or an absl::StatusOr<Response>. What it throws is the call's error, Unknown.
  // Until the service is stopped and what was asked is answered: `closed`. `exhausted`: 256 serve already.
  template <typename F>
  outcome serve(F&& f) {
    return serve_until(f, deadline::never());
  }
  // The same; takes no call any more once the time is over: `timed_out`.
  template <typename Rep, typename Period, typename F>
  outcome serve_for(std::chrono::duration<Rep, Period> timeout, F&& f) {
    return zeroipc::internal::late(serve_until(f, deadline::after(timeout)));
  }
  // For who serves several kinds of calls in one thread: counts as serving for as long as the seat is there; and what to wait for, its env and its event.
  Roll::Seat attend() const { return this->board_.attend(); }
  auto waitable() const { return this->board_.waitable(); }
  // One call, if there is one: `empty`.
  template <typename F>
  outcome try_serve_one(F&& f) {
    uint64_t number = 0;
    Record r;
    if (const outcome taken = take(number, r, deadline::at_once()); !taken) return taken;
    answer(number, r, f);
    return outcome::ok;
  }

 private:
  using Record = typename base::Record;

  explicit Server(base b) : base(std::move(b)) {}
  static absl::StatusOr<Server> with(absl::StatusOr<base> b) {
    if (!b.ok()) return b.status();
    return Server(*std::move(b));
  }

  template <typename F>
  outcome serve_until(F& f, deadline until) {
    const Roll::Seat seat = attend();
    if (!seat) return outcome::exhausted;
    uint64_t number = 0;
    Record r;
    while (!until.passed()) {
      if (const outcome taken = take(number, r, until); !taken) return taken;
      answer(number, r, f);
    }
    return outcome::timed_out;
  }

  // asked -> at work. `closed`, `empty`, `timed_out`.
  outcome take(uint64_t& number, Record& call, deadline until) {
    const auto told = waitable();
    return wait_for_look(told.env, told.event, until, [&](Look look) {
      const outcome r = take_now(number, call);
      if (r == outcome::empty && look == Look::kThorough) this->forget_the_dead();
      return r;
    });
  }
  outcome take_now(uint64_t& number, Record& call) {
    for (;;) {
      auto hint = this->board_.requests().try_lease();
      // No lease entry: as many others have one, each for a moment.
      if (!hint) return hint.why() == outcome::closed ? outcome::closed : outcome::empty;
      number = *hint;
      bool mine = false;
      this->calls_.update(number, [&](Record& r) {
        if (r.state != internal::CallState::kAsked) return;
        r.state = internal::CallState::kAtWork;
        r.server = this->board_.self();
        call = r;
        mine = true;
      });
      hint.ack();
      if (mine) return outcome::ok;
      this->board_.count(internal::CallEvent::kSkipped);
    }
  }

  template <typename F>
  void answer(uint64_t number, const Record& call, F& f) {
    using internal::CallEvent, internal::CallState;
    std::optional<absl::StatusOr<Response>> made;
    const std::optional<std::string> thrown =
        zeroipc::internal::message_thrown_by([&] { made.emplace(f(std::as_const(call.request))); });
    if (thrown) made.emplace(absl::UnknownError(*thrown));
    bool in_time = false;
    this->calls_.update(number, [&](Record& r) {
      if (r.state != CallState::kAtWork || r.server != this->board_.self()) return;
      in_time = true;
      if (made->ok()) {
        r.state = CallState::kAnswered;
        std::memcpy(r.response, &**made, sizeof(Response));
      } else {
        r.state = CallState::kFailed;
        r.failure = Failure(made->status());
      }
    });
    this->board_.count(in_time ? CallEvent::kAnswered : CallEvent::kLate);
    if (in_time && !made->ok()) this->board_.count(CallEvent::kFailed);
  }
};

}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_REQUEST_RESPONSE_REQUEST_RESPONSE_H_
