#include "zeroipc/name_table/table.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "zeroipc/heap/backing.h"

namespace zeroipc::internal {
namespace {

// Entries whose pages are asked for at a time.
constexpr uint64_t kEntryStep = 64;
// No pair of epochs: makes the next reap() look.
constexpr uint64_t kNeverReaped = ~uint64_t{0};

int64_t wall_clock_ns() {
  timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// Relaxed: words that only the lock's owner writes.
uint64_t get(const shared_word& word) { return word.load(std::memory_order_relaxed); }

uint64_t bumped(uint64_t bucket, uint64_t head) { return ((bucket >> 32) + 1) << 32 | head; }

uint64_t links(uint64_t prev, uint64_t next) { return prev << 32 | next; }
uint64_t prev_of(uint64_t word) { return word >> 32; }
uint64_t next_of(uint64_t word) { return word & 0xffff'ffffu; }

}  // namespace

absl::Status table::corrupt(std::string_view what) const {
  return absl::DataLossError(
      absl::StrCat("segment ", segment_.name, ": corrupt name table: ", what));
}

absl::StatusOr<std::optional<table::position>> table::find(const name_key& key) const {
  const uint32_t b = view_.bucket_of(key.hash);
  if (!view_.bucket_touched(b)) return std::nullopt;
  std::optional<uint32_t> before;
  uint64_t next = next_of(get(view_.bucket(b)));
  for (uint32_t steps = 0; next != 0; ++steps) {
    if (next > segment_.geometry.max_names || steps >= segment_.geometry.max_names) {
      return corrupt(absl::StrCat("the chain of bucket ", b, " does not end"));
    }
    const auto index = static_cast<uint32_t>(next - 1);
    const name_entry& e = view_.entry(index);
    if (name_entry::state_of(get(e.state)) != entry_state::live) {
      return corrupt(absl::StrCat("entry ", index, " is in a chain and not live"));
    }
    if (get(e.hash) == key.hash) {
      bool same = true;
      for (uint32_t i = 0; i < key.words; ++i) same = same && get(e.name[i]) == key.text[i];
      if (same) return position{index, before};
    }
    before = index;
    next = get(e.next);
  }
  return std::nullopt;
}

absl::StatusOr<uint32_t> table::take_entry(transaction& tx, uint64_t hash) {
  const segment_geometry& g = segment_.geometry;
  name_block& head = view_.head();
  const uint64_t first = get(head.free_head);
  uint32_t index;
  if (first != 0) {
    if (first > view_.used()) return corrupt("list of free entries");
    index = static_cast<uint32_t>(first - 1);
    if (name_entry::state_of(get(view_.entry(index).state)) != entry_state::free) {
      return corrupt(absl::StrCat("entry ", index, " is in the list of free entries and in use"));
    }
    tx.set(head.free_head, get(view_.entry(index).next));
  } else {
    const uint64_t n = get(head.high_water);
    if (n >= g.max_names) {
      return absl::ResourceExhaustedError(
          absl::StrCat("segment ", segment_.name, ": all its ", g.max_names,
                       " names are in use; memory_options::max_names sets their number"));
    }
    if (n >= get(head.backed)) {
      const uint64_t to = std::min<uint64_t>(n + kEntryStep, g.max_names);
      const absl::Status status = back(segment_, g.names_offset + n * kNameEntryBytes,
                                       g.names_offset + to * kNameEntryBytes, "more names");
      if (!status.ok()) return status;
      head.backed.store(to, std::memory_order_release);
    }
    index = static_cast<uint32_t>(n);
    tx.set(head.high_water, n + 1);
  }
  const uint32_t b = view_.bucket_of(hash);
  if (!view_.bucket_touched(b)) {
    const uint64_t page = b / (kPage / kBucketBytes);
    const uint64_t at = g.buckets_offset + page * kPage;
    const absl::Status status = back(segment_, at, at + kPage, "more names");
    if (!status.ok()) return status;
    // Not in the journal: that the page exists stays true.
    head.bucket_pages[page / 64].fetch_or(uint64_t{1} << (page % 64), std::memory_order_acq_rel);
  }
  return index;
}

absl::StatusOr<uint32_t> table::create_once(const name_key& key, const structure_type& type,
                                            uint64_t bytes, uint64_t align, initializer init) {
  transaction tx(segment_.base, segment_.geometry);
  absl::StatusOr<uint32_t> index = take_entry(tx, key.hash);
  if (!index.ok()) return index;
  absl::StatusOr<uint64_t> offset = heap_.allocate(tx, bytes, align);
  if (!offset.ok()) return offset.status();
  init(segment_.base + *offset);

  name_entry& e = view_.entry(*index);
  shared_word& bucket = view_.bucket(view_.bucket_of(key.hash));
  const uint64_t old = get(bucket);
  tx.set(e.next, next_of(old));
  // The rest of a free entry means nothing, so there is nothing to restore. Release: see
  // name_entry.h.
  const auto put = [](shared_word& word, uint64_t value) {
    word.store(value, std::memory_order_release);
  };
  put(e.hash, key.hash);
  put(e.place, *offset);
  for (size_t i = 0; i < name_entry::kNameWords; ++i) put(e.name[i], key.text[i]);
  put(e.bytes, bytes);
  put(e.what, static_cast<uint64_t>(type.what) << 8 | type.variant);
  put(e.element, uint64_t{type.element_size} << 32 | type.element_align);
  put(e.fingerprint, type.fingerprint);
  put(e.created_ns, static_cast<uint64_t>(wall_clock_ns()));
  put(e.creator, static_cast<uint64_t>(::getpid()));
  put(e.removed_links, 0);
  store_text(e.variant_name, type.variant_name);
  store_text(e.type_name, type.type_name);

  absl::Status status = hold(segment_, *index);
  if (!status.ok()) return status;
  absl::Cleanup unhold = [&] { session_.env().drop_hold(*index); };
  const uint64_t generation = name_entry::generation_of(get(e.state)) + 1;
  tx.set(view_.head().live, get(view_.head().live) + 1);
  tx.set_on_commit(e.state, name_entry::pack(generation, entry_state::live));
  tx.set_on_commit(bucket, bumped(old, *index + 1));
  status = tx.commit();
  if (!status.ok()) return status;
  std::move(unhold).Cancel();
  return index;
}

absl::StatusOr<uint32_t> table::create(const name_key& key, const structure_type& type,
                                       uint64_t bytes, uint64_t align, initializer init) {
  absl::StatusOr<uint32_t> index = create_once(key, type, bytes, align, init);
  if (!absl::IsResourceExhausted(index.status())) return index;
  // What the dead still hold may be what is missing.
  absl::StatusOr<int> freed = reap(true);
  if (!freed.ok() || *freed == 0) return index;
  return create_once(key, type, bytes, align, init);
}

absl::Status table::remove(const name_key& key, const position& p) {
  name_block& head = view_.head();
  name_entry& e = view_.entry(p.index);
  const uint64_t old = get(view_.bucket(view_.bucket_of(key.hash)));
  const uint64_t next = get(e.next);
  const uint64_t first = get(head.removed_head);
  if (first > view_.used()) return corrupt("list of removed entries");
  {
    transaction tx(segment_.base, segment_.geometry);
    tx.set(e.removed_links, links(0, first));
    if (first != 0) {
      name_entry& other = view_.entry(static_cast<uint32_t>(first - 1));
      tx.set(other.removed_links, links(p.index + 1, next_of(get(other.removed_links))));
    }
    tx.set(head.removed_head, p.index + 1);
    tx.set(head.live, get(head.live) - 1);
    tx.set(head.removed, get(head.removed) + 1);
    const uint64_t generation = name_entry::generation_of(get(e.state));
    tx.set_on_commit(e.state, name_entry::pack(generation, entry_state::removed));
    if (p.before) tx.set_on_commit(view_.entry(*p.before).next, next);
    tx.set_on_commit(view_.bucket(view_.bucket_of(key.hash)),
                     bumped(old, p.before ? next_of(old) : next));
    const absl::Status status = tx.commit();
    if (!status.ok()) return status;
  }
  return free_if_unheld(p.index);
}

absl::Status table::free_if_unheld(uint32_t index) {
  if (name_entry::state_of(get(view_.entry(index).state)) != entry_state::removed) {
    return absl::OkStatus();
  }
  // Pairs with the fence in hold() and let_go().
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (session_.env().anyone_holds(index)) return absl::OkStatus();
  return release(index);
}

absl::Status table::release(uint32_t index) {
  name_block& head = view_.head();
  name_entry& e = view_.entry(index);
  const uint64_t prev = prev_of(get(e.removed_links));
  const uint64_t next = next_of(get(e.removed_links));
  if (prev > view_.used() || next > view_.used() ||
      (prev == 0 && get(head.removed_head) != index + 1)) {
    return corrupt("list of removed entries");
  }
  transaction tx(segment_.base, segment_.geometry);
  if (prev == 0) {
    tx.set(head.removed_head, next);
  } else {
    shared_word& word = view_.entry(static_cast<uint32_t>(prev - 1)).removed_links;
    tx.set(word, links(prev_of(get(word)), next));
  }
  if (next != 0) {
    shared_word& word = view_.entry(static_cast<uint32_t>(next - 1)).removed_links;
    tx.set(word, links(prev, next_of(get(word))));
  }
  tx.set(head.removed, get(head.removed) - 1);
  tx.set(e.state, name_entry::pack(name_entry::generation_of(get(e.state)), entry_state::free));
  tx.set(e.next, get(head.free_head));
  tx.set(head.free_head, index + 1);
  const absl::Status status = heap_.free(tx, get(e.place));
  if (!status.ok()) return status;
  return tx.commit();
}

absl::StatusOr<int> table::reap(bool forced) {
  name_block& head = view_.head();
  if (get(head.removed) == 0) return 0;
  const segment_header& header = session_.env().header();
  // Read before looking: whoever dies later moves them again.
  const uint64_t epochs = uint64_t{header.death_epoch.load(std::memory_order_acquire)} << 32 |
                          header.membership_epoch.load(std::memory_order_acquire);
  if (!forced && get(head.reaped) == epochs) return 0;
  const uint64_t before = get(head.removed);
  uint64_t next = get(head.removed_head);
  for (uint32_t steps = 0; next != 0; ++steps) {
    if (next > view_.used() || steps >= view_.used()) return corrupt("list of removed entries");
    const auto index = static_cast<uint32_t>(next - 1);
    if (name_entry::state_of(get(view_.entry(index).state)) != entry_state::removed) {
      return corrupt(absl::StrCat("entry ", index, " is in the list of removed ones and is not"));
    }
    next = next_of(get(view_.entry(index).removed_links));
    const absl::Status status = free_if_unheld(index);
    if (!status.ok()) return status;
  }
  head.reaped.store(epochs, std::memory_order_release);
  return static_cast<int>(before - get(head.removed));
}

absl::Status table::hold(const attachment& segment, uint32_t index) {
  participant& env = *segment.self;
  const segment_geometry& g = segment.geometry;
  const uint32_t slot = env.self().slot();
  if (slot < g.max_participants) {
    auto* slots = reinterpret_cast<participant_slot*>(segment.base + g.participants_offset);
    // The row is in use, and so has its pages, below this mark.
    if (index / 64 >= slots[slot].hold_words.load(std::memory_order_relaxed)) {
      const uint64_t row = g.holds_offset + slot * g.hold_row_bytes();
      const absl::Status status =
          back(segment, row, row + index / 64 * 8 + 8, "this process's holds");
      if (!status.ok()) return status;
    }
  }
  env.add_hold(index);
  // Pairs with the fence in free_if_unheld(): either the remover sees the bit, or the caller sees
  // the removal.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return absl::OkStatus();
}

void table::let_go(const attachment& segment, uint32_t index) {
  if (!segment.self->drop_hold(index)) return;
  // Pairs with the fence in free_if_unheld(): either the remover saw the bit gone, or the removal
  // is seen here.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const name_view view(segment);
  if (name_entry::state_of(view.entry(index).state.load(std::memory_order_acquire)) !=
      entry_state::removed) {
    return;
  }
  absl::StatusOr<control_session> session = control_session::enter(segment);
  // Where that fails (from within an initializer; a corrupt segment) the entry waits for the next
  // reap().
  if (!session.ok() || !table(*session).free_if_unheld(index).ok()) {
    view.head().reaped.store(kNeverReaped, std::memory_order_release);
  }
}

}  // namespace zeroipc::internal
