// A process's membership in a segment: its slot, its liveness token, its threads' records, and its watcher.
//
// The token is an open-file-description lock on one byte per slot, taken on a file descriptor of its own that is never
// mapped: the kernel releases it when the process is gone, whatever ended it, and it means the same in every PID
// namespace. Taking the lock *is* claiming the slot, so there is no slot that nobody holds. It is never taken while the slot
// still says `attached`: the death of its last owner is announced before, so that nobody can mistake the new owner's lock
// for the old one's and go to sleep over it.
//
// The watcher is one thread that sleeps until the kernel tells it that another participant's watcher died (a robust
// futex word per slot; a hint), makes sure with the token (the truth), and then bumps the segment's death epoch, on which
// every sleeper of the segment also waits. Nothing runs while nobody dies, attaches or detaches.
//
// Thread safety: all members may be called from any thread.
//
// Fork: the child's slot is taken, and the parent's holds are entered there, before the fork; so the child is a participant
// with a tag of its own from its first instruction, even if the parent ends at once. The handlers that do it belong to
// fork(). After a raw clone(2) nothing of the library may be used, and the parent counts as alive while such a child keeps
// its file descriptors; vfork and posix_spawn are fine, for exec closes them.
#ifndef ZEROIPC_PARTICIPANT_PARTICIPANT_H_
#define ZEROIPC_PARTICIPANT_PARTICIPANT_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "zeroipc/base/asymmetric_fence.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/participant/owner_tag.h"
#include "zeroipc/participant/thread_record.h"
#include "zeroipc/segment/layout.h"

namespace zeroipc::internal {

class watcher;

// The last record this thread used, so that the fast path is one comparison. `key` is a participant's, unique in the
// process and renewed by fork.
struct record_cache {
  uint64_t key;
  thread_record<hardware>* record;
};
extern constinit thread_local record_cache this_thread_record;

// Grows with every fork of this process's ancestors: a guard remembers the value it was made under, and is inert in a
// child that inherited it.
uint32_t fork_generation();

struct participant_info {
  uint32_t slot = 0;
  uint32_t generation = 0;
  int32_t pid = 0;
  bool alive = false;
  bool self = false;
  int64_t attached_ns = 0;
  std::string name;
};

class participant {
 public:
  // Joins the segment mapped at `base`. `reopen` gives a fresh file descriptor of the segment's file each time it is
  // called (it is called again after fork).
  static absl::StatusOr<std::unique_ptr<participant>> attach(void* base,
                                                             const segment_geometry& geometry,
                                                             std::string segment_name,
                                                             std::function<int()> reopen);
  ~participant();
  participant(const participant&) = delete;
  participant& operator=(const participant&) = delete;

  // --- what the algorithms need: participant is the hardware `Env` ---

  // Who we are, as written into claims and locks; nobody (false) in a forked child that could not join, which must claim
  // nothing then. What a process holds is only given back promptly if its death is noticed, so in a forked child the first
  // call starts the watcher.
  owner_tag self() {
    if (!watched_.load(std::memory_order_acquire)) [[unlikely]]
      ensure_watched();
    return tag();
  }
  // The same without that; 0 in a forked child that could not join.
  owner_tag tag() const { return owner_tag::from_bits(tag_.load(std::memory_order_relaxed)); }

  // Whether the process behind `who` has ended or left. One comparison if the slot has moved on, else a system call.
  bool is_dead(owner_tag who) const;

  // This thread's record; nullptr if the segment's thread records are used up.
  thread_record<hardware>* record() {
    if (this_thread_record.key == key_.load(std::memory_order_relaxed)) [[likely]] {
      return this_thread_record.record;
    }
    return record_slow();
  }

  // Calls f(const thread_record&, owner_tag) for every record in use, in no order.
  template <typename F>
  void for_each_record(F&& f) const {
    const uint32_t n = threads_in_use();
    for (uint32_t i = 0; i < n; ++i) {
      // Acquire: pairs with the CAS that claimed the record.
      const uint32_t owner = threads_[i].owner.load(std::memory_order_acquire);
      // A record whose owner is not ready yet still holds the claims of a dead one. Acquire: pairs with the release of
      // `ready` in claim_record(). A claim that stands while this scan runs was made by an owner that was ready before.
      const uint32_t ready = threads_[i].ready.load(std::memory_order_acquire);
      if (owner != 0 && owner == ready) f(threads_[i], owner_tag::from_bits(owner));
    }
  }

  uint32_t death_epoch() const { return header_->death_epoch.load(std::memory_order_acquire); }
  void light_fence() const { internal::light_fence(fences_); }
  void heavy_fence() const { internal::heavy_fence(fences_); }
  int spins() const { return spins_; }
  void set_spins(int n) { spins_ = n; }

  // Sleeps while word == key and the death epoch is `epoch`; false once the deadline has passed. May return early.
  bool sleep(std::atomic<uint32_t>& word, uint32_t key, uint32_t epoch, deadline until);
  // The same on several words, of any segments, until one of them changes.
  struct sleep_word {
    participant* env;
    std::atomic<uint32_t>* word;  // nullptr: only for deaths in that segment
    uint32_t key;
    uint32_t epoch;
  };
  // What one sleep takes: each word, and each segment's death epoch once.
  static constexpr size_t kMostAwaited = 128;
  // REQUIRES: 1 to kMostAwaited, as counted there.
  static bool sleep_any(std::span<const sleep_word> words, deadline until);
  // Wakes up to n sleepers on `word`; how many it woke.
  int wake(std::atomic<uint32_t>& word, int n);

  // --- the rest of the process's view ---

  const segment_geometry& geometry() const { return geometry_; }
  segment_header& header() const { return *header_; }
  std::byte* base() const { return base_; }
  const std::string& segment_name() const { return segment_name_; }

  // Pins this process to structure `index` of the name table (one bit; see zeroipc/name_table). Counted per process.
  // REQUIRES: index < max_names; under kReserve, the row's pages are backed up to it.
  void add_hold(uint32_t index);
  // True if it was the process's last hold on it.
  bool drop_hold(uint32_t index);
  // Whether any live participant other than this process holds structure `index`, or this one does.
  bool anyone_holds(uint32_t index) const;

  // The processes that were attached and have not left, dead ones included until their slot is reused.
  std::vector<participant_info> list() const;
  // Whether any other process is attached and alive.
  bool alone() const;

  // Marks every slot whose process is gone, and wakes all sleepers if there was one; how many there were.
  int notice_deaths();

 private:
  friend class watcher;
  friend class process_participants;
  participant(void* base, const segment_geometry& geometry, std::string segment_name,
              std::function<int()> reopen);

  // A slot and the lock that holds it.
  struct membership {
    int fd = -1;
    owner_tag tag;
  };

  uint32_t slots_in_use() const;
  uint32_t threads_in_use() const;
  std::atomic<uint64_t>* hold_row(uint32_t slot) const;
  thread_record<hardware>* record_slow();
  thread_record<hardware>* claim_record();
  bool try_claim(uint32_t index, uint32_t owner);
  absl::StatusOr<membership> take_slot(int32_t pid);
  absl::StatusOr<bool> try_take(int fd, uint32_t slot);
  void adopt(membership m);
  void leave();
  void before_fork();
  void after_fork_in_parent();
  void after_fork_in_child();
  absl::Status start_watcher();
  void ensure_watched();
  bool token_held(uint32_t slot) const;
  void announce_death(uint32_t slot, uint32_t state_word);
  void tell_sleepers();
  void announce_membership();

  std::byte* base_;
  segment_header* header_;
  participant_slot* slots_;
  thread_record<hardware>* threads_;
  segment_geometry geometry_;
  std::string segment_name_;
  std::function<int()> reopen_;
  fence_mode fences_;
  int spins_;

  std::atomic<uint32_t> tag_{0};
  std::atomic<bool> watched_{false};
  std::atomic<uint64_t> key_{0};
  int lock_fd_ = -1;  // changes only while no other thread can use the participant
  std::mutex mutex_;  // guards what follows; held over fork
  // Attached and not leaving; a forked child stays one even if it could not join.
  bool member_ = false;
  membership child_;  // between the two sides of a fork
  // Of threads that have ended, with claims that outlive them.
  std::vector<thread_record<hardware>*> spare_records_;
  std::vector<uint32_t> holds_;  // per name index: handles in this process
  std::unique_ptr<watcher> watcher_;

 public:
  // For the thread-exit hook: gives the record of an ended thread back.
  void give_back(thread_record<hardware>* record);
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_PARTICIPANT_PARTICIPANT_H_
