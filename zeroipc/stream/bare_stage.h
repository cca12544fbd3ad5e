// A derived stream without threads: it is pumped by whoever calls. What kill sweeps step through.
#ifndef ZEROIPC_STREAM_BARE_STAGE_H_
#define ZEROIPC_STREAM_BARE_STAGE_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "gtest/gtest.h"
#include "zeroipc/stream/derive.h"
#include "zeroipc/stream/open.h"
#include "zeroipc/stream/pump.h"
#include "zeroipc/stream/source.h"
#include "zeroipc/stream/state.h"

namespace zeroipc::testing {

template <typename T>
std::shared_ptr<internal::stream_body<T>> body_of(const memory& mem, std::string_view name) {
  auto opened =
      internal::open_stream<T>(mem, name, internal::open_mode::open, 0, {}, false, [](auto&) {});
  EXPECT_TRUE(opened.ok()) << opened.status();
  return *std::move(opened);
}

template <typename Out, typename Feed, typename Operator>
class bare_stage {
 public:
  // Opens it, or creates it for `capacity` elements.
  bare_stage(const memory& mem, std::string_view name, uint64_t capacity, Feed feed, Operator op)
      : out_(open(mem, name, capacity, op)),
        pump_(std::move(feed), out_->core, 0, out_->stage,
              internal::cursor_name_of(name, out_->stage.origin()), std::move(op)) {}

  // Until the source is empty, or there is no more room, or nothing can come any more; whether the latter. False, too, if somebody
  // else pumps.
  bool run() {
    if (!out_->stage.take(deadline::at_once(), [] { return false; })) return false;
    outcome r = pump_.begin();
    // It is told to stop at its second look for something.
    while (r) {
      r = pump_.step([](auto f) { return f(), true; },
                     [looks = 0]() mutable { return looks++ != 0; });
    }
    pump_.end();
    out_->stage.let_go();
    EXPECT_TRUE(r == outcome::gone || r == outcome::closed) << r.name();
    return r == outcome::closed;
  }

 private:
  static std::shared_ptr<internal::stream_body<Out>> open(const memory& mem, std::string_view name,
                                                          uint64_t capacity, const Operator& op) {
    const internal::stream_choices choices{overflow::block, 4, 0,
                                           static_cast<uint32_t>(internal::state_bytes_of(op)) + 1};
    auto opened = internal::open_stream<Out>(mem, name, internal::open_mode::open_or_create,
                                             capacity, choices, false, [](auto& stage) {
                                               internal::stage_origin origin{};
                                               origin.nonce = 1;
                                               stage.create(origin, {});
                                             });
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  }

  std::shared_ptr<internal::stream_body<Out>> out_;
  internal::pump<hardware, internal::participant, Feed, Out, Operator> pump_;
};

}  // namespace zeroipc::testing

#endif  // ZEROIPC_STREAM_BARE_STAGE_H_
