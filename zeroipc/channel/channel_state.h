// A handle's private side: the hold on the structure, and the algorithm bound to it, a queue's or a rendezvous's.
#ifndef ZEROIPC_CHANNEL_CHANNEL_STATE_H_
#define ZEROIPC_CHANNEL_CHANNEL_STATE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "zeroipc/base/atomics.h"
#include "zeroipc/channel/core.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/name_table/name_table.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/queue/queue_state.h"
#include "zeroipc/queue/sides.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::internal {

// One of the two.
struct opened_channel {
  std::optional<opened_queue> buffered;
  std::optional<opened_structure> rendezvous;
};

// Creates or opens the structure and checks its geometry. `capacity` is ignored by open_mode::open, which takes what it finds.
absl::StatusOr<opened_channel> open_channel(const memory& mem, std::string_view name,
                                            const structure_type& type, open_mode mode,
                                            uint64_t capacity);

template <typename T>
class channel_state {
 public:
  using rendezvous_type = rendezvous_core<hardware, participant, T>;
  using buffered_type = queue_state<T, mpmc>;
  using held_lease = typename rendezvous_type::held_lease;

  explicit channel_state(opened_channel opened) {
    if (opened.buffered) {
      buffered_ = std::make_shared<buffered_type>(*std::move(opened.buffered));
      queue_header_ = static_cast<queue_header<hardware>*>(buffered_->held.data());
      return;
    }
    held_ = std::move(opened.rendezvous->held);
    const structure_geometry& g = opened.rendezvous->geometry;
    void* const data = held_.data();
    header_ = static_cast<rendezvous_header<hardware>*>(data);
    rendezvous_.bind(held_.env(), *header_, item_of(data, g, 0, 0), g.capacity,
                     reinterpret_cast<channel_seat<hardware>*>(item_of(data, g, 1, 0)), kSeats);
  }
  channel_state(const channel_state&) = delete;
  channel_state& operator=(const channel_state&) = delete;

  // Null if it is a rendezvous.
  const std::shared_ptr<buffered_type>& buffered() const { return buffered_; }
  // Null if it is buffered.
  rendezvous_type* rendezvous() { return buffered_ ? nullptr : &rendezvous_; }
  const structure& held() const { return buffered_ ? buffered_->held : held_; }

  outcome send(const T& value, deadline until) {
    return buffered_ ? buffered_->core.push(value, until) : rendezvous_.send(value, until);
  }
  outcome receive(T& value, deadline until) {
    return buffered_ ? buffered_->core.pop(value, until) : rendezvous_.receive(value, until);
  }
  outcome lease(held_lease& h, deadline until) {
    return buffered_ ? buffered_->core.lease(h, until) : rendezvous_.lease(h, until);
  }
  const T& value(const held_lease& h) const {
    return buffered_ ? buffered_->core.value(h) : rendezvous_.value(h);
  }
  uint32_t deliveries(const held_lease& h) const {
    return buffered_ ? buffered_->core.deliveries(h) : rendezvous_.deliveries(h);
  }
  outcome ack(held_lease& h) { return buffered_ ? buffered_->core.ack(h) : rendezvous_.ack(h); }
  outcome nack(held_lease& h) { return buffered_ ? buffered_->core.nack(h) : rendezvous_.nack(h); }

  bool close() {
    if (!buffered_) return rendezvous_.close();
    // As the queue closes itself, in the same order, to learn who was first; then itself, which wakes everybody.
    queue_header_->hints.fetch_or(kClosing, std::memory_order_acq_rel);
    const bool first =
        (queue_header_->tail.fetch_or(kClosedBit, std::memory_order_acq_rel) & kClosedBit) == 0;
    buffered_->core.close();
    return first;
  }
  bool closed() const { return buffered_ ? buffered_->core.closed() : rendezvous_.closed(); }
  uint64_t capacity() const { return buffered_ ? buffered_->core.capacity() : 0; }
  uint64_t depth() const { return buffered_ ? buffered_->core.depth() : rendezvous_.depth(); }
  channel_stats stats() const {
    if (!buffered_) return rendezvous_.stats();
    const queue_stats q = buffered_->core.stats();
    return {.capacity = q.capacity,
            .size = q.depth,
            .sent = q.pushed,
            .received = q.popped,
            .waits = q.waits,
            .redelivered = q.redelivered,
            .leased = q.leased,
            .closed = q.closed};
  }

  event_word<hardware>& receivable() const {
    return buffered_ ? queue_header_->not_empty : header_->receivable;
  }
  event_word<hardware>& sendable() const {
    return buffered_ ? queue_header_->not_full : header_->sendable;
  }

 private:
  std::shared_ptr<buffered_type> buffered_;  // null: rendezvous
  queue_header<hardware>* queue_header_ = nullptr;
  structure held_;
  rendezvous_header<hardware>* header_ = nullptr;
  rendezvous_type rendezvous_;
};

// The sides of a queue, made for the length of one call.
template <typename T>
struct buffered_sides : push_side<T, mpmc>, pop_side<T, mpmc> {
  explicit buffered_sides(const std::shared_ptr<queue_state<T, mpmc>>& s)
      : push_side<T, mpmc>(s), pop_side<T, mpmc>(s) {}
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_CHANNEL_CHANNEL_STATE_H_
