// Property: in every order of their steps, whoever dies on the way, and with whatever stale values they read: a value whose send
// returned `ok` was received once, or is there; one whose send answered anything else never is; nothing is torn; nobody
// sleeps beside the one whom it waits for; and all room comes back.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/explorer/scenario.h"
#include "testing/explorer/totals.h"
#include "zeroipc/channel/core.h"

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

struct element {
  uint64_t a, b;
  static element of(uint64_t x) { return {x, ~x}; }
  bool whole() const { return b == ~a; }
};

enum class op { send, try_send, late_send, receive, try_receive, late_receive, lease, nack, close };

constexpr bool sends(op o) { return o == op::send || o == op::try_send || o == op::late_send; }

// Thread t sends the values 10 * (t + 1) and following.
struct meeting : explorer::scenario {
  using core = rendezvous_core<policy, environment, element>;
  static constexpr uint64_t kOffers = 2, kSeatsHere = 2;
  struct memory {
    rendezvous_header<policy> header;
    alignas(128) std::byte offers[kOffers * core::kShape.stride];
    channel_seat<policy> seats[kSeatsHere];
  };
  memory* m = nullptr;
  std::vector<std::vector<op>> scripts;
  // By thread, and determined by what it has read.
  uint64_t got[4][4] = {};
  uint64_t sent[4][4] = {};     // 1: ok
  uint64_t refused[4][4] = {};  // 1: anything else

  explicit meeting(std::vector<std::vector<op>> todo) : scripts(std::move(todo)) {
    before = [this] {
      m = explorer::shared<memory>("channel");
      explorer::name(&m->header.closed, "closed");
      explorer::name(m->offers, "offer 0");
      explorer::name(m->offers + core::kShape.stride, "offer 1");
      explorer::name(&m->seats[0], "seat 0");
      explorer::name(&m->seats[1], "seat 1");
      // Figures for people.
      explorer::unobserved(&m->header.sent, 4 * sizeof(uint64_t));
      for (auto* const all : {&got, &sent, &refused}) {
        for (auto& list : *all) std::fill(std::begin(list), std::end(list), 0);
      }
    };
    for (uint32_t t = 0; t < scripts.size(); ++t) {
      bodies.push_back([this, t] { run_script(t); });
    }
    may_sleep = [](int) { return true; };  // judged below
    after = [this] { judge_all(); };
  }

  static deadline deadline_of(op o) {
    if (o == op::try_send || o == op::try_receive) return deadline::at_once();
    if (o == op::late_send || o == op::late_receive) return deadline::after(std::chrono::hours(1));
    return deadline::never();
  }

  void run_script(uint32_t t) {
    environment env(t);
    core c = bound(env);
    for (size_t n = 0; n < scripts[t].size(); ++n) {
      const op o = scripts[t][n];
      if (sends(o)) {
        const bool ok = static_cast<bool>(c.send(element::of(10 * (t + 1) + n), deadline_of(o)));
        (ok ? sent : refused)[t][n] = 1;
      } else if (o == op::close) {
        c.close();
      } else if (o == op::lease || o == op::nack) {
        core::held_lease h;
        if (!c.lease(h, deadline_of(o))) continue;
        element e;
        policy::copy_out(&e, &c.value(h), sizeof e);
        check(e.whole(), "a torn element");
        if (o == op::nack) {
          check(static_cast<bool>(c.nack(h)), "it was taken from its holder");
          continue;
        }
        check(static_cast<bool>(c.ack(h)), "it was taken from its holder");
        got[t][n] = e.a;
      } else {
        element e{};
        if (!c.receive(e, deadline_of(o))) continue;
        check(e.whole(), "a torn element");
        got[t][n] = e.a;
      }
    }
  }

  void judge_all() {
    bool sender_asleep = false, receiver_asleep = false, receiver_died = false;
    for (size_t t = 0; t < scripts.size(); ++t) {
      const ending how = explorer::ending_of(static_cast<int>(t));
      const bool sender = sends(scripts[t][0]);
      if (how == ending::asleep) (sender ? sender_asleep : receiver_asleep) = true;
      if (!sender && how == ending::died) receiver_died = true;
    }
    environment env(environment::kSurvivor);
    core c = bound(env);
    check(!(sender_asleep && receiver_asleep), "a sender sleeps beside a receiver");
    check(!c.closed() || !(sender_asleep || receiver_asleep),
          "somebody sleeps though it is closed");
    // What the survivor finds. Who sleeps is alive, and is met.
    uint64_t seen[64] = {};
    const auto note = [&](uint64_t x) {
      check(x < 64, "a value from nowhere");
      ++seen[x];
    };
    element e{};
    const bool first = static_cast<bool>(c.receive(e, deadline::at_once()));
    check(!(first && receiver_asleep), "a receiver sleeps though something is there");
    if (first) note(e.a);
    while (c.receive(e, deadline::at_once())) {
      check(e.whole(), "a torn element");
      note(e.a);
    }
    for (const auto& list : got) {
      for (const uint64_t x : list) {
        if (x != 0) note(x);
      }
    }
    for (const uint64_t n : seen) check(n <= 1, "a value was received twice");
    for (size_t t = 0; t < scripts.size(); ++t) {
      for (size_t n = 0; n < scripts[t].size(); ++n) {
        const uint64_t x = seen[10 * (t + 1) + n];
        check(refused[t][n] == 0 || x == 0, "received, and its sender was told that it was not");
        check(sent[t][n] == 0 || x == 1 || receiver_died, "sent, and lost");
      }
    }
    // The room, once those who sleep are dead too.
    explorer::bury_the_rest();
    environment last(environment::kSurvivor);
    core again = bound(last);
    while (again.receive(e, deadline::at_once())) {
    }
    if (again.closed()) return;
    core::standing s[kOffers];
    for (auto& one : s) {
      check(again.stand(element::of(60), one, true) == outcome::empty, "an offer is lost");
    }
    for (auto& one : s) check(again.withdraw(one), "an offer is nobody's");
    for (uint64_t k = 0, mine = 0; k < kSeatsHere; ++k) {
      mine = m->seats[k].word.load(std::memory_order_acquire);
      check(seat_word::state(mine) == seat_state::free, "a seat is lost");
    }
  }

  core bound(environment& env) {
    core c;
    c.bind(env, m->header, m->offers, kOffers, m->seats, kSeatsHere);
    return c;
  }
};

void explore(memory_model model, instrument which) {
  totals t;
  const int few = testing::quick_or_full(2, 4);
  using enum op;
  meeting one_one({{send}, {receive}}), tries({{try_send}, {receive}}),
      looks({{send}, {try_receive, try_receive}}), late({{late_send}, {late_receive}}),
      leases({{send}, {lease}}), returns({{send}, {nack, receive}}),
      two_senders({{send}, {send}, {receive, receive}}),
      two_receivers({{send, send}, {receive}, {receive}}), fight({{try_send}, {send}, {receive}}),
      closing({{send}, {close}, {receive}}), leased_closing({{send}, {close}, {lease}, {receive}});
  struct {
    meeting& program;
    const char* name;
    int late;
  } const all[] = {{one_one, "send | receive", 0},
                   {tries, "try_send | receive", 0},
                   {looks, "send | try_receive twice", 0},
                   {late, "late send | late receive", 2},
                   {leases, "send | lease", 0},
                   {returns, "send | lease, given back, receive", 0},
                   {two_senders, "two sends | receive twice", 0},
                   {two_receivers, "send twice | two receives", 0},
                   {fight, "try_send | send | receive", 0},
                   {closing, "send | close | receive", 0},
                   {leased_closing, "send | close | lease | receive", 0}};
  for (const auto& one : all) {
    explorer::limits l = within(model, one.program.threads() > 3 ? 0 : 2, few);
    l.late = one.late;
    t.explore(one.program, l, one.name);
  }
  // Without deaths, whole.
  meeting again({{send}, {receive}});
  t.explore(again, within(model, 0, explorer::kUnlimited), "send | receive, nobody dies");
  t.report("channel", which);
}

TEST(ChannelExplorer, EveryInterleavingOfTheLivingAndTheDying) {
  explore(memory_model::sequentially_consistent, instrument::explorer);
}
TEST(ChannelExplorer, WithStaleReads) { explore(memory_model::weak, instrument::weak_memory); }

}  // namespace
}  // namespace zeroipc::internal
