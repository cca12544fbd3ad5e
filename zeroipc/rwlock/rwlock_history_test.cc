// Property: whatever a few processes do to an rwlock at once, some of them killed on the way, there is an order of it that a plain one allows.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "testing/linearizability/bursts.h"
#include "zeroipc/base/atomics.h"
#include "zeroipc/rwlock/rwlock.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {
namespace {

using linearizability::bursts;
using linearizability::recorded;

constexpr int kProcesses = 4;

struct rig {
  memory mem = *memory::create_anonymous(256 << 10, {.max_names = 4});
  rwlock l{mem, "l"};
};

struct operation {
  enum class kind : uint8_t { lock, unlock, lock_shared, unlock_shared };
  kind what;
  bool done = false;
  bool at_once = false;  // try: may also be refused because of who is on the way in
};
std::string text_of(const operation& o) {
  static const char* const kNames[] = {"lock", "unlock", "lock_shared", "unlock_shared"};
  return std::string(o.at_once ? "try_" : "") + kNames[static_cast<int>(o.what)] +
         (o.done ? ", done" : ", not");
}

struct model {
  linearizability::lifetimes to_do;
  int writer = -1;
  std::array<int, kProcesses> readers = {};

  std::vector<model> after(const recorded<operation>& r) const {
    const auto me = static_cast<size_t>(r.process);
    using enum operation::kind;
    model m = *this;
    m.to_do.done(r);
    if (!r.pending() && !r.what.done) return {m};
    switch (r.what.what) {
      case lock: {
        if (writer >= 0 && !to_do.over(writer)) return {};
        for (int p = 0; p < kProcesses; ++p) {
          if (readers[static_cast<size_t>(p)] != 0 && !to_do.over(p)) return {};
        }
        m.readers = {};
        m.writer = r.process;
        return {m};
      }
      case unlock:
        if (writer != r.process) return {};
        m.writer = -1;
        return {m};
      case lock_shared:
        if (writer >= 0 && !to_do.over(writer)) return {};
        m.writer = -1;
        ++m.readers[me];
        return {m};
      case unlock_shared:
        if (m.readers[me]-- == 0) return {};
        return {m};
    }
    return {};
  }
  bool operator==(const model&) const = default;
  uint64_t hash() const {
    uint64_t h = static_cast<uint64_t>(writer + 2);
    for (const int n : readers) h = (h ^ static_cast<uint64_t>(n + 1)) * 0x9e37'79b9'7f4a'7c15;
    return h;
  }
  std::string text() const {
    std::string t = "writer " + std::to_string(writer) + ", readers ";
    for (const int n : readers) t += std::to_string(n) + " ";
    return t;
  }
};

TEST(RwlockHistory, SomeOrderExplainsIt) {
  bursts<rig, operation, model> b("rwlock");
  b.run(
      [](rig& r, auto& h, size_t me, std::mt19937_64& random) {
        const bool reads = random() % 2 == 0;
        operation o = {.what = reads ? operation::kind::lock_shared : operation::kind::lock,
                       .at_once = random() % 2 == 0};
        auto at = h.begin(me, o);
        constexpr std::chrono::microseconds kShort(20);
        o.done = static_cast<bool>(reads       ? o.at_once ? r.l.try_lock_shared()
                                                           : r.l.try_lock_shared_for(kShort)
                                         : o.at_once ? r.l.try_lock()
                                               : r.l.try_lock_for(kShort));
        h.end(at, o);
        if (!o.done) return;
        // For long enough that others run into it.
        for (uint64_t i = random() % 200; i != 0; --i) hardware::pause();
        o = {.what = reads ? operation::kind::unlock_shared : operation::kind::unlock};
        at = h.begin(me, o);
        o.done = static_cast<bool>(reads ? r.l.unlock_shared() : r.l.unlock());
        EXPECT_TRUE(o.done);
        h.end(at, o);
      },
      [](const auto& to_do) { return model{to_do}; }, text_of);
}

}  // namespace
}  // namespace zeroipc
