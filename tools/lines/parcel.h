// What `zeroipc send` and `zeroipc receive` put into a queue: whole lines, as many as travel together.
//
// Lines of one parcel go to one receiver and are acknowledged together. A line is never split: pieces of it could end up
// with different receivers. So a queue has a longest line, fixed when it is made; there are four sizes of parcels.
#ifndef ZEROIPC_TOOLS_LINES_PARCEL_H_
#define ZEROIPC_TOOLS_LINES_PARCEL_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace zeroipc::tools {

template <size_t N>
struct parcel {
  static constexpr size_t kText = N - 2 * sizeof(uint32_t);

  uint32_t lines;
  uint32_t bytes;
  char text[kText];  // each line with its delimiter

  // Clamped: it comes out of shared memory.
  std::string_view view() const { return {text, std::min<size_t>(bytes, kText)}; }
};

// The largest line, without its delimiter, that a parcel of `bytes` bytes holds.
constexpr size_t longest_line(size_t bytes) { return bytes - 2 * sizeof(uint32_t) - 1; }

// Calls f.template operator()<N>() for the smallest parcel whose longest line is at least `line_bytes`; false, without a
// call, if there is none.
template <typename F>
bool with_parcel_for(size_t line_bytes, F&& f) {
  if (line_bytes <= longest_line(1024)) {
    f.template operator()<1024>();
  } else if (line_bytes <= longest_line(4096)) {
    f.template operator()<4096>();
  } else if (line_bytes <= longest_line(16384)) {
    f.template operator()<16384>();
  } else if (line_bytes <= longest_line(65536)) {
    f.template operator()<65536>();
  } else {
    return false;
  }
  return true;
}
inline constexpr size_t kLongestLine = longest_line(65536);

// The same for the parcels of `bytes` bytes that a queue was made with.
template <typename F>
bool with_parcel_of(size_t bytes, F&& f) {
  if (bytes != 1024 && bytes != 4096 && bytes != 16384 && bytes != 65536) return false;
  return with_parcel_for(longest_line(bytes), f);
}

}  // namespace zeroipc::tools

#endif  // ZEROIPC_TOOLS_LINES_PARCEL_H_
