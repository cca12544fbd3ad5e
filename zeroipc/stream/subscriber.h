// Who reads a stream, at his own pace: zeroipc::subscriber holds a cursor in the stream, so that producers wait for it or are
// refused (unless the stream overwrites); zeroipc::history_reader holds up nobody.
#ifndef ZEROIPC_STREAM_SUBSCRIBER_H_
#define ZEROIPC_STREAM_SUBSCRIBER_H_

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/base/pull_iterator.h"
#include "zeroipc/stream/element.h"
#include "zeroipc/stream/state.h"

namespace zeroipc {

template <typename T>
class stream;

namespace internal {

// Room for one element.
template <typename T>
aligned_bytes buffer_for(const stream_body<T>& body) {
  return {body.core.log().element_bytes(), stream_element<T>::kAlign};
}

}  // namespace internal

// One thread at a time. Move-only. Dropped, a passing one is gone and holds up nobody any more; a durable one stays where it is,
// under its name, for the next one who asks for it.
//
// What every form answers: `closed`: the stream is, and all of it was read; `empty` (try_), `timed_out` (_for); `gone`: it is the
// parent process's, and this a forked child; `corrupt`: no correct participant wrote this.
template <typename T>
class subscriber {
 public:
  subscriber(subscriber&&) noexcept = default;
  subscriber& operator=(subscriber&& other) noexcept {
    if (this != &other) {
      drop();
      body_ = std::move(other.body_);
      keeps_ = std::move(other.keeps_);
      held_ = other.held_;
      at_ = other.at_;
      copy_ = std::move(other.copy_);
      reader_ = other.reader_;
    }
    return *this;
  }
  ~subscriber() { drop(); }

  // The next element, which counts as dealt with: killed after this, a durable cursor stands behind it.
  std::optional<T> next() { return one(deadline::never()); }
  std::optional<T> try_next() { return one(deadline::at_once()); }
  template <typename Rep, typename Period>
  std::optional<T> next_for(std::chrono::duration<Rep, Period> timeout) {
    return one(deadline::after(timeout));
  }
  outcome next(T& value) { return next_until(&value, 1, deadline::never()).why; }
  outcome try_next(T& value) { return next_until(&value, 1, deadline::at_once()).why; }
  template <typename Rep, typename Period>
  outcome next_for(T& value, std::chrono::duration<Rep, Period> timeout) {
    return internal::late(next_until(&value, 1, deadline::after(timeout)).why);
  }
  // Waits for at least one, then takes what is there, up to the size of the span.
  batch_outcome next_n(std::span<T> values) {
    return next_until(values.data(), values.size(), deadline::never());
  }
  batch_outcome try_next_n(std::span<T> values) {
    return next_until(values.data(), values.size(), deadline::at_once());
  }
  template <typename Rep, typename Period>
  batch_outcome next_n_for(std::span<T> values, std::chrono::duration<Rep, Period> timeout) {
    batch_outcome r = next_until(values.data(), values.size(), deadline::after(timeout));
    return {r.count, internal::late(r.why)};
  }

  // What comes, one after the other, until the stream is closed and all of it was read: `for (const T& x : reader)`.
  using iterator = internal::pull_iterator<subscriber, T>;
  iterator begin() { return iterator(this); }
  std::default_sentinel_t end() const { return {}; }
  friend std::optional<T> pull_from(subscriber& s) { return s.next(); }

  // The next element where it lies, without a copy (of a stream that overwrites: a copy, for it may go any time). Valid until
  // release(), which counts it as dealt with; killed before that, a durable cursor still stands at it.
  outcome peek(const T*& element) { return peek_until(element, deadline::never()); }
  outcome try_peek(const T*& element) { return peek_until(element, deadline::at_once()); }
  template <typename Rep, typename Period>
  outcome peek_for(const T*& element, std::chrono::duration<Rep, Period> timeout) {
    return internal::late(peek_until(element, deadline::after(timeout)));
  }
  // `missing`: nothing has been peeked at.
  outcome release() {
    if (!at_.peeked) return outcome::missing;
    at_.peeked = false;
    return body_->core.move_on(held_, ++at_.position);
  }

  // Of the element that is read next.
  uint64_t position() const { return at_.position; }
  // Elements that were overwritten before this subscriber came to them, since it was made.
  uint64_t missed() const { return at_.missed; }
  // For what waits for several things at once: its env() and its changed().
  const auto& waitable() const { return body_->core; }
  // Elements that wait to be read.
  uint64_t lag() const {
    const uint64_t tail = body_->core.log().tail();
    return tail > at_.position ? tail - at_.position : 0;
  }

 private:
  friend class stream<T>;
  using held_cursor = typename decltype(internal::stream_body<T>::core)::held_cursor;

  // `keeps`: what runs for the stream in this process, its pump for one, which goes on while somebody reads here.
  subscriber(std::shared_ptr<internal::stream_body<T>> body, const held_cursor& held,
             std::shared_ptr<const void> keeps = nullptr)
      : body_(std::move(body)),
        keeps_(std::move(keeps)),
        held_(held),
        reader_(body_->choices.window) {
    at_.position = body_->core.position(held);
  }

  // Calls f(element) for each, in order, until told to stop, or there is an end to it.
  template <typename Stop, typename F>
  void serve(const Stop& stop, F&& f) {
    while (!stop) {
      const outcome r = body_->core.wait_for(at_.position, deadline::never(),
                                             [&] { return static_cast<bool>(stop); });
      const T* element = nullptr;
      if (!r || !try_peek(element)) return;
      f(*element);
      release();
    }
  }
  void drop() {
    if (body_ != nullptr) body_->core.unsubscribe(held_);
  }
  std::optional<T> one(deadline until) {
    // Storage without T's constructors: an element need not have a default one.
    union storage {
      storage() {}
      T value;
    } s;
    if (!next_until(&s.value, 1, until).why) return std::nullopt;
    return s.value;
  }
  batch_outcome next_until(T* values, size_t n, deadline until) {
    static_assert(!internal::stream_element<T>::kIsWindow,
                  "zeroipc: windows are seen where they lie: peek() and release(), or subscribe()");
    if (n == 0) return {};
    at_.peeked = false;
    for (;;) {
      uint64_t done = 0;
      const outcome r = body_->core.log().read(at_.position, values, n, done, at_.missed);
      if (r) {
        const outcome moved = body_->core.move_on(held_, at_.position);
        return {moved ? static_cast<size_t>(done) : 0, moved};
      }
      if (r != outcome::empty) return {0, r};
      if (const outcome w = body_->core.wait_for(at_.position, until); !w) return {0, w};
    }
  }
  outcome peek_until(const T*& element, deadline until) {
    at_.peeked = false;
    if (const outcome w = body_->core.wait_for(at_.position, until); !w) return w;
    if (body_->core.when_full() != overflow::overwrite) {
      const std::byte* const place = body_->core.log().place(at_.position);
      if (place == nullptr) return outcome::corrupt;
      element = &reader_.see(place);
    } else {
      uint64_t done = 0, after = at_.position;
      if (!copy_) copy_ = internal::buffer_for(*body_);
      const outcome r = body_->core.log().read(after, copy_.get(), 1, done, at_.missed);
      if (!r) return r;
      at_.position = after - 1;
      element = &reader_.see(copy_.get());
    }
    at_.peeked = true;
    return outcome::ok;
  }

  std::shared_ptr<internal::stream_body<T>> body_;
  std::shared_ptr<const void> keeps_;
  held_cursor held_;
  struct {
    uint64_t position = 0;
    uint64_t missed = 0;
    bool peeked = false;
  } at_;
  internal::aligned_bytes copy_;  // what was peeked at, of a stream that overwrites
  typename internal::stream_element<T>::reader reader_;
};

// What a stream still holds, from the oldest element to the one that was the newest when it was asked for:
//   for (const Event& e : events.history()) state = apply(state, e);
// One that is overwritten on the way is left out, and missed() says how many. Holds up nobody.
template <typename T>
class history {
 public:
  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using pointer = const T*;
    using reference = const T&;

    iterator() = default;
    reference operator*() const { return *of_->element(); }
    pointer operator->() const { return of_->element(); }
    iterator& operator++() {
      if (!of_->advance()) of_ = nullptr;
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& a, const iterator& b) { return a.of_ == b.of_; }

   private:
    friend class history;
    explicit iterator(history* of) : of_(of) {}
    history* of_ = nullptr;
  };

  iterator begin() { return iterator(advance() ? this : nullptr); }
  iterator end() { return iterator(); }
  uint64_t missed() const { return missed_; }

 private:
  friend class stream<T>;
  friend class iterator;
  history(std::shared_ptr<internal::stream_body<T>> body, uint64_t position)
      : body_(std::move(body)),
        position_(std::max(position, body_->core.log().oldest())),
        end_(body_->core.log().tail()),
        bytes_(internal::buffer_for(*body_)),
        reader_(body_->choices.window) {}

  const T* element() { return &reader_.see(bytes_.get()); }
  bool advance() {
    if (position_ >= end_) return false;
    uint64_t done = 0;
    // What was overwritten may reach beyond the end: then what is read is not part of it any more.
    return body_->core.log().read(position_, bytes_.get(), 1, done, missed_) && position_ <= end_;
  }

  std::shared_ptr<internal::stream_body<T>> body_;
  uint64_t position_;
  uint64_t end_;
  uint64_t missed_ = 0;
  internal::aligned_bytes bytes_;
  typename internal::stream_element<T>::reader reader_;
};

}  // namespace zeroipc

#endif  // ZEROIPC_STREAM_SUBSCRIBER_H_
