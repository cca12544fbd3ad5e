// Property: whatever a few processes do to a few names at once, some of them killed in the middle, there is an order of it that
// a plain map allows (testing/linearizability/names_model.h).
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "testing/linearizability/checker.h"
#include "testing/linearizability/names_model.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc::internal {
namespace {

using linearizability::checker;
using linearizability::finding;
using linearizability::history;
using linearizability::names_model;
using linearizability::names_operation;
using kind_of_operation = names_operation::kind;
using result = names_operation::result;
using zeroipc::testing::evidence;
using zeroipc::testing::instrument;

constexpr int kProcesses = 3, kOperations = 12;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kQuickBursts = 40;
#else
constexpr int kQuickBursts = 400;
#endif
const structure_type kRaw = {.what = kind::raw};

using record = history<names_operation>;

result result_of(const absl::Status& status) {
  if (status.ok()) return result::ok;
  if (absl::IsAlreadyExists(status)) return result::exists;
  if (absl::IsNotFound(status)) return result::missing;
  ADD_FAILURE() << status;
  return result::none;
}

void one_operation(const memory& mem, record& h, size_t me, uint64_t id, std::mt19937_64& random) {
  names_operation o;
  o.name = static_cast<uint32_t>(random() % names_model::kNames);
  const std::string name = std::to_string(o.name);
  const uint64_t draw = random() % 8;
  o.what = draw < 3   ? kind_of_operation::create
           : draw < 5 ? kind_of_operation::remove
                      : kind_of_operation::look;
  if (o.what == kind_of_operation::create) o.id = id;
  const auto at = h.begin(me, o);
  absl::Status status;
  // What is created or opened is let go of after the operation has ended: that is none of the names' business.
  absl::StatusOr<structure> held;
  switch (o.what) {
    case kind_of_operation::create:
      held = create_structure(mem, name, kRaw, 1000 + id % 5000, 64,
                              [&](void* p) { *static_cast<uint64_t*>(p) = id; });
      status = held.status();
      break;
    case kind_of_operation::remove:
      status = remove(mem, name);
      break;
    case kind_of_operation::look:
      if (draw == 5) {
        status = find(mem, name).status();
      } else {
        held = open_structure(mem, name, kRaw);
        status = held.status();
        if (held.ok()) o.id = *static_cast<const uint64_t*>(held->data());
      }
      break;
  }
  o.how = result_of(status);
  h.end(at, o);
}

// One that is to `die` arms its timer after a few operations and goes on until it is killed.
void work(const memory& mem, record& h, size_t me, uint64_t seed, bool die) {
  std::mt19937_64 random(seed * 31 + me);
  const int last = die ? static_cast<int>(random() % (kOperations / 2)) : kOperations;
  for (int i = 0; i < kOperations || die; ++i) {
    if (i == last) {
      harness::kill_this_process_within(std::chrono::nanoseconds(6'000 + random() % 14'000));
    }
    if (h.full(me)) ::pause();  // the timer is late
    one_operation(mem, h, me, (me + 1) * 1000 + static_cast<uint64_t>(i), random);
  }
}

TEST(NamesHistory, SomeOrderExplainsIt) {
  const int bursts = zeroipc::testing::quick_or_full(kQuickBursts, 20'000);
  uint64_t operations = 0, pending = 0, undecided = 0, kills = 0;
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20, {.max_names = 32});
  for (int burst = 0; burst < bursts; ++burst) {
    const auto seed = static_cast<uint64_t>(burst);
    record h;
    harness::shared_state<harness::gate> start;
    std::vector<std::unique_ptr<harness::process>> workers;
    const int victim = burst % 4 != 0 ? burst % kProcesses : -1;
    for (int i = 0; i < kProcesses; ++i) {
      workers.push_back(std::make_unique<harness::process>([&, i] {
        EXPECT_TRUE(start->wait());
        work(mem, h, static_cast<size_t>(i), seed, i == victim);
      }));
    }
    start->open();
    for (auto& w : workers) {
      const harness::exit_state end = w->wait();
      kills += end == harness::killed_by(SIGKILL);
      EXPECT_TRUE(end == harness::killed_by(SIGKILL) || end == harness::exited(0)) << end;
    }
    // What is there now is there, and what is not is not.
    for (size_t i = 0; i < workers.size(); ++i) h.buried(i);
    for (uint32_t n = 0; n < names_model::kNames; ++n) {
      names_operation o = {.what = kind_of_operation::look, .name = n};
      const auto at = h.begin(kProcesses, o);
      {
        const absl::StatusOr<structure> s = open_structure(mem, std::to_string(n), kRaw);
        o.how = result_of(s.status());
        if (s.ok()) o.id = *static_cast<const uint64_t*>(s->data());
      }
      h.end(at, o);
      remove(mem, std::to_string(n)).IgnoreError();
    }
    if (::testing::Test::HasFailure()) return;
    const auto all = h.operations();
    for (const auto& o : all) pending += o.pending();
    operations += all.size();
    const auto v =
        checker<names_operation, names_model>(all, names_model(), linearizability::text_of).check();
    undecided += v.what == finding::undecided;
    ASSERT_NE(v.what, finding::violation) << "burst " << burst << ": " << v.text;
  }
  EXPECT_LE(undecided * 20, static_cast<uint64_t>(bursts)) << "most histories must be decided";
  EXPECT_GT(pending, 0u) << "nobody was killed in the middle";
  evidence("names", instrument::linearizability)
      .figure("histories", static_cast<uint64_t>(bursts))
      .figure("operations", operations)
      .figure("cut off", pending)
      .figure("killed", kills)
      .figure("undecided", undecided);
}

}  // namespace
}  // namespace zeroipc::internal
