// What makes a process a provider of a lazy value: its computation, a thread that waits for demand, and a seat (seats.h).
//
// One evaluation at a time and provider: on its thread, or in the thread of who asks by the same handle and finds it idle. What
// both need is shared between the handle and the thread, for a computation may destroy the handle that it came with.
//
// Fork: the child has a copy whose thread is the parent's, and whose lock may be held by one; it is recognised by its tag and left
// alone.
#ifndef ZEROIPC_LAZY_PROVIDER_H_
#define ZEROIPC_LAZY_PROVIDER_H_

#include <climits>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "zeroipc/background/callback.h"
#include "zeroipc/background/worker.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/lazy/core.h"
#include "zeroipc/lazy/place.h"
#include "zeroipc/participant/participant.h"

namespace zeroipc::internal {

// As much of it as fits, and back.
lazy_error lazy_error_of(const absl::Status& status);
absl::Status status_of(const lazy_error& why);

// The calling thread computes the lazy value at `which`, as `who`.
class lazy_computing {
 public:
  lazy_computing(const void* which, owner_tag who);
  ~lazy_computing();
  lazy_computing(const lazy_computing&) = delete;
  lazy_computing& operator=(const lazy_computing&) = delete;

  static bool in_this_thread(const void* which, owner_tag who);

 private:
  const void* which_;
  owner_tag who_;
  const lazy_computing* outer_;
};

template <typename T>
class lazy_provider {
 public:
  using place = std::shared_ptr<lazy_place<T>>;
  struct computation {
    std::function<absl::StatusOr<T>()> compute;
    bool keep_errors;
  };

  // nullptr if there is no seat or no thread left.
  static std::unique_ptr<lazy_provider> start(const place& where, computation c) {
    participant& env = where->held.env();
    std::unique_ptr<lazy_provider> p(new lazy_provider(where, std::move(c)));
    if (!where->core.seats().enlist(p->seat_)) return nullptr;
    p->tag_ = env.tag();
    auto w = worker::start(
        where->held.name(), [where] { where->core.wake_providers(); },
        [e = p->engine_](const worker::stop_flag& stop) { e->serve(stop); });
    if (!w.ok()) return nullptr;
    p->worker_ = *std::move(w);
    return p;
  }
  ~lazy_provider() {
    worker_.reset();
    if (is_ours()) engine_->where->core.seats().leave(seat_);
  }

  // False in a child that was forked since.
  bool is_ours() const { return tag_ && engine_->where->held.env().tag() == tag_; }
  // From the next evaluation on.
  void replace(computation c) { engine_->replace(std::move(c)); }
  // Computes in this thread what the caller asks for. False if it was not to be had, or this provider is at work.
  bool evaluate_here() {
    const std::unique_lock<std::mutex> lock(engine_->busy, std::try_to_lock);
    return lock && engine_->evaluate(true);
  }

  // That the handle had before it was inherited by this process: kept, for other threads may be looking at it.
  std::unique_ptr<lazy_provider> previous;

 private:
  struct engine {
    place where;
    std::mutex busy;      // held by who evaluates
    std::mutex swapping;  // guards `now`
    std::shared_ptr<const computation> now;

    void replace(computation c) {
      auto fresh = std::make_shared<const computation>(std::move(c));
      const std::lock_guard<std::mutex> lock(swapping);
      now.swap(fresh);
    }
    std::shared_ptr<const computation> present() {
      const std::lock_guard<std::mutex> lock(swapping);
      return now;
    }

    void serve(const worker::stop_flag& stop) {
      for (;;) {
        where->core.wait_for_work([&] { return static_cast<bool>(stop); });
        if (stop) return;
        const std::lock_guard<std::mutex> lock(busy);
        evaluate(false);
      }
    }
    // REQUIRES: busy is held.
    bool evaluate(bool asks) {
      uint64_t mine = 0;
      if (!where->core.claim(mine, asks)) return false;
      lazy_publication p;
      do {
        const std::shared_ptr<const computation> c = present();
        std::optional<absl::StatusOr<T>> result;
        std::optional<std::string> thrown;
        {
          const lazy_computing here(where->held.data(), where->held.env().tag());
          thrown = message_thrown_by([&] { result.emplace(c->compute()); });
        }
        if (thrown) result.emplace(absl::UnknownError(*thrown));
        p = result->ok()
                ? where->core.publish(mine, **result)
                : where->core.publish_error(mine, lazy_error_of(result->status()), c->keep_errors);
      } while (p == lazy_publication::again);
      return true;
    }
  };

  lazy_provider(const place& where, computation c) {
    engine_->where = where;
    engine_->replace(std::move(c));
  }

  std::shared_ptr<engine> engine_ = std::make_shared<engine>();
  uint32_t seat_ = 0;
  owner_tag tag_;  // nobody: it has no seat
  std::unique_ptr<worker> worker_;
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_LAZY_PROVIDER_H_
