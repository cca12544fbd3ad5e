#include "zeroipc/future/future_base.h"

#include <unistd.h>

#include <algorithm>
#include <climits>
#include <string>

#include "absl/strings/str_cat.h"
#include "zeroipc/background/worker.h"
#include "zeroipc/base/error.h"
#include "zeroipc/name_table/remove_held.h"
#include "zeroipc/wait/death_watch.h"
#include "zeroipc/wait/wait.h"

namespace zeroipc::internal {

future_error_record error_record_of(std::string_view message, int code) {
  future_error_record e;
  e.code = code;
  e.length = static_cast<uint16_t>(message.copy(e.text, kFutureErrorText));
  return e;
}

future_error_record error_record_of(const absl::Status& status) {
  future_error_record e = status.ok()
                              ? error_record_of("set_error() was called with a status that is OK",
                                                static_cast<int>(absl::StatusCode::kInternal))
                              : error_record_of(status.message(), status.raw_code());
  e.is_status = 1;
  return e;
}

absl::StatusOr<std::shared_ptr<future_shared>> future_base::open_shared(
    const memory& mem, std::string_view name, open_mode mode, const structure_type& type) {
  using header = future_header<hardware>;
  using slot = future_slot<hardware>;
  auto opened = open_laid_out(
      mem, name, mode, type, {},
      [&](geometry_builder& g) {
        g.header(sizeof(header));
        g.part(1, future_bytes(type.element_size, type.element_align),
               std::max<uint64_t>(type.element_align, alignof(slot)));
      },
      [](void*, const structure_geometry&) {});
  if (!opened.ok()) return opened.status();
  auto s = std::make_shared<future_shared>();
  s->held = std::move(opened->held);
  void* data = s->held.data();
  std::byte* at = item_of(data, opened->geometry, 0, 0);
  s->core.bind(s->held.env(), *static_cast<header*>(data), *reinterpret_cast<slot*>(at),
               at + future_value_offset(type.element_align));
  return s;
}

outcome future_base::claim(uint64_t& mine) const {
  return core().claim(static_cast<uint32_t>(::getpid()), mine);
}

std::optional<future_error> future_base::error() const {
  core().look();  // breaks the promise of the dead
  return error_of(core().seen());
}

std::optional<future_error> future_base::error_of(future_word w) const {
  const outcome why = w.answer();
  if (why != outcome::failed && why != outcome::broken) return std::nullopt;
  future_error e;
  if (why == outcome::failed) {
    const future_error_record found = core().error();
    e.code = found.code;
    e.message = std::string_view(found.text, found.length);
    return e;
  }
  e.broken_promise = true;
  e.died = w.phase == future_phase::died;
  e.slot = w.owner.slot();
  e.pid = static_cast<int32_t>(core().pid_of(w.owner));
  for (const participant_info& p : shared_->held.env().list()) {
    if (owner_tag(p.slot, p.generation) != w.owner) continue;
    if (e.pid == 0) e.pid = p.pid;
    e.process = p.name;
  }
  e.message =
      absl::StrCat("broken promise: ", e.pid == 0 ? "a process" : absl::StrCat("process ", e.pid),
                   e.process.empty() ? "" : absl::StrCat(" (", e.process.view(), ")"), " of slot ",
                   e.slot, e.died ? " died" : " dropped it");
  return e;
}

absl::Status future_base::status() const {
  core().look();
  const future_word w = core().seen();
  const std::string what =
      absl::StrCat("segment ", shared_->held.segment()->name, ": future '", name(), "'");
  const std::optional<future_error> e = error_of(w);
  if (!e) {
    if (w.answer() == outcome::ok) return absl::OkStatus();
    if (w.answer() == outcome::corrupt) return absl::DataLossError(what + " is corrupt");
    return absl::UnavailableError(what + " has neither a value nor an error yet");
  }
  const std::string text = absl::StrCat(what, ": ", e->message.view());
  if (e->broken_promise) return absl::AbortedError(text);
  if (core().error().is_status == 0) {
    return absl::UnknownError(absl::StrCat(text, " (error ", e->code, ")"));
  }
  // Nobody can have set one that is OK.
  const absl::Status s(static_cast<absl::StatusCode>(e->code), text);
  return s.ok() ? absl::DataLossError(what + ": its error is corrupt") : s;
}

void future_base::raise_why() const {
  absl::Status s = status();
  // It was not when this was called, and what is settled never changes.
  if (s.ok()) s = absl::DataLossError(absl::StrCat("future '", name(), "' is corrupt"));
  raise(std::move(s));
}

absl::Status future_base::continue_in(
    const std::shared_ptr<future_shared>& next,
    std::function<void(future_shared::core_type&, uint64_t)> settle) const {
  const auto from = std::make_shared<future_base>(*this);
  const auto to = std::make_shared<future_shared>(future_shared{next->held, next->core});
  const auto notify = [](const future_shared::core_type& core) {
    core.event().notify(core.env(), INT_MAX);
  };
  auto started = worker::start(
      absl::StrCat("segment ", next->held.segment()->name, ": future '", next->held.name(), "'"),
      [from, to, notify] {
        notify(from->core());
        notify(to->core);
      },
      [from, to, settle = std::move(settle)](const worker::stop_flag& stop) {
        // Until the one is settled; then, until the other is, or is ours to settle.
        internal::wait_until<hardware>(from->core().env(), from->core().event(), deadline::never(),
                                       [&] { return stop || from->ready(); });
        death_watch<participant> deaths(to->core.env());
        uint64_t mine = 0;
        outcome r;
        internal::wait_until<hardware>(to->core.env(), to->core.event(), deadline::never(), [&] {
          if (stop) return true;
          r = to->core.try_begin(mine, deaths);
          return r != outcome::full && r != outcome::taken;
        });
        if (stop || !r) return;
        if (from->has_value()) {
          settle(to->core, mine);
        } else {
          to->core.fail(mine, from->core().look() == outcome::broken
                                  ? error_record_of(from->status())
                                  : from->core().error());
        }
      });
  if (!started.ok()) return started.status();
  next->background = *std::move(started);
  return absl::OkStatus();
}

absl::Status future_base::remove() const { return remove_held(shared_->held); }

}  // namespace zeroipc::internal
