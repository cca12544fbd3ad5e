// future<T>: a value that will be there once, or an error instead; set by one process, got by any number.
//
//   zeroipc::future<Response> response(mem, "response_42");      // opens it, or creates it without a value
//   response.set_value(handle(request));                         // in one process
//
//   zeroipc::future<Response> response(mem, "response_42", true);  // in any other: also before there is one
//   if (auto r = response.get_for(5s)) use(*r);                  // sleeps until it is set
//   response.remove();                                           // its name is free again
//
//   if (auto p = response.claim()) {                             // says who will set it: nobody else can
//     p.set_value(compute());                                    // if this process dies before that, all who wait are told so
//   }
//
// When to use it: for the answer to one question, the result of one task. When not: for values that change, use zeroipc::cell; for
// many of them, zeroipc::queue; to run something once, zeroipc::once.
//
// What is promised when a process is killed
//   * A value or an error that was acknowledged stays, whole. Killed in the middle of setting it: as if it had not been called, and
//     somebody else may.
//   * Who claimed it and dies before it is set has broken the promise: all who wait in any process are woken at once, and told
//     whose it was. Nobody waits for the dead. Where nobody has claimed it there is no telling whether anybody will set it.
//   * Dead waiters disturb nobody.
//
// Names: a future is used once, so its name is to be taken away when it has served. Who asks does that: it creates the future,
// sends the request, gets the value, removes it. A server that opens it with open() instead of creating it finds out in passing
// that nobody waits any more (NotFound), and leaves nothing behind.
//
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped. A promise is for one thread at a time.
// Progress: getting is wait-free once it is set: a load and a copy, or peek() without one. Two who set it at once exclude each
// other for the length of a copy; one that is stopped (SIGSTOP) in the middle of that holds the other up. Memory: 272 bytes and
// the value, rounded up to cache lines.
// Source: Baker and Hewitt 1977; claims as in zeroipc::pool.
#ifndef ZEROIPC_FUTURE_FUTURE_H_
#define ZEROIPC_FUTURE_FUTURE_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "zeroipc/background/callback.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/error.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/base/shareable.h"
#include "zeroipc/future/future_base.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/name_table/plain_structure.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {

// A claim on a future. Dropped without having been kept or released, it is a broken promise. set_error() and release():
// future_base.h.
template <typename T>
class promise : public internal::promise_base {
 public:
  // `gone`: it has been kept or released before, or this is a forked child and it is the parent's.
  outcome set_value(const T& value) {
    return end([&](auto& core) { return core.keep(mine(), value); });
  }

 private:
  template <typename>
  friend class future;
  using promise_base::promise_base;
};

// What does not depend on T, as wait(), ready(), error(), set_error(), remove(): future_base.h.
namespace internal {

template <typename R>
struct continuation_value {
  using type = R;
};
template <typename R>
struct continuation_value<absl::StatusOr<R>> {
  using type = R;
};

}  // namespace internal

template <typename T>
class future : public internal::future_base, public plain_structure<future<T>> {
  static_assert(internal::check_shareable<T>());

 public:
  using value_type = T;

  // Opens the future, or creates it, empty. Throws zeroipc::error.
  future(const memory& mem, std::string_view name)
      : future(internal::value_or_raise(future::open_or_create(mem, name))) {}
  // The same, and says that somebody else will set it. Which of the two comes first does not matter.
  future(const memory& mem, std::string_view name, bool /*produced_elsewhere*/)
      : future(mem, name) {}

  // Waits until it is set, and returns the value, any number of times. Throws zeroipc::error for an error or a broken promise (and
  // ends the process in a program without exceptions).
  T get() const {
    storage s;
    if (!get(s.value)) raise_why();
    return s.value;
  }
  // The value; nothing if there is none now, or in that time, or ever: error() tells.
  std::optional<T> try_get() const { return got(deadline::at_once()); }
  template <typename Rep, typename Period>
  std::optional<T> get_for(std::chrono::duration<Rep, Period> timeout) const {
    return got(deadline::after(timeout));
  }
  // The same with the reason. `failed`: there is an error; `broken`: a broken promise; `empty` (try_), `timed_out` (_for),
  // `corrupt` (no correct participant wrote this).
  outcome get(T& value) const { return get_until(value, deadline::never()); }
  outcome try_get(T& value) const { return get_until(value, deadline::at_once()); }
  template <typename Rep, typename Period>
  outcome get_for(T& value, std::chrono::duration<Rep, Period> timeout) const {
    return internal::late(get_until(value, deadline::after(timeout)));
  }
  outcome get_until(T& value, deadline until) const {
    const outcome r = core().wait(until);
    if (r) core().read(value);
    return r;
  }
  // The value where it lies, while there is a handle; nullptr if there is none now. It never changes.
  const T* peek() const {
    return has_value() ? reinterpret_cast<const T*>(core().value()) : nullptr;
  }

  // Sets the value, and wakes all who wait. `exists`: there is a value or an error already, which stays; `broken`: a broken
  // promise, which stays too; `taken`: somebody alive has claimed it; `exhausted`: this process is a forked child that could not
  // join the segment.
  outcome set_value(const T& value) { return core().set_value(value, deadline::never()); }
  // The same within a time, for another one may be stopped in the middle of setting it: `timed_out`, or `taken` if the time is
  // nothing.
  template <typename Rep, typename Period>
  outcome set_value_for(const T& value, std::chrono::duration<Rep, Period> timeout) {
    return core().set_value(value, deadline::after(timeout));
  }

  // Goes on with the value: f(const T&), which returns a U or an absl::StatusOr<U>, settles the future `name` in `mem`. It runs in one of
  // the processes that said so and have a handle to that future, on a thread of its own, and again in another if that one dies
  // before it has ended; its value counts once. An error, or a broken promise, is passed on without it; what it throws is an
  // error. Throws zeroipc::error if that future cannot be opened or created, or the system has no thread left.
  template <typename F>
  auto then(const memory& mem, std::string_view name, F f) const {
    using result = internal::continuation_value<std::invoke_result_t<F&, const T&>>;
    using U = typename result::type;
    future<U> next(mem, name);
    internal::raise_if_error(this->continue_in(
        next.shared_,
        [from = *this, f = std::make_shared<F>(std::move(f))](auto& core, uint64_t mine) {
          std::optional<absl::StatusOr<U>> made;
          const std::optional<std::string> thrown =
              internal::message_thrown_by([&] { made.emplace((*f)(*from.peek())); });
          if (thrown) made.emplace(absl::UnknownError(*thrown));
          if (made->ok()) {
            core.keep(mine, **made);
          } else {
            core.fail(mine, internal::error_record_of(made->status()));
          }
        }));
    return next;
  }

  // Promises to set it. Tests as false, and says why() as above, if that cannot be.
  zeroipc::promise<T> claim() {
    uint64_t mine = 0;
    const outcome r = internal::future_base::claim(mine);
    return zeroipc::promise<T>(shared_, mine, r);
  }

 private:
  friend class plain_structure<future>;
  template <typename>
  friend class future;
  // Room for a T, which need not have a default constructor.
  union storage {
    storage() {}
    T value;
  };

  explicit future(std::shared_ptr<internal::future_shared> s) : future_base(std::move(s)) {}

  static absl::StatusOr<future> make(const memory& mem, std::string_view name,
                                     internal::open_mode mode) {
    auto s = open_shared(mem, name, mode, structure_type::of<T>(kind::future));
    if (!s.ok()) return s.status();
    return future(*std::move(s));
  }
  std::optional<T> got(deadline until) const {
    std::optional<T> result;
    if (storage s; get_until(s.value, until)) result.emplace(s.value);
    return result;
  }
};

}  // namespace zeroipc

#endif  // ZEROIPC_FUTURE_FUTURE_H_
