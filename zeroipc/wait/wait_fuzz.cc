// Property: whatever stands in a robust lock and in an event word, and whatever a peer writes there between any two
// instructions, locking and waiting with a deadline end, and notifying does.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "testing/hostile/fuzz_target.h"
#include "testing/hostile/input.h"
#include "testing/hostile/intruded.h"
#include "zeroipc/wait/event_word.h"
#include "zeroipc/wait/robust_lock.h"
#include "zeroipc/wait/wait.h"

namespace zeroipc::internal {
namespace {

using testing::hostile_value;
using testing::input;
using testing::intruded;
using testing::intruder;

struct words {
  robust_lock<intruded> lock;
  event_word<intruded> event;
};

// A participant whose sleep ends as the input says; after some, its deadline has passed.
class sleeper {
 public:
  sleeper(input& in, owner_tag self) : in_(in), self_(self) {}
  owner_tag self() { return self_; }
  bool is_dead(owner_tag who) { return who.slot() >= 2; }
  uint32_t death_epoch() { return epoch_ += in_.below(8) == 0; }
  void light_fence() {}
  void heavy_fence() {}
  int spins() { return 2; }
  bool sleep(intruded::atomic<uint32_t>& word, uint32_t key, uint32_t, deadline) {
    if (slept_++ == 16) return false;
    // Whoever sleeps does so on a word that says so; only another's hand can have changed it since.
    if ((key & event_word<intruded>::kWaiting) == 0) std::abort();
    word.load(std::memory_order_relaxed);
    return in_.below(4) != 0;
  }
  int wake(intruded::atomic<uint32_t>&, int) { return static_cast<int>(in_.below(3)); }

 private:
  input& in_;
  owner_tag self_;
  uint32_t epoch_ = 0;
  int slept_ = 0;
};

void play(input& in) {
  testing::fuzzed("robust lock");
  testing::fuzzed("event word");
  const std::vector<uint64_t> known = {owner_tag(0, 1).bits(), owner_tag(1, 1).bits(),
                                       owner_tag(2, 1).bits(), 0x7fff'ffff, 0xffff'ffff};
  words w{};
  intruder peer;
  peer.share(&w, sizeof w);
  auto* raw = reinterpret_cast<uint32_t*>(&w);
  for (uint32_t i = 0; i < sizeof w / 4; ++i) {
    raw[i] = static_cast<uint32_t>(hostile_value(in, raw[i], known));
  }
  for (uint64_t n = in.below(12); n > 0; --n) {
    const uint64_t when = in.below(128);
    peer.strike(when, hostile_value(in, 0, known));
  }
  for (int n = 0; n < 32 && !in.at_end(); ++n) {
    peer.begin_operation();
    sleeper env(in, owner_tag(static_cast<uint32_t>(in.below(2)), 1));
    switch (in.below(7)) {
      case 0:
        w.lock.try_lock(env);
        break;
      case 1:
        w.lock.lock(env, deadline::at_once());
        break;
      case 2:
        w.lock.lock(env);  // ends, for these sleepers' patience does
        break;
      case 3:
        w.lock.unlock(env);
        break;
      case 4:
        w.event.notify(env, 1 + static_cast<int>(in.below(9)));
        break;
      case 5:
        w.event.prepare();
        break;
      default:
        wait_until<intruded>(env, w.event, deadline::never(), [&] { return in.below(16) == 1; });
    }
  }
}

}  // namespace
}  // namespace zeroipc::internal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  zeroipc::testing::input in(data, size);
  zeroipc::internal::play(in);
  return 0;
}
