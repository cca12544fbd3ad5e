// Threads of one process look names up while others create and remove them. Under ThreadSanitizer
// this also shows that lookups race with nothing.
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "zeroipc/heap/heap.h"
#include "zeroipc/name_table/audit.h"
#include "zeroipc/name_table/lookup.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc::internal {
namespace {

constexpr int kRounds = 1500;
constexpr int kSlots = 12;
const structure_type kRaw = {.what = kind::raw};

std::string name(unsigned i) { return "n" + std::to_string(i); }

// Every structure is filled with the number in its name: whoever opens it must find that and
// nothing else.
void fill(void* p, unsigned i) {
  for (int k = 0; k < 16; ++k) static_cast<std::atomic<unsigned>*>(p)[k].store(i + 1);
}
bool is_filled(const structure& s, unsigned i) {
  for (int k = 0; k < 16; ++k) {
    if (static_cast<std::atomic<unsigned>*>(s.data())[k].load() != i + 1) return false;
  }
  return true;
}

TEST(ConcurrentNamesTest, AnOpenedStructureIsTheOneItsNameStoodFor) {
  // One bucket chain or a few, so that walks meet entries that are freed and reused.
  memory mem = *memory::create_anonymous(1 << 20, {.max_names = 16});
  std::atomic<bool> stop{false};
  std::atomic<int> opened{0}, wrong{0}, missing{0}, odd{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 2; ++t) {
    readers.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      while (!stop.load()) {
        const unsigned i = random() % kSlots;
        absl::StatusOr<structure> s = open_structure(mem, name(i), kRaw);
        if (s.ok()) {
          ++opened;
          if (!is_filled(*s, i)) ++wrong;
        } else {
          ++(absl::IsNotFound(s.status()) ? missing : odd);
        }
        absl::StatusOr<structure_info> info = find(mem, name(i));
        if (info.ok() && info->name != name(i)) ++wrong;
        for (const structure_info& each : list(mem)) {
          if (each.bytes != 64) ++wrong;
        }
      }
    });
  }
  std::vector<std::thread> writers;
  for (int t = 0; t < 2; ++t) {
    writers.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(100 + t));
      for (int round = 0; round < kRounds; ++round) {
        const unsigned i = random() % kSlots;
        absl::StatusOr<structure> s =
            create_structure(mem, name(i), kRaw, 64, 64, [&](void* p) { fill(p, i); });
        if (s.ok() ? !is_filled(*s, i) : !absl::IsAlreadyExists(s.status())) ++odd;
        if (random() % 2 == 0) {
          const absl::Status gone = remove(mem, name(random() % kSlots));
          if (!gone.ok() && !absl::IsNotFound(gone)) ++odd;
        }
      }
    });
  }
  for (std::thread& t : writers) t.join();
  // The readers get their chance however the threads were scheduled.
  while (opened.load() + missing.load() < 100) std::this_thread::yield();
  stop = true;
  for (std::thread& t : readers) t.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(odd, 0);
  for (unsigned i = 0; i < kSlots; ++i) remove(mem, name(i)).IgnoreError();
  absl::StatusOr<audit_report> report = audit(mem);
  ASSERT_TRUE(report.ok() && report->status.ok()) << report->status;
  EXPECT_EQ(report->names + report->removed, 0u);
  EXPECT_EQ(report->heap.used, 0u);
}

TEST(ConcurrentNamesTest, ANameThatIsAlwaysThereIsAlwaysFound) {
  // Its neighbours in the chain come and go all the time.
  memory mem = *memory::create_anonymous(1 << 20, {.max_names = 4});
  structure stays = *create_structure(mem, "stays", kRaw, 64, 64, [](void* p) { fill(p, 1); });
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (unsigned i = 0; i < 2 * kRounds; ++i) {
      const std::string other = name(i % 3);
      create_structure(mem, other, kRaw, i % 500, 64, [](void*) {}).IgnoreError();
      remove(mem, other).IgnoreError();
    }
    stop = true;
  });
  const name_view view(*mem.attachment());
  const name_key key("stays");
  long found = 0, lost = 0;
  do {
    const located l = view.find(key);
    ++(l.result == lookup_result::found && l.offset == stays.offset() ? found : lost);
  } while (!stop.load());
  writer.join();
  EXPECT_GT(found, 0);
  // Unsettled is an answer that sends the caller to the lock; with a hit it does not come up at
  // all.
  EXPECT_EQ(lost, 0);
}

TEST(ConcurrentNamesTest, OneOfManyCreates) {
  memory mem = *memory::create_anonymous(1 << 20);
  for (int round = 0; round < 100; ++round) {
    std::atomic<int> created{0}, failed{0}, wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        bool mine = false;
        absl::StatusOr<structure> s = open_or_create_structure(
            mem, "x", kRaw, 64, 64, [](void* p) { fill(p, 3); }, &mine);
        if (!s.ok()) {
          ++failed;
          return;
        }
        if (mine) ++created;
        if (!is_filled(*s, 3)) ++wrong;
      });
    }
    for (std::thread& t : threads) t.join();
    ASSERT_EQ(created, 1);
    ASSERT_EQ(failed + wrong, 0);
    ASSERT_TRUE(remove(mem, "x").ok());
    ASSERT_EQ(stats(mem).used, 0u);
  }
}

}  // namespace
}  // namespace zeroipc::internal
