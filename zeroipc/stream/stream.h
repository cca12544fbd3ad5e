// stream<T>: every subscriber sees every element, all in one order, whoever emitted it.
//
//   zeroipc::stream<Event> events(mem, "events", 10'000);     // opens it, or creates it for 10,000 elements
//   events.emit(event);                                       // any number of producers
//
//   events.subscribe([](const Event& e) { log(e); });         // in the background, for as long as `events` lives
//
//   auto audit = events.subscriber("audit");                  // at the caller's own pace; its place outlives the process
//   while (auto e = audit.next()) write(*e);                  // sleeps while there is nothing new; ends when it is closed
//
//   for (const Event& e : events.history()) apply(e);         // what is still there, now
//
// When to use it: to tell everybody. When not: if each element is for one taker, use zeroipc::queue or zeroipc::channel; if who is
// too slow shall just lose the oldest, zeroipc::ring; if only the newest counts, zeroipc::cell.
//
// When a subscriber is a whole capacity behind, emit() refuses, waits, or goes on without him, as the creator chose
// (`overflow`). Without subscribers nothing is held up: the newest elements stay as history.
//
// What is promised when a process is killed
//   * An element that was emitted is there for all subscribers. One whose emit() did not return is there, whole, or is not.
//   * A dead subscriber holds up nobody. Under a name (`subscriber("audit")`) his place stays, and holds producers up as if he
//     lived, until another process reads on from there, or forget() ends it. What next() returned is behind that place, what was peeked at
//     and not released is not.
//
// Order: all see the same one. Elements have numbers, from 0 on without a gap (`position`).
//
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped. A subscriber is for one thread at a time.
// Fork: a child emits and subscribes for itself; what the parent has running in the background, or subscribed to, is the parent's.
// Progress: reading is lock-free. Producers exclude each other by a robust lock; one that is stopped (SIGSTOP) inside
// holds up other producers, no readers.
// Complexity: O(1), batches O(n); emit() looks at all cursors once in a while, when it meets the slowest. Memory: 512 bytes and 128 for each cursor; 8
// bytes an element, and one spare for 8 elements (1 to 64 in all).
// Source: sequence locks (Lameter 2005; Boehm 2012), one in each slot; the gating sequences of the LMAX Disruptor (Thompson et al.
// 2011), which here survive their readers.
#ifndef ZEROIPC_STREAM_STREAM_H_
#define ZEROIPC_STREAM_STREAM_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "zeroipc/background/callback.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/error.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/segment/segment.h"
#include "zeroipc/stream/derivations.h"
#include "zeroipc/stream/derive.h"
#include "zeroipc/stream/element.h"
#include "zeroipc/stream/open.h"
#include "zeroipc/stream/start.h"
#include "zeroipc/stream/state.h"
#include "zeroipc/stream/subscriber.h"

namespace zeroipc {

// Fixed when the stream is created. Those of one that exists must be the same, unless they are left at their defaults here.
struct stream_options {
  overflow when_full = overflow::refuse;
  uint32_t max_subscribers = 64;  // at once, durable ones without a reader included; at most 4096
};

struct subscribe_options {
  stream_start from = stream_start::next();
  // Under a name: it goes on where it stopped, and each element is dealt with when the callback has returned; killed inside it, the
  // next one is called with that element again. `from` is for the first time.
  std::string name = {};
};

// What is derived from it, and how: derivations.h.
template <typename T>
class stream : public internal::derivations<T> {
  using body = internal::stream_body<T>;
  using state = internal::stream_state<T>;

 public:
  using value_type = T;

  // Opens the stream, or creates it; one that exists with another capacity or other options is an error. Throws zeroipc::error.
  stream(const memory& mem, std::string_view name, size_t capacity,
         const stream_options& options = {})
      : stream(internal::value_or_raise(stream::open_or_create(mem, name, capacity, options))) {}
  // Opens a stream that exists. Throws zeroipc::error.
  stream(const memory& mem, std::string_view name)
      : stream(internal::value_or_raise(stream::open(mem, name))) {}

  // Errors: InvalidArgument (capacity 0 or beyond 2^31 - 1, no or too many subscribers, bad name), ResourceExhausted (it does not
  // fit), AlreadyExists, NotFound, FailedPrecondition (another kind, element type, capacity or options), DataLoss (corrupt
  // header), PermissionDenied (segment open read-only). The messages name what was expected and what was found.
  static absl::StatusOr<stream> create(const memory& mem, std::string_view name, size_t capacity,
                                       const stream_options& options = {}) {
    return make(mem, name, internal::open_mode::create, capacity, options);
  }
  static absl::StatusOr<stream> open(const memory& mem, std::string_view name) {
    return make(mem, name, internal::open_mode::open, 0, {});
  }
  static absl::StatusOr<stream> open_or_create(const memory& mem, std::string_view name,
                                               size_t capacity,
                                               const stream_options& options = {}) {
    return make(mem, name, internal::open_mode::open_or_create, capacity, options);
  }

  // --- producing ---

  // `ok`; `full` if a subscriber is a capacity behind and the stream refuses then; `closed`; `exhausted`: this process is a forked
  // child that could not join the segment.
  outcome emit(const T& value) { return emit_n(std::span<const T>(&value, 1)).why; }
  // The same without waiting, whatever the stream's policy; `taken`: another producer was stopped in the middle.
  outcome try_emit(const T& value) { return try_emit_n(std::span<const T>(&value, 1)).why; }
  // Waits for room, whatever the stream's policy.
  template <typename Rep, typename Period>
  outcome emit_for(const T& value, std::chrono::duration<Rep, Period> timeout) {
    return emit_n_for(std::span<const T>(&value, 1), timeout).why;
  }
  // In order; `count` says how many were emitted. As far as there is room they become visible together.
  batch_outcome emit_n(std::span<const T> values) {
    const bool waits = core().when_full() == overflow::block;
    return emit_until(values, waits ? deadline::never() : deadline::at_once(), deadline::never());
  }
  batch_outcome try_emit_n(std::span<const T> values) {
    return emit_until(values, deadline::at_once(), deadline::at_once());
  }
  template <typename Rep, typename Period>
  batch_outcome emit_n_for(std::span<const T> values, std::chrono::duration<Rep, Period> timeout) {
    const deadline until = deadline::after(timeout);
    batch_outcome r = emit_until(values, until, until);
    return {r.count, internal::late(r.why)};
  }
  // Elements that can be emitted now; a snapshot.
  size_t available_space() const { return static_cast<size_t>(core().room()); }

  // Nothing is emitted after this; subscribers read what is there, and are told `closed`. False if it was closed before.
  bool close() { return core().close() == outcome::ok; }
  bool closed() const { return core().closed(); }

  // --- subscribing ---

  // A passing subscriber, at the caller's own pace. Errors: ResourceExhausted (all cursors are in use).
  // It keeps running what runs for the stream in this process: where it is a derived one, its pump.
  absl::StatusOr<zeroipc::subscriber<T>> make_subscriber(
      stream_start from = stream_start::next()) const {
    return subscriber_that_keeps(state_, from);
  }
  // The durable one of that name, where it stands; begins at `from` the first time. Errors: ResourceExhausted (all cursors are in
  // use), AlreadyExists (another live process, or another subscriber of this one, reads there), InvalidArgument (the name is empty or longer than 95 bytes).
  absl::StatusOr<zeroipc::subscriber<T>> make_subscriber(
      std::string_view name, stream_start from = stream_start::next()) const {
    return subscriber_that_keeps(state_, name, from);
  }
  // The same. Throw zeroipc::error.
  zeroipc::subscriber<T> subscriber(stream_start from = stream_start::next()) const {
    return internal::value_or_raise(make_subscriber(from));
  }
  zeroipc::subscriber<T> subscriber(std::string_view name,
                                    stream_start from = stream_start::next()) const {
    return internal::value_or_raise(make_subscriber(name, from));
  }
  // Ends a durable subscription that nobody reads from, or the place of a derived stream of that name that nobody pumps: it holds
  // producers up no longer. `missing`, or `taken`: somebody does.
  outcome forget(std::string_view name) {
    const outcome r = core().forget(internal::cursor_state::durable, name);
    if (r != outcome::missing) return r;
    return core().forget_if(internal::cursor_state::stage, [&](std::string_view cursor) {
      return internal::is_cursor_of(cursor, name);
    });
  }

  // Calls `callback(element)` for each element, in order, on a thread of its own, until the stream is closed and drained, or the
  // last handle of this process to the stream (or to what was derived from it) is gone. What it throws is reported
  // (zeroipc/background/callback.h) and the element counts as dealt with. It may emit, and drop handles. Throws zeroipc::error.
  template <typename F>
  requires std::is_invocable_v<F&, const T&>
  void subscribe(F callback, const subscribe_options& options = {}) {
    internal::raise_if_error(try_subscribe(std::move(callback), options));
  }
  // Errors: those of make_subscriber(), and ResourceExhausted if the system has no thread left.
  template <typename F>
  requires std::is_invocable_v<F&, const T&> absl::Status try_subscribe(
      F callback, const subscribe_options& options = {}) {
    // The thread that reads is owned by what a subscriber usually keeps.
    auto made = options.name.empty() ? subscriber_that_keeps(nullptr, options.from)
                                     : subscriber_that_keeps(nullptr, options.name, options.from);
    if (!made.ok()) return made.status();
    const std::shared_ptr<body> b = state_->shared_body();
    // std::function wants what can be copied.
    auto reader = std::make_shared<zeroipc::subscriber<T>>(*std::move(made));
    auto started = internal::worker::start(
        b->where(), [b] { b->core.wake_readers(); },
        [reader, callback = std::move(callback), where = absl::StrCat(b->where(), ", subscriber")](
            const internal::worker::stop_flag& stop) mutable {
          reader->serve(stop, [&](const T& element) {
            internal::call_back(where, [&] { callback(element); });
          });
        });
    if (!started.ok()) return started.status();
    state_->keep(*std::move(started));
    return absl::OkStatus();
  }

  // What is still there.
  zeroipc::history<T> history(stream_start from = stream_start::oldest()) const {
    return zeroipc::history<T>(state_->shared_body(), from.position(core().log().tail()));
  }

  // --- looking ---

  // Elements that can be read now, at most capacity().
  size_t size() const {
    const uint64_t tail = core().log().tail();
    return static_cast<size_t>(std::min(tail, tail - std::min(tail, core().log().oldest())));
  }
  bool empty() const { return size() == 0; }
  size_t capacity() const { return static_cast<size_t>(core().log().capacity()); }
  // Elements ever emitted: the position of the next one.
  uint64_t emitted() const { return core().log().tail(); }
  overflow when_full() const { return core().when_full(); }
  stream_stats stats() const { return core().stats(); }
  const std::string& name() const { return state_->body().held.name(); }

 private:
  template <typename>
  friend class internal::derivations;
  using core_type = decltype(body::core);
  static constexpr uint32_t kMostSubscribers = 4096;

  explicit stream(std::shared_ptr<state> s) : state_(std::move(s)) {}

  // `keeps`: for as long as the subscriber is there.
  absl::StatusOr<zeroipc::subscriber<T>> subscriber_that_keeps(std::shared_ptr<const void> keeps,
                                                               stream_start from) const {
    typename core_type::held_cursor held;
    const outcome r = core().subscribe(from.position(core().log().tail()), held);
    if (!r) return refused(r, {});
    return zeroipc::subscriber<T>(state_->shared_body(), held, std::move(keeps));
  }
  absl::StatusOr<zeroipc::subscriber<T>> subscriber_that_keeps(std::shared_ptr<const void> keeps,
                                                               std::string_view name,
                                                               stream_start from) const {
    if (name.empty() || name.size() > kMaxNameBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat(state_->body().where(), ": a subscriber's name has 1 to ", kMaxNameBytes,
                       " bytes, this one ", name.size()));
    }
    typename core_type::held_cursor held;
    const outcome r = core().subscribe(internal::cursor_state::durable, name,
                                       from.position(core().log().tail()), held);
    if (!r) return refused(r, name);
    return zeroipc::subscriber<T>(state_->shared_body(), held, std::move(keeps));
  }

  static absl::StatusOr<stream> make(const memory& mem, std::string_view name,
                                     internal::open_mode mode, size_t capacity,
                                     const stream_options& options);
  static absl::Status check_subscribers(const memory& mem, std::string_view name, uint32_t n) {
    if (n != 0 && n <= kMostSubscribers) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("segment ", mem.name(), ": stream '", name,
                                                   "': max_subscribers must be 1 to ",
                                                   kMostSubscribers, ", not ", n));
  }
  batch_outcome emit_until(std::span<const T> values, deadline room, deadline turn) {
    uint64_t done = 0;
    if (state_->body().is_derived()) return {0, outcome::taken};
    const outcome why = core().emit(values.data(), values.size(), done, room, turn);
    return {static_cast<size_t>(done), why};
  }
  absl::Status refused(outcome r, std::string_view name) const {
    const std::string where = state_->body().where();
    if (r == outcome::taken) {
      return absl::AlreadyExistsError(
          absl::StrCat(where, ": somebody reads as '", name, "' already"));
    }
    if (!state_->body().held.env().tag()) return internal::not_joined("stream", this->name());
    return absl::ResourceExhaustedError(
        absl::StrCat(where, ": all ", core().cursors().count(), " subscribers' places are in use"));
  }
  core_type& core() const { return state_->body().core; }

  std::shared_ptr<state> state_;
};

template <typename T>
absl::StatusOr<stream<T>> stream<T>::make(const memory& mem, std::string_view name,
                                          internal::open_mode mode, size_t capacity,
                                          const stream_options& options) {
  if (absl::Status s = check_subscribers(mem, name, options.max_subscribers); !s.ok()) return s;
  if (internal::stream_element<T>::kIsWindow && mode != internal::open_mode::open) {
    return absl::InvalidArgumentError(
        absl::StrCat("segment ", mem.name(), ": stream '", name,
                     "': a stream of windows is made by window(), not created by itself"));
  }
  const internal::stream_choices defaults;
  const internal::stream_choices asked{options.when_full, options.max_subscribers};
  auto opened = internal::open_stream<T>(mem, name, mode, capacity, asked,
                                         asked.packed() != defaults.packed(), [](auto&) {});
  if (!opened.ok()) return opened.status();
  return stream(std::make_shared<state>(*std::move(opened)));
}

}  // namespace zeroipc

#endif  // ZEROIPC_STREAM_STREAM_H_
