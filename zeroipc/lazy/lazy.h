// lazy<T>: a value that is computed when somebody first asks for it, once for all processes.
//
//   zeroipc::lazy<Config> config(mem, "config");
//   config.set_computation([] { return read_and_check("/etc/app.conf"); });    // in one process, or in several
//
//   Config c = config.get();         // in any of them: computed now if it is the first time, else there at once
//   config.invalidate();             // the file has changed: who asks from now on gets what is computed from now on
//
// When to use it: for what is expensive to compute and cheap to share: parsed settings, statistics, an index. When not: for
// something that is done once and leaves no value, use zeroipc::once; for a value that somebody publishes unasked,
// zeroipc::cell; for one that is handed over a single time, zeroipc::future.
//
// What is promised when a process is killed
//   * One process at a time computes. If it dies, another one with a computation takes over at once; without one the demand
//     stands until there is one.
//   * A result that was published stays, whatever becomes of who computed it.
//   * Once invalidate() has returned, no get() that begins later answers with what was computed from before. That holds for
//     whatever the computation reads, if it is written before invalidate().
//   * A result is whole, and versions do not go back.
//   * A computation that is stopped or hangs holds up who asks (a stopped process is not a dead one). take_over() gives up on it:
//     another provider computes, and what the first one brings later is dropped.
// A computation is called again after a death, after invalidate(), and after take_over(): its effects other than the value
// should bear that.
//
// Providers: a handle with a computation, with all its copies, is one; there may be 16. Each has a thread, which sleeps until
// somebody asks; get() by a provider computes in its own thread instead, if that provider is idle. A computation is never called
// by two threads at once. It ends with the last copy of the handle, which waits for one that is running. A forked child is no
// provider until it says set_computation() itself.
//
// Errors: what a computation throws, or returns as a status, is kept like a value, until invalidate(); with
// {.cache_errors = false} it answers those who have asked by then, and who asks later has it computed anew.
//
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped. From a computation, get() of the same value
// answers `taken`; one that invalidates its own value is called for ever. Two that wait for each other wait for ever.
// Progress: get() that finds the value is lock-free and looks again only if the value was changed meanwhile; all else blocks.
// Complexity: O(sizeof(T)). Memory: 384 bytes and four buffers of sizeof(T), at least 120, + 16, rounded up to cache lines.
#ifndef ZEROIPC_LAZY_LAZY_H_
#define ZEROIPC_LAZY_LAZY_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/error.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/base/shareable.h"
#include "zeroipc/lazy/place.h"
#include "zeroipc/lazy/provider.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/name_table/plain_structure.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {

struct computation_options {
  bool cache_errors = true;
};

// A value, and which one of all that there have been.
template <typename T>
struct versioned {
  T value;
  uint64_t version;
};

namespace internal {

// The message of get(): why there is no value.
absl::Status why_no_lazy_value(const structure& held, outcome why, const lazy_error& failure);

}  // namespace internal

template <typename T>
class lazy : public plain_structure<lazy<T>> {
  static_assert(internal::check_shareable<T>());

 public:
  using value_type = T;

  // Opens it, or creates it without a value. Throws zeroipc::error.
  lazy(const memory& mem, std::string_view name)
      : lazy(internal::value_or_raise(lazy::open_or_create(mem, name))) {}
  // The same: that another process computes it is for the reader to know. Who comes first does not matter.
  lazy(const memory& mem, std::string_view name, bool /*computed_elsewhere*/) : lazy(mem, name) {}

  // From now on this handle computes it, by f() -> T or f() -> absl::StatusOr<T>, when somebody asks. Replaces the handle's own
  // computation; one that runs ends as it began. What is there already stays: see invalidate(). `exhausted`: all seats are taken, the
  // system has no thread left, or this process is a forked child that could not join the segment.
  template <typename F>
  outcome set_computation(F&& f, computation_options how = {}) {
    static_assert(std::is_invocable_v<std::decay_t<F>&>, "zeroipc: a computation takes nothing");
    static_assert(std::is_convertible_v<std::invoke_result_t<std::decay_t<F>&>, absl::StatusOr<T>>,
                  "zeroipc: a computation returns T or absl::StatusOr<T>");
    return provide({[kept = std::make_shared<std::decay_t<F>>(
                         std::forward<F>(f))]() -> absl::StatusOr<T> { return (*kept)(); },
                    how.cache_errors});
  }

  // The value; computed first if it is not there. Waits for a provider if there is none. Throws zeroipc::error for an error of the
  // computation, and where the next form answers something else than `ok`.
  T get() const { return get_versioned().value; }
  versioned<T> get_versioned() const {
    storage s;
    uint64_t version = 0;
    internal::lazy_error failure{};
    const outcome r = ask(s.value, &version, &failure, deadline::never());
    if (!r) internal::raise(internal::why_no_lazy_value(state_->where->held, r, failure));
    return {s.value, version};
  }
  // `failed`: the computation failed, error() says how; `taken`: this thread is computing it.
  outcome get(T& value, uint64_t* version = nullptr) const {
    return ask(value, version, nullptr, deadline::never());
  }

  // The same within a time, never computed in this thread. `timed_out`; `missing`: the same, and there is no provider alive.
  template <typename Rep, typename Period>
  outcome get_for(T& value, std::chrono::duration<Rep, Period> timeout,
                  uint64_t* version = nullptr) const {
    return ask(value, version, nullptr, deadline::after(timeout));
  }
  template <typename Rep, typename Period>
  std::optional<T> get_for(std::chrono::duration<Rep, Period> timeout) const {
    storage s;
    return get_for(s.value, timeout) ? std::optional<T>(s.value) : std::nullopt;
  }

  // What is there now, without asking for more. `empty`: no value; `missing`: nor a provider; `failed` as above.
  outcome try_get(T& value, uint64_t* version = nullptr) const {
    const outcome r = core().load(value, version, nullptr);
    if (r != outcome::empty) return r;
    return core().seats().living() == 0 ? outcome::missing : r;
  }
  std::optional<T> try_get() const {
    storage s;
    return core().load(s.value, nullptr, nullptr) ? std::optional<T>(s.value) : std::nullopt;
  }

  // What it was computed from has changed: what was, or is just being computed does not count any more, and the next get() has
  // it computed anew. Waits for nobody.
  void invalidate() const { core().invalidate(); }
  // And have it computed anew at once, without waiting for that.
  void refresh() const { core().refresh(); }
  // Gives up on the one who computes now, for it is stopped or hangs; another provider is to compute. `empty`: nobody does.
  outcome take_over() const { return core().take_over(); }

  // Why there is no value: code and message of the computation's error, the latter cut off after 112 bytes. Ok if there is none.
  absl::Status error() const {
    internal::lazy_error why;
    return core().error(why) ? internal::status_of(why) : absl::OkStatus();
  }
  // Of the value; 0 if there is none now. Grows with each value, not always by one.
  uint64_t version() const { return core().version(); }

  lazy_stats stats() const { return core().stats(); }
  const std::string& name() const { return state_->where->held.name(); }

 private:
  friend class plain_structure<lazy>;
  using provider = internal::lazy_provider<T>;
  using place = internal::lazy_place<T>;
  struct state {
    explicit state(std::shared_ptr<place> w) : where(std::move(w)) {}
    // Acquire: pairs with the release in provide(): a computation may destroy the last handle.
    ~state() { delete newest.load(std::memory_order_acquire); }
    std::shared_ptr<place> where;
    std::atomic<provider*> newest{nullptr};
  };
  // Room for a T, which need not have a default constructor.
  union storage {
    storage() {}
    T value;
  };

  explicit lazy(std::shared_ptr<state> s) : state_(std::move(s)) {}

  static absl::StatusOr<lazy> make(const memory& mem, std::string_view name,
                                   internal::open_mode mode) {
    absl::StatusOr<std::shared_ptr<place>> where = place::find(mem, name, mode);
    if (!where.ok()) return where.status();
    return lazy(std::make_shared<state>(*std::move(where)));
  }

  // This process's, if it has one.
  provider* own_provider() const {
    // Acquire: pairs with the release in provide().
    provider* const p = state_->newest.load(std::memory_order_acquire);
    return p != nullptr && p->is_ours() ? p : nullptr;
  }
  // No lock, which a fork could leave locked.
  outcome provide(typename provider::computation c) {
    for (;;) {
      if (provider* const p = own_provider(); p != nullptr) {
        p->replace(std::move(c));
        return outcome::ok;
      }
      provider* before = state_->newest.load(std::memory_order_acquire);
      std::unique_ptr<provider> p = provider::start(state_->where, c);
      if (p == nullptr) return outcome::exhausted;
      p->previous.reset(before);
      // Release: pairs with the acquire in own_provider().
      if (state_->newest.compare_exchange_strong(before, p.get(), std::memory_order_acq_rel,
                                                 std::memory_order_relaxed)) {
        static_cast<void>(p.release());
        return outcome::ok;
      }
      static_cast<void>(p->previous.release());  // it is another's
    }
  }

  outcome ask(T& value, uint64_t* version, internal::lazy_error* why, deadline until) const {
    const outcome r = core().load(value, version, why);
    if (r != outcome::empty) [[likely]]
      return r;
    return ask_slowly(value, version, why, until);
  }
  [[gnu::noinline]] outcome ask_slowly(T& value, uint64_t* version, internal::lazy_error* why,
                                       deadline until) const {
    const internal::structure& held = state_->where->held;
    if (internal::lazy_computing::in_this_thread(held.data(), held.env().tag())) {
      return outcome::taken;
    }
    return core().get(value, version, why, until, [&] {
      if (!until.is_never()) return false;
      provider* const p = own_provider();
      return p != nullptr && p->evaluate_here();
    });
  }
  typename place::core_type& core() const { return state_->where->core; }

  std::shared_ptr<state> state_;
};

}  // namespace zeroipc

#endif  // ZEROIPC_LAZY_LAZY_H_
