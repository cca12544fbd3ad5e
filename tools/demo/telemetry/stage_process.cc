#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "absl/status/statusor.h"
#include "tools/demo/follower.h"
#include "tools/demo/telemetry/run.h"
#include "tools/demo/telemetry/stages.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::demo {
namespace {

int fail(const stage_process_options& o, std::string_view message) {
  std::fprintf(stderr, "zeroipc demo: stage %s, process %u: %.*s\n", o.stage.c_str(), o.process,
               static_cast<int>(message.size()), message.data());
  return 1;
}

}  // namespace

int run_stage_process(const stage_process_options& o) {
  follow_the_coordinator(o.coordinator, o.segment);
  const auto* const which =
      std::ranges::find_if(kStages, [&](stage s) { return name_of(s) == o.stage; });
  if (which == std::end(kStages)) return fail(o, "there is no such stage");
  absl::StatusOr<memory> mem = memory::open(o.segment);
  if (!mem.ok()) return fail(o, mem.status().message());
  const absl::StatusOr<stage_at_work> work = stage_at_work::begin(*mem, *which, o.limit);
  if (!work.ok()) return fail(o, work.status().message());
  // The streams' threads do the work; the end comes from outside.
  for (;;) ::pause();
}

}  // namespace zeroipc::demo
