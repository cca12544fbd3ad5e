// The sequential model of a robust lock.
//
//   lock     acquired: nobody held it. inherited: one held it who was killed. busy: somebody holds it
//   unlock   it is held by whoever does that
//   cut off  has happened or not; a lock that happened is held by the dead
#ifndef ZEROIPC_TESTING_LINEARIZABILITY_LOCK_MODEL_H_
#define ZEROIPC_TESTING_LINEARIZABILITY_LOCK_MODEL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "testing/linearizability/history.h"
#include "testing/linearizability/lifetimes.h"

namespace zeroipc::linearizability {

struct lock_operation {
  enum class kind : uint8_t { lock, unlock };
  enum class result : uint8_t { none, acquired, inherited, busy };

  kind what = kind::lock;
  result how = result::none;
};
std::string text_of(const lock_operation& o);

class lock_model {
 public:
  static constexpr int kNobody = -1;

  explicit lock_model(const lifetimes& to_do) : to_do_(to_do) {}

  std::vector<lock_model> after(const recorded<lock_operation>& o) const;
  uint64_t hash() const { return static_cast<uint64_t>(holder_ + 2) * 0x9e37'79b9'7f4a'7c15; }
  std::string text() const { return "held by " + std::to_string(holder_); }

 private:
  lifetimes to_do_;
  int holder_ = kNobody;
};

}  // namespace zeroipc::linearizability

#endif  // ZEROIPC_TESTING_LINEARIZABILITY_LOCK_MODEL_H_
