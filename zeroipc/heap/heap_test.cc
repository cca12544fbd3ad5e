#include "zeroipc/heap/heap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "zeroipc/heap/backing.h"

namespace zeroipc::internal {
namespace {

class HeapTest : public testing::Test {
 protected:
  explicit HeapTest(size_t size = 4 << 20, bool reserve = true)
      : mem_(*memory::create_anonymous(size, {.max_names = 64, .reserve = reserve})),
        a_(*mem_.attachment()) {}

  absl::StatusOr<uint64_t> Allocate(uint64_t bytes, uint64_t align = 64) {
    absl::StatusOr<control_session> session = control_session::enter(a_);
    transaction tx(a_.base, a_.geometry);
    absl::StatusOr<uint64_t> offset = heap(a_).allocate(tx, bytes, align);
    if (!offset.ok()) return offset;
    absl::Status status = tx.commit();
    if (!status.ok()) return status;
    return offset;
  }
  absl::Status Free(uint64_t offset) {
    absl::StatusOr<control_session> session = control_session::enter(a_);
    transaction tx(a_.base, a_.geometry);
    absl::Status status = heap(a_).free(tx, offset);
    return status.ok() ? tx.commit() : status;
  }
  absl::Status Check() {
    absl::StatusOr<control_session> session = control_session::enter(a_);
    return heap(a_).walk([](const heap::block_view&) {});
  }
  bool IsZero(uint64_t offset, uint64_t bytes) {
    for (uint64_t i = 0; i < bytes; ++i) {
      if (a_.base[offset + i] != std::byte{0}) return false;
    }
    return true;
  }
  void Scribble(uint64_t offset, uint64_t bytes) { std::memset(a_.base + offset, 0xa5, bytes); }
  uint64_t Capacity() { return stats(mem_).largest; }

  memory mem_;
  attachment& a_;
};

TEST_F(HeapTest, FreshHeapIsOnePiece) {
  const heap_stats s = stats(mem_);
  EXPECT_EQ(s.used, 0u);
  EXPECT_EQ(s.free, s.total);
  EXPECT_EQ(s.total, a_.geometry.heap_bytes());
  EXPECT_EQ(s.largest, s.total - 64);
  EXPECT_TRUE(Check().ok());
}

TEST_F(HeapTest, EveryAlignmentUpToAPage) {
  for (const uint64_t align : {0, 1, 2, 8, 64, 128, 256, 512, 1024, 2048, 4096}) {
    for (const uint64_t bytes : {1, 63, 64, 65, 1000, 5000}) {
      const absl::StatusOr<uint64_t> offset = Allocate(bytes, align);
      ASSERT_TRUE(offset.ok()) << offset.status();
      EXPECT_EQ(*offset % std::max<uint64_t>(align, 64), 0u);
      EXPECT_TRUE(Check().ok()) << Check();
    }
  }
  EXPECT_TRUE(absl::IsInvalidArgument(Allocate(1, 8192).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Allocate(1, 96).status()));
}

TEST_F(HeapTest, SizeZeroHasAPlaceOfItsOwn) {
  const uint64_t a = *Allocate(0), b = *Allocate(0), c = *Allocate(1);
  EXPECT_NE(a, b);
  EXPECT_NE(b, c);
  for (const uint64_t offset : {b, a, c}) EXPECT_TRUE(Free(offset).ok());
  EXPECT_EQ(stats(mem_).used, 0u);
}

TEST_F(HeapTest, TooLargeSaysWhatIsThere) {
  for (const uint64_t bytes :
       {Capacity() + 1, uint64_t{1} << 40, ~uint64_t{0}, ~uint64_t{0} - 63}) {
    const absl::Status status = Allocate(bytes).status();
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
    EXPECT_NE(status.message().find(std::to_string(bytes)), status.message().npos);
    EXPECT_NE(status.message().find(std::to_string(stats(mem_).free)), status.message().npos);
  }
  const absl::StatusOr<uint64_t> all = Allocate(Capacity());
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(stats(mem_).free, 0u);
  EXPECT_TRUE(absl::IsResourceExhausted(Allocate(0).status()));
  EXPECT_TRUE(Free(*all).ok());
  EXPECT_EQ(stats(mem_).used, 0u);
}

TEST_F(HeapTest, FreeingInAnyOrderAfterExhaustionRestoresEverything) {
  std::mt19937 random(1);
  for (int round = 0; round < 6; ++round) {
    std::vector<uint64_t> all;
    for (;;) {
      const absl::StatusOr<uint64_t> offset = Allocate(random() % 40'000, 64u << (random() % 7));
      if (!offset.ok()) break;
      all.push_back(*offset);
    }
    ASSERT_GT(all.size(), 50u);
    std::shuffle(all.begin(), all.end(), random);
    for (const uint64_t offset : all) ASSERT_TRUE(Free(offset).ok());
    ASSERT_TRUE(Check().ok()) << Check();
    const heap_stats s = stats(mem_);
    ASSERT_EQ(s.used, 0u);
    ASSERT_EQ(s.used_blocks + s.free_blocks, 0u);
    ASSERT_EQ(s.largest, s.total - 64);
  }
}

TEST_F(HeapTest, ExactFitIsFoundInItsOwnSizeClass) {
  // Rounding the request up to the next class would miss a free block of just the right size.
  const uint64_t bytes = 100'000;
  const uint64_t first = *Allocate(bytes);
  const uint64_t fence = *Allocate(1);
  ASSERT_TRUE(Allocate(Capacity()).ok());
  ASSERT_TRUE(Free(first).ok());
  const absl::StatusOr<uint64_t> again = Allocate(bytes);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, first);
  EXPECT_NE(fence, first);
}

TEST_F(HeapTest, ARandomHistoryMatchesAModel) {
  std::mt19937 random(7);
  std::map<uint64_t, uint64_t> model;  // offset -> bytes
  for (int i = 0; i < 4000; ++i) {
    if (random() % 100 < 55) {
      const uint64_t bytes = random() % 50 == 0 ? random() % 600'000 : random() % 4000;
      const uint64_t align = 64u << (random() % 4 == 0 ? random() % 7 : 0);
      const absl::StatusOr<uint64_t> offset = Allocate(bytes, align);
      if (!offset.ok()) {
        ASSERT_TRUE(absl::IsResourceExhausted(offset.status())) << offset.status();
      } else {
        auto after = model.lower_bound(*offset);
        if (after != model.end()) {
          ASSERT_LE(*offset + bytes, after->first);
        }
        if (after != model.begin()) {
          const auto before = std::prev(after);
          ASSERT_LE(before->first + before->second, *offset);
        }
        ASSERT_LE(*offset + bytes, a_.geometry.size);
        ASSERT_TRUE(IsZero(*offset, bytes)) << "recycled memory must arrive zeroed";
        Scribble(*offset, bytes);
        model[*offset] = bytes;
      }
    } else if (!model.empty()) {
      auto it = std::next(model.begin(), static_cast<long>(random() % model.size()));
      for (uint64_t k = 0; k < it->second; k += 97) {
        ASSERT_EQ(a_.base[it->first + k], std::byte{0xa5}) << "somebody else wrote here";
      }
      ASSERT_TRUE(Free(it->first).ok());
      model.erase(it);
    }
    if (i % 16 == 0) {
      ASSERT_TRUE(Check().ok()) << Check();
    }
    ASSERT_EQ(stats(mem_).used_blocks, model.size());
  }
  for (const auto& [offset, bytes] : model) ASSERT_TRUE(Free(offset).ok());
  EXPECT_EQ(stats(mem_).used, 0u);
}

TEST_F(HeapTest, AnEndBeyondTheSegmentIsFound) {
  ASSERT_TRUE(Allocate(Capacity()).ok());
  ASSERT_TRUE(Check().ok());
  shared_word& top = control_of(a_).heap.top;
  top.store(top.load() + 1);
  EXPECT_NE(Check().message().find("beyond the segment"), std::string_view::npos) << Check();
}

TEST_F(HeapTest, AFreeBlockWithNothingBehindItIsFound) {
  const uint64_t first = *Allocate(1000), second = *Allocate(1000);
  ASSERT_TRUE(Free(first).ok());
  control_of(a_).heap.top.store((second - a_.geometry.heap_offset) / heap::kUnit - 1);
  EXPECT_TRUE(absl::IsDataLoss(Allocate(1000).status()));
}

TEST_F(HeapTest, AnOperationThatIsRolledBackLeavesNoTrace) {
  // Every word of the heap's head and of every block's header is as it was, but for what pages are
  // known to hold.
  std::mt19937 random(17);
  std::vector<uint64_t> live;
  const auto words = [&] {
    std::vector<uint64_t> all;
    const heap_block& head = control_of(a_).heap;
    for (const shared_word* w :
         {&head.top, &head.last_units, &head.free_units, &head.blocks, &head.first_level}) {
      all.push_back(w->load());
    }
    for (const shared_word& w : head.second_level) all.push_back(w.load());
    for (const auto& row : head.lists) {
      for (const shared_word& w : row) all.push_back(w.load());
    }
    absl::StatusOr<control_session> session = control_session::enter(a_);
    EXPECT_TRUE(heap(a_)
                    .walk([&](const heap::block_view& b) {
                      const auto& h =
                          *reinterpret_cast<block_header*>(a_.base + b.payload(a_.geometry) - 64);
                      all.push_back(h.tag.load());
                      all.push_back(h.prev_units.load());
                      if (!b.free) return;
                      all.push_back(h.next_free.load());
                      all.push_back(h.prev_free.load());
                    })
                    .ok());
    return all;
  };
  for (int i = 0; i < 3000; ++i) {
    const bool allocating = live.empty() || random() % 100 < (live.size() < 150 ? 70 : 30);
    const uint64_t bytes = random() % 20 == 0 ? random() % 300'000 : random() % 3000;
    const uint64_t align = 64u << (random() % 3 == 0 ? random() % 7 : 0);
    const size_t victim = live.empty() ? 0 : random() % live.size();
    const std::vector<uint64_t> before = words();
    {
      absl::StatusOr<control_session> session = control_session::enter(a_);
      transaction tx(a_.base, a_.geometry);
      heap h(a_);
      if (allocating) {
        h.allocate(tx, bytes, align).IgnoreError();
      } else {
        ASSERT_TRUE(h.free(tx, live[victim]).ok());
      }
    }
    ASSERT_EQ(words(), before) << "operation " << i << (allocating ? ": allocate" : ": free");
    if (allocating) {
      const absl::StatusOr<uint64_t> offset = Allocate(bytes, align);
      if (offset.ok()) live.push_back(*offset);
    } else {
      ASSERT_TRUE(Free(live[victim]).ok());
      live.erase(live.begin() + static_cast<long>(victim));
    }
  }
}

TEST_F(HeapTest, AllocationTakenBackLeavesZeroes) {
  // The initializer of a creation that fails has written to memory above the high-water mark.
  uint64_t offset;
  {
    absl::StatusOr<control_session> session = control_session::enter(a_);
    transaction tx(a_.base, a_.geometry);
    offset = *heap(a_).allocate(tx, 10'000, 64);
    Scribble(offset, 10'000);
  }
  EXPECT_EQ(stats(mem_).used, 0u);
  EXPECT_EQ(*Allocate(10'000), offset);
  EXPECT_TRUE(IsZero(offset, 10'000));
}

TEST_F(HeapTest, DoubleAndForeignFreesAreRefused) {
  const uint64_t a = *Allocate(1000), b = *Allocate(1000);
  ASSERT_TRUE(Free(a).ok());
  for (const uint64_t offset :
       {a, b + 64, b + 1, uint64_t{0}, a_.geometry.size, ~uint64_t{0}, a_.geometry.heap_offset}) {
    EXPECT_TRUE(absl::IsDataLoss(Free(offset))) << offset;
  }
  EXPECT_TRUE(Check().ok()) << Check();
  EXPECT_TRUE(Free(b).ok());
}

TEST_F(HeapTest, ScribbledWordsGiveErrorsAndNeverLeaveTheSegment) {
  std::mt19937_64 random(3);
  std::vector<std::byte> clean(a_.geometry.size);
  std::vector<uint64_t> used;
  for (int i = 0; i < 60; ++i) used.push_back(*Allocate(random() % 20'000));
  for (int i = 0; i < 60; i += 2) ASSERT_TRUE(Free(used[i]).ok());
  std::memcpy(clean.data(), a_.base, clean.size());
  auto* heap_words = reinterpret_cast<shared_word*>(&control_of(a_).heap);
  int noticed = 0;
  for (int round = 0; round < 1500; ++round) {
    const int scribbles = 1 + static_cast<int>(random() % 3);
    for (int i = 0; i < scribbles; ++i) {
      const uint64_t values[] = {random(), random() % 100'000, 0, ~uint64_t{0},
                                 uint64_t{1} << 32 | 5};
      const uint64_t value = values[random() % 5];
      if (random() % 2 == 0) {
        heap_words[random() % (sizeof(heap_block) / 8)].store(value);
      } else {
        // A header: of a block in use, or of what may be one.
        const uint64_t header = used[random() % used.size()] - 64;
        reinterpret_cast<shared_word*>(a_.base + header)[random() % 4].store(value);
      }
    }
    for (int i = 0; i < 10; ++i) {
      if (random() % 2 == 0) {
        const absl::StatusOr<uint64_t> offset = Allocate(random() % 5000, 64u << (random() % 7));
        if (offset.ok()) {
          ASSERT_LE(*offset, a_.geometry.size - 64);
        }
      } else {
        Free(used[random() % used.size()]).IgnoreError();
      }
    }
    noticed += Check().ok() ? 0 : 1;
    std::memcpy(a_.base + a_.geometry.control_offset, &clean[a_.geometry.control_offset],
                clean.size() - a_.geometry.control_offset);
  }
  EXPECT_GT(noticed, 1000);
}

class LargeHeapTest : public HeapTest {
 protected:
  LargeHeapTest() : HeapTest(size_t{1} << 30) {}
};

TEST_F(LargeHeapTest, AFreshGibibyteIsSparse) {
  EXPECT_LT(mem_.resident_bytes(), size_t{1} << 20);
  ASSERT_TRUE(Allocate(100).ok());
  EXPECT_LT(mem_.resident_bytes(), size_t{1} << 20);
}

TEST_F(LargeHeapTest, LargeBlocksGiveTheirPagesBackAndComeZeroedAgain) {
  constexpr uint64_t kBytes = 64 << 20;
  const size_t before = mem_.resident_bytes();
  const uint64_t a = *Allocate(kBytes);
  const uint64_t fence = *Allocate(100);
  EXPECT_GE(mem_.resident_bytes(), kBytes) << "reserved when allocated";
  Scribble(a, kBytes);
  ASSERT_TRUE(Free(a).ok());
  EXPECT_LT(mem_.resident_bytes(), before + (4 << 20));
  // A small piece of the hole is backed again before it is handed out.
  const uint64_t small = *Allocate(300'000);
  EXPECT_EQ(small, a);
  EXPECT_TRUE(IsZero(small, 300'000));
  const size_t with_small = mem_.resident_bytes();
  EXPECT_GE(with_small, before + 300'000);
  Scribble(small, 300'000);
  ASSERT_TRUE(Free(small).ok());
  const uint64_t again = *Allocate(kBytes);
  EXPECT_EQ(again, a);
  EXPECT_GE(mem_.resident_bytes(), kBytes);
  EXPECT_TRUE(IsZero(again, kBytes));
  Scribble(again, kBytes);
  // Freed at the end of the blocks, the memory becomes wilderness.
  ASSERT_TRUE(Free(fence).ok());
  ASSERT_TRUE(Free(again).ok());
  EXPECT_EQ(stats(mem_).used, 0u);
  const uint64_t third = *Allocate(kBytes);
  EXPECT_TRUE(IsZero(third, kBytes));
  EXPECT_TRUE(Check().ok()) << Check();
}

TEST_F(LargeHeapTest, WithoutReservePagesComeWhenTouched) {
  memory mem = *memory::create_anonymous(size_t{1} << 30, {.reserve = false});
  const attachment& a = *mem.attachment();
  absl::StatusOr<control_session> session = control_session::enter(a);
  transaction tx(a.base, a.geometry);
  ASSERT_TRUE(heap(a).allocate(tx, 500 << 20, 64).ok());
  ASSERT_TRUE(tx.commit().ok());
  EXPECT_LT(mem.resident_bytes(), size_t{1} << 20);
}

}  // namespace
}  // namespace zeroipc::internal
