// For tests: a process that is in the middle of setting a future.
#ifndef ZEROIPC_FUTURE_HALF_SET_H_
#define ZEROIPC_FUTURE_HALF_SET_H_

#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/future/future.h"
#include "zeroipc/future/layout.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc::testing {

inline internal::future_slot<hardware>& slot_of(const internal::structure& held) {
  constexpr size_t kAt = sizeof(internal::future_header<hardware>);
  return *reinterpret_cast<internal::future_slot<hardware>*>(static_cast<std::byte*>(held.data()) +
                                                             kAt);
}

// A process that has got as far as taking it, of which nobody else can know how far it is. It stays there until it is killed,
// or until it is told to go on, and then acknowledges `value`.
template <typename T>
class half_set {
 public:
  half_set(const memory& mem, future<T>& f, const T& value)
      : process_([&] {
          using namespace internal;  // NOLINT: this is about nothing else
          auto held = open_structure(mem, f.name(), structure_type::of<T>(kind::future));
          ASSERT_TRUE(held.ok()) << held.status();
          future_slot<hardware>& slot = slot_of(*held);
          const future_word mine =
              future_word::of(future_word().next(future_phase::setting, held->env().self()));
          slot.word.store(mine.word());
          there_->open();
          ASSERT_TRUE(go_on_->wait());
          *reinterpret_cast<T*>(reinterpret_cast<std::byte*>(&slot) +
                                future_value_offset(alignof(T))) = value;
          slot.word.store(mine.as(future_phase::value));
          slot.settled.notify(held->env(), 1 << 20);
        }) {
    EXPECT_TRUE(there_->wait());
  }
  void go_on() { go_on_->open(); }
  void kill() { process_.kill(); }
  harness::exit_state wait() { return process_.wait(); }

 private:
  harness::shared_state<harness::gate> there_, go_on_;
  harness::process process_;
};

}  // namespace zeroipc::testing

#endif  // ZEROIPC_FUTURE_HALF_SET_H_
