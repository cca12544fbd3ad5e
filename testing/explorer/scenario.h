// A program for the explorer, put together from functions: the short way to write one.
//
//   scenario s;
//   s.before = [&] { word = shared<policy::atomic<int>>("word"); };
//   s.bodies = {[&] { ... }, [&] { ... }};
//   s.after = [&] { check(word->load() == 2, "both counted"); };
//   EXPECT_TRUE(passes(s, limits)) ...
#ifndef ZEROIPC_TESTING_EXPLORER_SCENARIO_H_
#define ZEROIPC_TESTING_EXPLORER_SCENARIO_H_

#include <functional>
#include <vector>

#include "testing/explorer/environment.h"
#include "testing/explorer/explorer.h"
#include "testing/explorer/policy.h"

namespace zeroipc::explorer {

class scenario : public program {
 public:
  std::function<void()> before;
  std::vector<std::function<void()>> bodies;
  std::function<void()> after = [] {};
  // Threads that may die, or stop, as bits.
  unsigned mortal = ~0u;
  unsigned stoppable = ~0u;
  // Whether thread i may sleep for ever, as things are.
  std::function<bool(int)> may_sleep = [](int) { return false; };

  int threads() const override { return static_cast<int>(bodies.size()); }
  void start() override { before(); }
  void run(int i) override { bodies[static_cast<size_t>(i)](); }
  void judge() override { after(); }
  bool may_die(int i) const override { return (mortal >> i & 1) != 0; }
  bool may_stop(int i) const override { return (stoppable >> i & 1) != 0; }
  bool may_sleep_for_ever(int i) const override { return may_sleep(i); }
};

}  // namespace zeroipc::explorer

#endif  // ZEROIPC_TESTING_EXPLORER_SCENARIO_H_
