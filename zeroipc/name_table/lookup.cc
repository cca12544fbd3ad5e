#include "zeroipc/name_table/lookup.h"

#include <cstring>

#include "zeroipc/base/hash.h"

namespace zeroipc::internal {
namespace {

constexpr int kRetries = 64;
// How often a long walk asks whether it is still worth it.
constexpr uint32_t kCheckEvery = 64;

}  // namespace

name_key::name_key(std::string_view name)
    : words(static_cast<uint32_t>(name.size() / 8 + 1)), text{} {
  std::memcpy(text, name.data(), name.size());
  // Over whole words: the padding is part of it, so there is no tail to treat.
  hash = fixed_hash(std::string_view(reinterpret_cast<const char*>(text), words * 8));
}

bool name_view::same_name(const name_entry& entry, const name_key& key) {
  for (uint32_t i = 0; i < key.words; ++i) {
    if (entry.name[i].load(std::memory_order_acquire) != key.text[i]) return false;
  }
  return true;
}

located name_view::find(const name_key& key) const {
  const uint32_t b = bucket_of(key.hash);
  for (int attempt = 0; attempt < kRetries; ++attempt) {
    bool astray = false;
    uint64_t seen = 0;
    if (bucket_touched(b)) {
      // Acquire: pairs with the release store of whoever linked the chain's head.
      seen = bucket(b).load(std::memory_order_acquire);
      uint64_t next = seen & 0xffff'ffffu;
      for (uint32_t steps = 0; next != 0; ++steps) {
        if (next > geometry_.max_names || steps >= geometry_.max_names) {
          astray = true;
          break;
        }
        const auto index = static_cast<uint32_t>(next - 1);
        const name_entry& e = entry(index);
        if (e.hash.load(std::memory_order_acquire) == key.hash) {
          const uint64_t state = e.state.load(std::memory_order_acquire);
          if (name_entry::state_of(state) == entry_state::live && same_name(e, key)) {
            const uint64_t offset = e.place.load(std::memory_order_acquire);
            // The generation is in the word: unchanged, it was this entry all along.
            if (e.state.load(std::memory_order_relaxed) == state) {
              return {lookup_result::found, index, state, offset};
            }
          }
        }
        next = e.next.load(std::memory_order_acquire);
        if (steps % kCheckEvery == kCheckEvery - 1 &&
            bucket(b).load(std::memory_order_relaxed) != seen) {
          break;
        }
      }
      // Relaxed: ordered after the acquire loads above.
      if (bucket(b).load(std::memory_order_relaxed) != seen) {
        hardware::pause();
        continue;
      }
      if (astray) return {lookup_result::corrupt};
    }
    // A creation that is committed but not linked yet (its creator may be dead) counts: ask under
    // the lock.
    const uint64_t journal = control_.journal.state.load(std::memory_order_acquire);
    if ((journal & journal_block::kCommitted) != 0) return {lookup_result::unsettled};
    return {lookup_result::missing};
  }
  return {lookup_result::unsettled};
}

}  // namespace zeroipc::internal
