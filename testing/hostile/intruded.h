// An atomics policy under which somebody else writes to shared memory between any two instructions, where a test says.
//
// `intruded` counts the accesses of the templates that run on it. At those which the intruder was told of, the word that is
// about to be accessed is overwritten first: so what a scribbling process does by luck, a fuzzer's input does on purpose,
// and again and again. Each access is checked: it must lie in memory that was named as shared, and an operation must not
// make more of them than its budget.
#ifndef ZEROIPC_TESTING_HOSTILE_INTRUDED_H_
#define ZEROIPC_TESTING_HOSTILE_INTRUDED_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

namespace zeroipc::testing {

class intruder {
 public:
  // Accesses of one operation; nothing that ends needs as many.
  static constexpr uint64_t kBudget = uint64_t{1} << 22;

  // The intruder of this thread, for as long as it lives.
  intruder() : before_(current()) { current() = this; }
  ~intruder() { current() = before_; }
  intruder(const intruder&) = delete;
  intruder& operator=(const intruder&) = delete;
  static intruder*& current() {
    static thread_local intruder* now = nullptr;
    return now;
  }

  void share(const void* begin, size_t bytes) {
    shared_.push_back({reinterpret_cast<uintptr_t>(begin), bytes});
  }
  // Access number `access` from now on finds `value` where it looks. Later calls win.
  void strike(uint64_t access, uint64_t value) { strikes_[accesses_ + access] = value; }
  void begin_operation() { budget_ = kBudget; }
  uint64_t accesses() const { return accesses_; }

  void check(const void* at, size_t bytes) const {
    const auto begin = reinterpret_cast<uintptr_t>(at);
    for (const range& r : shared_) {
      if (begin >= r.begin && begin - r.begin <= r.bytes && bytes <= r.bytes - (begin - r.begin)) {
        return;
      }
    }
    fail("accesses memory that is not shared");
  }
  template <typename T>
  void before_access(std::atomic<T>& word) {
    count(&word, sizeof word);
    const auto strike = strikes_.find(accesses_);
    if (strike != strikes_.end()) word.store(static_cast<T>(strike->second));
  }
  void before_copy(const void* shared, size_t bytes) { count(shared, bytes); }

 private:
  struct range {
    uintptr_t begin;
    size_t bytes;
  };
  [[noreturn]] static void fail(const char* what) {
    std::fprintf(stderr, "hostile: an operation %s\n", what);
    std::abort();
  }
  void count(const void* at, size_t bytes) {
    check(at, bytes);
    ++accesses_;
    if (budget_-- == 0) fail("does not end");
  }

  intruder* before_;
  std::vector<range> shared_;
  std::map<uint64_t, uint64_t> strikes_;
  uint64_t accesses_ = 0;
  uint64_t budget_ = kBudget;
};

struct intruded {
  template <typename T>
  class atomic {
   public:
    T load(std::memory_order m = std::memory_order_seq_cst) const { return touched().load(m); }
    void store(T v, std::memory_order m = std::memory_order_seq_cst) { touched().store(v, m); }
    T exchange(T v, std::memory_order m) { return touched().exchange(v, m); }
    T fetch_add(T v, std::memory_order m) { return touched().fetch_add(v, m); }
    T fetch_or(T v, std::memory_order m) { return touched().fetch_or(v, m); }
    T fetch_and(T v, std::memory_order m) { return touched().fetch_and(v, m); }
    bool compare_exchange_strong(T& e, T d, std::memory_order s, std::memory_order f) {
      return touched().compare_exchange_strong(e, d, s, f);
    }
    bool compare_exchange_weak(T& e, T d, std::memory_order s, std::memory_order f) {
      return touched().compare_exchange_strong(e, d, s, f);
    }

   private:
    std::atomic<T>& touched() const {
      intruder::current()->before_access(value_);
      return value_;
    }
    mutable std::atomic<T> value_;
  };

  static void copy_in(void* shared, const void* source, size_t bytes) {
    intruder::current()->before_copy(shared, bytes);
    std::memcpy(shared, source, bytes);
  }
  static void copy_out(void* destination, const void* shared, size_t bytes) {
    intruder::current()->before_copy(shared, bytes);
    std::memcpy(destination, shared, bytes);
  }
  static void pause() {}
};

}  // namespace zeroipc::testing

#endif  // ZEROIPC_TESTING_HOSTILE_INTRUDED_H_
