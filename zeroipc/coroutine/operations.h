// What the functions of awaitables.h make: waits, each for one operation or for the first of several.
#ifndef ZEROIPC_COROUTINE_OPERATIONS_H_
#define ZEROIPC_COROUTINE_OPERATIONS_H_

#include <cstdint>
#include <optional>
#include <utility>

#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/cell/cell.h"
#include "zeroipc/channel/channel.h"
#include "zeroipc/coroutine/waiting.h"
#include "zeroipc/future/future.h"
#include "zeroipc/select/select.h"
#include "zeroipc/stream/subscriber.h"

namespace zeroipc::internal {

// A wait for one operation. Op is a select_case, and says result(whether it is late).
template <typename Op>
class operation final : held_case<Op>, public waiting {
 public:
  template <typename... Args>
  explicit operation(deadline until, Args&&... args)
      : held_case<Op>(std::forward<Args>(args)...), waiting(this->all(), until) {}
  auto await_resume() { return this->held().result(answer().why() == outcome::timed_out); }
};

// Tried until it answers something else than that there is nothing yet.
class tried_operation : public select_case {
 public:
  void run() final {}

 protected:
  look after(outcome r) {
    answer_ = r;
    return r == outcome::empty || r == outcome::full ? look::not_yet : look::taken;
  }
  outcome why(bool late) const { return late ? outcome(outcome::timed_out) : answer_; }

 private:
  outcome answer_ = outcome::empty;
};

// The two ways of giving a value: into the caller's, with an outcome; or as an optional.
template <typename T>
class into_callers {
 public:
  explicit into_callers(T& value) : value_(value) {}
  T& place() { return value_; }
  outcome given(outcome why) const { return why; }

 private:
  T& value_;
};
template <typename T>
class into_optional {
 public:
  T& place() { return storage_.value; }
  std::optional<T> given(outcome why) const {
    if (!why) return std::nullopt;
    return storage_.value;
  }

 private:
  // Room for a T, which need not have a default constructor.
  union storage {
    storage() {}
    T value;
  } storage_;
};

template <typename T, typename To>
class receive_operation final : public tried_operation {
 public:
  template <typename... Args>
  explicit receive_operation(channel<T>& from, Args&&... args)
      : from_(from), to_(std::forward<Args>(args)...) {}
  look attempt() override { return after(from_.try_receive(to_.place())); }
  void add_events(awaited_words& words) override {
    const channel_events<T> events(from_);
    words.push_back({&events.env(), &events.receivable()});
  }
  auto result(bool late) const { return to_.given(why(late)); }

 private:
  channel<T>& from_;
  To to_;
};

template <typename T, typename To>
class next_operation final : public tried_operation {
 public:
  template <typename... Args>
  explicit next_operation(subscriber<T>& from, Args&&... args)
      : from_(from), to_(std::forward<Args>(args)...) {}
  look attempt() override { return after(from_.try_next(to_.place())); }
  void add_events(awaited_words& words) override {
    words.push_back({&from_.waitable().env(), &from_.waitable().changed()});
  }
  auto result(bool late) const { return to_.given(why(late)); }

 private:
  subscriber<T>& from_;
  To to_;
};

// With all of what the select's case can do, but it ends with any answer, and says which.
struct nothing {
  void operator()() const {}
};
template <typename T>
class send_operation final : public send_case<T, nothing> {
 public:
  send_operation(channel<T>& to, const T& value) : send_case<T, nothing>(to, value, nothing()) {}
  select_case::look attempt() override {
    answer_ = this->to_.try_send(this->value_);
    return answer_ == outcome::full ? select_case::look::not_yet : select_case::look::taken;
  }
  select_case::look stand() override { return after(send_case<T, nothing>::stand()); }
  select_case::look take_back() override { return after(send_case<T, nothing>::take_back()); }
  outcome result(bool late) const { return late ? outcome(outcome::timed_out) : answer_; }

 private:
  select_case::look after(select_case::look l) {
    if (l == select_case::look::taken) answer_ = outcome::ok;
    return l;
  }
  outcome answer_ = outcome::full;
};

// The three ways of getting: as get(), try_get() and get_for() with a reason do.
template <typename T>
class settled_operation : public select_case {
 public:
  explicit settled_operation(const future<T>& f) : future_(f) {}
  look attempt() final {
    return future_.waitable().look() == outcome::empty ? look::not_yet : look::taken;
  }
  void run() final {}
  void add_events(awaited_words& words) final {
    words.push_back({&future_.waitable().env(), &future_.waitable().event()});
  }

 protected:
  const future<T>& future_;
};
template <typename T>
struct get_operation final : settled_operation<T> {
  using settled_operation<T>::settled_operation;
  T result(bool) const { return this->future_.get(); }
};
template <typename T>
struct get_in_time_operation final : settled_operation<T> {
  using settled_operation<T>::settled_operation;
  std::optional<T> result(bool) const { return this->future_.try_get(); }
};
template <typename T>
class get_why_operation final : public settled_operation<T> {
 public:
  get_why_operation(const future<T>& f, T& value) : settled_operation<T>(f), value_(value) {}
  outcome result(bool) const { return late(this->future_.try_get(value_)); }

 private:
  T& value_;
};

template <typename T>
class change_operation final : public select_case {
 public:
  change_operation(const cell<T>& c, uint64_t since) : cell_(c), since_(since) {}
  look attempt() override {
    version_ = cell_.version();
    return version_ == since_ ? look::not_yet : look::taken;
  }
  void run() override {}
  void add_events(awaited_words& words) override {
    words.push_back({&cell_.waitable().env(), &cell_.waitable().changed()});
  }
  uint64_t result(bool late) const { return late ? 0 : version_; }

 private:
  const cell<T>& cell_;
  const uint64_t since_;
  uint64_t version_ = 0;
};

class sleep_operation final : held_case<timer_case<nothing>>, public waiting {
 public:
  explicit sleep_operation(deadline until)
      : held_case(until, nothing()), waiting(all(), deadline::never()) {
    is_quiet();
  }
  void await_resume() const {}
};

class yield_operation final : held_case<timer_case<nothing>>, public waiting {
 public:
  yield_operation()
      : held_case(deadline::at_once(), nothing()), waiting(all(), deadline::never()) {}
  bool await_ready() const { return false; }
  void await_resume() const {}
};

template <typename... Cases>
class select_operation final : held_cases<Cases...>, public waiting {
 public:
  select_operation(select_order order, deadline until, Cases... cases)
      : held_cases<Cases...>(std::move(cases)...), waiting(this->all(), until, order) {}
  selection await_resume() {
    if (answer()) this->all()[answer().index()]->run();
    return answer();
  }
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_COROUTINE_OPERATIONS_H_
