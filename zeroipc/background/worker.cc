#include "zeroipc/background/worker.h"

#include <pthread.h>

#include <cstddef>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "zeroipc/participant/participant.h"

namespace zeroipc::internal {
namespace {

// The callbacks are the program's: what it is used to. Pages come when they are touched.
constexpr size_t kStackBytes = 8 * 1024 * 1024;

}  // namespace

worker::worker() : forks_(fork_generation()) {}

absl::StatusOr<std::unique_ptr<worker>> worker::start(std::string_view what,
                                                      std::function<void()> wake,
                                                      std::function<void(const stop_flag&)> run) {
  std::unique_ptr<worker> w(new worker);
  w->wake_ = std::move(wake);
  w->job_->run = std::move(run);
  if (const int failure = w->thread_.start(kStackBytes, entry, w->job_.get()); failure != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat(what, ": cannot start a thread: ", std::strerror(failure)));
  }
  return w;
}

void* worker::entry(void* arg) {
  ::pthread_setname_np(::pthread_self(), "zeroipc-work");
  job* const j = static_cast<job*>(arg);
  j->run(j->stop);
  if (j->own) delete j;
  return nullptr;
}

void worker::stop() {
  // Release: the thread sees what was done before. The notification's fence orders it before the look for sleepers.
  job_->stop.set_.store(true, std::memory_order_release);
  wake_();
}

worker::~worker() {
  if (!thread_.started()) return;
  if (forks_ != fork_generation()) {
    thread_.forget();
    return;
  }
  stop();
  if (thread_.is_this_thread()) {
    job_.release()->own = true;
    thread_.detach();
  } else {
    thread_.join();
  }
}

}  // namespace zeroipc::internal
