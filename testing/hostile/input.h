// What the bytes of a fuzzer, or of a random generator, mean: choices, and values that hostile memory holds.
//
// An input is read from its start, and is all zeroes behind its end, so that each prefix of an input is one. Numbers are
// short, so that a mutation of one byte changes one thing.
#ifndef ZEROIPC_TESTING_HOSTILE_INPUT_H_
#define ZEROIPC_TESTING_HOSTILE_INPUT_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>

namespace zeroipc::testing {

class input {
 public:
  input(const uint8_t* data, size_t size) : data_(data), left_(size) {}

  bool at_end() const { return left_ == 0; }
  uint8_t byte() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }
  uint64_t word(int bytes = 8) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= uint64_t{byte()} << (8 * i);
    return value;
  }
  // REQUIRES: n != 0
  uint64_t below(uint64_t n) { return (n <= 256 ? byte() : word(4)) % n; }

 private:
  const uint8_t* data_;
  size_t left_;
};

// The same out of a random generator.
class random_input {
 public:
  explicit random_input(uint64_t seed) : random_(seed) {}
  uint8_t byte() { return static_cast<uint8_t>(random_()); }
  uint64_t word(int bytes = 8) { return bytes == 8 ? random_() : random_() >> (64 - 8 * bytes); }
  uint64_t below(uint64_t n) { return random_() % n; }

 private:
  std::mt19937_64 random_;
};

// What somebody writes over `current` who means harm: nothing, little, much, one bit, two halves, noise, or a value near
// one of those that mean something there.
template <typename Source>
uint64_t hostile_value(Source& from, uint64_t current, std::span<const uint64_t> known) {
  switch (from.below(10)) {
    case 0:
      return 0;
    case 1:
      return from.byte();
    case 2:
      return ~uint64_t{0} - from.byte();
    case 3:
      return current ^ uint64_t { 1 } << from.below(64);
    case 4:
      return current + from.byte() - 128;
    case 5:
      return uint64_t{from.byte()} << 32 | from.byte();
    case 6:
      return from.word();
    case 7:
      return from.word(2) << from.below(64);
    default: {
      if (known.empty()) return from.word();
      const uint64_t value = known[from.below(known.size())];
      const uint8_t how = from.byte();
      return how < 128 ? value : value + (how - 192u);
    }
  }
}

}  // namespace zeroipc::testing

#endif  // ZEROIPC_TESTING_HOSTILE_INPUT_H_
