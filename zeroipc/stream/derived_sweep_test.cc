// Property: a pump killed at any instruction leaves its stage so that the next one makes of it what one that had never died would have
// made, nothing lost and nothing twice; and so does the next one, killed at any instruction of its own.
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "testing/kill_sweep/structure_sweep.h"
#include "zeroipc/stream/bare_stage.h"
#include "zeroipc/stream/operators.h"
#include "zeroipc/stream/source.h"
#include "zeroipc/stream/stream.h"

namespace zeroipc {
namespace {

using internal::participant;
using testing::bare_stage;
using testing::body_of;
using testing::moment;

using list = std::vector<int>;
using single = internal::single_feed<hardware, participant, int>;
using merged = internal::merged_feed<hardware, participant, int>;
using scan = internal::scan_operator<int, std::function<int(int, int)>>;
using flat_map = internal::flat_map_operator<std::function<list(int)>>;

constexpr int kSource = 2;

using body = std::shared_ptr<internal::stream_body<int>>;
template <size_t Index = 0>
internal::stage_source<hardware, participant, int, Index> source(const body& b) {
  return {b->core, 0};
}

// Sums, which hang on the state; one at a time, for there is no more room.
struct summing {
  static constexpr const char* kName = "sums";
  body a;
  bare_stage<int, single, scan> stage;
  explicit summing(const memory& mem)
      : a(body_of<int>(mem, "a")),
        stage(mem, kName, 1, single(source(a)),
              scan(
                  0, [](int s, int x) { return s + x; }, false)) {}
  static list expected() { return {1, 3}; }
};
// One comes to nothing, and each of the others to more than there is room for at a time.
struct in_parts {
  static constexpr const char* kName = "parts";
  body a;
  bare_stage<int, single, flat_map> stage;
  explicit in_parts(const memory& mem)
      : a(body_of<int>(mem, "a")),
        stage(mem, kName, 2, single(source(a)),
              flat_map([](int x) { return list(x == 1 ? 0 : 3, x); })) {}
  static list expected() { return {2, 2, 2}; }
};
// Two that are there and do not change are merged in turns.
struct merging {
  static constexpr const char* kName = "merged";
  body a, b;
  bare_stage<int, merged, internal::pass_operator> stage;
  explicit merging(const memory& mem)
      : a(body_of<int>(mem, "a")),
        b(body_of<int>(mem, "b")),
        stage(mem, kName, 16, merged(source<0>(a), source<1>(b)), {}) {}
  static list expected() { return {1, 10, 2, 20}; }
};
// Ends by itself.
struct taking {
  static constexpr const char* kName = "taken";
  body a;
  bare_stage<int, single, internal::take_operator> stage;
  explicit taking(const memory& mem)
      : a(body_of<int>(mem, "a")),
        stage(mem, kName, 16, single(source(a)), internal::take_operator{{2}}) {}
  static list expected() { return {1, 2}; }
};

memory room() {
  return *memory::create_anonymous(128 << 10,
                                   {.max_participants = 8, .max_threads = 16, .max_names = 8});
}

template <typename Stage>
struct rig {
  memory mem = room();
  stream<int> a{mem, "a", 8, {.max_subscribers = 4}}, b{mem, "b", 4, {.max_subscribers = 4}};
  std::optional<Stage> made;
  std::optional<stream<int>> out;

  rig() {
    for (int i = 1; i <= kSource; ++i) EXPECT_TRUE(a.emit(i));
    EXPECT_TRUE(b.emit(10) && b.emit(20));
    EXPECT_TRUE(a.close() && b.close());
    made.emplace(mem);
    out.emplace(mem, Stage::kName);
    static_cast<void>(out->subscriber("reader", stream_start::oldest()));
  }
  // Until it has ended, with a reader who takes what there is.
  void run() {
    auto reader = out->subscriber("reader");
    while (!made->stage.run()) {
      while (reader.try_next()) {
      }
    }
  }
};

template <typename Stage>
void sweep() {
  testing::structure_sweep<rig<Stage>> all(std::string("stage, ") + Stage::kName);
  all.operation("pump", [](rig<Stage>& r) { r.run(); });
  all.recoverer([](const memory& copy) {
    return [stage = std::make_shared<Stage>(copy)] { stage->stage.run(); };
  });
  all.run([](const memory& copy, const std::string&, const moment&) {
    const list expected = Stage::expected();
    stream<int> out(copy, Stage::kName);
    auto reader = out.make_subscriber("reader");
    ASSERT_TRUE(reader.ok()) << reader.status();
    // What was read before the death has been judged where it was less.
    const uint64_t from = reader->position();
    ASSERT_LE(from, expected.size());
    list rest;
    const auto read = [&] {
      while (const auto x = reader->try_next()) rest.push_back(*x);
    };
    Stage next(copy);
    for (int i = 0; !next.stage.run(); ++i) {
      ASSERT_LT(i, 20) << "it does not come to an end";
      read();
    }
    read();
    EXPECT_EQ(rest, list(expected.begin() + static_cast<std::ptrdiff_t>(from), expected.end()));
    EXPECT_EQ(reader->missed(), 0u);
    EXPECT_TRUE(out.closed());
    EXPECT_EQ(stream<int>(copy, "a").stats().subscribers, 0u) << "it still holds its source";
  });
}

TEST(DerivedSweep, AStateGoesWithWhatWasMadeOfIt) { sweep<summing>(); }
TEST(DerivedSweep, MoreThanThereIsRoomFor) { sweep<in_parts>(); }
TEST(DerivedSweep, TwoSources) { sweep<merging>(); }
TEST(DerivedSweep, AnEndOfItsOwn) { sweep<taking>(); }

}  // namespace
}  // namespace zeroipc
