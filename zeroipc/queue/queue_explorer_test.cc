// Property: in whatever order the threads of a small program take their steps, whoever dies or stops on the way, and in the
// weak mode whatever stale values they read: nothing that was acknowledged is lost, nothing comes twice or torn, nobody
// sleeps who could go on, and in the end the queue has all its room.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/explorer/explorer.h"
#include "testing/explorer/queue_program.h"

namespace zeroipc::explorer {
namespace {

using testing::instrument;

constexpr uint64_t kQuickExecutions = 5'000, kQuickRecoveries = 150'000;

struct program_of {
  const char* what;
  uint64_t capacity, filled;
  std::vector<script> scripts;
  limits within;
};

limits sequential(int deaths, int preemptions) {
  limits l;
  l.deaths = deaths;
  l.preemptions = preemptions;
  return l;
}
limits weak(int deaths, int preemptions, int stale) {
  limits l = sequential(deaths, preemptions);
  l.model = memory_model::weak;
  l.stale_reads = stale;
  return l;
}

// Each with nobody dying and no preemption first, then with one, and so on, so that what is cut off is what needs the most.
template <typename Policy>
void explore_all(const std::vector<program_of>& programs, instrument which,
                 uint64_t quick_executions = kQuickExecutions) {
  uint64_t executions = 0, states = 0, all = 0;
  for (const program_of& p : programs) {
    queue_program<Policy> q(p.capacity, p.filled, p.scripts);
    bool whole = true;
    for (int deaths = 0; deaths <= p.within.deaths; ++deaths) {
      uint64_t left = testing::quick_or_full<uint64_t>(quick_executions, 1'000'000);
      for (int n = 0; n <= p.within.preemptions && left != 0; ++n) {
        limits l = p.within;
        l.deaths = deaths;
        l.preemptions = n;
        l.executions = left;
        const verdict v = explore(q, l);
        ASSERT_FALSE(v.failed) << Policy::name << " " << p.what << ": " << v.text();
        executions += v.executions;
        states += v.states;
        left -= v.executions;
        whole = whole && v.exhausted;
        if (!v.exhausted) break;
      }
    }
    all += whole;
  }
  testing::evidence("queue " + std::string(Policy::name), which)
      .figure("programs", programs.size())
      .figure("explored whole", all)
      .figure("executions", executions)
      .figure("states", states);
}

using enum op;

// Every policy runs all of them: where it has one producer or one consumer, who comes second is answered `taken`, or takes
// the role over from the dead.
std::vector<program_of> programs(limits two, limits three) {
  limits spurious = two;
  spurious.spurious = 1;
  limits alone = two;
  alone.deaths = 0;
  limits alive = three;
  alive.deaths = 0;
  limits stop = alive;
  stop.stops = 1;
  std::vector<program_of> all = {
      // Recovery that meets the claims of the living must leave them alone, whatever it sees of them.
      {"push | recover, pop", 1, 0, {{push}, {recover, pop}}, alone},
      {"push | recover, pop, in their second lap", 1, 1, {{pop, push}, {recover, pop}}, alone},
      {"pop | recover, pop", 1, 1, {{pop}, {recover, pop}}, alone},
      {"pop | recover, push", 1, 1, {{pop}, {recover, push}}, alone},
      {"batch | recover, pop", 2, 0, {{push_two}, {recover, pop_two}}, alone},
      {"batch out | recover, pop", 2, 2, {{pop_two}, {recover, pop}}, alone},
      {"reservation | recover, pop", 1, 0, {{commit}, {recover, pop}}, alone},
      {"two reservations | recover, pop", 2, 0, {{commit, push}, {recover, pop}}, alone},
      {"view | recover, pop", 2, 1, {{peek_release}, {recover, pop}}, alone},
      {"view put back | recover, pop", 2, 1, {{peek_drop, pop}, {recover, pop}}, alone},
      {"view | view put back", 2, 1, {{peek_release}, {peek_drop}}, alone},
      {"abandoned | recover, push", 1, 0, {{abort}, {recover, push, pop}}, alone},
      {"lease | recover, lease", 2, 1, {{lease_ack}, {recover, lease_ack}}, alone},
      {"lease given back | lease", 2, 1, {{lease_nack}, {lease_ack}}, alone},
      {"lease given back | pop", 2, 1, {{lease_nack}, {pop, pop}}, alone},
      {"push | pop", 1, 0, {{push}, {pop}}, two},
      {"push push | pop pop, in their second lap", 1, 1, {{push, push}, {pop, pop}}, two},
      {"waiting push | waiting pop", 1, 1, {{push_wait}, {pop_wait}}, spurious},
      {"two waiting pushes | two waiting pops",
       1,
       0,
       {{push_wait, push_wait}, {pop_wait, pop_wait}},
       two},
      {"batches", 2, 1, {{push_two}, {pop_two}}, two},
      {"reservation | pop", 2, 0, {{commit}, {pop, pop}}, two},
      {"abandoned reservation, push | pop", 1, 0, {{abort, push}, {pop}}, two},
      {"view | push", 1, 1, {{peek_release}, {push}}, two},
      {"view put back | pop", 2, 2, {{peek_drop}, {pop, pop}}, two},
      {"lease | push push", 1, 1, {{lease_ack}, {push, push}}, two},
      {"lease given back | waiting pop", 1, 1, {{lease_nack}, {pop_wait}}, two},
      {"lease given back | waiting lease", 2, 1, {{lease_nack}, {lease_wait}}, two},
      {"close | waiting push", 1, 1, {{close}, {push_wait}}, two},
      {"close | waiting pop", 1, 0, {{close}, {pop_wait}}, two},
      {"push, close | waiting pop", 1, 0, {{push, close}, {pop_wait, pop_wait}}, two},
      {"push | close, pop", 1, 0, {{push}, {close, pop, pop}}, two},
      {"push | recover", 1, 0, {{push, push}, {recover, pop}}, two},
      {"push | push | pop", 1, 0, {{push}, {push}, {pop}}, three},
      {"push | push | pop pop", 2, 0, {{push}, {push}, {pop, pop}}, three},
      {"pop | pop | push", 2, 1, {{pop}, {pop}, {push}}, three},
      {"push | pop | recover", 1, 1, {{push}, {pop}, {recover}}, three},
      {"waiting pushes | pop pop", 1, 1, {{push_wait}, {push_wait}, {pop, pop}}, three},
      {"waiting pops | push push", 2, 0, {{pop_wait}, {pop_wait}, {push, push}}, three},
      {"leases for one entry | push", 2, 1, {{lease_ack}, {lease_wait}, {push}}, three},
      {"view put back | pop | recover", 2, 1, {{peek_drop}, {pop}, {recover}}, three},
      {"lease given back | pop | pop", 2, 1, {{lease_nack}, {pop}, {pop}}, three},
      {"push | close | waiting pop", 1, 0, {{push}, {close}, {pop_wait, pop_wait}}, three},
      {"push | push | waiting pop, one of them stopped", 1, 0, {{push}, {push}, {pop_wait}}, stop},
      {"pop | pop | waiting push, one of them stopped", 1, 1, {{pop}, {pop}, {push_wait}}, stop},
  };
  return all;
}

template <typename Policy>
class QueueExplorer : public ::testing::Test {};
using policies = ::testing::Types<mpmc, mpsc, spmc, spsc>;
TYPED_TEST_SUITE(QueueExplorer, policies);

TYPED_TEST(QueueExplorer, EveryInterleavingOfTheLivingAndTheDying) {
  const int few = testing::quick_or_full(2, 3);
  explore_all<TypeParam>(programs(sequential(1, testing::quick_or_full(2, 6)), sequential(1, few)),
                         instrument::explorer);
}

TYPED_TEST(QueueExplorer, WithStaleReads) {
  const int few = testing::quick_or_full(2, 3);
  explore_all<TypeParam>(programs(weak(1, few, 2), weak(1, few, 2)), instrument::weak_memory);
}

// One dies, others are in the middle of something, and others again recover: who held a pass up runs it, and who found one
// running is not forgotten.
TEST(QueueExplorer, RecoveryThatIsHeldUpIsRunAgain) {
  const int few = testing::quick_or_full(2, 4);
  const limits three = sequential(1, few);
  explore_all<mpmc>(
      {
          {"push | push | recover", 2, 0, {{push}, {push}, {recover}}, three},
          {"pop | pop | recover", 2, 2, {{pop}, {pop}, {recover}}, three},
          {"pop | push | recover", 2, 1, {{pop}, {push}, {recover}}, three},
          {"pop | recover | recover", 1, 1, {{pop}, {recover}, {recover}}, three},
          {"push | recover | recover", 1, 0, {{push}, {recover}, {recover}}, three},
          {"lease | pop | recover", 2, 2, {{lease_ack}, {pop}, {recover}}, three},
          {"lease | recover | recover", 2, 1, {{lease_ack}, {recover}, {recover}}, three},
          // The sleeper's own pass was held up, so whoever runs it again has to wake it.
          {"pop | pop | waiting pop", 1, 1, {{pop}, {pop}, {pop_wait}}, sequential(1, few + 1)},
      },
      instrument::explorer, kQuickRecoveries);
}

}  // namespace
}  // namespace zeroipc::explorer
