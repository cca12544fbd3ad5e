// Memory that a test shares with the processes it forks, and the things to meet at in it.
//
//   struct shared { gate go; tally done; std::atomic<int> sum; };
//   shared_state<shared> state;
//   process p([&] { state->go.wait(); ...; state->done.add(); });
//   state->go.open();
//   ASSERT_TRUE(state->done.wait_for_at_least(1));
//
// Waiting is bounded by kPatience and answers false when that runs out. A process that dies at any point leaves gates and
// tallies as they were: there is nothing in them to be held.
#ifndef ZEROIPC_TESTING_HARNESS_SHARED_STATE_H_
#define ZEROIPC_TESTING_HARNESS_SHARED_STATE_H_

#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <type_traits>
#include <utility>

#include "testing/harness/wait_for.h"

namespace zeroipc::harness {

// A count that only grows, and that others wait for.
class tally {
 public:
  void add(uint32_t n = 1);
  uint32_t value() const { return count_.load(std::memory_order_acquire); }
  [[nodiscard]] bool wait_for_at_least(uint32_t n, std::chrono::nanoseconds bound = kPatience);

 private:
  std::atomic<uint32_t> count_{0};
};

// Closed until somebody opens it, then open for all.
class gate {
 public:
  void open() { passed_.add(); }
  bool is_open() const { return passed_.value() != 0; }
  // False if it has not been opened within `bound`.
  bool wait(std::chrono::nanoseconds bound = kPatience) {
    return passed_.wait_for_at_least(1, bound);
  }

 private:
  tally passed_;
};

// A T in anonymous shared memory: the same one in this process and in those forked from it later.
template <typename T>
class shared_state {
  static_assert(std::is_trivially_destructible_v<T>, "processes of the test may outlive this one");

 public:
  template <typename... Args>
  explicit shared_state(Args&&... args) {
    void* place =
        ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (place == MAP_FAILED) std::abort();
    value_ = new (place) T(std::forward<Args>(args)...);
  }
  ~shared_state() { ::munmap(value_, sizeof(T)); }
  shared_state(const shared_state&) = delete;
  shared_state& operator=(const shared_state&) = delete;

  T* operator->() const { return value_; }
  T& operator*() const { return *value_; }

 private:
  T* value_;
};

}  // namespace zeroipc::harness

#endif  // ZEROIPC_TESTING_HARNESS_SHARED_STATE_H_
