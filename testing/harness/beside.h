// Another process that does something over and over, while this one is measured.
//
//   const harness::beside other([&] { m.lock(); m.unlock(); });
//   for (auto _ : state) { ... }
#ifndef ZEROIPC_TESTING_HARNESS_BESIDE_H_
#define ZEROIPC_TESTING_HARNESS_BESIDE_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <new>

#include "testing/harness/process.h"
#include "testing/harness/shared_state.h"

namespace zeroipc::harness {

class beside {
 public:
  // Returns once it is at it.
  explicit beside(std::function<void()> step)
      : process_([this, &step] {
          while (!shared_->over.load(std::memory_order_relaxed)) {
            step();
            shared_->steps.fetch_add(1, std::memory_order_relaxed);
          }
        }) {
    while (steps() < kWarm && process_.poll() == still_running()) {
    }
  }
  // Ends it between two steps, so that it holds nothing; one that waits in a step is killed.
  ~beside() {
    shared_->over = true;
    process_.wait_for(kAWhile);
  }

  uint64_t steps() const { return shared_->steps.load(std::memory_order_relaxed); }

 private:
  static constexpr uint64_t kWarm = 100;
  static constexpr std::chrono::milliseconds kAWhile{100};

  struct shared {
    alignas(64) std::atomic<bool> over{false};
    alignas(64) std::atomic<uint64_t> steps{0};
  };
  shared_state<shared> shared_;
  process process_;
};

// For a shared_state of something whose destructor does not matter to who shares it.
template <typename T>
class undestroyed {
 public:
  undestroyed() { new (room_) T; }
  T& operator*() { return *reinterpret_cast<T*>(room_); }
  T* operator->() { return &**this; }

 private:
  alignas(T) std::byte room_[sizeof(T)];
};

}  // namespace zeroipc::harness

#endif  // ZEROIPC_TESTING_HARNESS_BESIDE_H_
