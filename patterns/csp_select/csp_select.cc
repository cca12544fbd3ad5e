#include "patterns/csp_select/csp_select.h"

#include <algorithm>

namespace zeroipc::patterns {

void PrioritySelect::add(source s) {
  const auto at = std::ranges::upper_bound(
      sources_, s.priority, [](int a, int b) { return a > b; }, &source::priority);
  sources_.insert(at, std::move(s));
  rotations_.clear();
}

selector& PrioritySelect::next() {
  const size_t n = sources_.size();
  if (rotations_.empty()) {
    const size_t rotations = options_.serve_all_every == 0 ? 1 : std::max<size_t>(n, 1);
    rotations_.resize(rotations);
    for (size_t first = 0; first < rotations; ++first) {
      for (size_t i = 0; i < n; ++i) sources_[(first + i) % n].add_to(rotations_[first]);
    }
  }
  ++selects_;
  if (options_.serve_all_every == 0 || selects_ % options_.serve_all_every != 0) {
    return rotations_[0];
  }
  return rotations_[selects_ / options_.serve_all_every % rotations_.size()];
}

outcome PrioritySelect::select() { return why(next().select_by_priority()); }
outcome PrioritySelect::try_select() { return why(next().try_select_by_priority()); }

std::vector<PrioritySelect::ChannelStats> PrioritySelect::stats() const {
  std::vector<ChannelStats> all;
  for (const source& s : sources_) all.push_back(s.stats());
  return all;
}

Health PrioritySelect::health() const {
  if (sources_.empty()) return {false, "there is no channel to select from"};
  const bool over = std::ranges::all_of(sources_, [](const source& s) { return s.stats().closed; });
  if (over) return {false, "all its channels are closed"};
  return {};
}

}  // namespace zeroipc::patterns
