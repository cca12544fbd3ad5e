// A lazy value without threads: it is computed by whoever calls. What kill sweeps step through, and histories are made of.
#ifndef ZEROIPC_LAZY_BARE_LAZY_H_
#define ZEROIPC_LAZY_BARE_LAZY_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "zeroipc/lazy/lazy.h"

namespace zeroipc::testing {

template <typename T>
class bare_lazy {
 public:
  using computation = std::function<T()>;

  bare_lazy(const memory& mem, std::string_view name)
      : place_(internal::value_or_raise(
            internal::lazy_place<T>::find(mem, name, internal::open_mode::open_or_create))) {}

  typename internal::lazy_place<T>::core_type& core() const { return place_->core; }
  void* data() const { return place_->held.data(); }

  // Claims and computes, if that is to be had. `asks`: as a provider that wants the value itself.
  bool evaluate(bool asks, const computation& compute) const {
    uint64_t mine = 0;
    if (!core().claim(mine, asks)) return false;
    while (core().publish(mine, compute()) == internal::lazy_publication::again) {
    }
    return true;
  }
  outcome get(T& value, uint64_t* version, const computation& compute,
              deadline until = deadline::never()) const {
    return core().get(value, version, nullptr, until, [&] { return evaluate(true, compute); });
  }

 private:
  std::shared_ptr<internal::lazy_place<T>> place_;
};

}  // namespace zeroipc::testing

#endif  // ZEROIPC_LAZY_BARE_LAZY_H_
