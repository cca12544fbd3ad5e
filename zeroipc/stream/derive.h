// Declaring a derived stream: it is opened or created, its places in its sources are made sure of, and this process stands by to
// pump it.
#ifndef ZEROIPC_STREAM_DERIVE_H_
#define ZEROIPC_STREAM_DERIVE_H_

#include <climits>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "zeroipc/background/callback.h"
#include "zeroipc/background/worker.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/segment/segment.h"
#include "zeroipc/stream/open.h"
#include "zeroipc/stream/pump.h"
#include "zeroipc/stream/source.h"
#include "zeroipc/stream/stage.h"
#include "zeroipc/stream/start.h"
#include "zeroipc/stream/state.h"

namespace zeroipc {

// Of a derived stream. What is fixed when it is created must be the same for all who declare it, unless it is left at its default.
struct derive_options {
  size_t capacity = 0;            // 0: as many as its source; of windows, as many as come of those
  uint32_t max_subscribers = 64;  // at once; at most 4096
  // Where it begins in its sources, when it is declared for the first time.
  stream_start from = stream_start::oldest();
};

namespace internal {

// What declaring needs to know of a source, whatever its elements are.
struct stage_input {
  std::string_view name;
  std::string where;           // "segment /app: stream 'events'"
  const stage_origin* origin;  // nullptr: it is not derived itself
  uint64_t begins;             // the position at which a new stage begins
  absl::FunctionRef<outcome(std::string_view cursor, uint64_t position)> reserve;
  absl::FunctionRef<outcome(std::string_view cursor)> find;
  absl::FunctionRef<void(std::string_view name, std::string_view but)> forget_namesakes;
};

// What the stage of that name is to say of itself. InvalidArgument: it would be derived from itself, or from too many.
absl::StatusOr<stage_origin> origin_of_stage(std::string_view where, std::string_view name,
                                             std::string_view what,
                                             const std::vector<stage_input>& inputs);
// The name of its cursors in its sources.
std::string cursor_name_of(std::string_view name, const stage_origin& origin);
// Whether those are the cursors of that stage, whenever it was made.
bool is_cursor_of(std::string_view cursor, std::string_view name);
// FailedPrecondition unless what exists is what was asked for; says both.
absl::Status check_same_stage(std::string_view where, const stage_origin& asked,
                              const stage_origin& found, const stream_choices& asked_choices,
                              const stream_choices& found_choices);
// Sees to it that the sources keep what the stage has not taken yet. FailedPrecondition: a source is not the one that it was;
// ResourceExhausted: there is no place left.
absl::Status ensure_places(std::string_view where, std::string_view name,
                           const stage_core<hardware, participant>& stage,
                           absl::FunctionRef<bool()> has_ended,
                           const std::vector<stage_input>& inputs);
// Of a pump that cannot go on.
void report_pump(std::string_view where, outcome why);

// Pumps until told to stop, or until the stream has ended.
template <typename Pump>
void serve_stage(Pump& pump, stage_core<hardware, participant>& stage, std::string_view where,
                 const worker::stop_flag& stop) {
  const auto stopped = [&] { return static_cast<bool>(stop); };
  if (!stage.take(deadline::never(), stopped)) return;
  outcome r = pump.begin();
  while (r) {
    r = pump.step([&](absl::FunctionRef<void()> f) { return call_back(where, f); }, stopped);
  }
  pump.end();
  stage.let_go();
  if (r != outcome::gone && r != outcome::closed) report_pump(where, r);
}

// A stream that a stage is derived from, for as long as it is needed: its state by who has the derived one, so that it is pumped itself;
// its body by the thread that pumps, for an operator may drop the last handle.
struct kept_source {
  std::shared_ptr<const void> state, body;
};

inline std::vector<std::shared_ptr<const void>> bodies_of(const std::vector<kept_source>& sources) {
  std::vector<std::shared_ptr<const void>> all;
  for (const kept_source& source : sources) all.push_back(source.body);
  return all;
}

// REQUIRES: `choices.stage` says what the operator's state takes.
template <typename Out, typename Feed, typename Operator>
absl::StatusOr<std::shared_ptr<stream_state<Out>>> declare_stage(
    const memory& mem, std::string_view name, std::string_view what, uint64_t capacity,
    const stream_choices& choices, const std::vector<stage_input>& inputs, Feed feed, Operator op,
    const std::vector<kept_source>& sources) {
  const std::string where = absl::StrCat("segment ", mem.name(), ": stream '", name, "'");
  const absl::StatusOr<stage_origin> asked = origin_of_stage(where, name, what, inputs);
  if (!asked.ok()) return asked.status();
  stage_progress begins;
  for (size_t i = 0; i < inputs.size(); ++i) begins.taken[i] = inputs[i].begins;
  auto opened = open_stream<Out>(mem, name, open_mode::open_or_create, capacity, choices, false,
                                 [&](auto& stage) { stage.create(*asked, begins); });
  if (!opened.ok()) return opened.status();
  const std::shared_ptr<stream_body<Out>> body = *std::move(opened);
  const stage_origin found = body->is_derived() ? body->stage.origin() : stage_origin{};
  absl::Status s = check_same_stage(where, *asked, found, choices, body->choices);
  if (!s.ok()) return s;
  const std::string cursor = cursor_name_of(name, found);
  s = ensure_places(
      where, name, body->stage,
      [&] { return body->core.closed() || body->stage.progress().part == kEnded; }, inputs);
  if (!s.ok()) return s;

  using pump_type = pump<hardware, participant, Feed, Out, Operator>;
  const auto events = feed.events();
  auto pumps = std::make_shared<pump_type>(std::move(feed), body->core, choices.window, body->stage,
                                           cursor, std::move(op));
  auto started = worker::start(
      where,
      [body, events] {
        body->stage.wake();
        body->core.wake_emitters();
        for (const auto& e : events) e.event->notify(*e.env, INT_MAX);
      },
      [body, sources_bodies = bodies_of(sources), pumps,
       where = absl::StrCat(where, ", ", found.text())](const worker::stop_flag& stop) {
        serve_stage(*pumps, body->stage, where, stop);
      });
  if (!started.ok()) return started.status();
  auto state = std::make_shared<stream_state<Out>>(body);
  for (const kept_source& source : sources) state->keep_source(source.state);
  state->keep(*std::move(started));
  return state;
}

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_STREAM_DERIVE_H_
