#include "tools/demo/own_segment.h"

#include <sys/random.h>

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tools/inspect/segment_view.h"
#include "zeroipc/base/deadline.h"

namespace zeroipc::demo {
namespace {

constexpr std::string_view kPrefix = "/zeroipc-demo-";

}  // namespace

void sweep_segments_of_the_dead() {
  for (const std::string& name : tools::shared_memory_names()) {
    if (!absl::StartsWith(name, kPrefix)) continue;
    const tools::segment_view view = tools::look_at(name);
    // One that was made a moment ago may have nobody in it yet.
    const bool settled = absl::Now() - absl::FromUnixNanos(view.created_ns) > absl::Seconds(10);
    if (view.is == tools::standing::usable && view.live() == 0 && settled)
      memory::unlink(name).IgnoreError();
  }
}

own_segment::own_segment() {
  uint64_t id = 0;
  if (::getrandom(&id, sizeof id, 0) != sizeof id) id = static_cast<uint64_t>(deadline::now_ns());
  name_ = absl::StrFormat("%s%016x", kPrefix, id);
}

own_segment::~own_segment() { remove().IgnoreError(); }

absl::Status own_segment::create(size_t bytes, const memory_options& options) {
  absl::StatusOr<memory> mem = memory::create(name_, bytes, options);
  if (!mem.ok()) return mem.status();
  memory_ = *std::move(mem);
  return absl::OkStatus();
}

absl::Status own_segment::remove() {
  if (!memory_) return absl::OkStatus();
  memory_.reset();
  return memory::unlink(name_);
}

}  // namespace zeroipc::demo
