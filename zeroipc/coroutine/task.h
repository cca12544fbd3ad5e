// task<T>: a coroutine that gives a T.
//
//   zeroipc::task<Answer> ask(zeroipc::channel<Question>& out, zeroipc::future<Answer>& in, Question q) {
//     co_await zeroipc::async_send(out, q);
//     co_return co_await in;
//   }
//   zeroipc::task<> client(...) { use(co_await ask(out, in, q)); }
//
// It begins when it is awaited, or given to an executor, and goes on in the thread that does that. What it throws comes out of the
// co_await. Destroyed before its end, it is cancelled where it waits: its locals are destroyed, and so are the tasks that it awaits.
//
// As of any coroutine, its parameters are copied into it and references are not: what they name has to live as long. A lambda with
// captures is such a reference: keep the lambda, or give what it captures as parameters.
//
// Thread safety: one thread at a time.
#ifndef ZEROIPC_COROUTINE_TASK_H_
#define ZEROIPC_COROUTINE_TASK_H_

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace zeroipc {

template <typename T = void>
class task;

namespace internal {

class task_promise_base {
 public:
  // Whoever awaited it goes on, in the same stack frame: chains of tasks may be as long as they like.
  struct to_continuation {
    bool await_ready() const noexcept { return false; }
    template <typename Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> h) const noexcept {
      return h.promise().continuation_;
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  to_continuation final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { thrown_ = std::current_exception(); }

  void continue_with(std::coroutine_handle<> h) { continuation_ = h; }
  const std::exception_ptr& thrown() const { return thrown_; }

 protected:
  void rethrow() const {
    if (thrown_) std::rethrow_exception(thrown_);
  }

 private:
  std::coroutine_handle<> continuation_ = std::noop_coroutine();
  std::exception_ptr thrown_;
};

template <typename T>
class task_promise : public task_promise_base {
  static_assert(std::is_object_v<T>, "zeroipc: a task gives an object, or nothing");

 public:
  task<T> get_return_object();
  template <typename U>
  requires std::is_constructible_v<T, U&&>
  void return_value(U&& value) { value_.emplace(std::forward<U>(value)); }
  T result() {
    rethrow();
    return *std::move(value_);
  }

 private:
  std::optional<T> value_;
};

template <>
class task_promise<void> : public task_promise_base {
 public:
  task<void> get_return_object();
  void return_void() const noexcept {}
  void result() const { rethrow(); }
};

}  // namespace internal

template <typename T>
class [[nodiscard]] task {
 public:
  using promise_type = internal::task_promise<T>;
  using handle = std::coroutine_handle<promise_type>;

  task() = default;
  task(task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  task& operator=(task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  ~task() {
    if (handle_) handle_.destroy();
  }

  // False once it was moved from.
  explicit operator bool() const { return static_cast<bool>(handle_); }

  // Runs it to its end. Once. REQUIRES: it was not moved from.
  auto operator co_await() && {
    struct awaiter {
      handle h;
      bool await_ready() const noexcept { return false; }
      handle await_suspend(std::coroutine_handle<> from) const noexcept {
        h.promise().continue_with(from);
        return h;
      }
      T await_resume() const { return h.promise().result(); }
    };
    return awaiter{handle_};
  }

  // For executors: it is the caller's to resume and to destroy.
  handle release() { return std::exchange(handle_, nullptr); }

 private:
  friend promise_type;
  explicit task(handle h) : handle_(h) {}

  handle handle_;
};

namespace internal {

template <typename T>
task<T> task_promise<T>::get_return_object() {
  return task<T>(task<T>::handle::from_promise(*this));
}
inline task<void> task_promise<void>::get_return_object() {
  return task<void>(task<void>::handle::from_promise(*this));
}

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_COROUTINE_TASK_H_
