#include "testing/linearizability/queue_model.h"

#include <algorithm>

namespace zeroipc::linearizability {
namespace {

using kind = queue_operation::kind;
using result = queue_operation::result;

void put(std::vector<uint64_t>& set, uint64_t id) {
  set.insert(std::ranges::upper_bound(set, id), id);
}
bool drop(std::vector<uint64_t>& set, uint64_t id) {
  const auto at = std::ranges::find(set, id);
  if (at == set.end()) return false;
  set.erase(at);
  return true;
}

std::string list(const std::vector<uint64_t>& ids) {
  std::string text;
  for (const uint64_t id : ids) text += " " + std::to_string(id);
  return "{" + text + " }";
}

}  // namespace

std::string text_of(const queue_operation& o) {
  constexpr const char* kKinds[] = {"push", "pop", "lease", "ack", "nack", "expire", "close"};
  constexpr const char* kResults[] = {"cut off", "ok", "full", "empty", "closed"};
  std::string text = kKinds[static_cast<int>(o.what)];
  if (o.id != 0) text += " " + std::to_string(o.id);
  return text + ": " + kResults[static_cast<int>(o.how)] + (o.excused ? " (excused)" : "");
}

bool queue_model::take(uint64_t id) {
  if (!items_.empty() && items_.front() == id) {
    items_.erase(items_.begin());
    return true;
  }
  return drop(returned_, id);
}

std::vector<queue_model> queue_model::after(const recorded<queue_operation>& o) const {
  if (o.pending()) return cut_off(o.what);
  queue_model next = *this;
  const queue_operation& op = o.what;
  bool possible = false;
  switch (op.what) {
    case kind::push:
      if (op.how == result::ok) {
        possible = !closed_ && items_.size() + returned_.size() < capacity_;
        next.items_.push_back(op.id);
        // What was put back may lie in the ring or, from a lease, outside of it.
        possible = possible || (!closed_ && items_.size() < capacity_);
      } else if (op.how == result::full) {
        possible = op.excused || items_.size() + returned_.size() >= capacity_;
      } else {
        possible = closed_;
      }
      break;
    case kind::pop:
    case kind::lease:
      if (op.how == result::ok) {
        possible = next.take(op.id);
        if (op.what == kind::lease) put(next.leased_, op.id);
      } else {
        const bool none = items_.empty() && returned_.empty();
        possible = op.excused || none;
        if (op.how == result::closed) possible = closed_ && none && leased_.empty();
      }
      break;
    case kind::ack:
      possible = drop(next.leased_, op.id);
      break;
    case kind::nack:
      possible = drop(next.leased_, op.id);
      put(next.returned_, op.id);
      break;
    case kind::expire:  // if an ack or nack that was cut off has not ended the lease before
      if (drop(next.leased_, op.id)) put(next.returned_, op.id);
      possible = true;
      break;
    case kind::close:
      next.closed_ = true;
      possible = true;
      break;
  }
  if (!possible) return {};
  return {next};
}

std::vector<queue_model> queue_model::cut_off(const queue_operation& op) const {
  std::vector<queue_model> all;
  queue_model next = *this;
  switch (op.what) {
    case kind::push:
      next.items_.push_back(op.id);
      if (!closed_ && items_.size() < capacity_) all.push_back(next);
      break;
    case kind::pop:
    case kind::lease: {
      // The front, or any that was put back: taken along (by a pop), or put back.
      std::vector<uint64_t> choices = returned_;
      if (!items_.empty()) choices.push_back(items_.front());
      for (const uint64_t id : choices) {
        next = *this;
        next.take(id);
        if (op.what == kind::pop) all.push_back(next);
        put(next.returned_, id);
        all.push_back(next);
      }
      break;
    }
    case kind::ack:
      if (drop(next.leased_, op.id)) all.push_back(next);
      break;
    case kind::nack:
    case kind::expire:
      if (drop(next.leased_, op.id)) {
        put(next.returned_, op.id);
        all.push_back(next);
      }
      break;
    case kind::close:
      next.closed_ = true;
      all.push_back(next);
      break;
  }
  return all;
}

uint64_t queue_model::hash() const {
  uint64_t h = closed_ ? 7 : 3;
  for (const auto* part : {&items_, &returned_, &leased_}) {
    for (const uint64_t id : *part) h = (h ^ id) * 0x9e37'79b9'7f4a'7c15;
    h = (h ^ (h >> 29)) * 0xbf58'476d'1ce4'e5b9;
  }
  return h;
}

std::string queue_model::text() const {
  return "items " + list(items_) + ", put back " + list(returned_) + ", leased " + list(leased_) +
         (closed_ ? ", closed" : "");
}

void excuse(std::vector<recorded<queue_operation>>& operations) {
  for (auto& o : operations) {
    queue_operation& op = o.what;
    if (op.how != result::full && op.how != result::empty) continue;
    for (const auto& other : operations) {
      const bool overlaps = &other != &o && other.began < o.ended && o.began < other.settled;
      const bool matters = op.how == result::empty ? other.what.adds() || other.pending()
                                                   : other.what.takes() || other.pending();
      if (overlaps && matters) op.excused = true;
    }
  }
}

}  // namespace zeroipc::linearizability
