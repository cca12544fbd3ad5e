// The operators that streams are derived with. What an operator is: pump.h.
#ifndef ZEROIPC_STREAM_OPERATORS_H_
#define ZEROIPC_STREAM_OPERATORS_H_

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "zeroipc/base/deadline.h"
#include "zeroipc/stream/element.h"
#include "zeroipc/stream/pump.h"

namespace zeroipc::internal {

struct no_state {
  uint8_t unused = 0;
};
// Operators without a memory.
struct stateless {
  using state = no_state;
  void begin(state&) {}
  template <typename Out>
  void end(state&, sink<Out>&) {}
};

struct pass_operator : stateless {
  template <typename In>
  void next(const In& x, state&, sink<In>& out) {
    out.put(x);
  }
};

template <typename F>
struct map_operator : stateless {
  F function;
  explicit map_operator(F f) : function(std::move(f)) {}
  template <typename In, typename Out>
  void next(const In& x, state&, sink<Out>& out) {
    out.put(function(x));
  }
};

template <typename F>
struct filter_operator : stateless {
  F keeps;
  explicit filter_operator(F f) : keeps(std::move(f)) {}
  template <typename In>
  void next(const In& x, state&, sink<In>& out) {
    if (keeps(x)) out.put(x);
  }
};

// F answers with a range of Out.
template <typename F>
struct flat_map_operator : stateless {
  F function;
  explicit flat_map_operator(F f) : function(std::move(f)) {}
  template <typename In, typename Out>
  void next(const In& x, state&, sink<Out>& out) {
    for (const Out& y : function(x)) out.put(y);
  }
};

// Out is what has been gathered so far; with `only_last`, it is emitted once, when the source has ended.
template <typename Out, typename F>
struct scan_operator {
  using state = Out;
  Out initial;
  F function;
  bool only_last;
  scan_operator(const Out& i, F f, bool last)
      : initial(i), function(std::move(f)), only_last(last) {}
  void begin(state& s) { s = initial; }
  template <typename In>
  void next(const In& x, state& s, sink<Out>& out) {
    s = function(std::as_const(s), x);
    if (!only_last) out.put(s);
  }
  void end(state& s, sink<Out>& out) {
    if (only_last) out.put(s);
  }
};

// Operators that go by the number of what has come.
struct counting {
  using state = uint64_t;
  uint64_t n;
  void begin(state& s) { s = 0; }
  template <typename In>
  void end(state&, sink<In>&) {}
};

struct take_operator : counting {
  template <typename In>
  void next(const In& x, state& s, sink<In>& out) {
    if (s < n) out.put(x);
    if (++s >= n) out.finish();
  }
};

struct skip_operator : counting {
  template <typename In>
  void next(const In& x, state& s, sink<In>& out) {
    if (s < n) {
      ++s;
    } else {
      out.put(x);
    }
  }
};

// Every n-th, the first one included.
struct sample_operator : counting {
  template <typename In>
  void next(const In& x, state& s, sink<In>& out) {
    if (s == 0) out.put(x);
    s = (s + 1) % n;
  }
};

struct throttle_operator {
  using state = int64_t;  // when the last one was let through; 0: none was
  int64_t ns;
  void begin(state& s) { s = 0; }
  template <typename In>
  void next(const In& x, state& s, sink<In>& out) {
    const int64_t now = deadline::now_ns();
    if (s != 0 && now - s < ns) return;
    s = now;
    out.put(x);
  }
  template <typename In>
  void end(state&, sink<In>&) {}
};

// A state with a list behind it, whose length is known only at run time.
template <typename T>
struct alignas(std::max<size_t>(alignof(T), 8)) listing {
  uint64_t n;     // items there are
  uint64_t mark;  // the operator's affair
  int64_t due;

  T* items() { return reinterpret_cast<T*>(this + 1); }
  void add(const T& x) { std::memcpy(items() + n++, &x, sizeof(T)); }
  // But for the first k.
  void keep_from(uint64_t k) {
    std::memmove(items(), items() + k, (n - k) * sizeof(T));
    n -= k;
  }
  static constexpr size_t bytes(uint64_t most) { return sizeof(listing) + most * sizeof(T); }
};

// Those that differ from the last `memory` that were let through.
template <typename T>
struct distinct_operator {
  using state = listing<T>;
  uint32_t memory;
  size_t state_bytes() const { return state::bytes(memory); }
  bool sound(const state& s) const { return s.n <= memory; }
  void begin(state& s) { s = {}; }
  void next(const T& x, state& s, sink<T>& out) {
    for (uint64_t i = 0; i < s.n; ++i) {
      if (s.items()[i] == x) return;
    }
    if (s.n == memory) s.keep_from(1);
    s.add(x);
    out.put(x);
  }
  void end(state&, sink<T>&) {}
};

// Windows of `size`, one beginning every `every` elements.
template <typename T>
struct window_operator {
  using state = listing<
      T>;  // n: of the window that is being filled; mark: those of them that have been in one before
  uint32_t size;
  uint64_t every;
  size_t state_bytes() const { return state::bytes(size); }
  bool sound(const state& s) const { return s.n < size; }
  void begin(state& s) { s = {}; }
  void next(const T& x, state& s, sink<window<T>>& out) {
    // `due`: how many are left out between two windows.
    if (s.due > 0) {
      --s.due;
      return;
    }
    s.add(x);
    if (s.n != size) return;
    out.put({s.items(), size});
    if (every < size) {
      s.keep_from(every);
    } else {
      s.n = 0;
      s.due = static_cast<int64_t>(every - size);
    }
    s.mark = s.n;
  }
  // The last one may be shorter; there is one if something has been in none.
  void end(state& s, sink<window<T>>& out) {
    if (s.n > s.mark) out.put({s.items(), s.n});
  }
};

// What comes within a time, by the clock of whoever pumps, from the first of them on; at most `size`.
template <typename T>
struct timed_window_operator {
  using state = listing<T>;
  uint32_t size;
  int64_t ns;
  size_t state_bytes() const { return state::bytes(size); }
  bool sound(const state& s) const { return s.n < size; }
  void begin(state& s) { s = {}; }
  int64_t due(const state& s) const { return s.due; }
  void late(state& s, sink<window<T>>& out) {
    if (s.n != 0) out.put({s.items(), s.n});
    s.n = 0;
    s.due = 0;
  }
  void next(const T& x, state& s, sink<window<T>>& out) {
    if (s.n != 0 && deadline::now_ns() >= s.due) late(s, out);
    if (s.n == 0) s.due = deadline::now_ns() + ns;
    s.add(x);
    if (s.n == size) late(s, out);
  }
  void end(state& s, sink<window<T>>& out) { late(s, out); }
};

// The newest of what comes within a time, by the clock of whoever pumps, from the first of them on.
template <typename T>
struct timed_sample_operator {
  using state = listing<T>;
  int64_t ns;
  size_t state_bytes() const { return state::bytes(1); }
  bool sound(const state& s) const { return s.n <= 1; }
  void begin(state& s) { s = {}; }
  int64_t due(const state& s) const { return s.due; }
  void late(state& s, sink<T>& out) {
    if (s.n != 0) out.put(s.items()[0]);
    s = {};
  }
  void next(const T& x, state& s, sink<T>& out) {
    if (s.n != 0 && deadline::now_ns() >= s.due) late(s, out);
    if (s.n == 0) s.due = deadline::now_ns() + ns;
    s.n = 0;
    s.add(x);
  }
  void end(state& s, sink<T>& out) { late(s, out); }
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_STREAM_OPERATORS_H_
