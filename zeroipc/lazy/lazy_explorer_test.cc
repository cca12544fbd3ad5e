// Property: in every order of their steps, whoever dies on the way, and with whatever stale values they read: a value is whole, and
// not computed from what was there before an invalidate() that returned; versions grow; who asks is answered as long as a
// provider lives, and what was given up on does not count.
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>

#include "testing/evidence/evidence.h"
#include "testing/explorer/scenario.h"
#include "testing/explorer/totals.h"
#include "zeroipc/lazy/core.h"

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

struct value {
  uint64_t a, b;
  static value of(uint64_t x) { return {x, ~x}; }
  bool whole() const { return b == ~a; }
};

// Askers, providers, and those who change what it is computed from.
struct configuration : explorer::scenario {
  using core = lazy_core<policy, environment, value>;
  struct memory {
    lazy_header<policy> header;
    alignas(kApart) std::byte buffers[kLazyBuffers * core::kStride];
    policy::atomic<uint64_t>
        source;  // what it is computed from; changed by `changed` threads, one after the other
    policy::atomic<uint64_t> settled;  // what has been invalidated after it was changed
    policy::atomic<uint64_t> over;     // askers that have ended: providers go home
  };
  memory* m = nullptr;
  bool fails = false, keep = true;
  uint32_t askers = 0, providers = 0;

  configuration() {
    before = [this] {
      m = explorer::shared<memory>("lazy");
      explorer::name(&m->header.word, "word");
      explorer::name(&m->source, "source");
      explorer::name(m->buffers, "buffers");
      explorer::unobserved(&m->header.evaluations,
                           sizeof m->header - offsetof(lazy_header<policy>, evaluations));
    };
    after = [this] { judge_the_end(); };
  }

  static core bound(memory* m, environment& env) {
    core c;
    c.bind(env, m->header, m->buffers);
    return c;
  }

  // An evaluation of what is there, if it is to be had.
  bool evaluate(core& c, bool asks) {
    uint64_t mine = 0;
    if (!c.claim(mine, asks)) return false;
    lazy_publication p;
    do {
      // Relaxed: what an invalidator did before is to be seen because of the word alone.
      const uint64_t x = m->source.load(std::memory_order_relaxed);
      lazy_error why{};
      why.code = static_cast<uint32_t>(x) + 1;
      p = fails ? c.publish_error(mine, why, keep) : c.publish(mine, value::of(x));
    } while (p == lazy_publication::again);
    return true;
  }

  void expect(outcome r, const value& v, const lazy_error& why, uint64_t least) {
    check(r == (fails ? outcome::failed : outcome::ok), "no answer");
    if (fails) {
      check(why.code > least, "an error from before it was invalidated");
    } else {
      check(v.whole(), "a torn value");
      check(v.a >= least, "a value from before it was invalidated");
    }
  }

  // `computes`: it is a provider itself.
  void add_asker(bool computes, int times) {
    ++askers;
    const auto t = static_cast<uint32_t>(bodies.size());
    bodies.push_back([this, t, computes, times] {
      environment env(t);
      core c = bound(m, env);
      uint64_t newest = 0;
      for (int i = 0; i < times; ++i) {
        // Acquire: what has been invalidated by now.
        const uint64_t least = m->settled.load(std::memory_order_acquire);
        value v{};
        lazy_error why{};
        uint64_t version = 0;
        const outcome r = c.get(v, &version, &why, deadline::never(),
                                [&] { return computes && evaluate(c, true); });
        expect(r, v, why, least);
        if (!fails) check(version >= newest && version != 0, "versions go back");
        newest = version;
      }
      m->over.fetch_add(1, std::memory_order_acq_rel);
      c.wake_providers();
    });
  }
  // Serves until all askers have ended; for ever, if one has died.
  void add_provider() {
    ++providers;
    const auto t = static_cast<uint32_t>(bodies.size());
    bodies.push_back([this, t] {
      environment env(t);
      core c = bound(m, env);
      const auto stop = [&] { return m->over.load(std::memory_order_acquire) == askers; };
      while (!stop()) {
        c.wait_for_work(stop);
        evaluate(c, false);
      }
    });
  }
  void add_changer(std::function<void(core&)> invalidates) {
    const auto t = static_cast<uint32_t>(bodies.size());
    bodies.push_back([this, t, invalidates] {
      environment env(t);
      core c = bound(m, env);
      m->source.store(7, std::memory_order_relaxed);
      invalidates(c);
      m->settled.store(7, std::memory_order_release);
    });
  }
  void add(std::function<void(core&)> does) {
    const auto t = static_cast<uint32_t>(bodies.size());
    bodies.push_back([this, t, does] {
      environment env(t);
      core c = bound(m, env);
      does(c);
    });
  }

  // Who sleeps does so because nobody is left to serve it, or to be served; and all goes on with a new provider.
  void judge_the_end() {
    environment env(environment::kSurvivor);
    core c = bound(m, env);
    const bool all_over = m->over.load() == askers;
    const lazy_word w = lazy_word::of(m->header.word.load());
    const bool work = w.state == lazy_state::wanted ||
                      (w.at_work() && w.state != lazy_state::stale && env.is_dead(w.owner()));
    for (int t = 0; t < threads(); ++t) {
      if (explorer::ending_of(t) == ending::asleep) {
        const bool provider = is_provider(t);
        check(provider ? !all_over && !work : !provider_lives(),
              "somebody sleeps who has something to do");
      }
    }
    const uint64_t least = m->settled.load();
    explorer::bury_the_rest();
    value v{};
    lazy_error why{};
    uint64_t version = 0;
    const outcome r =
        c.get(v, &version, &why, deadline::at_once(), [&] { return evaluate(c, true); });
    expect(r, v, why, least);
    c.invalidate();
    check(c.load(v, nullptr, nullptr) == outcome::empty, "invalid, and still there");
    check(c.get(v, nullptr, &why, deadline::at_once(), [&] { return evaluate(c, true); }) == r,
          "it does not go on");
  }
  std::function<bool(int)> is_provider = [](int) { return false; };
  bool provider_lives() const {
    for (int t = 0; t < threads(); ++t) {
      if (is_provider(t) && explorer::ending_of(t) != ending::died &&
          explorer::ending_of(t) != ending::stopped) {
        return true;
      }
    }
    return false;
  }
};

// A reader that is still in a buffer when writers come around to it.
struct overtaken : configuration {
  overtaken() {
    before = [this, first = before] {
      first();
      environment env(environment::kSurvivor);
      core c = bound(m, env);
      evaluate(c, true);
      // As it is when the next evaluation takes the same buffer again.
      const lazy_word w = lazy_word::of(m->header.word.load());
      m->header.word.store(lazy_word{w.state, w.low + 2, w.low}.bits());
    };
    add([this](core& c) {
      const uint64_t least = m->settled.load(std::memory_order_acquire);
      value v{};
      uint64_t version = 0;
      if (!c.load(v, &version, nullptr)) return;
      expect(outcome::ok, v, {}, least);
      check(version == (v.a == 0 ? 1 : 2), "another's version");
    });
    add_changer([this](core& c) {
      c.invalidate();
      evaluate(c, true);
    });
  }
};

// An evaluator that is late, or stopped, and the one after the next, which comes to the same buffer.
struct given_up_on : configuration {
  given_up_on() {
    add([this](core& c) { evaluate(c, true); });
    add([this](core& c) {
      uint64_t mine = 0;
      for (int i = 0; i < 2; ++i) {
        c.take_over();
        if (!c.claim(mine, true)) return;
      }
      if (c.publish(mine, value::of(7)) != lazy_publication::counts) return;
      value v{};
      check(c.load(v, nullptr, nullptr) == outcome::ok, "published, and not there");
      check(v.whole() && v.a == 7, "overwritten by one who is late");
    });
  }
};

struct asking_only : configuration {
  // `n` providers, the first of the threads; then an asker.
  explicit asking_only(int n, int times = 1) {
    for (int i = 0; i < n; ++i) add_provider();
    add_asker(false, times);
    is_provider = [n](int t) { return t < n; };
    may_sleep = [](int) { return true; };  // judged at the end
  }
};

void explore(memory_model model, instrument which) {
  totals t;
  const int few = testing::quick_or_full(2, 4);
  const auto invalidate = [](configuration::core& c) { c.invalidate(); };
  const auto refresh = [](configuration::core& c) { c.refresh(); };
  {
    configuration two;
    two.add_asker(true, 1);
    two.add_asker(true, 1);
    t.explore(two, within(model, 1, few), "two that compute for themselves");
  }
  {
    asking_only one(1);
    t.explore(one, within(model, 1, explorer::kUnlimited), "a provider, one who asks");
  }
  {
    asking_only two(2);
    t.explore(two, within(model, 1, few), "two providers, one who asks");
  }
  {
    configuration change;
    change.add_asker(true, 2);
    change.add_changer(invalidate);
    t.explore(change, within(model, 1, explorer::kUnlimited), "one who asks, one who invalidates");
  }
  {
    configuration change;
    change.add_asker(true, 2);
    change.add_changer(refresh);
    t.explore(change, within(model, 1, explorer::kUnlimited), "one who asks, one who refreshes");
  }
  {
    configuration change;
    change.add_asker(true, 1);
    change.add_asker(true, 1);
    change.add_changer(invalidate);
    t.explore(change, within(model, 1, few), "two who ask, one who invalidates");
  }
  {
    asking_only change(1, 2);
    change.add_changer(refresh);
    t.explore(change, within(model, 1, few), "a provider, one who asks, one who refreshes");
  }
  {
    asking_only change(1, 1);
    change.add_changer(invalidate);
    t.explore(change, within(model, 1, few), "a provider, one who asks, one who invalidates");
  }
  {
    configuration given_up;
    given_up.add_asker(true, 2);
    given_up.add_asker(true, 1);
    given_up.add([](configuration::core& c) { c.take_over(); });
    t.explore(given_up, within(model, 1, few), "two who ask, one who takes over");
  }
  {
    asking_only given_up(1, 1);
    given_up.add([](configuration::core& c) {
      c.invalidate();
      c.take_over();
    });
    t.explore(given_up, within(model, 1, few), "one who invalidates and takes over");
  }
  {
    overtaken reader;
    t.explore(reader, within(model, 1, explorer::kUnlimited), "a reader that is overtaken");
  }
  {
    given_up_on late;
    t.explore(late, within(model, 1, few), "one who is late");
  }
  {
    given_up_on stopped;
    stopped.stoppable = 1;
    explorer::limits one_stops = within(model, 0, few);
    one_stops.stops = 1;
    t.explore(stopped, one_stops, "one who is stopped");
  }
  for (const bool keep : {true, false}) {
    asking_only fails(1, 2);
    fails.fails = true;
    fails.keep = keep;
    fails.add_asker(true, 1);
    t.explore(fails, within(model, 1, few), keep ? "errors that are kept" : "that are not");
  }
  t.report("lazy", which);
}

TEST(LazyExplorer, EveryInterleavingOfTheLivingAndTheDying) {
  explore(memory_model::sequentially_consistent, instrument::explorer);
}
TEST(LazyExplorer, WithStaleReads) { explore(memory_model::weak, instrument::weak_memory); }

}  // namespace
}  // namespace zeroipc::internal
