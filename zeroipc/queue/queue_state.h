// A handle's private side: the hold on the structure, and the algorithms bound to it.
#ifndef ZEROIPC_QUEUE_QUEUE_STATE_H_
#define ZEROIPC_QUEUE_QUEUE_STATE_H_

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "zeroipc/base/atomics.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/name_table/name_table.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/queue/core.h"
#include "zeroipc/queue/layout.h"
#include "zeroipc/queue/policy.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {

struct queue_options {
  // Items that may be under lease at once; each takes an entry the size of an element. 0: as many as there are slots, but
  // at most 256, and fewer (16 at least) where that would take more than 1 MiB.
  uint32_t max_leases = 0;
};

namespace internal {

struct opened_queue {
  structure held;
  queue_geometry geometry;
};

// Creates or opens the structure and checks its geometry. `capacity` is ignored by open_mode::open.
absl::StatusOr<opened_queue> open_queue(const memory& mem, std::string_view name,
                                        const structure_type& type, const queue_element& element,
                                        open_mode mode, uint64_t capacity,
                                        const queue_options& options);

template <typename T, typename Policy>
struct queue_state {
  explicit queue_state(opened_queue opened) : held(std::move(opened.held)) {
    core.bind(held.env(), static_cast<std::byte*>(held.data()), opened.geometry, held.id());
  }
  // Without effect in a forked child: the roles are its parent's.
  ~queue_state() {
    core.give_up_producer();
    core.give_up_consumer();
  }
  queue_state(const queue_state&) = delete;
  queue_state& operator=(const queue_state&) = delete;

  structure held;
  queue_core<hardware, participant, T, Policy> core;
};

template <typename T, typename Policy>
absl::StatusOr<std::shared_ptr<queue_state<T, Policy>>> open_queue_state(
    const memory& mem, std::string_view name, open_mode mode, uint64_t capacity,
    const queue_options& options) {
  constexpr queue_element kElement = {sizeof(T), alignof(T), Policy::variant,
                                      !Policy::multi_producer && !Policy::multi_consumer};
  absl::StatusOr<opened_queue> opened =
      open_queue(mem, name, structure_type::of<T>(kind::queue, Policy::variant, Policy::name),
                 kElement, mode, capacity, options);
  if (!opened.ok()) return opened.status();
  return std::make_shared<queue_state<T, Policy>>(*std::move(opened));
}

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_QUEUE_QUEUE_STATE_H_
