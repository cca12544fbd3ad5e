// Who holds something: 32 bits that fit into any state word and stay right across PID reuse.
//
//   31            12 11         0
//   +---------------+-----------+
//   |  generation   |   slot    |     0 = nobody (generations start at 1)
//   +---------------+-----------+
//
// A slot is one attachment of one process; its generation grows with each new tenant, so a tag left behind by a dead
// process never names the process that got the slot after it. (A slot's 2^20 generations would have to pass while the
// tag stays in place for it to be mistaken.)
#ifndef ZEROIPC_PARTICIPANT_OWNER_TAG_H_
#define ZEROIPC_PARTICIPANT_OWNER_TAG_H_

#include <cstdint>

namespace zeroipc {

class owner_tag {
 public:
  static constexpr uint32_t kSlotBits = 12;
  static constexpr uint32_t kMaxSlots = 1u << kSlotBits;
  static constexpr uint32_t kGenerations = 1u << (32 - kSlotBits);

  constexpr owner_tag() = default;
  constexpr owner_tag(uint32_t slot, uint32_t generation)
      : bits_(generation << kSlotBits | (slot & (kMaxSlots - 1))) {}
  static constexpr owner_tag from_bits(uint32_t bits) {
    owner_tag tag;
    tag.bits_ = bits;
    return tag;
  }

  constexpr uint32_t bits() const { return bits_; }
  constexpr uint32_t slot() const { return bits_ & (kMaxSlots - 1); }
  constexpr uint32_t generation() const { return bits_ >> kSlotBits; }
  constexpr explicit operator bool() const { return bits_ != 0; }
  friend constexpr bool operator==(owner_tag, owner_tag) = default;

 private:
  uint32_t bits_ = 0;
};

}  // namespace zeroipc

#endif  // ZEROIPC_PARTICIPANT_OWNER_TAG_H_
