#include "testing/linearizability/lock_model.h"

namespace zeroipc::linearizability {

using kind = lock_operation::kind;
using result = lock_operation::result;

std::string text_of(const lock_operation& o) {
  constexpr const char* kResults[] = {"", ": acquired", ": inherited", ": busy"};
  return std::string(o.what == kind::lock ? "lock" : "unlock") + kResults[static_cast<int>(o.how)];
}

std::vector<lock_model> lock_model::after(const recorded<lock_operation>& o) const {
  const bool orphaned = holder_ != kNobody && to_do_.over(holder_);
  lock_model next = *this;
  next.to_do_.done(o);
  bool possible = false;
  if (o.what.what == kind::unlock) {
    possible = holder_ == o.process;
    next.holder_ = kNobody;
  } else if (o.what.how == result::busy) {
    possible = holder_ != kNobody;
  } else {
    // Cut off: it was free, or had been a dead one's.
    possible = o.pending()                       ? holder_ == kNobody || orphaned
               : o.what.how == result::inherited ? orphaned
                                                 : holder_ == kNobody;
    next.holder_ = o.process;
  }
  if (!possible) return {};
  return {next};
}

}  // namespace zeroipc::linearizability
