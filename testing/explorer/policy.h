// The atomics policy of explored programs (see zeroipc/base/atomics.h): each access is a step of the search.
#ifndef ZEROIPC_TESTING_EXPLORER_POLICY_H_
#define ZEROIPC_TESTING_EXPLORER_POLICY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <source_location>

#include "testing/explorer/search.h"

namespace zeroipc::explorer {

struct policy {
  using site = std::source_location;

  template <typename T>
  class atomic {
   public:
    T load(std::memory_order m = std::memory_order_seq_cst, site at = site::current()) const {
      return static_cast<T>(search::running()->load(&value_, sizeof(T), search::weakened(m, at)));
    }
    void store(T v, std::memory_order m = std::memory_order_seq_cst, site at = site::current()) {
      search::running()->store(&value_, sizeof(T), static_cast<uint64_t>(v),
                               search::weakened(m, at));
    }
    T exchange(T v, std::memory_order m, site at = site::current()) {
      return change(search::weakened(m, at), "exchange", [v](T) { return v; });
    }
    T fetch_add(T v, std::memory_order m, site at = site::current()) {
      return change(search::weakened(m, at), "fetch_add",
                    [v](T old) { return static_cast<T>(old + v); });
    }
    T fetch_sub(T v, std::memory_order m, site at = site::current()) {
      return change(search::weakened(m, at), "fetch_sub",
                    [v](T old) { return static_cast<T>(old - v); });
    }
    T fetch_or(T v, std::memory_order m, site at = site::current()) {
      return change(search::weakened(m, at), "fetch_or",
                    [v](T old) { return static_cast<T>(old | v); });
    }
    T fetch_and(T v, std::memory_order m, site at = site::current()) {
      return change(search::weakened(m, at), "fetch_and",
                    [v](T old) { return static_cast<T>(old & v); });
    }
    bool compare_exchange_strong(T& expected, T desired, std::memory_order success,
                                 std::memory_order failure, site at = site::current()) {
      return compare(expected, desired, search::weakened(success, at), failure, false);
    }
    bool compare_exchange_weak(T& expected, T desired, std::memory_order success,
                               std::memory_order failure, site at = site::current()) {
      return compare(expected, desired, search::weakened(success, at), failure, true);
    }

   private:
    template <typename F>
    T change(std::memory_order m, const char* what, F&& f) {
      return static_cast<T>(search::running()->change(
          &value_, sizeof(T), m, what,
          [&f](uint64_t old) { return static_cast<uint64_t>(f(static_cast<T>(old))); }));
    }
    bool compare(T& expected, T desired, std::memory_order success, std::memory_order failure,
                 bool weak) {
      auto seen = static_cast<uint64_t>(expected);
      const bool done = search::running()->compare_exchange(
          &value_, sizeof(T), seen, static_cast<uint64_t>(desired), success, failure, weak);
      expected = static_cast<T>(seen);
      return done;
    }

    T value_;
  };

  static void copy_in(void* shared, const void* source, size_t bytes) {
    search::running()->copy_in(shared, source, bytes);
  }
  static void copy_out(void* destination, const void* shared, size_t bytes) {
    search::running()->copy_out(destination, shared, bytes);
  }
  static void pause() {}
  static void fence(std::memory_order order) { search::running()->fence(order); }
};

}  // namespace zeroipc::explorer

#endif  // ZEROIPC_TESTING_EXPLORER_POLICY_H_
