// How many may push and pop at once: the second template argument of zeroipc::queue.
//
//   policy   producers x consumers   a push costs           a pop costs            use it when
//   mpmc     many x many             one CAS                one CAS                nothing better is known
//   mpsc     many x one              one CAS                two stores             many report to one
//   spmc     one x many              two stores             one CAS                one deals out to workers
//   spsc     one x one               one store              one store              a pipe between two processes
//
// "One" means one at a time: the side is a *role*, held by one handle of one process, taken by its first operation and
// given up with the handle, by release_role(), or by death. The policy is part of the queue's type: opening a queue
// under another policy than it was created with is an error that names both.
#ifndef ZEROIPC_QUEUE_POLICY_H_
#define ZEROIPC_QUEUE_POLICY_H_

#include <concepts>
#include <cstdint>
#include <string_view>

namespace zeroipc {

struct mpmc {
  static constexpr bool multi_producer = true;
  static constexpr bool multi_consumer = true;
  static constexpr uint8_t variant = 1;
  static constexpr std::string_view name = "mpmc";
};

struct mpsc {
  static constexpr bool multi_producer = true;
  static constexpr bool multi_consumer = false;
  static constexpr uint8_t variant = 2;
  static constexpr std::string_view name = "mpsc";
};

struct spmc {
  static constexpr bool multi_producer = false;
  static constexpr bool multi_consumer = true;
  static constexpr uint8_t variant = 3;
  static constexpr std::string_view name = "spmc";
};

struct spsc {
  static constexpr bool multi_producer = false;
  static constexpr bool multi_consumer = false;
  static constexpr uint8_t variant = 4;
  static constexpr std::string_view name = "spsc";
};

namespace internal {

template <typename T>
concept queue_policy = std::same_as<T, mpmc> || std::same_as<T, mpsc> || std::same_as<T, spmc> ||
    std::same_as<T, spsc>;

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_QUEUE_POLICY_H_
