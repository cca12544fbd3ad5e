#include "zeroipc/future/when_any.h"

#include "zeroipc/participant/participant.h"
#include "zeroipc/wait/wait_any.h"

namespace zeroipc::internal {

std::optional<size_t> first_settled(std::span<const future_base* const> futures, deadline until) {
  if (futures.empty() || futures.size() > kMostFutures) return std::nullopt;
  std::vector<awaited<hardware, participant>> events;
  for (const future_base* f : futures) {
    events.push_back({&f->waitable().env(), &f->waitable().event()});
  }
  std::optional<size_t> found;
  wait_until_any<hardware, participant>(events, until, [&] {
    for (size_t i = 0; i < futures.size() && !found; ++i) {
      if (futures[i]->ready()) found = i;
    }
    return found.has_value();
  });
  return found;
}

}  // namespace zeroipc::internal
