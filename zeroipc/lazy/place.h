// A lazy value in a segment, and its algorithm: what all copies of a handle and its provider's thread share.
#ifndef ZEROIPC_LAZY_PLACE_H_
#define ZEROIPC_LAZY_PLACE_H_

#include <memory>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "zeroipc/lazy/core.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/name_table/name_table.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::internal {

template <typename T>
struct lazy_place {
  using core_type = lazy_core<hardware, participant, T>;

  structure held;
  core_type core;

  static absl::StatusOr<std::shared_ptr<lazy_place>> find(const memory& mem, std::string_view name,
                                                          open_mode mode) {
    auto opened = open_laid_out(
        mem, name, mode, structure_type::of<T>(kind::lazy), {},
        [](geometry_builder& g) {
          g.header(sizeof(lazy_header<hardware>));
          g.part(kLazyBuffers, core_type::kStride, alignof(T));
        },
        [](void*, const structure_geometry&) {});
    if (!opened.ok()) return opened.status();
    auto place = std::make_shared<lazy_place>();
    place->held = std::move(opened->held);
    void* data = place->held.data();
    place->core.bind(place->held.env(), *static_cast<lazy_header<hardware>*>(data),
                     item_of(data, opened->geometry, 0, 0));
    return place;
  }
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_LAZY_PLACE_H_
