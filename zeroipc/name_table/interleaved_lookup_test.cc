// A lookup into whose every instruction writers are made to happen, in pairs: the windows of the
// ABA kind that stress tests do not hit. The reader is a child that is single-stepped; the writers
// are the parent.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <string>

#include "testing/kill_sweep/kill_sweep.h"
#include "zeroipc/name_table/lookup.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc::internal {
namespace {

const structure_type kRaw = {.what = kind::raw};
constexpr int kPlaces = 24;  // along the lookup, for each of the two changes

class InterleavedLookupTest : public ::testing::Test {
 protected:
  InterleavedLookupTest()
      : mem_(*memory::create_anonymous(
            512 << 10, {.max_participants = 16, .max_threads = 64, .max_names = 4})),
        view_(*mem_.attachment()),
        answer_(static_cast<std::atomic<uint64_t>*>(
            ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  ~InterleavedLookupTest() override { ::munmap(answer_, kPage); }

  void Create(const std::string& name) {
    ASSERT_TRUE(create_structure(mem_, name, kRaw, 64, 64, [](void*) {}).ok());
  }
  void Remove(const std::string& name) { ASSERT_TRUE(remove(mem_, name).ok()); }
  // A name other than `than` in the same bucket, or in another.
  std::string Name(const std::string& than, bool same_bucket) {
    for (int i = 0;; ++i) {
      std::string name = "name" + std::to_string(i);
      if (name != than && same_bucket == (view_.bucket_of(name_key(name).hash) ==
                                          view_.bucket_of(name_key(than).hash))) {
        return name;
      }
    }
  }
  // Looks `key` up in a child, with `first` and `second` happening at those steps; what it found.
  template <typename First, typename Second>
  lookup_result Lookup(const name_key& key, long first_at, First first, long second_at,
                       Second second, long* steps = nullptr) {
    const zeroipc::testing::sweep_result run = zeroipc::testing::interleave(
        [&] {
          const located found = view_.find(key);
          answer_[1].store(found.offset);
          answer_[2].store(found.state);
          answer_[0].store(static_cast<uint64_t>(found.result));
        },
        [&](long step) {
          if (step == first_at) first();
          if (step == second_at) second();
        });
    EXPECT_FALSE(run.broken);
    if (steps != nullptr) *steps = run.steps;
    return static_cast<lookup_result>(answer_[0].load());
  }

  memory mem_;
  name_view view_;
  std::atomic<uint64_t>* answer_;  // result, offset and state, from the child
};

TEST_F(InterleavedLookupTest, ANameIsFoundThoughTheEntryBeforeItIsReusedTwice) {
  const std::string stays = "stays";
  const std::string ahead = Name(stays, true), elsewhere = Name(stays, false);
  Create(stays);
  Create(ahead);  // at the head of the chain: every lookup of `stays` passes it
  const name_key key(stays);
  ASSERT_EQ(view_.find(key).result, lookup_result::found);
  long steps = 0;
  Lookup(
      key, -1, [] {}, -1, [] {}, &steps);
  int swapped = 0;
  for (int i = 0; i < kPlaces; ++i) {
    for (int j = i + 1; j <= kPlaces; ++j) {
      // First the entry moves to a chain that ends right behind it, then it comes back: the
      // bucket's head is what it was.
      const auto away = [&] {
        Remove(ahead);
        Create(elsewhere);
        ++swapped;
      };
      const auto back = [&] {
        Remove(elsewhere);
        Create(ahead);
        --swapped;
      };
      const lookup_result result =
          Lookup(key, steps * i / kPlaces, away, steps * j / kPlaces - 1, back);
      ASSERT_TRUE(result == lookup_result::found || result == lookup_result::unsettled)
          << "changed at " << steps * i / kPlaces << " and " << steps * j / kPlaces - 1 << " of "
          << steps;
      // A lookup that took another path may have ended before the second change.
      if (swapped != 0) back();
    }
  }
}

TEST_F(InterleavedLookupTest, WhatIsFoundIsOneEntryAndNotHalfOfAnother) {
  // Removed and created again in the same entry, with its memory elsewhere.
  const std::string moves = "moves";
  const std::string other = Name(moves, false);
  const name_key key(moves);
  Create(moves);
  Create(other);  // behind it in the heap: what does not fit into the hole goes elsewhere
  long steps = 0;
  Lookup(
      key, -1, [] {}, -1, [] {}, &steps);
  int moved = 0;
  for (int i = 0; i < 4 * kPlaces; ++i) {
    const located before = view_.find(key);
    const auto change = [&] {
      Remove(moves);
      ASSERT_TRUE(
          create_structure(mem_, moves, kRaw, moved % 2 == 0 ? 1024 : 64, 64, [](void*) {}).ok());
      ++moved;
    };
    const lookup_result result = Lookup(key, steps * i / (4 * kPlaces), change, -1, [] {});
    const located after = view_.find(key);
    // The removal and the creation are two steps: missing is right too.
    if (result != lookup_result::found) {
      ASSERT_EQ(result, lookup_result::missing);
      continue;
    }
    const uint64_t offset = answer_[1].load();
    const uint64_t state = answer_[2].load();
    ASSERT_EQ(offset, state == before.state ? before.offset : after.offset) << "changed at " << i;
    ASSERT_TRUE(state == before.state || state == after.state);
  }
  EXPECT_GT(moved, 2 * kPlaces) << "most changes must fall into the lookup";
}

TEST_F(InterleavedLookupTest, WhatIsOpenedIsHeld) {
  // Removed while it is being opened, with its memory given to another at once, if nobody holds it.
  const auto create = [&](const std::string& name, uint64_t id) {
    ASSERT_TRUE(create_structure(mem_, name, kRaw, 64, 64, [&](void* p) {
                  *static_cast<uint64_t*>(p) = id;
                }).ok());
  };
  bool changed = false;
  const auto change = [&] {
    Remove("x");
    create("y", 2);
    changed = true;
  };
  const auto open = [&](long at) {
    changed = false;
    return zeroipc::testing::interleave(
        [&] {
          const absl::StatusOr<structure> s = open_structure(mem_, "x", kRaw);
          answer_[0].store(s.ok()                         ? *static_cast<const uint64_t*>(s->data())
                           : absl::IsNotFound(s.status()) ? 0
                                                          : 99);
          answer_[1].store(view_.head().removed.load());
        },
        [&](long step) {
          if (step == at) change();
        },
        [&] { mem_.attachment()->self->self(); });
  };
  create("x", 1);
  const long steps = open(-1).steps;
  ASSERT_EQ(answer_[0], 1u);
  Remove("x");
  int held = 0, missing = 0;
  for (int i = 0; i < 4 * kPlaces; ++i) {  // a count: sanitizers make many steps of one
    const long at = steps * i / (4 * kPlaces);
    create("x", 1);
    ASSERT_FALSE(open(at).broken);
    ASSERT_LE(answer_[0], 1u) << "opened at " << at << " of " << steps
                              << ", and it is something else";
    ++(answer_[0] == 1 ? held : missing);
    if (answer_[0] == 0) {
      EXPECT_EQ(answer_[1], 0u) << "what was not opened is kept";
    }
    // One that took another path may have ended before the change.
    if (!changed) change();
    Remove("y");
  }
  EXPECT_GT(held, 0);
  EXPECT_GT(missing, 0);
}

}  // namespace
}  // namespace zeroipc::internal
