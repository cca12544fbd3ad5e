// Property: while somebody overwrites the words of a queue and the claims of its users, every operation with a deadline ends,
// and nobody crashes.
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "testing/hostile/scribbler.h"
#include "zeroipc/queue/queue.h"

namespace zeroipc::internal {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::scribble_plan;
using testing::scribbled_work;

struct item {
  uint64_t words[4];
};

template <typename Policy>
class QueueScribble : public ::testing::Test {};
using policies = ::testing::Types<mpmc, mpsc, spmc, spsc>;
TYPED_TEST_SUITE(QueueScribble, policies);

template <typename Policy>
void operate(queue<item, Policy>& q, std::mt19937_64& random) {
  const microseconds patience(random() % 3000);
  item x{};
  item some[6] = {};
  switch (random() % 16) {
    case 0:
      q.try_push(x);
      break;
    case 1:
      q.try_pop(x);
      break;
    case 2:
      q.push_for(x, patience);
      break;
    case 3:
      q.pop_for(x, patience);
      break;
    case 4:
      q.push_n_for(std::span<const item>(some), patience);
      break;
    case 5:
      q.pop_n_for(std::span<item>(some), patience);
      break;
    case 6:
      if (auto r = q.reserve_for(patience)) {
        *r = x;
        if (random() % 2 != 0) r.commit();
      }
      break;
    case 7:
      if (auto v = q.peek_for(patience)) {
        x = *v;
        if (random() % 2 != 0) v.release();
      }
      break;
    case 8:
      if (auto l = q.lease_for(patience)) {
        x = *l;
        if (random() % 2 != 0) l.ack();
      }
      break;
    case 9: {
      auto a = q.try_lease();
      auto b = q.try_lease();
      auto v = q.try_peek();
      auto r = q.try_reserve();
      if (random() % 4 == 0) a.ack();
      break;
    }
    case 10:
      q.stats();
      q.size();
      q.closed();
      break;
    case 11:
      q.release_role();
      break;
    case 12:
      // Undone with the next round, like everything else.
      if (random() % 8 == 0) q.close();
      break;
    case 13:
      std::thread([&] { q.push_for(x, patience); }).join();
      break;
    default:
      q.push_for(x, patience);
      q.pop_for(x, patience);
  }
}

TYPED_TEST(QueueScribble, EveryOperationEnds) {
  uint64_t operations = 0, rounds = 0, words = 0;
  for (const uint64_t capacity : {3, 16}) {
    harness::unique_segment segment;
    memory mem(segment.name(), 1 << 20);
    queue<item, TypeParam> first(mem, "victim", capacity, {.max_leases = 3});
    for (uint64_t i = 0; i < capacity / 2; ++i) ASSERT_TRUE(first.push(item{}));
    ASSERT_TRUE(first.release_role());
    auto held = open_structure(
        mem, "victim", structure_type::of<item>(kind::queue, TypeParam::variant, TypeParam::name));
    ASSERT_TRUE(held.ok());
    auto* bytes = static_cast<std::byte*>(held->data());
    auto& header = *reinterpret_cast<queue_header<hardware>*>(bytes);

    scribbled_work work(3, [&](int me, scribbled_work& w) {
      // Handles are opened before: what is checked then is another test's.
      std::mt19937_64 random(static_cast<uint64_t>(me) + capacity);
      queue<item, TypeParam> q(mem, "victim");
      w.ready(me);
      while (w.next()) operate(q, random);
    });

    const segment_geometry& g = mem.attachment()->geometry;
    std::vector<uint64_t> known = {kClosedBit, kOrphans, kUnresolved | kClosing};
    const ring_shape shape(capacity);
    for (uint64_t lap = 0; lap < 3; ++lap) {
      known.push_back(shape.at(lap, capacity - 1));
      for (uint64_t phase = 0; phase < 4; ++phase) {
        known.push_back(seq::make(lap, static_cast<slot_phase>(phase), phase * seq::kLastTurn / 3));
      }
    }
    for (uint32_t slot = 0; slot < 5; ++slot) {
      const uint64_t tag = owner_tag(slot, 1).bits();
      known.push_back(tag << 32 | tag);
      for (uint64_t state = 0; state < 4; ++state) known.push_back(state << 56 | tag);
    }
    known.push_back(claim_word<hardware>::pack(claim_kind::push, 1, held->id()));
    known.push_back(claim_word<hardware>::pack(claim_kind::pop, 0xff'ffff, held->id()));

    const size_t after_geometry = offsetof(queue_header<hardware>, tail);
    const scribble_plan plan = {
        .seed = capacity,
        .regions = {{bytes + after_geometry, sizeof header - after_geometry},
                    {bytes + after_geometry, sizeof header - after_geometry},
                    {bytes + sizeof header, (held->bytes() - sizeof header) / 8 * 8},
                    {mem.attachment()->base + g.threads_offset,
                     6 * sizeof(thread_record<hardware>)}},
        .known = known,
        .owners = {&header.recovery.owner},
        .wake = {&header.recovery.released}};
    work.scribble_for(
        testing::quick_or_full<std::chrono::nanoseconds>(milliseconds(700), seconds(60)), plan);
    EXPECT_TRUE(work.finish());
    operations += work.operations();
    rounds += work.rounds();
    words += work.words();
  }
  testing::evidence("queue " + std::string(TypeParam::name), testing::instrument::scribbler)
      .figure("rounds", rounds)
      .figure("words overwritten", words)
      .figure("operations", operations);
}

}  // namespace
}  // namespace zeroipc::internal
