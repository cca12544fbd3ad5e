// A segment whose control plane was scribbled on gives errors: no crash, no endless loop, no access
// outside of it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "zeroipc/heap/control_plane.h"
#include "zeroipc/heap/heap.h"
#include "zeroipc/name_table/audit.h"
#include "zeroipc/name_table/lookup.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc::internal {
namespace {

const structure_type kRaw = {.what = kind::raw};

class HostileTableTest : public testing::Test {
 protected:
  HostileTableTest() : mem_(*memory::create_anonymous(1 << 20, {.max_names = 32})), view_(a()) {
    for (int i = 0; i < 24; ++i) EXPECT_TRUE(Create("n" + std::to_string(i)).ok());
    for (int i = 0; i < 24; i += 3) remove(mem_, "n" + std::to_string(i)).IgnoreError();
  }
  const attachment& a() { return *mem_.attachment(); }
  absl::Status Create(const std::string& name) {
    return create_structure(mem_, name, kRaw, 200, 64, [](void* p) { std::memset(p, 1, 200); })
        .status();
  }
  absl::Status Open(const std::string& name) {
    absl::StatusOr<structure> s = open_structure(mem_, name, kRaw);
    // Whatever an open answers with lies in the heap.
    if (s.ok()) std::memset(s->data(), 2, s->bytes());
    return s.status();
  }
  bool AuditIsClean() {
    absl::StatusOr<audit_report> report = audit(mem_);
    return report.ok() && report->status.ok();
  }
  uint32_t IndexOf(const std::string& name) { return view_.find(name_key(name)).index; }

  memory mem_;
  name_view view_;
};

TEST_F(HostileTableTest, AChainThatLeadsOutOfTheTable) {
  const name_key key("n1");
  for (const uint64_t head : {uint64_t{33}, uint64_t{1} << 31, uint64_t{0xffff'ffff}}) {
    view_.bucket(view_.bucket_of(key.hash)).store(head);
    EXPECT_TRUE(absl::IsDataLoss(Open("n1")));
    EXPECT_TRUE(absl::IsDataLoss(find(mem_, "n1").status()));
    EXPECT_TRUE(absl::IsDataLoss(remove(mem_, "n1")));
    EXPECT_TRUE(absl::IsDataLoss(Create("n1")));
    EXPECT_FALSE(AuditIsClean());
  }
}

TEST_F(HostileTableTest, AnotherNameOfTheSameHash) {
  view_.entry(IndexOf("n1")).name[0].store(name_key("x1").text[0]);
  EXPECT_TRUE(absl::IsNotFound(Open("n1")));
}

TEST_F(HostileTableTest, AChainThatDoesNotEnd) {
  const uint32_t i = IndexOf("n1");
  view_.entry(i).next.store(i + 1);
  // A name that is not there, in the same bucket.
  std::string other;
  for (int k = 0; other.empty(); ++k) {
    const std::string name = "other" + std::to_string(k);
    if (view_.bucket_of(name_key(name).hash) == view_.bucket_of(name_key("n1").hash)) other = name;
  }
  EXPECT_TRUE(absl::IsDataLoss(Open(other)));
  EXPECT_TRUE(absl::IsDataLoss(Create(other)));
  EXPECT_FALSE(AuditIsClean());
}

TEST_F(HostileTableTest, AnEntryThatPointsOutOfTheHeap) {
  name_entry& e = view_.entry(IndexOf("n1"));
  const uint64_t good = e.place.load();
  for (const uint64_t place : {uint64_t{0}, good + 1, a().geometry.size, ~uint64_t{63}}) {
    e.place.store(place);
    EXPECT_TRUE(absl::IsDataLoss(Open("n1"))) << place;
    EXPECT_FALSE(AuditIsClean());
  }
  e.place.store(good);
  e.bytes.store(~uint64_t{0});
  EXPECT_TRUE(absl::IsDataLoss(Open("n1")));
  e.bytes.store(200);
  EXPECT_TRUE(Open("n1").ok());
  EXPECT_TRUE(AuditIsClean());
}

TEST_F(HostileTableTest, ALinkOfRemovedEntriesThatLeadsOutOfTheTable) {
  const uint32_t i = IndexOf("n1");
  absl::StatusOr<structure> held = open_structure(mem_, "n1", kRaw);
  ASSERT_TRUE(remove(mem_, "n1").ok());
  const uint64_t good = view_.entry(i).removed_links.load();
  for (const uint64_t links : {uint64_t{0x7fff'ffff}, uint64_t{0x7fff'ffff} << 32}) {
    view_.entry(i).removed_links.store(links);
    EXPECT_FALSE(AuditIsClean());
    // The last hold goes, and with it the entry, if it can be taken out of the list.
    held = absl::UnknownError("closed");
    EXPECT_FALSE(AuditIsClean());
  }
  view_.entry(i).removed_links.store(good);
  EXPECT_TRUE(AuditIsClean()) << "nothing was lost";
}

TEST_F(HostileTableTest, ALockThatNobodyReleases) {
  // The owner word names a participant that lives and does not hold it: ourselves.
  const int64_t patience = control_patience().exchange(50'000'000);
  control_block& block = control_of(a());
  block.lock.owner.store(a().self->self().bits());
  const absl::Status status = Create("x");
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_NE(status.message().find(std::to_string(::getpid())), status.message().npos) << status;
  EXPECT_TRUE(Open("n1").ok()) << "opening takes no lock";
  block.lock.owner.store(0);
  control_patience().store(patience);
  EXPECT_TRUE(Create("x").ok());
}

TEST_F(HostileTableTest, AnyWordsAtAll) {
  const segment_geometry& g = a().geometry;
  std::vector<std::byte> clean(g.size);
  std::memcpy(clean.data(), a().base, clean.size());
  const int64_t patience = control_patience().exchange(1'000'000);
  std::mt19937_64 random(11);
  int noticed = 0;
  constexpr int kRounds = 800;
  for (int round = 0; round < kRounds; ++round) {
    const int scribbles = 1 + static_cast<int>(random() % 4);
    for (int i = 0; i < scribbles; ++i) {
      const struct {
        uint64_t begin, bytes;
      } regions[] = {{g.control_offset, 512},
                     {g.control_offset + offsetof(control_block, heap), sizeof(heap_block)},
                     {g.control_offset + offsetof(control_block, names), 128},
                     {g.buckets_offset, 32 * kBucketBytes},
                     {g.names_offset, 32 * kNameEntryBytes},
                     {g.heap_offset, 24 * 320}};
      const auto& r = regions[random() % 6];
      const uint64_t values[] = {random(),          random() % 64,
                                 random() % g.size, 0,
                                 ~uint64_t{0},      journal_block::kCommitted | random() % 10};
      reinterpret_cast<shared_word*>(a().base + r.begin)[random() % (r.bytes / 8)].store(
          values[random() % 6]);
    }
    for (int i = 0; i < 6; ++i) {
      const std::string name = "n" + std::to_string(random() % 30);
      switch (random() % 4) {
        case 0:
          Create(name).IgnoreError();
          break;
        case 1:
          remove(mem_, name).IgnoreError();
          break;
        case 2:
          Open(name).IgnoreError();
          break;
        default:
          find(mem_, name).status().IgnoreError();
      }
    }
    list(mem_, true);
    stats(mem_);
    if (!AuditIsClean()) ++noticed;
    std::memcpy(a().base + g.control_offset, &clean[g.control_offset],
                clean.size() - g.control_offset);
  }
  control_patience().store(patience);
  EXPECT_GT(noticed, kRounds / 2);
  EXPECT_TRUE(AuditIsClean()) << "the test itself restores what it scribbles on";
}

}  // namespace
}  // namespace zeroipc::internal
