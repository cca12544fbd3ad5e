// What the handles of one stream in this process share: the structure, and the threads that belong to them.
#ifndef ZEROIPC_STREAM_STATE_H_
#define ZEROIPC_STREAM_STATE_H_

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "zeroipc/background/worker.h"
#include "zeroipc/base/atomics.h"
#include "zeroipc/name_table/name_table.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/stream/core.h"
#include "zeroipc/stream/element.h"
#include "zeroipc/stream/layout.h"
#include "zeroipc/stream/stage.h"

namespace zeroipc::internal {

// What threads and subscribers keep alive: a callback may destroy the last handle.
template <typename T>
struct stream_body {
  using element = stream_element<T>;

  structure held;
  stream_choices choices;
  stream_core<hardware, participant, element::kBytes> core;
  stage_core<hardware, participant> stage;  // REQUIRES: is_derived()

  bool is_derived() const { return choices.stage != 0; }

  // "segment /app: stream 'events'", for messages.
  std::string where() const {
    return absl::StrCat("segment ", held.env().segment_name(), ": stream '", held.name(), "'");
  }
};

template <typename T>
class stream_state {
 public:
  explicit stream_state(std::shared_ptr<stream_body<T>> b) : body_(std::move(b)) {}
  ~stream_state() {
    // All are told before one is waited for. No lock: this is the last one who has it.
    for (const auto& w : workers_) w->stop();
  }
  stream_state(const stream_state&) = delete;
  stream_state& operator=(const stream_state&) = delete;

  stream_body<T>& body() const { return *body_; }
  const std::shared_ptr<stream_body<T>>& shared_body() const { return body_; }
  void keep(std::shared_ptr<worker> w) {
    std::lock_guard lock(mutex_);
    workers_.push_back(std::move(w));
  }
  // What this stream is derived from is pumped for as long as somebody here has this one.
  void keep_source(std::shared_ptr<const void> source_state) {
    std::lock_guard lock(mutex_);
    sources_.push_back(std::move(source_state));
  }

 private:
  const std::shared_ptr<stream_body<T>> body_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<const void>> sources_;
  std::vector<std::shared_ptr<worker>> workers_;
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_STREAM_STATE_H_
