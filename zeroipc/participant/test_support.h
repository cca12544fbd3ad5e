// What the tests of participants, waiting and segments reach into a segment with.
#ifndef ZEROIPC_PARTICIPANT_TEST_SUPPORT_H_
#define ZEROIPC_PARTICIPANT_TEST_SUPPORT_H_

#include <cstddef>
#include <cstdint>

#include "zeroipc/participant/participant.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::internal {

inline constexpr size_t kTestSegmentBytes = 8 << 20;

inline participant& self_of(const memory& m) { return *m.attachment()->self; }

inline segment_header& header_of(const memory& m) {
  return *reinterpret_cast<segment_header*>(m.attachment()->base);
}

inline participant_slot& slot_of(const memory& m, uint32_t slot) {
  const attachment& a = *m.attachment();
  return reinterpret_cast<participant_slot*>(a.base + a.geometry.participants_offset)[slot];
}

inline slot_state state_of_slot(const memory& m, uint32_t slot) {
  return participant_slot::state_of(slot_of(m, slot).state.load(std::memory_order_acquire));
}

inline thread_record<hardware>& record_of(const memory& m, uint32_t index) {
  const attachment& a = *m.attachment();
  return reinterpret_cast<thread_record<hardware>*>(a.base + a.geometry.threads_offset)[index];
}

// Shared bytes that are zero at first: the heap, which these tests have no other use for.
template <typename T>
T& scratch(const memory& m) {
  const attachment& a = *m.attachment();
  return *reinterpret_cast<T*>(a.base + a.geometry.heap_offset);
}

}  // namespace zeroipc::internal

#endif  // ZEROIPC_PARTICIPANT_TEST_SUPPORT_H_
