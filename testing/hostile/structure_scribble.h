// Scribbles over a structure while three processes work on it: the whole of a structure's scribble test but for its operations.
//
//   ring<item> first(mem, "victim", 7);
//   scribble_structure(mem, {.what = kind::ring, .header = sizeof(ring_header<hardware>), ...},
//                      [&](std::mt19937_64& random) { ...one operation on a handle, with a deadline... });
#ifndef ZEROIPC_TESTING_HOSTILE_STRUCTURE_SCRIBBLE_H_
#define ZEROIPC_TESTING_HOSTILE_STRUCTURE_SCRIBBLE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "testing/evidence/evidence.h"
#include "testing/hostile/scribbler.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/participant/owner_tag.h"
#include "zeroipc/wait/robust_lock.h"

namespace zeroipc::testing {

struct structure_scribble {
  structure_type type;
  size_t header = 0;                 // bytes; what follows, if anything, is scribbled over as often
  std::vector<uint64_t> known = {};  // values that mean something there, owner tags apart
  // Its locks, in the structure's memory: one that names somebody alive who does not hold it can only be waited for.
  std::function<std::vector<internal::robust_lock<hardware>*>(std::byte*)> locks = {};
};

// The structure is named "victim". Its geometry, which handles have checked and copied, is left alone.
inline void scribble_structure(const memory& mem, const structure_scribble& how,
                               const std::function<void(std::mt19937_64&)>& operate) {
  auto held = internal::open_structure(mem, "victim", how.type);
  ASSERT_TRUE(held.ok()) << held.status();
  auto* const bytes = static_cast<std::byte*>(held->data());
  scribbled_work work(3, [&](int me, scribbled_work& w) {
    std::mt19937_64 random(static_cast<uint64_t>(me));
    w.ready(me);
    while (w.next()) operate(random);
  });
  constexpr size_t kGeometry = sizeof(internal::structure_geometry);
  scribble_plan plan = {
      .seed = 1, .regions = {{bytes + kGeometry, how.header - kGeometry}}, .known = how.known};
  if (held->bytes() >= how.header + 8) {
    plan.regions.push_back({bytes + how.header, (held->bytes() - how.header) / 8 * 8});
  }
  for (uint32_t slot = 0; slot < 5; ++slot) {
    const uint64_t tag = owner_tag(slot, 1).bits();
    plan.known.push_back(tag << 32 | tag);
    plan.known.push_back(tag << 32 | 1);
  }
  if (how.locks) {
    for (internal::robust_lock<hardware>* lock : how.locks(bytes)) {
      plan.owners.push_back(&lock->owner);
      plan.wake.push_back(&lock->released);
    }
  }
  work.scribble_for(
      quick_or_full<std::chrono::nanoseconds>(std::chrono::seconds(1), std::chrono::seconds(60)),
      plan);
  EXPECT_TRUE(work.finish());
  evidence(kind_name(how.type.what), instrument::scribbler)
      .figure("rounds", work.rounds())
      .figure("words overwritten", work.words())
      .figure("operations", work.operations());
}

}  // namespace zeroipc::testing

#endif  // ZEROIPC_TESTING_HOSTILE_STRUCTURE_SCRIBBLE_H_
