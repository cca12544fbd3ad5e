// The kill sweep of a structure, but for what is its own: the operations, the verdict, and who recovers.
//
//   struct rig {                                   // made anew for each operation and each sweep
//     memory mem = small_memory();
//     mutex m{mem, "m"};
//   };
//   structure_sweep<rig> sweep("mutex");
//   sweep.operation("lock", [](rig& r) { r.m.lock(); });
//   sweep.recoverer([](const memory& copy) { return [m = mutex(copy, "m")]() mutable { m.lock(); m.unlock(); }; });
//   sweep.run([](const memory& copy, const std::string& operation, const moment& at) { ...judge the copy... });
//
// The judge is called for every state in which the victim may have died, and for every pair of those with one in which the
// recoverer may have: moment::second is -1 for the former.
#ifndef ZEROIPC_TESTING_KILL_SWEEP_STRUCTURE_SWEEP_H_
#define ZEROIPC_TESTING_KILL_SWEEP_STRUCTURE_SWEEP_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "testing/evidence/evidence.h"
#include "testing/kill_sweep/segment_sweep.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::testing {

inline memory small_memory(size_t bytes = 128 << 10) {
  return *memory::create_anonymous(bytes,
                                   {.max_participants = 8, .max_threads = 16, .max_names = 4});
}

template <typename Rig>
class structure_sweep {
 public:
#if defined(__SANITIZE_ADDRESS__)
  static constexpr long kQuickStride = 16, kQuickSecondStride = 48;
#else
  static constexpr long kQuickStride = 1, kQuickSecondStride = 3;
#endif

  explicit structure_sweep(std::string_view structure) : structure_(structure) {}

  void operation(std::string name, std::function<void(Rig&)> run) {
    operations_.emplace_back(std::move(name), std::move(run));
  }
  void recoverer(segment_sweep::make_recoverer make) { recoverers_.push_back(std::move(make)); }

  using judge =
      std::function<void(const memory& copy, const std::string& operation, const moment&)>;
  void run(const judge& verdict) const {
    uint64_t instructions = 0, states = 0, pairs = 0;
    for (const auto& [name, does] : operations_) {
      const auto judged = [&](const memory& copy, const moment& at) {
        SCOPED_TRACE(name + ", " + at.text());
        verdict(copy, name, at);
      };
      Rig rig;
      segment_sweep once(rig.mem);
      once.every_instruction([&] { does(rig); }, judged, quick_or_full(kQuickStride, 1L));
      EXPECT_GE(once.states(), 1);
      instructions += static_cast<uint64_t>(once.instructions());
      states += static_cast<uint64_t>(once.states());
      for (const segment_sweep::make_recoverer& make : recoverers_) {
        Rig again;
        segment_sweep twice(again.mem);
        twice.recoverer_too([&] { does(again); }, make, judged,
                            {.first = 0,
                             .stride = quick_or_full(2 * kQuickStride, 1L),
                             .second_stride = quick_or_full(kQuickSecondStride, 1L)});
        pairs += static_cast<uint64_t>(twice.states());
      }
      if (::testing::Test::HasFailure()) return;
    }
    evidence(structure_, instrument::kill_sweep)
        .figure("operations", operations_.size())
        .figure("instructions", instructions)
        .figure("crash states", states);
    evidence(structure_, instrument::double_kill).figure("pairs of deaths", pairs);
  }

 private:
  std::string structure_;
  std::vector<std::pair<std::string, std::function<void(Rig&)>>> operations_;
  std::vector<segment_sweep::make_recoverer> recoverers_;
};

}  // namespace zeroipc::testing

#endif  // ZEROIPC_TESTING_KILL_SWEEP_STRUCTURE_SWEEP_H_
