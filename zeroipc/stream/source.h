// What a pump takes elements from: a stream, read with the cursor of its stage; one of them, or two that are merged or zipped.
//
// A feed says what stands next, hands it to the operator, and knows where to sleep until there is more. How far it has come is
// the stage's (stage_progress), so that a feed holds nothing that a death could take along.
#ifndef ZEROIPC_STREAM_SOURCE_H_
#define ZEROIPC_STREAM_SOURCE_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "zeroipc/base/outcome.h"
#include "zeroipc/stream/core.h"
#include "zeroipc/stream/element.h"
#include "zeroipc/stream/stage.h"
#include "zeroipc/wait/wait_any.h"

namespace zeroipc {

// What zip() makes: `auto [temperature, pressure] = pair;`
template <typename A, typename B>
struct zipped {
  A first;
  B second;
};

namespace internal {

template <typename P, typename Env, typename T, size_t Index>
class stage_source {
 public:
  using core_type = stream_core<P, Env, stream_element<T>::kBytes>;

  // `longest`: of the stream's windows, if it is one of windows.
  stage_source(core_type& core, uint32_t longest)
      : core_(&core),
        buffer_(core.log().element_bytes(), stream_element<T>::kAlign),
        reader_(longest) {}

  // Reads on as that stage.
  outcome attach(std::string_view stage, stage_progress& at) {
    uint64_t& taken = at.taken[Index];
    const outcome r = core_->subscribe(cursor_state::stage, cursor_name(stage), taken, cursor_);
    if (!r) return r;
    attached_ = true;
    if (taken > core_->log().tail()) return outcome::corrupt;
    // What a commit said counts, not how far its maker got with moving the cursor; but what has gone has gone.
    const uint64_t oldest = core_->log().oldest();
    if (taken < oldest) {
      at.missed += oldest - taken;
      taken = oldest;
    }
    return core_->move_on(cursor_, taken);
  }
  void detach() {
    if (std::exchange(attached_, false)) core_->unsubscribe(cursor_);
  }
  // The stage has come to its end.
  void forget(std::string_view stage) {
    detach();
    core_->forget(cursor_state::stage, cursor_name(stage));
  }
  void move_on(const stage_progress& at) { core_->move_on(cursor_, at.taken[Index]); }

  // Whether there is an element: `empty`, `closed`.
  outcome look(const stage_progress& at) const { return core_->look(at.taken[Index]); }
  // The next one, until the next read.
  outcome read(stage_progress& at, const T*& x) {
    uint64_t done = 0;
    const outcome r = core_->log().read(at.taken[Index], buffer_.get(), 1, done, at.missed);
    if (r) x = &reader_.see(buffer_.get());
    return r;
  }
  awaited<P, Env> event() const { return {&core_->env(), &core_->changed()}; }

 private:
  // The same stream may be both sources of a stage.
  static std::string cursor_name(std::string_view stage) {
    std::string name(stage);
    if constexpr (Index != 0) name += '+';
    return name;
  }

  core_type* core_;
  aligned_bytes buffer_;
  typename stream_element<T>::reader reader_;
  typename core_type::held_cursor cursor_;
  bool attached_ = false;
};

template <typename P, typename Env, typename T>
class single_feed {
 public:
  using input = T;
  explicit single_feed(stage_source<P, Env, T, 0> source) : source_(std::move(source)) {}

  template <typename F>
  void for_each_source(F&& f) {
    f(source_);
  }
  std::array<awaited<P, Env>, 1> events() const { return {source_.event()}; }
  outcome look(const stage_progress& at) const { return source_.look(at); }
  // Calls f(element).
  template <typename F>
  outcome take(stage_progress& at, F&& f) {
    const T* x = nullptr;
    const outcome r = source_.read(at, x);
    if (r) f(*x);
    return r;
  }

 private:
  stage_source<P, Env, T, 0> source_;
};

template <typename P, typename Env, typename A, typename B>
class double_feed {
 public:
  double_feed(stage_source<P, Env, A, 0> first, stage_source<P, Env, B, 1> second)
      : first_(std::move(first)), second_(std::move(second)) {}

  template <typename F>
  void for_each_source(F&& f) {
    f(first_);
    f(second_);
  }
  std::array<awaited<P, Env>, 2> events() const { return {first_.event(), second_.event()}; }

 protected:
  stage_source<P, Env, A, 0> first_;
  stage_source<P, Env, B, 1> second_;
};

// What comes first; in turns where both have something.
template <typename P, typename Env, typename T>
class merged_feed : public double_feed<P, Env, T, T> {
 public:
  using input = T;
  using double_feed<P, Env, T, T>::double_feed;

  outcome look(const stage_progress& at) const {
    const outcome first = this->first_.look(at), second = this->second_.look(at);
    if (first == outcome::ok || second == outcome::ok) return outcome::ok;
    return first == outcome::closed ? second : first;
  }
  template <typename F>
  outcome take(stage_progress& at, F&& f) {
    const T* x = nullptr;
    const bool second_first = (at.taken[0] + at.taken[1]) % 2 != 0;
    outcome r = second_first ? this->second_.read(at, x) : this->first_.read(at, x);
    if (r == outcome::empty) {
      r = second_first ? this->first_.read(at, x) : this->second_.read(at, x);
    }
    if (r) f(*x);
    return r;
  }
};

// The n-th of one with the n-th of the other; ends with either.
template <typename P, typename Env, typename A, typename B>
class zipped_feed : public double_feed<P, Env, A, B> {
 public:
  using input = zipped<A, B>;
  using double_feed<P, Env, A, B>::double_feed;

  outcome look(const stage_progress& at) const {
    const outcome first = this->first_.look(at), second = this->second_.look(at);
    if (first == outcome::closed || second == outcome::closed) return outcome::closed;
    return first == outcome::ok ? second : first;
  }
  template <typename F>
  outcome take(stage_progress& at, F&& f) {
    if (this->look(at) != outcome::ok) return outcome::empty;
    const A* a = nullptr;
    const B* b = nullptr;
    stage_progress to = at;
    outcome r = this->first_.read(to, a);
    if (r) r = this->second_.read(to, b);
    if (!r) return r;
    at = to;
    f(zipped<A, B>{*a, *b});
    return outcome::ok;
  }
};

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_STREAM_SOURCE_H_
