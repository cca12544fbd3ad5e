// The cases of a select: what can be waited for. Each is made where select() is called, and keeps references to what it was made
// from.
#ifndef ZEROIPC_SELECT_CASES_H_
#define ZEROIPC_SELECT_CASES_H_

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/cell/cell.h"
#include "zeroipc/channel/channel.h"
#include "zeroipc/future/future.h"
#include "zeroipc/participant/owner_tag.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/segment/segment.h"
#include "zeroipc/select/select_case.h"
#include "zeroipc/stream/subscriber.h"

namespace zeroipc {

namespace internal {

using awaited_words = std::vector<awaited<hardware, participant>>;

// A handler that is not there.
struct no_handler {};

// Something that gives a value, or comes to an end. Without a handler for the end such a case never happens any more.
template <typename T, typename F, typename G>
class value_case : public select_case {
  static_assert(std::is_invocable_v<F&, const T&>, "zeroipc: the handler takes a const T&");

 public:
  value_case(F f, G at_end) : handler_(std::move(f)), at_end_(std::move(at_end)) {}

  look attempt() final {
    const outcome r = try_get(storage_.value);
    has_value_ = static_cast<bool>(r);
    if (r) return look::taken;
    if (!is_over(r)) return look::not_yet;
    return std::is_same_v<G, no_handler> ? look::never : look::taken;
  }
  void run() final {
    if (has_value_) {
      handler_(std::as_const(storage_.value));
    } else if constexpr (std::is_invocable_v<G&>) {
      at_end_();
    }
  }

 protected:
  virtual outcome try_get(T& value) = 0;
  // Whether that answer will always be given.
  virtual bool is_over(outcome r) const { return r == outcome::closed; }

 private:
  // Room for a T, which need not have a default constructor.
  union storage {
    storage() {}
    T value;
  };

  F handler_;
  G at_end_;
  storage storage_;
  bool has_value_ = false;
};

template <typename T, typename F, typename G>
class receive_case final : public value_case<T, F, G> {
 public:
  receive_case(channel<T>& from, F f, G g)
      : value_case<T, F, G>(std::move(f), std::move(g)), from_(from) {}
  void add_events(awaited_words& words) override {
    const channel_events<T> events(from_);
    words.push_back({&events.env(), &events.receivable()});
  }

 private:
  outcome try_get(T& value) override { return from_.try_receive(value); }
  channel<T>& from_;
};

template <typename T, typename F, typename G>
class next_case final : public value_case<T, F, G> {
 public:
  next_case(subscriber<T>& from, F f, G g)
      : value_case<T, F, G>(std::move(f), std::move(g)), from_(from) {}
  void add_events(awaited_words& words) override {
    words.push_back({&from_.waitable().env(), &from_.waitable().changed()});
  }

 private:
  outcome try_get(T& value) override { return from_.try_next(value); }
  bool is_over(outcome r) const override { return r != outcome::empty; }
  subscriber<T>& from_;
};

template <typename T, typename F>
class send_case : public select_case {
 public:
  send_case(channel<T>& to, const T& value, F f) : to_(to), value_(value), sent_(std::move(f)) {}

  look attempt() override { return after(to_.try_send(value_)); }
  void run() override { sent_(); }
  void add_events(awaited_words& words) override {
    const channel_events<T> events(to_);
    words.push_back({&events.env(), &events.sendable()});
  }
  // Not where this select receives from the same channel: it would wake itself.
  bool can_stand(const awaited_words& words) const override {
    const channel_events<T> events(to_);
    return events.rendezvous() != nullptr &&
           std::none_of(words.begin(), words.end(),
                        [&](const auto& w) { return w.event == &events.receivable(); });
  }
  look stand() override {
    const outcome r = rendezvous()->stand(value_, standing_, true);
    if (r) return look::taken;
    return r == outcome::empty ? look::not_yet : look::never;
  }
  // Whoever takes it tells `sendable`.
  look take_back() override {
    return rendezvous()->withdraw_quietly(standing_) ? look::not_yet : look::taken;
  }
  void stood() override { rendezvous()->tell_senders(); }

 protected:
  channel<T>& to_;
  const T value_;

 private:
  auto* rendezvous() const { return channel_events<T>(to_).rendezvous(); }
  static look after(outcome r) {
    if (r) return look::taken;
    return r == outcome::closed ? look::never : look::not_yet;
  }

  F sent_;
  typename channel_state<T>::rendezvous_type::standing standing_;
};

template <typename T, typename F, typename G>
class ready_case final : public select_case {
 public:
  ready_case(const future<T>& f, F value, G error)
      : future_(f), value_(std::move(value)), error_(std::move(error)) {}
  look attempt() override {
    const outcome r = future_.waitable().look();
    if (r == outcome::empty) return look::not_yet;
    return r || !std::is_same_v<G, no_handler> ? look::taken : look::never;
  }
  void run() override {
    if (const T* value = future_.peek(); value != nullptr) {
      value_(*value);
    } else if constexpr (std::is_invocable_v<G&, const future_error&>) {
      if (const std::optional<future_error> e = future_.error()) error_(*e);
    }
  }
  void add_events(awaited_words& words) override {
    words.push_back({&future_.waitable().env(), &future_.waitable().event()});
  }

 private:
  const future<T>& future_;
  F value_;
  G error_;
};

template <typename T, typename F>
class change_case final : public select_case {
 public:
  change_case(const cell<T>& c, uint64_t& seen, F f) : cell_(c), seen_(seen), f_(std::move(f)) {}
  look attempt() override {
    if (cell_.version() == seen_) return look::not_yet;
    value_ = cell_.load(&version_);
    return value_ && version_ != seen_ ? look::taken : look::not_yet;
  }
  void run() override {
    seen_ = version_;
    f_(std::as_const(*value_));
  }
  void add_events(awaited_words& words) override {
    words.push_back({&cell_.waitable().env(), &cell_.waitable().changed()});
  }

 private:
  const cell<T>& cell_;
  uint64_t& seen_;
  uint64_t version_ = 0;
  std::optional<T> value_;
  F f_;
};

template <typename F>
class timer_case final : public select_case {
 public:
  timer_case(deadline at, F f) : at_(at), f_(std::move(f)) {}
  look attempt() override { return at_.passed() ? look::taken : look::not_yet; }
  void run() override { f_(); }
  deadline due() const override { return at_; }

 private:
  const deadline at_;
  F f_;
};

template <typename F>
class death_case final : public select_case {
 public:
  death_case(participant& env, owner_tag who, F f) : env_(env), who_(who), f_(std::move(f)) {}
  look attempt() override { return env_.is_dead(who_) ? look::taken : look::not_yet; }
  void run() override { f_(); }
  void add_events(awaited_words& words) override { words.push_back({&env_, nullptr}); }

 private:
  participant& env_;
  const owner_tag who_;
  F f_;
};

}  // namespace internal

// A value from the channel: f(const T&). When it is closed and drained: at_end(), each time, if that is given.
template <typename T, typename F, typename G = internal::no_handler>
auto on_receive(channel<T>& from, F f, G at_end = {}) {
  return internal::receive_case<T, F, G>(from, std::move(f), std::move(at_end));
}
// The value is sent: f(). Never, once the channel is closed.
template <typename T, typename F>
auto on_send(channel<T>& to, const T& value, F f) {
  return internal::send_case<T, F>(to, value, std::move(f));
}
// The subscriber's next element: f(const T&). When the stream is closed and read: at_end(), each time, if that is given.
template <typename T, typename F, typename G = internal::no_handler>
auto on_next(subscriber<T>& from, F f, G at_end = {}) {
  return internal::next_case<T, F, G>(from, std::move(f), std::move(at_end));
}
// The future is settled: f(const T&), or, if that is given, failed(const future_error&). Each time.
template <typename T, typename F, typename G = internal::no_handler>
auto on_ready(const future<T>& f, F value, G failed = {}) {
  return internal::ready_case<T, F, G>(f, std::move(value), std::move(failed));
}
// The cell's newest version is another than `seen`, which becomes that: f(const T&).
template <typename T, typename F>
auto on_change(const cell<T>& c, uint64_t& seen, F f) {
  return internal::change_case<T, F>(c, seen, std::move(f));
}
// The time has come: f(). From now on, or at that time.
template <typename Rep, typename Period, typename F>
auto on_timer(std::chrono::duration<Rep, Period> after, F f) {
  return internal::timer_case<F>(deadline::after(after), std::move(f));
}
template <typename Clock, typename Duration, typename F>
auto on_timer(std::chrono::time_point<Clock, Duration> at, F f) {
  return internal::timer_case<F>(deadline::at(at), std::move(f));
}
// That participant of the segment (memory::participants()) is dead: f(). Each time.
template <typename F>
auto on_death(const memory& mem, const internal::participant_info& who, F f) {
  return internal::death_case<F>(*mem.attachment()->self, owner_tag(who.slot, who.generation),
                                 std::move(f));
}

}  // namespace zeroipc

#endif  // ZEROIPC_SELECT_CASES_H_
