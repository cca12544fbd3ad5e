// How zeroipc::map and zeroipc::set are created and opened.
#ifndef ZEROIPC_MAP_OPEN_H_
#define ZEROIPC_MAP_OPEN_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "zeroipc/base/atomics.h"
#include "zeroipc/map/layout.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::internal {

template <typename Core>
struct map_state {
  structure held;
  Core core;
};

template <typename Core>
absl::StatusOr<std::shared_ptr<map_state<Core>>> open_map(const memory& mem, std::string_view name,
                                                          open_mode mode,
                                                          const structure_type& type,
                                                          uint64_t capacity) {
  using stripe = map_stripe<hardware>;
  using bucket = map_bucket<hardware>;
  const auto stripes_at = [](void* data, const structure_geometry& g) {
    return reinterpret_cast<stripe*>(item_of(data, g, 0, 0));
  };
  const auto buckets_at = [](void* data, const structure_geometry& g) {
    return reinterpret_cast<bucket*>(item_of(data, g, 1, 0));
  };
  auto opened = open_laid_out(
      mem, name, mode, type, {.capacity = capacity, .max_capacity = kMaxMapCapacity},
      [&](geometry_builder& g) {
        const uint64_t n = map_buckets(g.capacity());
        g.header(sizeof(map_header<hardware>));
        g.part(map_stripes(n), sizeof(stripe), alignof(stripe));
        g.part(n, sizeof(bucket), alignof(bucket));
        g.part(n * kBucketSlots + map_stripes(n), Core::kStride, type.element_align);
      },
      [&](void* data, const structure_geometry& g) {
        Core::initialize(stripes_at(data, g), buckets_at(data, g), map_buckets(g.capacity));
      });
  if (!opened.ok()) return opened.status();
  auto s = std::make_shared<map_state<Core>>();
  s->held = std::move(opened->held);
  void* data = s->held.data();
  const structure_geometry& g = opened->geometry;
  s->core.bind(s->held.env(), *static_cast<map_header<hardware>*>(data), stripes_at(data, g),
               buckets_at(data, g), item_of(data, g, 2, 0), g.capacity, map_buckets(g.capacity));
  return s;
}

}  // namespace zeroipc::internal

#endif  // ZEROIPC_MAP_OPEN_H_
