// Opening and creating streams, plain and derived ones.
#ifndef ZEROIPC_STREAM_OPEN_H_
#define ZEROIPC_STREAM_OPEN_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "zeroipc/base/atomics.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/segment/segment.h"
#include "zeroipc/stream/core.h"
#include "zeroipc/stream/element.h"
#include "zeroipc/stream/layout.h"
#include "zeroipc/stream/stage.h"
#include "zeroipc/stream/state.h"

namespace zeroipc::internal {

// Called with the stage of a derived stream that nobody can see yet.
using stage_initializer = absl::FunctionRef<void(stage_core<hardware, participant>&)>;

// `choices`: what it is created with. `must_match`: one that exists otherwise is an error.
template <typename T>
absl::StatusOr<std::shared_ptr<stream_body<T>>> open_stream(
    const memory& mem, std::string_view name, open_mode mode, uint64_t capacity,
    const stream_choices& choices, bool must_match, stage_initializer init) {
  using header = stream_header<hardware>;
  using cursor = stream_cursor<hardware>;
  using element = stream_element<T>;
  const auto stride = [](const stream_choices& c) {
    return stream_stride(element::bytes(c.window), element::kAlign);
  };
  const auto bind_stage = [](stage_core<hardware, participant>& stage, participant& env, void* data,
                             const structure_geometry& g) {
    std::byte* const at = item_of(data, g, 2, 0);
    stage.bind(env, *reinterpret_cast<stage_header<hardware>*>(at),
               at + sizeof(stage_header<hardware>), stream_choices::unpacked(g.extra).stage - 1);
  };
  auto opened = open_laid_out(
      mem, name, mode, element::type(),
      {.capacity = capacity,
       .max_capacity = kMaxStreamCapacity,
       .extra = must_match ? choices.packed() : 0,
       .extra_name = "options (256 max_subscribers + overflow)"},
      [&](geometry_builder& g) {
        if (g.extra() == 0) g.set_extra(choices.packed());
        const stream_choices chosen = stream_choices::unpacked(g.extra());
        g.header(sizeof(header));
        g.part(chosen.cursors, sizeof(cursor), alignof(cursor));
        g.part(g.capacity() + stream_spare_slots(g.capacity()), stride(chosen), element::kAlign);
        if (chosen.stage != 0) g.part(1, stage_bytes(chosen.stage - 1), kApart);
      },
      [&](void* data, const structure_geometry& g) {
        if (stream_choices::unpacked(g.extra).stage == 0) return;
        stage_core<hardware, participant> stage;
        bind_stage(stage, *mem.attachment()->self, data, g);
        init(stage);
      });
  if (!opened.ok()) return opened.status();
  auto b = std::make_shared<stream_body<T>>();
  b->held = std::move(opened->held);
  void* const data = b->held.data();
  const structure_geometry& g = opened->geometry;
  b->choices = stream_choices::unpacked(g.extra);
  typename decltype(b->core)::log_type log;
  log.bind(*static_cast<header*>(data), item_of(data, g, 1, 0), g.capacity,
           element::bytes(b->choices.window), element::kAlign, g.strides[1]);
  b->core.bind(b->held.env(), *static_cast<header*>(data),
               reinterpret_cast<cursor*>(item_of(data, g, 0, 0)), b->choices, log);
  if (b->is_derived()) bind_stage(b->stage, b->held.env(), data, g);
  return b;
}

}  // namespace zeroipc::internal

#endif  // ZEROIPC_STREAM_OPEN_H_
