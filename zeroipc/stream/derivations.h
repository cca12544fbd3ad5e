// What streams are derived from streams with: `events.filter(mem, "critical", is_critical)`.
//
// A derived stream is a stream like any other, with a name, subscribers and a history of its own. Who says filter() opens it or creates
// it, and stands by: of all the processes that have said it, and have a handle to it or to what is derived from it, one at a time
// pumps (each element goes through the operator there, on a thread of the handle's), and if that one dies, the next goes on
// at the exact element. What comes out is as if one pump had lived for ever: nothing lost, nothing twice.
//
//   * An operator's function may be called again with an element when a pump has died; what it *returned* counts once. Let it have no
//     other effects, and let it be the same in all processes, which nobody can check.
//   * One that throws is reported (zeroipc/background/callback.h), and its element is left out.
//   * It holds its source up as a subscriber does: a pump that has no room waits, then its source's policy decides. While nobody
//     is left to pump, its place there stays. forget(name), at the source, ends that, when the derived stream is removed.
//   * Of a source that overwrites, elements may be gone before they are taken: they are left out, and counted (pump()).
//   * When the sources are closed and drained, it is closed. Closing it by hand ends it, too; nobody else emits into it (`taken`).
//   * A stage lives where `mem` says, its sources may live in other segments.
//
// All of them throw zeroipc::error. Errors: those of opening a stream; FailedPrecondition: the name stands for a stream that is not
// derived, or otherwise (by another operator, from another stream), or that was derived from one that has been removed since;
// InvalidArgument: it would be derived from itself, or it is more than fits (a window of over a megabyte); ResourceExhausted: the source
// has no subscriber's place left, or the system no thread.
#ifndef ZEROIPC_STREAM_DERIVATIONS_H_
#define ZEROIPC_STREAM_DERIVATIONS_H_

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "zeroipc/base/error.h"
#include "zeroipc/segment/segment.h"
#include "zeroipc/stream/derive.h"
#include "zeroipc/stream/element.h"
#include "zeroipc/stream/operators.h"
#include "zeroipc/stream/source.h"

namespace zeroipc {

template <typename T>
class stream;

// How a derived stream is doing; a snapshot.
struct pump_info {
  std::string origin;     // "map of 'raw'"
  bool ended = false;     // its sources have ended, or it took all that it wanted
  uint64_t missed = 0;    // the sources' elements that were overwritten before it came to them
  uint32_t slot = 0;      // of the participant that pumps, or did when it died
  bool is_alive = false;  // and it lives
};

namespace internal {

template <typename T>
class derivations {
 public:
  // Those for which keeps(element).
  template <typename F>
  stream<T> filter(const memory& mem, std::string_view name, F keeps,
                   const derive_options& options = {}) const {
    static_assert(std::is_invocable_r_v<bool, F&, const T&>, "zeroipc: a filter says bool");
    return made<T>(mem, name, "filter", filter_operator<F>(std::move(keeps)), options);
  }
  // Two streams: those for which belongs(element), and the others.
  template <typename F>
  std::pair<stream<T>, stream<T>> partition(const memory& mem, std::string_view those,
                                            std::string_view others, F belongs,
                                            const derive_options& options = {}) const {
    stream<T> first = filter(mem, those, belongs, options);
    return {std::move(first),
            filter(
                mem, others, [belongs](const T& x) mutable { return !belongs(x); }, options)};
  }
  // f(element) of each.
  template <typename F, typename Out = std::decay_t<std::invoke_result_t<F&, const T&>>>
  stream<Out> map(const memory& mem, std::string_view name, F f,
                  const derive_options& options = {}) const {
    return made<Out>(mem, name, "map", map_operator<F>(std::move(f)), options);
  }
  // All that is in the range f(element), one after the other.
  template <typename F, typename Out = std::decay_t<decltype(*std::begin(
                            std::declval<std::invoke_result_t<F&, const T&>>()))>>
  stream<Out> flat_map(const memory& mem, std::string_view name, F f,
                       const derive_options& options = {}) const {
    return made<Out>(mem, name, "flat_map", flat_map_operator<F>(std::move(f)), options);
  }
  // state = f(state, element), from `initial` on, after each.
  template <typename Out, typename F>
  stream<Out> scan(const memory& mem, std::string_view name, const Out& initial, F f,
                   const derive_options& options = {}) const {
    return made<Out>(mem, name, "scan", scan_operator<Out, F>(initial, std::move(f), false),
                     options);
  }
  // The same, once, when the source has ended.
  template <typename Out, typename F>
  stream<Out> fold(const memory& mem, std::string_view name, const Out& initial, F f,
                   const derive_options& options = {}) const {
    return made<Out>(mem, name, "fold", scan_operator<Out, F>(initial, std::move(f), true),
                     options);
  }
  // The first n; then it ends.
  stream<T> take(const memory& mem, std::string_view name, uint64_t n,
                 const derive_options& options = {}) const {
    return made<T>(mem, name, absl::StrCat("take ", n), take_operator{{n}}, options);
  }
  // All but the first n.
  stream<T> skip(const memory& mem, std::string_view name, uint64_t n,
                 const derive_options& options = {}) const {
    return made<T>(mem, name, absl::StrCat("skip ", n), skip_operator{{n}}, options);
  }
  // Every n-th, beginning with the first.
  stream<T> sample(const memory& mem, std::string_view name, uint64_t n,
                   const derive_options& options = {}) const {
    require(n != 0, mem, name, "sample: every 0th is none");
    return made<T>(mem, name, absl::StrCat("sample ", n), sample_operator{{n}}, options);
  }
  // The newest of what comes within `time` of the first one, by the clock of who pumps.
  template <typename Rep, typename Period>
  stream<T> sample(const memory& mem, std::string_view name,
                   std::chrono::duration<Rep, Period> time,
                   const derive_options& options = {}) const {
    const int64_t ns = std::chrono::ceil<std::chrono::nanoseconds>(time).count();
    return made<T>(mem, name, absl::StrCat("sample in ", ns, " ns"), timed_sample_operator<T>{ns},
                   options);
  }
  // At most one in that time, by the clock of who pumps; what comes in between is left out.
  template <typename Rep, typename Period>
  stream<T> throttle(const memory& mem, std::string_view name,
                     std::chrono::duration<Rep, Period> time,
                     const derive_options& options = {}) const {
    const int64_t ns = std::chrono::ceil<std::chrono::nanoseconds>(time).count();
    return made<T>(mem, name, absl::StrCat("throttle ", ns, " ns"), throttle_operator{ns}, options);
  }
  // Without those that equal one of the last `memory` that were let through. T has ==.
  stream<T> distinct(const memory& mem, std::string_view name, uint32_t memory = 1,
                     const derive_options& options = {}) const {
    require(memory != 0 && listing<T>::bytes(memory) <= stream_choices::kMostState, mem, name,
            "distinct: it can remember 1 to ",
            (stream_choices::kMostState - sizeof(listing<T>)) / sizeof(T), " elements, not ",
            memory);
    return made<T>(mem, name, absl::StrCat("distinct of ", memory), distinct_operator<T>{memory},
                   options);
  }

  // `size` elements each, a new one beginning with every `every`-th (0: one after the other, without a gap). When the source ends, the last
  // one may be shorter.
  stream<zeroipc::window<T>> window(const memory& mem, std::string_view name, uint32_t size,
                                    uint64_t every = 0, const derive_options& options = {}) const {
    require_window(mem, name, size);
    if (every == 0) every = size;
    derive_options o = options;
    if (o.capacity == 0) o.capacity = fewer(every);
    return made<zeroipc::window<T>>(mem, name, absl::StrCat("window of ", size, " every ", every),
                                    window_operator<T>{size, every}, o, size);
  }
  // What comes within `time` of the first one, by the clock of who pumps, but at most `most`.
  template <typename Rep, typename Period>
  stream<zeroipc::window<T>> window(const memory& mem, std::string_view name,
                                    std::chrono::duration<Rep, Period> time, uint32_t most,
                                    const derive_options& options = {}) const {
    require_window(mem, name, most);
    const int64_t ns = std::chrono::ceil<std::chrono::nanoseconds>(time).count();
    derive_options o = options;
    if (o.capacity == 0) o.capacity = fewer(most);
    return made<zeroipc::window<T>>(mem, name,
                                    absl::StrCat("window of ", ns, " ns, at most ", most),
                                    timed_window_operator<T>{most, ns}, o, most);
  }

  // What comes in either, each in its order; in turns where both have something. Ends with both.
  stream<T> merge(const memory& mem, std::string_view name, const stream<T>& other,
                  const derive_options& options = {}) const {
    return paired<T, merged_feed<hardware, participant, T>>(mem, name, "merge", other, options);
  }
  // The n-th here with the n-th there; ends with either.
  template <typename U>
  stream<zipped<T, U>> zip(const memory& mem, std::string_view name, const stream<U>& other,
                           const derive_options& options = {}) const {
    return paired<zipped<T, U>, zipped_feed<hardware, participant, T, U>>(mem, name, "zip", other,
                                                                          options);
  }

  // By an operator of your own: see zeroipc/stream/pump.h. `what`: a name for it, of up to 63 bytes, by which those who declare the same
  // stage know that they do.
  template <typename Out, typename Operator>
  absl::StatusOr<stream<Out>> derive(const memory& mem, std::string_view name,
                                     std::string_view what, Operator op,
                                     const derive_options& options = {}) const {
    return declared<Out>(mem, name, what, std::move(op), options, 0);
  }

  // Nothing if this stream is not derived.
  std::optional<pump_info> pump() const {
    const stream_body<T>& b = body();
    if (!b.is_derived()) return std::nullopt;
    const stage_progress at = b.stage.progress();
    const owner_tag who = b.stage.pumped_by();
    return pump_info{b.stage.origin().text(), at.part == kEnded || b.core.closed(), at.missed,
                     who.slot(), who && !b.held.env().is_dead(who)};
  }

 private:
  template <typename>
  friend class derivations;

  const stream<T>& self() const { return static_cast<const stream<T>&>(*this); }
  const std::shared_ptr<stream_state<T>>& state() const { return self().state_; }
  stream_body<T>& body() const { return state()->body(); }
  kept_source kept() const { return {state(), state()->shared_body()}; }
  size_t fewer(uint64_t by) const {
    const size_t capacity = self().capacity();
    return std::max<size_t>(capacity / by, std::min<size_t>(capacity, 16));
  }

  template <typename... Text>
  static void require(bool sound, const memory& mem, std::string_view name, const Text&... text) {
    if (sound) return;
    raise(absl::InvalidArgumentError(
        absl::StrCat("segment ", mem.name(), ": stream '", name, "': ", text...)));
  }
  static void require_window(const memory& mem, std::string_view name, uint32_t size) {
    constexpr uint64_t kMost = std::min<uint64_t>(
        stream_choices::kMostItems, (stream_choices::kMostState - sizeof(listing<T>)) / sizeof(T));
    require(size != 0 && size <= kMost, mem, name, "a window has 1 to ", kMost,
            " of such elements, not ", size);
  }

  // Calls f(input), which holds what declare_stage() needs of this stream as its source, for the time of the call.
  template <typename F>
  auto as_input(const derive_options& options, F&& f) const {
    stream_body<T>& b = body();
    stage_origin origin;
    if (b.is_derived()) origin = b.stage.origin();
    const auto reserve = [&](std::string_view cursor, uint64_t position) {
      return b.core.reserve(cursor_state::stage, cursor, position);
    };
    const auto find = [&](std::string_view cursor) {
      return b.core.find(cursor_state::stage, cursor);
    };
    const auto forget_namesakes = [&](std::string_view name, std::string_view but) {
      b.core.forget_if(cursor_state::stage, [&](std::string_view cursor) {
        return is_cursor_of(cursor, name) && cursor.substr(0, but.size()) != but;
      });
    };
    const auto& log = b.core.log();
    const uint64_t begins =
        std::min(std::max(options.from.position(log.tail()), log.oldest()), log.tail());
    return f(stage_input{b.held.name(), b.where(), b.is_derived() ? &origin : nullptr, begins,
                         reserve, find, forget_namesakes});
  }
  template <size_t Index>
  stage_source<hardware, participant, T, Index> source() const {
    return {body().core, body().choices.window};
  }
  static absl::StatusOr<stream_choices> choices(const memory& mem, std::string_view name,
                                                const derive_options& options, size_t state_bytes,
                                                uint32_t longest) {
    if (absl::Status s = stream<T>::check_subscribers(mem, name, options.max_subscribers);
        !s.ok()) {
      return s;
    }
    if (state_bytes > stream_choices::kMostState) {
      return absl::InvalidArgumentError(
          absl::StrCat("segment ", mem.name(), ": stream '", name, "': its operator's state takes ",
                       state_bytes, " bytes, at most ", stream_choices::kMostState, " do"));
    }
    return stream_choices{overflow::block, options.max_subscribers, longest,
                          static_cast<uint32_t>(state_bytes) + 1};
  }

  template <typename Out, typename Operator>
  absl::StatusOr<stream<Out>> declared(const memory& mem, std::string_view name,
                                       std::string_view what, Operator op,
                                       const derive_options& options, uint32_t longest) const {
    static_assert(stream_element<Out>::kAlign != 0);
    // What is passed on as it is has the source's length.
    if (std::is_same_v<T, Out>) longest = body().choices.window;
    const auto c = choices(mem, name, options, state_bytes_of(op), longest);
    if (!c.ok()) return c.status();
    const size_t capacity = options.capacity != 0 ? options.capacity : self().capacity();
    auto made = as_input(options, [&](const stage_input& input) {
      return declare_stage<Out>(mem, name, what, capacity, *c, {input},
                                single_feed<hardware, participant, T>(source<0>()), std::move(op),
                                {kept()});
    });
    if (!made.ok()) return made.status();
    return stream<Out>(*std::move(made));
  }
  template <typename Out, typename Operator>
  stream<Out> made(const memory& mem, std::string_view name, std::string_view what, Operator op,
                   const derive_options& options, uint32_t longest = 0) const {
    return value_or_raise(declared<Out>(mem, name, what, std::move(op), options, longest));
  }
  template <typename Out, typename Feed, typename U>
  stream<Out> paired(const memory& mem, std::string_view name, std::string_view what,
                     const stream<U>& other, const derive_options& options) const {
    const derivations<U>& there = other;
    const uint32_t longest = std::max(body().choices.window, there.body().choices.window);
    const auto c = choices(mem, name, options, sizeof(no_state), longest);
    raise_if_error(c.status());
    const size_t capacity = options.capacity != 0 ? options.capacity : self().capacity();
    auto made = as_input(options, [&](const stage_input& input) {
      return there.as_input(options, [&](const stage_input& second) {
        return declare_stage<Out>(mem, name, what, capacity, *c, {input, second},
                                  Feed(source<0>(), there.template source<1>()), pass_operator(),
                                  {kept(), there.kept()});
      });
    });
    return stream<Out>(value_or_raise(std::move(made)));
  }
};

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_STREAM_DERIVATIONS_H_
