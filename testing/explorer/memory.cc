#include "testing/explorer/memory.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace zeroipc::explorer {
namespace {

[[noreturn]] void give_up(const char* why) {
  std::fprintf(stderr, "explorer: %s\n", why);
  std::abort();
}

uint64_t read_raw(const void* address, size_t size) {
  uint64_t value = 0;
  std::memcpy(&value, address, size);
  return value;
}

}  // namespace

void view::join_locations(const view& other, size_t locations) {
  for (size_t i = 0; i < locations; ++i) at[i] = std::max(at[i], other.at[i]);
}

void view::join(const view& other, size_t locations) {
  join_locations(other, locations);
  for (size_t i = 0; i < plain.size(); ++i) plain[i] = std::max(plain[i], other.plain[i]);
}

uint64_t view::hash(size_t locations) const {
  // A location that nobody has stored to says nothing, so that it does not matter when it was first met.
  uint64_t h = 0;
  for (size_t i = 0; i < locations; ++i) {
    if (at[i] != 0) h += mix(i, at[i]);
  }
  for (size_t i = 0; i < plain.size(); ++i) h += mix(kLocations + i, plain[i]);
  return h;
}

shared_memory::shared_memory()
    : bytes_(static_cast<std::byte*>(std::aligned_alloc(4096, kBytes))),
      kinds_(kBytes / 4),
      index_(kBytes / 4),
      words_(kBytes / 8) {
  locations_.reserve(view::kLocations);
  used_ = kBytes;
}

shared_memory::~shared_memory() { std::free(bytes_); }

void shared_memory::reset() {
  std::memset(bytes_, 0, used_);
  used_ = 0;
  contents_ = 0;
  weak_ = false;
  for (const uint16_t w : touched_) words_[w] = {};
  touched_.clear();
}

void shared_memory::begin_concurrency(bool weak) {
  weak_ = weak;
  threads_ = {};
  sequential_ = {};
  for (location& l : locations_) {
    l.length = 1;
    l.history[0].value = read_raw(l.address, l.size);
  }
}

void shared_memory::set_kind(const void* address, size_t n, kind k) {
  for (size_t i = offset(address) / 4; i <= (offset(address) + n - 1) / 4; ++i) kinds_[i] = k;
}

void* shared_memory::allocate(size_t bytes, size_t align) {
  used_ = (used_ + align - 1) / align * align;
  void* const at = bytes_ + used_;
  used_ += bytes;
  if (used_ > kBytes) give_up("a program shares more memory than there is");
  return at;
}

size_t shared_memory::index(const void* address, size_t size) {
  const size_t at = offset(address);
  if (at >= kBytes) give_up("an atomic that does not lie in shared memory was accessed");
  uint16_t& known = index_[at / 4];
  if (known == 0) {
    if (locations_.size() == view::kLocations) give_up("too many locations");
    locations_.push_back({const_cast<void*>(address), size, {}, 1});
    // What was there before the first access is known to all.
    locations_.back().history.push_back({read_raw(address, size), 0, {}});
    known = static_cast<uint16_t>(locations_.size());
  }
  return known - size_t{1};
}

shared_memory::location& shared_memory::locate(const void* address, size_t size) {
  return locations_[index(address, size)];
}

void shared_memory::account(const void* address, size_t n, bool added) {
  const auto* at = static_cast<const std::byte*>(address);
  for (size_t i = 0; i < n; i += 8) {
    const uint64_t value = read_raw(at + i, std::min<size_t>(8, n - i));
    const uint64_t part = value == 0 ? 0 : mix(offset(at + i) + 1, value);
    contents_ += added ? part : uint64_t{0} - part;
  }
}

void shared_memory::write_raw(void* address, size_t size, uint64_t value) {
  account(address, size, false);
  std::memcpy(address, &value, size);
  account(address, size, true);
}

int shared_memory::readable(int thread, const void* address, int older) {
  if (!weak_) return 1;
  // Never met: nothing but what was there at first.
  const uint16_t known = index_[offset(address) / 4];
  if (known == 0) return 1;
  const location& l = locations_[known - 1];
  const auto newest = static_cast<int>(l.length) - 1;
  return 1 + std::min(older, newest - threads_[thread].now.at[known - 1]);
}

uint64_t shared_memory::peek(const void* address, size_t size, int back) {
  if (back == 0) return read_raw(address, size);
  const location& l = locate(address, size);
  return l.history[l.length - 1 - back].value;
}

uint64_t shared_memory::load(int thread, const void* address, size_t size, std::memory_order order,
                             int back) {
  if (!weak_) return read_raw(address, size);
  const size_t i = index(address, size);
  const location& l = locations_[i];
  const size_t which = l.length - 1 - static_cast<size_t>(back);
  const message& m = l.history[which];
  knowledge& k = threads_[thread];
  const size_t n = locations_.size();
  if (order == std::memory_order_seq_cst) k.now.join_locations(sequential_, n);
  k.now.at[i] = std::max(k.now.at[i], static_cast<uint16_t>(which));
  if (which != 0) {
    if (acquires(order)) {
      k.now.join(m.carried, n);
    } else {
      k.if_fenced.join(m.carried, n);
    }
  }
  if (order == std::memory_order_seq_cst) sequential_.join_locations(k.now, n);
  return m.value;
}

void shared_memory::append(int thread, location& l, size_t i, uint64_t value,
                           std::memory_order order, bool replaces) {
  knowledge& k = threads_[thread];
  const size_t n = locations_.size();
  if (order == std::memory_order_seq_cst) k.now.join_locations(sequential_, n);
  if (l.history.size() == l.length) l.history.emplace_back();
  message& m = l.history[l.length];
  k.now.at[i] = static_cast<uint16_t>(l.length);
  m.value = value;
  m.carried = releases(order) ? k.now : k.released;
  m.carried.at[i] = static_cast<uint16_t>(l.length);
  if (replaces && l.length > 1) m.carried.join(l.history[l.length - 1].carried, n);
  m.hash = mix(value, m.carried.hash(n));
  ++l.length;
  if (order == std::memory_order_seq_cst) sequential_.join_locations(k.now, n);
}

void shared_memory::store(int thread, void* address, size_t size, uint64_t value,
                          std::memory_order order) {
  if (weak_) {
    const size_t i = index(address, size);
    append(thread, locations_[i], i, value, order, false);
  }
  write_raw(address, size, value);
}

void shared_memory::replace(int thread, void* address, size_t size, uint64_t value,
                            std::memory_order order) {
  if (weak_) {
    const size_t i = index(address, size);
    load(thread, address, size,
         order == std::memory_order_seq_cst ? std::memory_order_acquire : order, 0);
    append(thread, locations_[i], i, value, order, true);
  }
  write_raw(address, size, value);
}

shared_memory::word& shared_memory::touch(size_t i) {
  word& w = words_[i];
  if (!w.touched) touched_.push_back(static_cast<uint16_t>(i));
  w.touched = true;
  return w;
}

bool shared_memory::plain_write(int thread, void* to, const void* from, size_t n) {
  account(to, n, false);
  std::memcpy(to, from, n);
  account(to, n, true);
  if (!weak_ || n == 0) return false;
  view& now = threads_[thread].now;
  ++now.plain[thread];
  bool race = false;
  for (size_t i = offset(to) / 8; i <= (offset(to) + n - 1) / 8; ++i) {
    word& w = touch(i);
    race = race || (w.writer >= 0 && now.plain[w.writer] < w.written);
    for (int t = 0; t < kMaxThreads; ++t) race = race || now.plain[t] < w.read[t];
    w.writer = static_cast<int8_t>(thread);
    w.written = now.plain[thread];
  }
  return race;
}

bool shared_memory::plain_read(int thread, void* to, const void* from, size_t n) {
  std::memcpy(to, from, n);
  if (!weak_ || n == 0) return false;
  view& now = threads_[thread].now;
  ++now.plain[thread];
  bool race = false;
  for (size_t i = offset(from) / 8; i <= (offset(from) + n - 1) / 8; ++i) {
    word& w = touch(i);
    race = race || (w.writer >= 0 && now.plain[w.writer] < w.written);
    w.read[thread] = now.plain[thread];
  }
  return race;
}

void shared_memory::fence(int thread, std::memory_order order) {
  if (!weak_) return;
  knowledge& k = threads_[thread];
  const size_t n = locations_.size();
  if (acquires(order)) {
    acquire_fences_ = true;
    k.now.join(k.if_fenced, n);
  }
  if (order == std::memory_order_seq_cst) {
    k.now.join_locations(sequential_, n);
    sequential_.join_locations(k.now, n);
  }
  if (releases(order)) k.released = k.now;
}

void shared_memory::barrier_everywhere() {
  if (!weak_) return;
  const size_t n = locations_.size();
  for (knowledge& k : threads_) sequential_.join_locations(k.now, n);
  for (knowledge& k : threads_) k.now.join_locations(sequential_, n);
}

void shared_memory::synchronise(int from, int to) {
  if (weak_) threads_[to].now.join(threads_[from].now, locations_.size());
}

uint64_t shared_memory::state(unsigned live) {
  uint64_t h = contents_;
  if (!weak_) return h;
  const size_t n = locations_.size();
  for (size_t i = 0; i < n; ++i) {
    const location& l = locations_[i];
    if (l.length == 1) continue;
    size_t oldest = l.length - 1;
    for (int t = 0; t < kMaxThreads; ++t) {
      if ((live >> t & 1) != 0) oldest = std::min<size_t>(oldest, threads_[t].now.at[i]);
    }
    for (size_t s = std::max<size_t>(oldest, 1); s < l.length; ++s) {
      h += mix(mix(i, s), l.history[s].hash);
    }
  }
  for (int t = 0; t < kMaxThreads; ++t) {
    const knowledge& k = threads_[t];
    uint64_t known = mix(k.now.hash(n), static_cast<uint64_t>(t));
    if (acquire_fences_) known = mix(known, k.if_fenced.hash(n));
    known = mix(known, k.released.hash(n));
    h += known;
  }
  h = mix(h, sequential_.hash(n));
  for (const uint16_t i : touched_) {
    const word& w = words_[i];
    uint64_t part = mix(i, uint64_t{static_cast<uint8_t>(w.writer)} << 16 | w.written);
    for (const uint16_t r : w.read) part = mix(part, r);
    h += part;
  }
  return h;
}

}  // namespace zeroipc::explorer
