// Which record a thread writes its claims to, and what becomes of it when the thread ends.
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "zeroipc/participant/fork.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/participant/watcher.h"

namespace zeroipc::internal {

constinit thread_local record_cache this_thread_record{0, nullptr};

namespace {

// All the records of one thread, one per segment it has used. Kept by a pthread key and not by a thread_local with a
// destructor: the key's destructor runs after all of those, and again if they use a record after that; in the main thread
// it does not run, for static destructors may still use its records, and what is left goes when the process leaves.
struct records_of_thread {
  struct entry {
    uint64_t key;
    thread_record<hardware>* record;
  };
  std::vector<entry> entries;
};
constinit thread_local records_of_thread* my_records = nullptr;

void thread_ends(void* value) {
  auto* records = static_cast<records_of_thread*>(value);
  this_thread_record = {0, nullptr};
  my_records = nullptr;
  for (const auto& e : records->entries) {
    process_participants::instance().with_key(e.key,
                                              [&](participant& p) { p.give_back(e.record); });
  }
  delete records;
}

// nullptr if the program has used up its thread keys.
records_of_thread* records_of_this_thread() {
  static const std::optional<pthread_key_t> exit_hook = [] {
    pthread_key_t key;
    return ::pthread_key_create(&key, thread_ends) == 0 ? std::optional(key) : std::nullopt;
  }();
  if (my_records == nullptr && exit_hook) {
    auto records = std::make_unique<records_of_thread>();
    if (::pthread_setspecific(*exit_hook, records.get()) == 0) my_records = records.release();
  }
  return my_records;
}

}  // namespace

void forget_thread_records_after_fork() {
  this_thread_record = {0, nullptr};
  if (my_records != nullptr) my_records->entries.clear();
}

void participant::give_back(thread_record<hardware>* record) {
  std::lock_guard lock(mutex_);
  if (!member_ || record->owner.load(std::memory_order_relaxed) != tag().bits()) return;
  // A thread that has ended has no operation in progress, whatever ended it.
  record->claims[0].clear();
  for (const auto& claim : record->claims) {
    if (claim.what.load(std::memory_order_relaxed) == 0) continue;
    // A reservation that outlives the thread it was made by: the record has to stay this process's.
    spare_records_.push_back(record);
    return;
  }
  record->ready.store(0, std::memory_order_release);
  record->owner.store(0, std::memory_order_release);
}

thread_record<hardware>* participant::record_slow() {
  records_of_thread* mine = records_of_this_thread();
  if (mine == nullptr) return nullptr;
  const uint64_t key = key_.load(std::memory_order_relaxed);
  for (const auto& e : mine->entries) {
    if (e.key == key) {
      this_thread_record = {key, e.record};
      return e.record;
    }
  }
  std::erase_if(mine->entries,
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
  mine->entries.push_back({key, record});
  this_thread_record = {key, record};
  return record;
}

// The claims of a dead owner are still in the record when it changes hands, and must never pass for the new owner's: so
// `owner` is claimed first, the claims are cleared, and only then does `ready` say that they are the new owner's own.
// Killed in between: owner is dead, ready differs; the next one does the same.
bool participant::try_claim(uint32_t index, uint32_t owner) {
  thread_record<hardware>& record = threads_[index];
  if (!record.owner.compare_exchange_strong(owner, tag().bits(), std::memory_order_acq_rel,
                                            std::memory_order_relaxed)) {
    return false;
  }
  for (auto& claim : record.claims) claim.what.store(0, std::memory_order_relaxed);
  // The scan of others must cover this record before it can hold a claim.
  uint32_t high = header_->threads_high_water.load(std::memory_order_relaxed);
  while (high < index + 1 &&
         !header_->threads_high_water.compare_exchange_weak(
             high, index + 1, std::memory_order_acq_rel, std::memory_order_relaxed)) {
  }
  record.ready.store(tag().bits(), std::memory_order_release);  // pairs with for_each_record()
  return true;
}

// Low ones first, so that scans stay short. Asking whether an owner is dead is a system call unless its death has been
// announced; so that is done only if there is no other way, and once for each owner.
thread_record<hardware>* participant::claim_record() {
  const uint32_t n = geometry_.max_threads;
  const auto announced = [&](owner_tag owner) {
    return owner.slot() >= geometry_.max_participants ||
           slots_[owner.slot()].state.load(std::memory_order_acquire) !=
               participant_slot::pack(owner.generation(), slot_state::attached);
  };
  for (uint32_t i = 0; i < n; ++i) {
    const uint32_t owner = threads_[i].owner.load(std::memory_order_acquire);
    if ((owner == 0 || announced(owner_tag::from_bits(owner))) && try_claim(i, owner)) {
      return &threads_[i];
    }
  }
  std::unordered_map<uint32_t, bool> dead;
  for (uint32_t i = 0; i < n; ++i) {
    const uint32_t owner = threads_[i].owner.load(std::memory_order_acquire);
    auto known = dead.find(owner);
    if (known == dead.end()) {
      const bool is = owner == 0 || is_dead(owner_tag::from_bits(owner));
      known = dead.emplace(owner, is).first;
    }
    if (known->second && try_claim(i, owner)) return &threads_[i];
  }
  return nullptr;
}

}  // namespace zeroipc::internal
