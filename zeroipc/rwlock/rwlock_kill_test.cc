// Property: with processes killed, stopped and starved at random, and replaced: a writer is alone, readers see no half change
// that they are not told of, and nobody is stuck.
//
// Runs for 2 s; for longer: --test_env=ZEROIPC_LAB=full.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/rwlock/rwlock.h"

namespace zeroipc {
namespace {

constexpr int kWriters = 2, kReaders = 2;

struct books {
  std::atomic<bool> over{false};
  // Guarded by the lock; the same while no writer is inside.
  std::atomic<uint64_t> a{0}, b{0};
  std::atomic<uint64_t> acknowledged[kWriters]{};
  std::atomic<uint64_t> wrong{0}, reads{0};
};

void write(rwlock& l, books& book, int me) {
  while (!book.over) {
    const lock_outcome got = l.lock();
    if (book.a != book.b) {
      book.wrong += got != outcome::owner_died;
      book.b = book.a.load();
    }
    if (got == outcome::owner_died) l.mark_consistent();
    ++book.a;
    ++book.b;
    if (!l.unlock()) ++book.wrong;
    ++book.acknowledged[me];
  }
}
void read(rwlock& l, books& book) {
  while (!book.over) {
    const lock_outcome got = l.lock_shared();
    book.wrong += book.a != book.b && got != outcome::owner_died;
    ++book.reads;
    if (!l.unlock_shared()) ++book.wrong;
  }
}

TEST(RwlockKill, AWriterIsAloneAndNobodyIsStuck) {
  const auto for_how_long = testing::quick_or_full<std::chrono::seconds>(std::chrono::seconds(2),
                                                                         std::chrono::seconds(120));
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  rwlock l(mem, "l");
  const auto b = std::make_unique<harness::shared_state<books>>();
  books& book = **b;
  chaos::chaos all({.workers = kWriters + kReaders, .seed = 12},
                   [&](int me) { me < kWriters ? write(l, book, me) : read(l, book); });
  all.run_for(for_how_long);
  book.over = true;
  ASSERT_TRUE(all.finish()) << "somebody is stuck; " << all.so_far().text();
  uint64_t acknowledged = 0;
  for (const auto& n : book.acknowledged) acknowledged += n;
  EXPECT_TRUE(l.try_lock()) << "the dead hold it";
  EXPECT_EQ(l.stats().readers, 0u);
  EXPECT_EQ(book.wrong, 0u);
  EXPECT_GE(book.a, acknowledged) << "a change is lost";
  EXPECT_GT(acknowledged, 100u) << "writers starve";
  EXPECT_GT(book.reads, 100u) << "readers starve";
  testing::evidence("rwlock", testing::instrument::chaos)
      .figure("kills", all.so_far().kills)
      .figure("stops", all.so_far().stops)
      .figure("interruptions", all.so_far().interruptions)
      .figure("sections", acknowledged + book.reads);
}

}  // namespace
}  // namespace zeroipc
