// When what a process holds may be free, because it is dead or gone.
#ifndef ZEROIPC_TESTING_LINEARIZABILITY_LIFETIMES_H_
#define ZEROIPC_TESTING_LINEARIZABILITY_LIFETIMES_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "testing/linearizability/history.h"

namespace zeroipc::linearizability {

// How much each process has still to do. One that has nothing more to do may be dead or gone, and what it held may be free: when
// that becomes known is no operation.
class lifetimes {
 public:
  void add(int process) { ++left_[static_cast<size_t>(process)]; }
  template <typename Operation>
  void done(const recorded<Operation>& o) {
    if (!o.pending()) --left_[static_cast<size_t>(o.process)];
  }
  bool over(int process) const { return left_[static_cast<size_t>(process)] == 0; }
  bool operator==(const lifetimes&) const = default;

 private:
  std::array<uint32_t, 4> left_ = {};
};

}  // namespace zeroipc::linearizability

#endif  // ZEROIPC_TESTING_LINEARIZABILITY_LIFETIMES_H_
