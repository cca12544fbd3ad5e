// Actor and ActorRef: a state of its own, a mailbox, and what it does with each message; in one process at a time, and in another one when that dies.
//
//   // the actor: in as many processes as one likes; one runs it, the others stand by
//   struct Account { int64_t balance; };
//   patterns::Actor<Deposit, Account, int64_t> account(mem, "account", 100);
//   account.run([](auto& self, Account& a, const Deposit& d) {
//     a.balance += d.amount;
//     self.reply(a.balance);                             // if it was asked
//   });                                                  // until it is stopped
//
//   // anybody
//   patterns::ActorRef<Deposit, int64_t> account(mem, "account", 100);
//   account.send({50});
//   absl::StatusOr<int64_t> balance = account.ask({0}, 50ms);
//   account.stop();                                      // handles what is in the mailbox, and ends
//
// Behaviours: run({on_idle, on_busy}) and self.become(1). Supervisor (supervisor.h) starts processes again that have died.
//
// When to use it: for a state that many want to change, and whose changes depend on each other, without a lock around it. When not: where
// nothing but the newest value counts, use zeroipc::cell; for work without a state, WorkerPool.
//
// What is promised when a process is killed
//   * A message whose send() returned ok is handled, in the order of sending, and counts once for the state: the state and the place in the mailbox change in
//     one step. The handler may have begun with it before; what it did elsewhere, messages to others included, may happen twice.
//   * A process that runs it is replaced by one that stands by, as soon as the death is noticed; the new one goes on with the message at which
//     the old one died, and answers the last ask again. A message at which options.most_deaths have died is a dead letter, and passed over.
//   * An asker: its ask is forgotten; the message is handled all the same.
//
// How it works. The mailbox is a stream with one durable place; the state, the position up to which messages count, the behaviour and the last answer
// are one value of a cell; a robust mutex says who runs it.
//
// Overload: send() waits while the mailbox is full, try_send() refuses, send_for() and ask() do so in time.
// Thread safety: an ActorRef is thread-safe; an Actor is run by one thread. Both are cheap to copy, and keep the segment mapped.
// Progress: blocking; nothing is polled. Complexity: O(1), the state is copied for each message. Memory: the mailbox, four states and answers, 1024 asks.
// Source: Hewitt, Bishop and Steiger, 1973; supervision as in Erlang/OTP (Armstrong 2003).
#ifndef ZEROIPC_PATTERNS_ACTOR_ACTOR_H_
#define ZEROIPC_PATTERNS_ACTOR_ACTOR_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "patterns/actor/mailbox.h"
#include "patterns/base/health.h"
#include "zeroipc/background/callback.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/error.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/cell/cell.h"
#include "zeroipc/map/map.h"
#include "zeroipc/mutex/mutex.h"
#include "zeroipc/segment/segment.h"
#include "zeroipc/stream/stream.h"

namespace zeroipc::patterns {

// Of an actor that is not asked.
struct NoReply {
  uint32_t unused;
};

template <typename Message, typename Reply = NoReply>
class ActorRef {
 public:
  // Opens the mailbox, or creates it; one that exists with another capacity is an error. Throws zeroipc::error.
  ActorRef(const memory& mem, std::string_view name, size_t capacity)
      : ActorRef(zeroipc::internal::value_or_raise(open_or_create(mem, name, capacity))) {}
  // Opens one that exists. Throws zeroipc::error.
  ActorRef(const memory& mem, std::string_view name)
      : ActorRef(zeroipc::internal::value_or_raise(open(mem, name))) {}
  // Errors: InvalidArgument (capacity 0), FailedPrecondition (it exists with another capacity or other types), NotFound, and those of
  // creating a stream and a map.
  static absl::StatusOr<ActorRef> open_or_create(const memory& mem, std::string_view name,
                                                 size_t capacity) {
    absl::Status s = internal::MailboxBoard::check(mem, name, capacity);
    if (!s.ok()) return s;
    // The mailbox comes last: whoever finds that, finds the rest.
    return with(mem, name, Asks::open_or_create(mem, asks_name(name), kMostAsks), [&] {
      return Mailbox::open_or_create(mem, messages_name(name), capacity,
                                     {.when_full = overflow::block, .max_subscribers = 4});
    });
  }
  static absl::StatusOr<ActorRef> open(const memory& mem, std::string_view name) {
    auto mailbox = Mailbox::open(mem, messages_name(name));
    if (!mailbox.ok()) return mailbox.status();
    return with(mem, name, Asks::open(mem, asks_name(name)), [&] { return std::move(mailbox); });
  }

  // `ok`: it is in the mailbox. `closed`: it is stopped; `full` (try_), `timed_out` (_for).
  outcome send(const Message& m) { return mailbox_.emit({0, m}); }
  outcome try_send(const Message& m) { return mailbox_.try_emit({0, m}); }
  template <typename Rep, typename Period>
  outcome send_for(const Message& m, std::chrono::duration<Rep, Period> timeout) {
    return mailbox_.emit_for({0, m}, timeout);
  }
  // Sends it and waits for the answer. DeadlineExceeded (says how many processes run it); ResourceExhausted: no room in time; Unavailable:
  // it is stopped; Unknown: what the handler threw; Unimplemented: it did not answer; Aborted: it was a dead letter.
  template <typename Rep, typename Period>
  absl::StatusOr<Reply> ask(const Message& m, std::chrono::duration<Rep, Period> timeout) {
    return ask_until(m, deadline::after(timeout));
  }
  // However long it takes.
  absl::StatusOr<Reply> ask(const Message& m) { return ask_until(m, deadline::never()); }

  // No message from now on; what is in the mailbox is handled, and whoever runs it ends. By anybody, any number of times.
  void stop() { mailbox_.close(); }

  ActorStats stats() const {
    ActorStats s = board_.stats();
    s.capacity = mailbox_.capacity();
    s.waiting = s.capacity - std::min<uint64_t>(s.capacity, mailbox_.available_space());
    s.stopped = mailbox_.closed();
    return s;
  }
  // Not well: it is stopped, no process runs it, its mailbox is full, or there were dead letters.
  Health health() const { return board_.health(stats()); }
  // Takes its names away. Open handles go on as before.
  absl::Status remove() const { return board_.remove(); }
  const std::string& name() const { return board_.name(); }

 private:
  template <typename, typename, typename>
  friend class Actor;
  struct Envelope {
    uint64_t ask;  // 0: nobody waits for an answer
    Message message;
  };
  struct Ask : internal::AskRecord {
    alignas(Reply) std::byte reply[sizeof(Reply)];
  };
  using Asks = map<uint64_t, Ask>;
  using Mailbox = stream<Envelope>;
  static constexpr size_t kMostAsks = internal::MailboxBoard::kMostAsks;
  static constexpr const char* kPlace = "actor";

  static std::string asks_name(std::string_view name) {
    return internal::MailboxBoard::asks_name(name);
  }
  static std::string messages_name(std::string_view name) {
    return internal::MailboxBoard::messages_name(name);
  }

  ActorRef(internal::MailboxBoard board, Asks asks, Mailbox mailbox)
      : board_(std::move(board)), asks_(std::move(asks)), mailbox_(std::move(mailbox)) {}
  template <typename OpenMailbox>
  static absl::StatusOr<ActorRef> with(const memory& mem, std::string_view name,
                                       absl::StatusOr<Asks> asks, OpenMailbox&& open_mailbox) {
    if (!asks.ok()) return asks.status();
    auto board = internal::MailboxBoard::open_or_create(mem, name);
    if (!board.ok()) return board.status();
    absl::StatusOr<Mailbox> mailbox = open_mailbox();
    if (!mailbox.ok()) return mailbox.status();
    // Before anybody sends: messages are kept for the first one that runs it, however late that comes.
    absl::Status placed;
    board->set_up_once([&] {
      const auto reader = mailbox->make_subscriber(kPlace, stream_start::oldest());
      placed = reader.status();
    });
    if (!placed.ok()) return placed;
    return ActorRef(*std::move(board), *std::move(asks), *std::move(mailbox));
  }

  absl::StatusOr<Reply> ask_until(const Message& m, deadline until) {
    const uint64_t number = board_.next_number();
    Ask pending{};
    pending.asker = board_.self();
    outcome r = asks_.insert(number, pending);
    if (r == outcome::full) {
      forget_the_dead();
      r = asks_.insert(number, pending);
    }
    if (!r) return board_.refused(r);
    const Envelope e{number, m};
    r = until.is_never()
            ? mailbox_.emit(e)
            : mailbox_.emit_for(e, std::chrono::nanoseconds(until.ns() - deadline::now_ns()));
    if (!r) {
      asks_.erase(number);
      return board_.refused(r);
    }
    board_.count(internal::ActorCounter::kAsked);
    return answer_to(number, until);
  }
  absl::StatusOr<Reply> answer_to(uint64_t number, deadline until) {
    const auto told = asks_.waitable(number);
    Ask a;
    uint64_t seen = 0;
    const outcome r = wait_for_look(told.env, told.event, until, [&](Look look) -> outcome {
      if (look == Look::kQuick && asks_.version(number) == seen) return outcome::empty;
      if (const outcome got = asks_.get(number, a, &seen); !got) return got;
      return a.state == internal::AskState::kPending ? outcome::empty : outcome::ok;
    });
    asks_.erase(number);
    if (r == outcome::empty || r == outcome::timed_out) return board_.not_in_time();
    if (!r) return board_.refused(r);
    if (a.state == internal::AskState::kFailed) return a.failure.status();
    return *reinterpret_cast<const Reply*>(a.reply);
  }
  void forget_the_dead() {
    board_.after_deaths([&] {
      std::vector<uint64_t> found;
      asks_.for_each([&](uint64_t number, const Ask& a) {
        if (board_.is_dead(a.asker)) found.push_back(number);
      });
      for (const uint64_t number : found) asks_.erase(number);
      return true;
    });
  }

  internal::MailboxBoard board_;
  Asks asks_;
  Mailbox mailbox_;
};

template <typename Message, typename State, typename Reply = NoReply>
class Actor {
  using Ref = ActorRef<Message, Reply>;

 public:
  // What a handler can say beyond changing the state.
  class Self {
   public:
    // Whether somebody waits for an answer.
    bool asked() const { return asked_; }
    // The last one counts. Without effect if nobody waits.
    void reply(const Reply& r) { reply_.emplace(r); }
    // The behaviour for the next messages.
    void become(size_t behaviour) { behaviour_ = behaviour; }
    size_t behaviour() const { return behaviour_; }
    // 1, or more if others have died at this message.
    uint64_t attempt() const { return attempt_; }
    // No message from now on, after those that are in the mailbox.
    void stop() { stops_ = true; }

   private:
    friend class Actor;
    bool asked_ = false, stops_ = false;
    size_t behaviour_ = 0;
    uint64_t attempt_ = 1;
    std::optional<Reply> reply_;
  };
  using Behaviour = std::function<void(Self&, State&, const Message&)>;

  // Opens it, or creates it, its mailbox included; one that exists with another capacity is an error. Throws zeroipc::error.
  Actor(const memory& mem, std::string_view name, size_t capacity, const ActorOptions& options = {})
      : Actor(zeroipc::internal::value_or_raise(open_or_create(mem, name, capacity, options))) {}
  // Errors: those of ActorRef, and of creating a cell and a mutex; InvalidArgument (most_deaths 0).
  static absl::StatusOr<Actor> open_or_create(const memory& mem, std::string_view name,
                                              size_t capacity, const ActorOptions& options = {}) {
    if (options.most_deaths == 0) return absl::InvalidArgumentError("actor: most_deaths is 0");
    auto state = cell<Record>::open_or_create(mem, internal::MailboxBoard::state_name(name));
    if (!state.ok()) return state.status();
    auto runner = mutex::open_or_create(mem, internal::MailboxBoard::runner_name(name));
    if (!runner.ok()) return runner.status();
    auto ref = Ref::open_or_create(mem, name, capacity);
    if (!ref.ok()) return ref.status();
    return Actor(options, *std::move(state), *std::move(runner), *std::move(ref));
  }

  // Runs it in this thread, or stands by until who runs it dies. `closed`: it is stopped, and its mailbox is empty; `exhausted`: 64
  // processes do that already. `initial` is the state of an actor that has handled nothing yet. What a handler throws is reported
  // (set_callback_error_handler): the message counts as handled, and has changed nothing.
  outcome run(std::vector<Behaviour> behaviours, const State& initial = {}) {
    return run_until(behaviours, initial, deadline::never());
  }
  outcome run(Behaviour behaviour, const State& initial = {}) {
    return run(std::vector<Behaviour>{std::move(behaviour)}, initial);
  }
  // The same; leaves it to others when the time is over: `timed_out`.
  template <typename Rep, typename Period>
  outcome run_for(std::chrono::duration<Rep, Period> timeout, std::vector<Behaviour> behaviours,
                  const State& initial = {}) {
    return zeroipc::internal::late(run_until(behaviours, initial, deadline::after(timeout)));
  }
  template <typename Rep, typename Period>
  outcome run_for(std::chrono::duration<Rep, Period> timeout, Behaviour behaviour,
                  const State& initial = {}) {
    return run_for(timeout, std::vector<Behaviour>{std::move(behaviour)}, initial);
  }

  // Its newest state, for anybody who wants to look; nothing if it has never run.
  std::optional<State> state() const {
    std::optional<State> found;
    if (const auto r = state_.load()) found.emplace(r->state);
    return found;
  }
  // For who sends to it.
  const Ref& ref() const { return ref_; }
  ActorStats stats() const { return ref_.stats(); }
  Health health() const { return ref_.health(); }
  absl::Status remove() const { return ref_.remove(); }

 private:
  using Envelope = typename Ref::Envelope;
  using Counter = internal::ActorCounter;
  struct Record : internal::ActorRecord {
    State state;
    alignas(Reply) std::byte reply[sizeof(Reply)];
  };

  Actor(const ActorOptions& options, cell<Record> state, mutex runner, Ref ref)
      : options_(options),
        state_(std::move(state)),
        runner_(std::move(runner)),
        ref_(std::move(ref)),
        where_("actor '" + ref_.name() + "'") {}

  outcome run_until(std::vector<Behaviour>& behaviours, const State& initial, deadline until) {
    const Roll::Seat seat = ref_.board_.join();
    if (!seat) return outcome::exhausted;
    const lock_outcome got =
        until.is_never()
            ? runner_.lock()
            : runner_.try_lock_for(std::chrono::nanoseconds(until.ns() - deadline::now_ns()));
    if (!got) return got.why() == outcome::taken ? outcome(outcome::timed_out) : got.why();
    const std::unique_lock<mutex> runs(runner_, std::adopt_lock);
    runner_.mark_consistent();  // the cell is, by itself
    auto messages = ref_.mailbox_.make_subscriber(Ref::kPlace);
    if (!messages.ok()) return outcome::exhausted;
    Record r{};
    if (!state_.load(r)) {
      r.state = initial;
      state_.store(r);
    } else if (got == outcome::owner_died) {
      take_over(r);
    }
    while (!until.passed()) {
      const Envelope* e = nullptr;
      if (const outcome next = peek_until(*messages, e, until); !next) return next;
      ref_.forget_the_dead();
      // What counts already: its process died before it could say so.
      if (messages->position() >= r.position) handle(behaviours, r, *e);
      messages->release();
    }
    return outcome::timed_out;
  }
  static outcome peek_until(subscriber<Envelope>& messages, const Envelope*& e, deadline until) {
    if (until.is_never()) return messages.peek(e);
    return messages.peek_for(e, std::chrono::nanoseconds(until.ns() - deadline::now_ns()));
  }
  void take_over(Record& r) {
    ++r.deaths;
    state_.store(r);
    ref_.board_.count(Counter::kTakeovers);
    answer(r);
  }

  void handle(std::vector<Behaviour>& behaviours, Record& r, const Envelope& e) {
    Self self;
    self.asked_ = e.ask != 0;
    self.behaviour_ = r.behaviour;
    self.attempt_ = r.deaths + 1;
    Record next = r;
    if (r.deaths >= options_.most_deaths) {
      next.failure = Failure(ref_.board_.dead_letter(r.deaths));
      ref_.board_.count(Counter::kDeadLetters);
    } else if (r.behaviour >= behaviours.size()) {
      next.failure = Failure(absl::UnimplementedError("its behaviour is unknown to its process"));
      ref_.board_.count(Counter::kFailed);
    } else if (const auto thrown = zeroipc::internal::message_thrown_by(
                   [&] { behaviours[r.behaviour](self, next.state, e.message); })) {
      next = r;
      next.failure = Failure(absl::UnknownError(*thrown));
      zeroipc::internal::report_from_background(where_, *thrown);
      ref_.board_.count(Counter::kFailed);
    } else {
      next.behaviour = self.behaviour_;
      next.failure = Failure();
      if (self.reply_) {
        std::memcpy(next.reply, &*self.reply_, sizeof(Reply));
      } else {
        next.failure = Failure(ref_.board_.no_answer());
      }
    }
    ++next.position;
    next.deaths = 0;
    next.asked = e.ask;
    // From here on the message counts.
    state_.store(next);
    r = next;
    ref_.board_.count(Counter::kHandled);
    answer(r);
    if (self.stops_) ref_.stop();
  }
  // To the last ask, if it is still there.
  void answer(const Record& r) {
    if (r.asked == 0) return;
    bool in_time = false;
    ref_.asks_.update(r.asked, [&](typename Ref::Ask& a) {
      if (a.state != internal::AskState::kPending) return;
      in_time = true;
      a.state = r.failure ? internal::AskState::kFailed : internal::AskState::kAnswered;
      a.failure = r.failure;
      std::memcpy(a.reply, r.reply, sizeof(Reply));
    });
    ref_.board_.count(in_time ? Counter::kAnswered : Counter::kLate);
  }

  ActorOptions options_;
  cell<Record> state_;
  mutex runner_;
  Ref ref_;
  std::string where_;
};

}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_ACTOR_ACTOR_H_
