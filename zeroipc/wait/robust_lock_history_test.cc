// Property: whatever a few processes do to a robust lock at once, some of them killed while they hold it or are about to, there
// is an order of it that a plain lock allows (testing/linearizability/lock_model.h).
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <random>

#include "testing/harness/harness.h"
#include "testing/linearizability/bursts.h"
#include "testing/linearizability/lock_model.h"
#include "zeroipc/segment/segment.h"
#include "zeroipc/wait/robust_lock.h"

namespace zeroipc::internal {
namespace {

using linearizability::lock_model;
using linearizability::lock_operation;
using kind = lock_operation::kind;
using result = lock_operation::result;

using lock_type = robust_lock<hardware>;

result result_of(lock_result r) {
  switch (r) {
    case lock_result::acquired:
      return result::acquired;
    case lock_result::inherited:
      return result::inherited;
    case lock_result::busy:
      break;
  }
  return result::busy;
}

struct rig {
  memory mem = *memory::create_anonymous(256 << 10, {.max_names = 4});
  harness::shared_state<lock_type> lock;
};

TEST(RobustLockHistory, SomeOrderExplainsIt) {
  harness::shared_state<std::atomic<uint64_t>> inherited;
  linearizability::bursts<rig, lock_operation, lock_model> b("robust lock");
  b.run(
      // Locks in one of the three ways, and unlocks if that succeeded.
      [&](rig& r, auto& h, size_t me, std::mt19937_64& random) {
        participant& self = *r.mem.attachment()->self;
        lock_type& lock = *r.lock;
        const uint64_t draw = random();
        lock_operation o = {.what = kind::lock};
        auto at = h.begin(me, o);
        o.how = result_of(draw % 3 == 0 ? lock.try_lock(self)
                          : draw % 3 == 1
                              ? lock.lock(self)
                              : lock.lock(self, deadline::after(std::chrono::microseconds(20))));
        h.end(at, o);
        if (o.how == result::busy) return;
        *inherited += o.how == result::inherited;
        for (uint64_t i = draw % 50; i != 0; --i) hardware::pause();
        o = {.what = kind::unlock};
        at = h.begin(me, o);
        lock.unlock(self);
        h.end(at, o);
      },
      [](const auto& to_do) { return lock_model(to_do); }, linearizability::text_of);
  EXPECT_GT(*inherited, 0u) << "nobody was killed while he held it";
}

}  // namespace
}  // namespace zeroipc::internal
