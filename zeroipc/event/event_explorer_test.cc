// Property: in every order of their steps, whoever dies on the way, and with whatever stale values they read: who waits gets through once it is set; an automatic one lets through one for each time
// it was set, and none is lost with who was woken for it.
#include <gtest/gtest.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/explorer/scenario.h"
#include "testing/explorer/totals.h"
#include "zeroipc/event/core.h"

namespace zeroipc::internal {
namespace {

using explorer::check;
using explorer::ending;
using explorer::environment;
using explorer::memory_model;
using explorer::policy;
using explorer::totals;
using explorer::within;
using testing::instrument;

enum class op { set, wait, reset };

struct signals : explorer::scenario {
  struct memory {
    event_header<policy> header;
    uint64_t message;  // plain; written before it is set
  };
  memory* m = nullptr;
  const event_reset mode;
  const std::vector<std::vector<op>> scripts;

  signals(event_reset how, std::vector<std::vector<op>> todo)
      : mode(how), scripts(std::move(todo)) {
    before = [this] { m = explorer::shared<memory>("event"); };
    for (uint32_t t = 0; t < scripts.size(); ++t) {
      bodies.push_back([this, t] {
        environment env(t);
        event_core<policy, environment> c = bound(env);
        for (const op o : scripts[t]) {
          if (o == op::set) {
            // One setter in each program: nobody else writes it.
            const uint64_t message = 1;
            policy::copy_in(&m->message, &message, sizeof message);
            c.set();
          } else if (o == op::reset) {
            c.reset();
          } else {
            c.wait(deadline::never());
            uint64_t message;
            policy::copy_out(&message, &m->message, sizeof message);
            check(message == 1, "through, and what was done before is not seen");
          }
        }
      });
    }
    may_sleep = [](int) { return true; };
    after = [this] {
      environment env(environment::kSurvivor);
      event_core<policy, environment> c = bound(env);
      int through = 0, asleep = 0;
      for (int t = 0; t < threads(); ++t) {
        const bool waits = scripts[static_cast<size_t>(t)][0] == op::wait;
        through += waits && explorer::ending_of(t) == ending::returned;
        asleep += explorer::ending_of(t) == ending::asleep;
      }
      check(asleep == 0 || !c.is_set(), "it is set, and somebody sleeps");
      check(mode == event_reset::manual || through + c.is_set() <= 1, "one set let two through");
    };
  }

  event_core<policy, environment> bound(environment& env) {
    event_core<policy, environment> c;
    c.bind(env, m->header, mode);
    return c;
  }
};

void explore(memory_model model, instrument which) {
  totals t;
  const int few = testing::quick_or_full(2, 4);
  using enum op;
  signals manual(event_reset::manual, {{set}, {wait}, {wait}}),
      automatic(event_reset::automatic, {{set}, {wait}}),
      rivals(event_reset::automatic, {{set}, {wait}, {wait}}),
      again(event_reset::manual, {{set, reset}, {wait}});
  t.explore(manual, within(model, 1, few), "manual, two wait");
  t.explore(automatic, within(model, 1, explorer::kUnlimited), "automatic, one waits");
  t.explore(rivals, within(model, 1, few), "automatic, two wait");
  t.explore(again, within(model, 1, explorer::kUnlimited), "manual, set and reset");
  t.report("event", which);
}

TEST(EventExplorer, EveryInterleavingOfTheLivingAndTheDying) {
  explore(memory_model::sequentially_consistent, instrument::explorer);
}
TEST(EventExplorer, WithStaleReads) { explore(memory_model::weak, instrument::weak_memory); }

}  // namespace
}  // namespace zeroipc::internal
