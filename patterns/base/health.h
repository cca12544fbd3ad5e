// How a pattern answers when it is asked whether it is well: `ok`, or the first reason why not, in words for people.
#ifndef ZEROIPC_PATTERNS_BASE_HEALTH_H_
#define ZEROIPC_PATTERNS_BASE_HEALTH_H_

#include <string>

namespace zeroipc::patterns {

struct Health {
  bool ok = true;
  std::string reason;  // "queue 'orders/requests': full, 100 of 100"; empty if it is well

  explicit operator bool() const { return ok; }
};

}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_BASE_HEALTH_H_
