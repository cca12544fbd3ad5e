// Pages of the segment's file: getting them for sure, and giving them back.
//
// A page of a sparse file comes into being when it is first touched, reading included; if the file
// system is full, that touch is a SIGBUS. Under segment_flag::kReserve the control plane therefore
// asks for pages before it hands memory out.
#ifndef ZEROIPC_HEAP_BACKING_H_
#define ZEROIPC_HEAP_BACKING_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::internal {

// Whether this segment reserves (segment_flag::kReserve).
bool reserves(const attachment& segment);

// Backs the bytes [begin, end) of the segment's file with pages. OK at once if the segment does not
// reserve, or if the file system cannot (then pages come when touched). ResourceExhausted says what
// was needed and what is free.
absl::Status back(const attachment& segment, uint64_t begin, uint64_t end, std::string_view what);

// Makes [begin, end) zero. Whole pages inside go back to the system; false, and nothing done, if it
// cannot take them.
bool punch(const attachment& segment, uint64_t begin, uint64_t end);

}  // namespace zeroipc::internal

#endif  // ZEROIPC_HEAP_BACKING_H_
