// Cuts a stream of bytes into parcels of whole lines.
#ifndef ZEROIPC_TOOLS_LINES_SPLITTER_H_
#define ZEROIPC_TOOLS_LINES_SPLITTER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace zeroipc::tools {

class splitter {
 public:
  // `most_bytes` of text, and `most_lines` lines, in a parcel.
  splitter(char delimiter, size_t most_bytes, uint32_t most_lines);

  // Where to read the next bytes to, and how many; at least one. Then tell how many came.
  char* space(size_t* bytes);
  void added(size_t bytes) { end_ += bytes; }
  // The input has ended: what is left is a line too, and gets its delimiter.
  void finish();

  struct cut {
    std::string_view text;
    uint32_t lines = 0;
  };
  // The next lines that are whole; nullopt if there are none. Valid until space() is called.
  std::optional<cut> next();
  // Whether the next line is too long for a parcel. Asked after next() answered nullopt.
  bool too_long() const;
  // Its number, from 1.
  uint64_t line_number() const { return lines_ + 1; }

 private:
  static constexpr size_t kReadAhead = 256 * 1024;

  char delimiter_;
  size_t most_bytes_;
  uint32_t most_lines_;
  size_t capacity_;
  std::unique_ptr<char[]> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  uint64_t lines_ = 0;  // cut so far
};

}  // namespace zeroipc::tools

#endif  // ZEROIPC_TOOLS_LINES_SPLITTER_H_
