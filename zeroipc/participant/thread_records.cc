// Which record a thread writes its claims to, and what becomes of it when the thread ends.
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "zeroipc/participant/fork.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/participant/watcher.h"

namespace zeroipc::internal {

constinit thread_local record_cache this_thread_record{0, nullptr};

namespace {

// All the records of one thread, one per segment it has used; gives them back when the thread ends.
struct records_of_thread {
  struct entry {
    uint64_t key;
    thread_record<hardware>* record;
  };
  std::vector<entry> entries;

  ~records_of_thread() {
    this_thread_record = {0, nullptr};
    for (const entry& e : entries) {
      process_participants::instance().with_key(e.key,
                                                [&](participant& p) { p.give_back(e.record); });
    }
  }
};
thread_local records_of_thread my_records;

}  // namespace

void forget_thread_records_after_fork() {
  this_thread_record = {0, nullptr};
  my_records.entries.clear();
}

void participant::give_back(thread_record<hardware>* record) {
  std::lock_guard lock(mutex_);
  spare_records_.push_back(record);
}

thread_record<hardware>* participant::record_slow() {
  const uint64_t key = key_.load(std::memory_order_relaxed);
  for (const auto& e : my_records.entries) {
    if (e.key == key) {
      this_thread_record = {key, e.record};
      return e.record;
    }
  }
  std::erase_if(my_records.entries,
                [](const auto& e) { return !process_participants::instance().has_key(e.key); });
  thread_record<hardware>* record = nullptr;
  {
    std::lock_guard lock(mutex_);
    // A forked child that could not join has no tag, and one that did has no watcher yet.
    if (!tag() || !start_watcher().ok()) return nullptr;
    if (!spare_records_.empty()) {
      record = spare_records_.back();
      spare_records_.pop_back();
    } else {
      record = claim_record();
    }
  }
  if (record == nullptr) return nullptr;
  record->thread_id.store(static_cast<uint32_t>(::syscall(SYS_gettid)), std::memory_order_relaxed);
  my_records.entries.push_back({key, record});
  this_thread_record = {key, record};
  return record;
}

// The claims of a dead owner are still in the record when it changes hands, and must never pass for the new owner's: so
// `owner` is claimed first, the claims are cleared, and only then does `ready` say that they are the new owner's own.
// Killed in between: owner is dead, ready differs; the next one does the same.
thread_record<hardware>* participant::claim_record() {
  for (uint32_t i = 0; i < geometry_.max_threads; ++i) {
    thread_record<hardware>& record = threads_[i];
    uint32_t owner = record.owner.load(std::memory_order_acquire);
    if (owner != 0 && !is_dead(owner_tag::from_bits(owner))) continue;
    if (!record.owner.compare_exchange_strong(owner, tag().bits(), std::memory_order_acq_rel,
                                              std::memory_order_relaxed)) {
      continue;
    }
    for (auto& claim : record.claims) claim.what.store(0, std::memory_order_relaxed);
    // The scan of others must cover this record before it can hold a claim.
    uint32_t high = header_->threads_high_water.load(std::memory_order_relaxed);
    while (high < i + 1 && !header_->threads_high_water.compare_exchange_weak(
                               high, i + 1, std::memory_order_acq_rel, std::memory_order_relaxed)) {
    }
    record.ready.store(tag().bits(), std::memory_order_release);  // pairs with for_each_record()
    return &record;
  }
  return nullptr;
}

}  // namespace zeroipc::internal
