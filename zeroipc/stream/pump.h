// The pump of a derived stream: what its process does, step by step, on a thread (derive.h) or on the caller's.
//
// An operator is called with one element after the other, in order, and puts what comes of it into a `sink`:
//
//   struct running_mean {
//     struct state { uint64_t n; double sum; };     // shareable; committed with what was emitted: the next pump goes on from it
//     void begin(state& s) { s = {}; }              // of a stage that nobody has pumped yet
//     void next(const Sample& x, state& s, sink<double>& out) { s.sum += x.value; out.put(s.sum / ++s.n); }
//     void end(state&, sink<double>&) {}            // the source is closed and drained
//   };
// If it also has `int64_t due(const state&)`, that is when, on the monotonic clock in nanoseconds, `late(state&, sink&)` is to be
// called unless another element comes before; 0: never. If it has `bool sound(const state&)`, a state that was found in the segment
// is shown to it before it is used. If it has `size_t state_bytes() const`, the state has that many bytes.
//
// Exactly once: an element's effects (what is put into the sink, the state, the place in the source) are committed together
// (stage.h), so it does not matter how often an operator is called with it by pumps that died before they had committed. What
// it does elsewhere may happen again. If one element makes more than the derived stream holds, that is committed in parts,
// and then the operator has to make the same of it each time.
#ifndef ZEROIPC_STREAM_PUMP_H_
#define ZEROIPC_STREAM_PUMP_H_

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/stream/core.h"
#include "zeroipc/stream/element.h"
#include "zeroipc/stream/source.h"
#include "zeroipc/stream/stage.h"
#include "zeroipc/wait/wait_any.h"

namespace zeroipc {

// What an operator emits into.
template <typename T>
class sink {
 public:
  // `longest`: of the windows, if they are that.
  explicit sink(uint32_t longest = 0) : longest_(longest), each_(element::bytes(longest)) {}

  void put(const T& value) {
    bytes_.resize(bytes_.size() + each_);
    element::write(bytes_.data() + bytes_.size() - each_, value, longest_);
  }
  // The derived stream ends after what was put so far.
  void finish() { finished_ = true; }

  size_t size() const { return bytes_.size() / each_; }
  bool finished() const { return finished_; }
  const std::byte* at(size_t i) const { return bytes_.data() + i * each_; }
  // Only what was put first stays.
  void shrink(size_t n) { bytes_.resize(n * each_); }
  void clear() {
    bytes_.clear();
    finished_ = false;
  }

 private:
  using element = internal::stream_element<T>;

  uint32_t longest_;
  size_t each_;
  std::vector<std::byte> bytes_;
  bool finished_ = false;
};

namespace internal {

// Its size may be known only at run time: then the operator says it.
template <typename Operator>
size_t state_bytes_of(const Operator& op) {
  if constexpr (requires { op.state_bytes(); }) {
    return op.state_bytes();
  } else {
    return sizeof(typename Operator::state);
  }
}

template <typename P, typename Env, typename Feed, typename Out, typename Operator>
class pump {
 public:
  using out_type = stream_core<P, Env, stream_element<Out>::kBytes>;
  using state_type = typename Operator::state;
  // Calls it, and says whether it returned; reports what it throws.
  using guard = absl::FunctionRef<bool(absl::FunctionRef<void()>)>;

  // `name`: of the stage's cursors. `longest`: of the windows that it makes.
  pump(Feed feed, out_type& out, uint32_t longest, stage_core<P, Env>& stage, std::string name,
       Operator op)
      : feed_(std::move(feed)),
        out_(out),
        stage_(stage),
        name_(std::move(name)),
        operator_(std::move(op)),
        state_bytes_(state_bytes_of(operator_)),
        state_(state_bytes_, kStateAlign),
        next_state_(state_bytes_, kStateAlign),
        kept_state_(state_bytes_, kStateAlign),
        sink_(longest) {}

  // After the stage was taken: goes on where the last one ended. `taken`: somebody else reads as this stage, which only a
  // corrupt segment says.
  outcome begin() {
    if (const outcome r = stage_.resume(out_, at_, state_.get()); !r) return r;
    if (stage_.is_fresh()) {
      operator_.begin(in(state_));
    } else if constexpr (requires { operator_.sound(in(state_)); }) {
      if (!operator_.sound(in(state_))) return outcome::corrupt;
    }
    if (has_ended()) return outcome::ok;
    outcome r;
    feed_.for_each_source([&](auto& s) {
      if (r) r = s.attach(name_, at_);
    });
    return r;
  }
  // Lets the next one begin.
  void end() {
    feed_.for_each_source([](auto& s) { s.detach(); });
  }

  // Until something was committed. `closed`: the derived stream has ended; `gone`: stop() said so.
  template <typename Stop>
  outcome step(guard call, Stop&& stop) {
    if (has_ended()) return finish();
    outcome r = wait(stop);
    sink_.clear();
    copy(next_state_, state_);
    stage_progress to = at_;
    if (r == outcome::closed) {
      call([&] { operator_.end(in(next_state_), sink_); });
      sink_.finish();
    } else if (r == outcome::timed_out) {
      if constexpr (kHasTimer) call([&] { operator_.late(in(next_state_), sink_); });
    } else if (r) {
      r = consume(call, to);
      if (!r) return r;
    } else {
      return r;
    }
    if (sink_.finished()) to.part = kEnded;
    r = emit(to, stop);
    if (r == outcome::closed) return finish();
    if (!r) return r;
    feed_.for_each_source([&](auto& s) { s.move_on(at_); });
    return has_ended() ? finish() : r;
  }

 private:
  // What one commit takes at most: it bounds what a death makes others do again.
  static constexpr uint64_t kBatch = 32;
  static constexpr size_t kStateAlign = std::max<size_t>(alignof(state_type), 16);
  static constexpr bool kHasTimer = requires(Operator & op, state_type& s, sink<Out>& out) {
    op.late(s, out);
  };

  static state_type& in(const aligned_bytes& bytes) {
    return *std::launder(reinterpret_cast<state_type*>(bytes.get()));
  }
  void copy(const aligned_bytes& to, const aligned_bytes& from) const {
    std::memcpy(to.get(), from.get(), state_bytes_);
  }

  bool has_ended() const { return at_.part == kEnded || out_.closed(); }
  outcome finish() {
    out_.close();
    feed_.for_each_source([&](auto& s) { s.forget(name_); });
    return outcome::closed;
  }

  // `ok`, `closed`, `gone`; `timed_out`: the operator's time has come.
  template <typename Stop>
  outcome wait(Stop&& stop) {
    deadline until = deadline::never();
    if constexpr (kHasTimer) {
      if (const int64_t due = operator_.due(in(state_)); due != 0) {
        until = deadline::after(std::chrono::nanoseconds(due - deadline::now_ns()));
      }
    }
    outcome r;
    const auto events = feed_.events();
    const bool settled = wait_until_any<P, Env>(events, until, [&] {
      r = stop() ? outcome(outcome::gone) : feed_.look(at_);
      return r != outcome::empty;
    });
    return settled ? r : outcome(outcome::timed_out);
  }

  outcome consume(guard call, stage_progress& to) {
    const uint64_t most = std::min(kBatch, out_.log().capacity());
    for (uint64_t n = 0; n < kBatch && sink_.size() < most && !sink_.finished(); ++n) {
      const size_t before = sink_.size();
      copy(kept_state_, next_state_);
      const outcome r = feed_.take(to, [&](const auto& x) {
        if (call([&] { operator_.next(x, in(next_state_), sink_); })) return;
        sink_.shrink(before);
        copy(next_state_, kept_state_);
      });
      if (r == outcome::empty) break;
      if (!r) return r;
    }
    return outcome::ok;
  }

  // More than there is ever room for at once goes in parts; only the last one says that the elements are done with.
  template <typename Stop>
  outcome emit(const stage_progress& to, Stop&& stop) {
    const uint64_t most = out_.log().capacity();
    uint64_t from = std::min<uint64_t>(at_.part, sink_.size());
    while (sink_.size() - from > most) {
      stage_progress some = at_;
      some.part = from + most;
      if (const outcome r = commit(from, most, some, state_, stop); !r) return r;
      from = some.part;
      at_ = some;
    }
    stage_progress all = to;
    if (all.part != kEnded) all.part = 0;
    if (const outcome r = commit(from, sink_.size() - from, all, next_state_, stop); !r) return r;
    at_ = all;
    std::swap(state_, next_state_);
    return outcome::ok;
  }
  template <typename Stop>
  outcome commit(uint64_t from, uint64_t n, stage_progress& to, const aligned_bytes& state,
                 Stop&& stop) {
    for (;;) {
      const outcome r = stage_.commit(out_, sink_.at(from), n, to, state.get());
      if (r != outcome::full) return r;
      if (const outcome w = out_.wait_for_room(n, stop); !w) return w;
    }
  }

  Feed feed_;
  out_type& out_;
  stage_core<P, Env>& stage_;
  const std::string name_;
  Operator operator_;
  const size_t state_bytes_;
  stage_progress at_;
  // As committed; with the elements of this step; before the last of those.
  aligned_bytes state_, next_state_, kept_state_;
  sink<Out> sink_;
};

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_STREAM_PUMP_H_
