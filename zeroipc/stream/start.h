// Where in a stream a subscriber begins.
#ifndef ZEROIPC_STREAM_START_H_
#define ZEROIPC_STREAM_START_H_

#include <cstdint>

namespace zeroipc {

class stream_start {
 public:
  // With the oldest element that is still there.
  static constexpr stream_start oldest() { return {origin::start, 0}; }
  // With the newest, and what comes.
  static constexpr stream_start newest() { return {origin::end, 1}; }
  // With what comes.
  static constexpr stream_start next() { return {origin::end, 0}; }
  // With the newest n, as far as they are there, and what comes.
  static constexpr stream_start last(uint64_t n) { return {origin::end, n}; }
  // With the element of that number, or the nearest that is there.
  static constexpr stream_start at(uint64_t position) { return {origin::start, position}; }

  constexpr uint64_t position(uint64_t tail) const {
    if (from_ == origin::start) return n_;
    return tail > n_ ? tail - n_ : 0;
  }

 private:
  enum class origin : uint8_t { start, end };
  constexpr stream_start(origin from, uint64_t n) : from_(from), n_(n) {}

  origin from_;
  uint64_t n_;
};

}  // namespace zeroipc

#endif  // ZEROIPC_STREAM_START_H_
