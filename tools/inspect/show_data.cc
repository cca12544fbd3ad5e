#include "tools/inspect/show_data.h"

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tools/cli/text.h"
#include "tools/inspect/show_queue.h"
#include "zeroipc/array/core.h"
#include "zeroipc/barrier/core.h"
#include "zeroipc/cell/core.h"
#include "zeroipc/channel/layout.h"
#include "zeroipc/event/core.h"
#include "zeroipc/future/layout.h"
#include "zeroipc/latch/core.h"
#include "zeroipc/lazy/layout.h"
#include "zeroipc/map/layout.h"
#include "zeroipc/mutex/core.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/once/core.h"
#include "zeroipc/pool/core.h"
#include "zeroipc/ring/core.h"
#include "zeroipc/rwlock/core.h"
#include "zeroipc/semaphore/core.h"
#include "zeroipc/stack/core.h"
#include "zeroipc/stream/layout.h"
#include "zeroipc/stream/stage.h"

namespace zeroipc::tools {
namespace {

using internal::structure_geometry;

// Words that a call reads at once, unless one item is longer.
constexpr uint64_t kChunk = 32 * 1024;
constexpr uint64_t kLongestItem = 1 << 20;

bool read_at(int fd, uint64_t offset, void* out, size_t bytes) {
  return ::pread(fd, out, bytes, static_cast<off_t>(offset)) == static_cast<ssize_t>(bytes);
}

uint64_t value(const std::atomic<uint64_t>& word) { return word.load(std::memory_order_relaxed); }
uint64_t value(const std::atomic<uint32_t>& word) { return word.load(std::memory_order_relaxed); }
// Who holds a lock, as in `zeroipc show` of participants.
std::string holder(const internal::robust_lock<hardware>& lock) {
  const owner_tag owner = owner_tag::from_bits(static_cast<uint32_t>(value(lock.owner)));
  return owner ? absl::StrCat("held by slot ", owner.slot()) : "free";
}

// A copy of the header of a structure of that kind.
template <typename Header>
class header_copy {
 public:
  bool read(const memory& mem, const structure_info& info) {
    return info.bytes >= sizeof raw_ && read_at(mem.fd(), info.offset, raw_, sizeof raw_);
  }
  const Header& operator*() const { return *reinterpret_cast<const Header*>(raw_); }
  const Header* operator->() const { return &**this; }

 private:
  alignas(Header) std::byte raw_[sizeof(Header)];
};

bool sound(const structure_geometry& g, const structure_info& info) {
  return g.magic == internal::kGeometryMagic + static_cast<uint32_t>(info.what) &&
         g.capacity != 0 && g.element_size == info.element_size && g.bytes <= info.bytes;
}

data_summary summary_of(const internal::array_header<hardware>& h) {
  return {absl::StrCat(with_commas(h.geometry.capacity), " elements"),
          {{"elements", h.geometry.capacity},
           {"stripes", h.geometry.extra},
           {"recoveries", value(h.recoveries)}}};
}
data_summary summary_of(const internal::cell_header<hardware>& h) {
  const uint64_t version = value(h.current);
  return {version == 0 ? "no value yet" : absl::StrCat("version ", with_commas(version)),
          {{"version", version}, {"waits", value(h.waits)}, {"recoveries", value(h.recoveries)}}};
}
data_summary summary_of(const internal::ring_header<hardware>& h) {
  const uint64_t written = value(h.tail), kept = std::min(written, h.geometry.capacity);
  return {absl::StrCat("newest ", with_commas(kept), " of ", with_commas(written)),
          {{"capacity", h.geometry.capacity},
           {"written", written},
           {"waits", value(h.waits)},
           {"recoveries", value(h.recoveries)}}};
}
data_summary summary_of(const internal::stack_header<hardware>& h) {
  const uint64_t depth = std::min(value(h.count), h.geometry.capacity);
  const uint64_t pushed = std::max(value(h.pushed), depth);
  const bool closed = h.closing.load(std::memory_order_relaxed) != 0;
  return {absl::StrCat(with_commas(depth), " of ", with_commas(h.geometry.capacity), " stacked",
                       closed ? ", closed" : ""),
          {{"capacity", h.geometry.capacity},
           {"depth", depth},
           {"pushed", pushed},
           {"popped", pushed - depth},
           {"refused", value(h.refused)},
           {"waits", value(h.waits)},
           {"recoveries", value(h.recoveries)},
           {"closed", closed}}};
}
data_summary summary_of(const internal::future_header<hardware>& h) {
  return {"", {{"waits", value(h.waits)}, {"deaths", value(h.deaths)}}};
}
// Providers that have died are among them until somebody who is attached looks.
data_summary summary_of(const internal::lazy_header<hardware>& h) {
  const internal::lazy_word w = internal::lazy_word::of(value(h.word));
  uint64_t providers = 0;
  for (const auto& seat : h.providers) providers += value(seat) != 0;
  const auto stands = [&]() -> std::string {
    switch (w.state) {
      case internal::lazy_state::none:
        return "no value";
      case internal::lazy_state::wanted:
        return "asked for";
      case internal::lazy_state::value:
        return "a value";
      case internal::lazy_state::error:
      case internal::lazy_state::failed:
        return "an error";
      default:
        return absl::StrCat("computed by slot ", w.owner().slot());
    }
  };
  return {absl::StrCat(stands(), ", ", providers, providers == 1 ? " provider" : " providers"),
          {{"has_value", w.state == internal::lazy_state::value},
           {"has_error", w.has_error()},
           {"evaluating", w.at_work()},
           {"providers", providers},
           {"evaluations", value(h.evaluations)},
           {"failures", value(h.failures)},
           {"handovers", value(h.handovers)},
           {"take_overs", value(h.take_overs)},
           {"fenced", value(h.fenced)},
           {"waits", value(h.waits)}}};
}
data_summary summary_of(const internal::stream_header<hardware>& h) {
  const uint64_t emitted = value(h.tail), kept = std::min(emitted, h.geometry.capacity);
  const bool closed = h.closed.load(std::memory_order_relaxed) != 0;
  return {absl::StrCat("newest ", with_commas(kept), " of ", with_commas(emitted),
                       closed ? ", closed" : ""),
          {{"capacity", h.geometry.capacity},
           {"emitted", emitted},
           {"refused", value(h.refused)},
           {"waits", value(h.waits)},
           {"recoveries", value(h.recoveries)},
           {"closed", closed}}};
}
data_summary summary_of(const internal::rendezvous_header<hardware>& h) {
  const bool closed = value(h.closed) != 0;
  return {closed ? ", closed" : "",
          {{"capacity", 0},
           {"sent", value(h.sent)},
           {"received", value(h.received)},
           {"redelivered", value(h.redelivered)},
           {"waits", value(h.waits)},
           {"closed", closed}}};
}
data_summary summary_of(const internal::pool_header<hardware>& h) {
  return {"",
          {{"capacity", h.geometry.capacity},
           {"freed", value(h.frees)},
           {"refused", value(h.refused)},
           {"waits", value(h.waits)},
           {"recovered", value(h.recovered)}}};
}

data_summary summary_of(const internal::mutex_header<hardware>& h) {
  const bool suspect = value(h.suspect) != 0;
  return {absl::StrCat(holder(h.lock), suspect ? ", suspect" : ""),
          {{"locked", value(h.lock.owner) != 0},
           {"suspect", suspect},
           {"waits", value(h.waits)},
           {"deaths", value(h.deaths)}}};
}
data_summary summary_of(const internal::once_header<hardware>& h) {
  const bool done = value(h.done) != 0;
  return {done                         ? "done"
          : value(h.runner.owner) != 0 ? "running"
                                       : "not done",
          {{"done", done}, {"running", value(h.runner.owner) != 0}, {"deaths", value(h.deaths)}}};
}
data_summary summary_of(const internal::event_header<hardware>& h) {
  const bool automatic = h.geometry.extra == static_cast<uint64_t>(event_reset::automatic);
  return {absl::StrCat(value(h.set) != 0 ? "set" : "not set", automatic ? ", automatic" : ""),
          {{"set", value(h.set) != 0},
           {"automatic", automatic},
           {"sets", value(h.sets)},
           {"waits", value(h.waits)}}};
}
data_summary summary_of(const internal::map_header<hardware>& h) {
  return {"",
          {{"capacity", h.geometry.capacity},
           {"waits", value(h.waits)},
           {"recoveries", value(h.recoveries)}}};
}
// What the rest of these needs of the words behind the header is added by look().
data_summary summary_of(const internal::rwlock_header<hardware>& h) {
  const bool suspect = value(h.suspect) != 0;
  return {suspect ? ", suspect" : "",
          {{"written", value(h.writer.owner) != 0},
           {"suspect", suspect},
           {"waits", value(h.waits)},
           {"deaths", value(h.deaths)}}};
}
data_summary summary_of(const internal::semaphore_header<hardware>& h) {
  return {"",
          {{"permits", h.geometry.capacity},
           {"waits", value(h.waits)},
           {"recovered", value(h.recovered)}}};
}
data_summary summary_of(const internal::latch_header<hardware>& h) {
  return {"", {{"expected", h.geometry.capacity}, {"forfeited", value(h.forfeited)}}};
}
data_summary summary_of(const internal::barrier_header<hardware>& h) {
  const uint64_t phase = value(h.phase);
  const bool broken = (phase & 1) != 0;
  return {broken ? ", broken" : "",
          {{"parties", h.geometry.capacity}, {"completed", phase >> 32}, {"broken", broken}}};
}

// Calls f(word) for each word of a part that has one for each item, at its beginning.
template <typename Word, typename F>
void for_each_word(const memory& mem, const structure_info& info, const structure_geometry& g,
                   size_t part, F f) {
  const uint64_t stride = g.strides[part], offset = g.offsets[part];
  if (stride < sizeof(Word) || stride % sizeof(Word) != 0 || stride > kLongestItem ||
      offset > info.bytes) {
    return;
  }
  const uint64_t items = std::min(g.capacity, (info.bytes - offset) / stride);
  const uint64_t at_once = std::max<uint64_t>(1, kChunk / stride), step = stride / sizeof(Word);
  std::vector<Word> chunk(at_once * step);
  for (uint64_t first = 0; first < items; first += at_once) {
    const uint64_t n = std::min(at_once, items - first);
    if (!read_at(mem.fd(), info.offset + offset + first * stride, chunk.data(), n * stride)) return;
    for (uint64_t i = 0; i < n; ++i) f(chunk[i * step]);
  }
}

// What has to be counted, before what its header told.
void count_cells(const memory& mem, const structure_info& info, const structure_geometry& g,
                 data_summary& s) {
  constexpr size_t kStates = 2;
  uint64_t used = 0;  // by somebody, dead or alive
  for_each_word<uint64_t>(mem, info, g, kStates, [&](uint64_t word) {
    used += static_cast<bool>(internal::pool_state::of(word).owner);
  });
  s.line = absl::StrCat(with_commas(used), " of ", with_commas(g.capacity), " in use", s.line);
  s.figures.emplace_back("in_use", used);
}
void count_keys(const memory& mem, const structure_info& info, const structure_geometry& g,
                data_summary& s) {
  uint64_t keys = 0;
  const uint64_t stripes = internal::map_stripes(internal::map_buckets(g.capacity));
  for (uint64_t i = 0; i < stripes; ++i) {
    std::atomic<uint64_t> count;
    using stripe = internal::map_stripe<hardware>;
    const uint64_t at = g.offsets[0] + i * sizeof(stripe) + offsetof(stripe, count);
    if (at + sizeof count > info.bytes ||
        !read_at(mem.fd(), info.offset + at, &count, sizeof count)) {
      break;
    }
    keys += value(count);
  }
  s.line = absl::StrCat(with_commas(keys), " keys, room for ", with_commas(g.capacity), s.line);
  s.figures.emplace_back("size", keys);
}
void count_readers(const memory& mem, const structure_info& info, const structure_geometry& g,
                   bool written, data_summary& s) {
  uint64_t readers = 0;
  for_each_word<uint64_t>(
      mem, info, g, 0, [&](uint64_t word) { readers += internal::reader_count::of(word).inside; });
  s.line = absl::StrCat(
      written        ? "a writer"
      : readers != 0 ? ""
                     : "free",
      readers != 0 ? absl::StrCat(written ? " waits for " : "", with_commas(readers), " readers")
                   : "",
      s.line);
  s.figures.emplace_back("readers", readers);
}
void count_permits(const memory& mem, const structure_info& info, const structure_geometry& g,
                   data_summary& s) {
  uint64_t taken = 0;
  for_each_word<uint32_t>(mem, info, g, 0, [&](uint32_t word) { taken += word != 0; });
  s.line = absl::StrCat(with_commas(taken), " of ", with_commas(g.capacity), " taken", s.line);
  s.figures.emplace_back("taken", taken);
}
void count_arrivals(const memory& mem, const structure_info& info, const structure_geometry& g,
                    data_summary& s) {
  uint64_t settled = 0;
  for_each_word<uint32_t>(mem, info, g, 0,
                          [&](uint32_t word) { settled += internal::is_settled_arrival(word); });
  s.line = absl::StrCat(settled == g.capacity ? "open, " : "", with_commas(settled), " of ",
                        with_commas(g.capacity), " settled", s.line);
  s.figures.emplace_back("settled", settled);
}
void count_parties(const memory& mem, const structure_info& info, const structure_geometry& g,
                   uint64_t completed, data_summary& s) {
  uint64_t joined = 0, arrived = 0;
  for_each_word<uint64_t>(mem, info, g, 0, [&](uint64_t word) {
    const internal::barrier_seat seat = internal::barrier_seat::of(word);
    joined += seat.taken();
    arrived += seat.taken() && !seat.awaited(static_cast<uint32_t>(completed) + 1);
  });
  s.line = absl::StrCat(with_commas(arrived), " of ", with_commas(joined), " arrived in phase ",
                        with_commas(completed + 1), s.line);
  s.figures.emplace_back("joined", joined);
  s.figures.emplace_back("arrived", arrived);
}
void count_offers(const memory& mem, const structure_info& info, const structure_geometry& g,
                  data_summary& s) {
  uint64_t offered = 0, leased = 0, waiting = 0;
  for_each_word<uint64_t>(mem, info, g, 0, [&](uint64_t word) {
    const internal::offer_state state = internal::offer_word::state(word);
    offered += state == internal::offer_state::offered || state == internal::offer_state::orphan;
    leased += state == internal::offer_state::leased;
  });
  structure_geometry seats = g;
  seats.capacity = internal::kSeats;
  for_each_word<uint64_t>(mem, info, seats, 1, [&](uint64_t word) {
    waiting += internal::seat_word::state(word) == internal::seat_state::waiting;
  });
  s.line = absl::StrCat(with_commas(offered), " offered, ", with_commas(waiting),
                        waiting == 1 ? " receiver waits" : " receivers wait",
                        leased != 0 ? absl::StrCat(", ", leased, " leased") : "", s.line);
  s.figures.emplace_back("size", offered);
  s.figures.emplace_back("leased", leased);
  s.figures.emplace_back("waiting_receivers", waiting);
}
// A buffered channel is a queue.
absl::StatusOr<data_summary> look_at_buffered_channel(const memory& mem,
                                                      const structure_info& info) {
  static_assert(internal::kBufferedChannel == mpmc::variant);
  const absl::StatusOr<queue_stats> q = look_at_queue(mem, info);
  if (!q.ok()) return q.status();
  return data_summary{
      absl::StrCat(with_commas(q->depth), " of ", with_commas(q->capacity), " buffered",
                   q->leased != 0 ? absl::StrCat(", ", q->leased, " leased") : "",
                   q->closed ? ", closed" : ""),
      {{"capacity", q->capacity},
       {"sent", q->pushed},
       {"received", q->popped},
       {"redelivered", q->redelivered},
       {"waits", q->waits},
       {"closed", q->closed},
       {"size", q->depth},
       {"leased", q->leased}}};
}

// One that the dead have claimed is claimed until somebody who is attached looks.
void tell_state(const memory& mem, const structure_info& info, const structure_geometry& g,
                int32_t error_code, data_summary& s) {
  std::atomic<uint64_t> word;
  const uint64_t at = g.offsets[0];
  if (at > info.bytes || info.bytes - at < sizeof word ||
      !read_at(mem.fd(), info.offset + at, &word, sizeof word)) {
    return;
  }
  const internal::future_word w = internal::future_word::of(value(word));
  const future_state state = internal::state_of(w.phase);
  const auto stands = [&]() -> std::string {
    switch (state) {
      case future_state::empty:
        return "no value";
      case future_state::setting:
        return absl::StrCat("being set by slot ", w.owner.slot());
      case future_state::claimed:
        return absl::StrCat("claimed by slot ", w.owner.slot());
      case future_state::value:
        return "a value";
      case future_state::error:
        return absl::StrCat("an error, code ", error_code);
      case future_state::broken:
        return absl::StrCat("a broken promise of slot ", w.owner.slot());
    }
    return "corrupt";
  };
  s.line = stands();
  s.figures.emplace_back("has_value", state == future_state::value);
  s.figures.emplace_back("has_error", state == future_state::error);
  s.figures.emplace_back("claimed", state == future_state::claimed);
  s.figures.emplace_back("broken", state == future_state::broken);
}

void list_readers(const memory& mem, const structure_info& info, const structure_geometry& g,
                  uint64_t emitted, data_summary& s) {
  using cursor = internal::stream_cursor<hardware>;
  const uint64_t n = internal::stream_choices::unpacked(g.extra).cursors;
  for (uint64_t i = 0; i < n; ++i) {
    alignas(cursor) std::byte raw[sizeof(cursor)];
    const uint64_t at = g.offsets[0] + i * sizeof(cursor);
    if (at > info.bytes || info.bytes - at < sizeof raw ||
        !read_at(mem.fd(), info.offset + at, raw, sizeof raw)) {
      break;
    }
    const auto& c = *reinterpret_cast<const cursor*>(raw);
    const uint64_t word = value(c.word);
    if (internal::cursor_word::state(word) == internal::cursor_state::free) continue;
    const owner_tag owner = internal::cursor_word::owner(word);
    char name[internal::kMaxCursorName + 1];
    std::memcpy(name, c.name, sizeof name);
    reader_summary r;
    r.name.assign(name, ::strnlen(name, internal::kMaxCursorName));
    // A derived stream's: its name, and what tells it from its namesakes.
    if (internal::cursor_word::state(word) == internal::cursor_state::stage) {
      r.name = absl::StrCat("derived stream ", r.name.substr(0, r.name.find('\n')));
    }
    r.position = std::min(value(c.position), emitted);
    r.behind = emitted - r.position;
    r.owner = owner ? absl::StrCat("slot ", owner.slot()) : "nobody";
    s.readers.push_back(std::move(r));
  }
  absl::StrAppend(&s.line, ", ", s.readers.size(),
                  s.readers.size() == 1 ? " subscriber" : " subscribers");
}

// Of a derived stream: what it is derived from, and who pumps.
void describe_stage(const memory& mem, const structure_info& info, const structure_geometry& g,
                    data_summary& s) {
  if (internal::stream_choices::unpacked(g.extra).stage == 0) return;
  using header = internal::stage_header<hardware>;
  alignas(header) std::byte raw[sizeof(header)];
  const uint64_t at = g.offsets[2];
  if (at > info.bytes || info.bytes - at < sizeof raw ||
      !read_at(mem.fd(), info.offset + at, raw, sizeof raw)) {
    return;
  }
  const auto& h = *reinterpret_cast<const header*>(raw);
  internal::stage_origin origin;
  std::memcpy(&origin, h.origin, sizeof origin);
  const owner_tag pump = owner_tag::from_bits(h.pump.owner.load(std::memory_order_relaxed));
  const internal::stage_record<hardware>& record = h.records[value(h.commits) & 1];
  const std::string by = value(record.part) == internal::kEnded ? "it has ended"
                         : pump ? absl::StrCat("pumped by slot ", pump.slot())
                                : "pumped by nobody";
  absl::StrAppend(&s.line, "; ", origin.text(), ", ", by);
  s.figures.emplace_back("missed", value(record.missed));
  s.figures.emplace_back("commits", value(h.commits));
}

template <template <typename> typename Header>
absl::StatusOr<data_summary> look(const memory& mem, const structure_info& info) {
  header_copy<Header<hardware>> h;
  if (!h.read(mem, info) || !sound(h->geometry, info)) {
    return absl::DataLossError(absl::StrCat(kind_name(info.what), " '", info.name, "' in segment ",
                                            mem.name(), ": its header is corrupt"));
  }
  data_summary s = summary_of(*h);
  const structure_geometry& g = h->geometry;
  if constexpr (std::is_same_v<Header<hardware>, internal::pool_header<hardware>>) {
    count_cells(mem, info, g, s);
  } else if constexpr (std::is_same_v<Header<hardware>, internal::stream_header<hardware>>) {
    list_readers(mem, info, g, value(h->tail), s);
    describe_stage(mem, info, g, s);
  } else if constexpr (std::is_same_v<Header<hardware>, internal::future_header<hardware>>) {
    tell_state(mem, info, g, h->error.code, s);
  } else if constexpr (std::is_same_v<Header<hardware>, internal::map_header<hardware>>) {
    count_keys(mem, info, g, s);
  } else if constexpr (std::is_same_v<Header<hardware>, internal::rwlock_header<hardware>>) {
    count_readers(mem, info, g, value(h->writer.owner) != 0, s);
  } else if constexpr (std::is_same_v<Header<hardware>, internal::semaphore_header<hardware>>) {
    count_permits(mem, info, g, s);
  } else if constexpr (std::is_same_v<Header<hardware>, internal::rendezvous_header<hardware>>) {
    count_offers(mem, info, g, s);
  } else if constexpr (std::is_same_v<Header<hardware>, internal::latch_header<hardware>>) {
    count_arrivals(mem, info, g, s);
  } else if constexpr (std::is_same_v<Header<hardware>, internal::barrier_header<hardware>>) {
    count_parties(mem, info, g, value(h->phase) >> 32, s);
  }
  return s;
}

}  // namespace

bool has_data_summary(kind what) {
  switch (what) {
    case kind::array:
    case kind::barrier:
    case kind::cell:
    case kind::channel:
    case kind::event:
    case kind::future:
    case kind::latch:
    case kind::lazy:
    case kind::map:
    case kind::mutex:
    case kind::once:
    case kind::pool:
    case kind::ring:
    case kind::rwlock:
    case kind::semaphore:
    case kind::set:
    case kind::stack:
    case kind::stream:
      return true;
    default:
      return false;
  }
}

absl::StatusOr<data_summary> look_at_data(const memory& mem, const structure_info& info) {
  switch (info.what) {
    case kind::array:
      return look<internal::array_header>(mem, info);
    case kind::barrier:
      return look<internal::barrier_header>(mem, info);
    case kind::cell:
      return look<internal::cell_header>(mem, info);
    case kind::channel:
      return info.variant == internal::kBufferedChannel
                 ? look_at_buffered_channel(mem, info)
                 : look<internal::rendezvous_header>(mem, info);
    case kind::event:
      return look<internal::event_header>(mem, info);
    case kind::future:
      return look<internal::future_header>(mem, info);
    case kind::latch:
      return look<internal::latch_header>(mem, info);
    case kind::lazy:
      return look<internal::lazy_header>(mem, info);
    case kind::map:
    case kind::set:
      return look<internal::map_header>(mem, info);
    case kind::mutex:
      return look<internal::mutex_header>(mem, info);
    case kind::once:
      return look<internal::once_header>(mem, info);
    case kind::pool:
      return look<internal::pool_header>(mem, info);
    case kind::ring:
      return look<internal::ring_header>(mem, info);
    case kind::rwlock:
      return look<internal::rwlock_header>(mem, info);
    case kind::semaphore:
      return look<internal::semaphore_header>(mem, info);
    case kind::stack:
      return look<internal::stack_header>(mem, info);
    case kind::stream:
      return look<internal::stream_header>(mem, info);
    default:
      return absl::InvalidArgumentError(absl::StrCat("no summary of a ", kind_name(info.what)));
  }
}

}  // namespace zeroipc::tools
