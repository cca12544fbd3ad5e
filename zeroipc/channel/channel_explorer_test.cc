// Property: in every order of their steps, whoever dies on the way, and with whatever stale values they read: a value whose send
// returned `ok` was received once, or is there; one whose send answered anything else never is; nothing is torn; nobody
// sleeps beside the one whom it waits for; and all room comes back.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
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

// stand: a send in pieces, of which the rest does not come.
enum class op {
  send,
  try_send,
  late_send,
  stand,
  receive,
  try_receive,
  late_receive,
  lease,
  nack,
  close
};

constexpr bool sends(op o) { return o <= op::stand; }

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
  uint64_t n_offers = kOffers, n_seats = kSeatsHere;
  std::vector<std::vector<op>> scripts;
  // By thread, and determined by what it has read.
  uint64_t got[4][4] = {};
  uint64_t sent[4][4] = {};     // 1: ok
  uint64_t refused[4][4] = {};  // 1: anything else
  bool told_closed[4] = {};     // and that nothing can come any more

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
      std::fill(std::begin(told_closed), std::end(told_closed), false);
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
      if (o == op::stand) {
        core::standing s;
        c.stand(element::of(10 * (t + 1) + n), s, true);
      } else if (sends(o)) {
        const bool ok = static_cast<bool>(c.send(element::of(10 * (t + 1) + n), deadline_of(o)));
        (ok ? sent : refused)[t][n] = 1;
      } else if (o == op::close) {
        c.close();
      } else if (o == op::lease || o == op::nack) {
        core::held_lease h;
        const outcome r = c.lease(h, deadline_of(o));
        told_closed[t] |= r == outcome::closed;
        if (!r) continue;
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
        const outcome r = c.receive(e, deadline_of(o));
        told_closed[t] |= r == outcome::closed;
        if (!r) continue;
        check(e.whole(), "a torn element");
        got[t][n] = e.a;
      }
    }
  }

  void judge_all() {
    uint64_t sender_asleep = 0, receiver_asleep = 0;
    bool receiver_died = false;
    for (size_t t = 0; t < scripts.size(); ++t) {
      const ending how = explorer::ending_of(static_cast<int>(t));
      const bool sender = sends(scripts[t][0]);
      if (how == ending::asleep) ++(sender ? sender_asleep : receiver_asleep);
      if (!sender && how == ending::died) receiver_died = true;
    }
    // Who sleeps has an offer or a seat, or there is none.
    uint64_t standing = 0, sitting = 0;
    for (uint64_t i = 0; i < n_offers; ++i) {
      standing += offer_is(i) != offer_state::free;
    }
    for (uint64_t k = 0; k < n_seats; ++k) {
      sitting += seat_is(k) != seat_state::free;
    }
    check(standing >= std::min(sender_asleep, n_offers), "a sender sleeps beside a free offer");
    check(sitting >= std::min(receiver_asleep, n_seats), "a receiver sleeps beside a free seat");
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
    for (const bool told : told_closed) {
      check(!(first && told), "told `closed`, and something was left");
    }
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
    // The dead that are known by now have been seen to, all of them.
    for (uint64_t i = 0; i < n_offers; ++i) {
      const offer_state s = offer_is(i);
      check(s != offer_state::handing && s != offer_state::leased, "a value is with nobody");
    }
    // The room, once those who sleep are dead too.
    explorer::bury_the_rest();
    environment last(environment::kSurvivor);
    core again = bound(last);
    while (again.receive(e, deadline::at_once())) {
    }
    if (again.closed()) return;
    core::standing s[kOffers];
    for (uint64_t i = 0; i < n_offers; ++i) {
      check(again.stand(element::of(60), s[i], true) == outcome::empty, "an offer is lost");
    }
    for (uint64_t i = 0; i < n_offers; ++i) check(again.withdraw(s[i]), "an offer is nobody's");
    for (uint64_t k = 0; k < n_seats; ++k) {
      check(seat_is(k) == seat_state::free, "a seat is lost");
    }
  }

  offer_state offer_is(uint64_t i) const {
    const auto& o = *reinterpret_cast<channel_offer<policy>*>(m->offers + i * core::kShape.stride);
    return offer_word::state(o.word.load(std::memory_order_acquire));
  }
  seat_state seat_is(uint64_t k) const {
    return seat_word::state(m->seats[k].word.load(std::memory_order_acquire));
  }

  core bound(environment& env) {
    core c;
    c.bind(env, m->header, m->offers, n_offers, m->seats, n_seats);
    return c;
  }
};

void explore(memory_model model, instrument which) {
  totals t;
  using enum op;
  meeting one_one({{send}, {receive}}), tries({{try_send}, {receive}}),
      looks({{send}, {try_receive, try_receive}}), late({{late_send}, {late_receive}}),
      leases({{send}, {lease}}), returns({{send}, {nack, receive}}),
      two_senders({{send}, {send}, {receive, receive}}),
      two_receivers({{send, send}, {receive}, {receive}}), fight({{try_send}, {send}, {receive}}),
      closing({{send}, {close}, {receive}}), try_closing({{try_send}, {close}, {receive}}),
      leased_closing({{send}, {close}, {lease}, {receive}});
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
                   {try_closing, "try_send | close | receive", 0},
                   {leased_closing, "send | close | lease | receive", 0}};
  for (const auto& one : all) {
    const int threads = one.program.threads();
    const int deaths = threads > 2 ? 1 : 2;
    const int few = testing::quick_or_full(threads > 2 ? 2 : 1, threads > 3 ? 1 : 2);
    explorer::limits l = within(model, deaths, few);
    l.late = one.late;
    t.explore(one.program, l, one.name);
  }
  // Without deaths.
  meeting again({{send}, {receive}});
  t.explore(again, within(model, 0, testing::quick_or_full(3, 5)), "send | receive, nobody dies");
  t.explore(fight, within(model, 0, 2), "try_send | send | receive, nobody dies");
  meeting one_offer({{send}, {send}, {try_receive, try_receive}}),
      one_seat({{try_send}, {receive}, {receive}});
  one_offer.n_offers = 1;
  one_seat.n_seats = 1;
  t.explore(one_offer, within(model, 0, 1), "two sends, one offer | try_receive twice");
  t.explore(one_seat, within(model, 0, 1), "try_send | two receives, one seat");
  t.report("channel", which);
}

TEST(ChannelExplorer, EveryInterleavingOfTheLivingAndTheDying) {
  explore(memory_model::sequentially_consistent, instrument::explorer);
}
TEST(ChannelExplorer, WithStaleReads) { explore(memory_model::weak, instrument::weak_memory); }

// Three are needed for each of these, of which one dies.
void one_of_three_dies(meeting&& program, unsigned which, explorer::limits l) {
  program.mortal = 1u << which;
  l.executions = testing::quick_or_full(300'000, 10'000'000);
  const explorer::verdict v = explorer::explore(program, l);
  std::printf("%s\n", v.text().c_str());
  EXPECT_FALSE(v.failed);
}
constexpr auto kStrong = memory_model::sequentially_consistent;
// Where stores and loads pass each other, but for fences, both sides'.
explorer::limits with_symmetric_fences() {
  explorer::limits l = within(memory_model::weak, 1, 1);
  l.asymmetric_fences = false;
  l.stale_reads = 1;
  return l;
}
TEST(ChannelExplorer, WhatIsGivenToADeadReceiverWhileItIsSeenToComesBack) {
  one_of_three_dies(meeting({{op::try_send}, {op::try_receive}, {op::receive}}), 2,
                    within(kStrong, 1, 2));
}
TEST(ChannelExplorer, AfterClosedNothingComesBackFromALease) {
  for (const auto& l : {within(kStrong, 1, 2), with_symmetric_fences()}) {
    one_of_three_dies(meeting({{op::stand}, {op::close, op::try_receive}, {op::lease}}), 2, l);
  }
}
TEST(ChannelExplorer, AfterClosedNothingComesBackFromASeat) {
  for (const auto& l : {within(kStrong, 1, 2), with_symmetric_fences()}) {
    one_of_three_dies(meeting({{op::try_send}, {op::close, op::try_receive}, {op::receive}}), 2, l);
  }
}

}  // namespace
}  // namespace zeroipc::internal
