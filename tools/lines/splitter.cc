#include "tools/lines/splitter.h"

#include <string.h>

#include <algorithm>

namespace zeroipc::tools {

// One byte more than is ever read, for the delimiter that finish() adds.
splitter::splitter(char delimiter, size_t most_bytes, uint32_t most_lines)
    : delimiter_(delimiter),
      most_bytes_(most_bytes),
      most_lines_(most_lines),
      capacity_(kReadAhead + most_bytes),
      buffer_(new char[capacity_ + 1]) {}

char* splitter::space(size_t* bytes) {
  if (begin_ != 0) {
    ::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  *bytes = capacity_ - end_;
  return buffer_.get() + end_;
}

void splitter::finish() {
  if (end_ > begin_ && buffer_[end_ - 1] != delimiter_) buffer_[end_++] = delimiter_;
}

std::optional<splitter::cut> splitter::next() {
  const char* const first = buffer_.get() + begin_;
  const char* const limit = first + std::min(end_ - begin_, most_bytes_);
  cut result;
  const char* stop = nullptr;
  if (most_lines_ == UINT32_MAX) {
    stop =
        static_cast<const char*>(::memrchr(first, delimiter_, static_cast<size_t>(limit - first)));
    if (stop == nullptr) return std::nullopt;
    result.lines = static_cast<uint32_t>(std::count(first, ++stop, delimiter_));
  } else {
    const char* at = first;
    for (; result.lines < most_lines_; ++result.lines) {
      const auto* found =
          static_cast<const char*>(::memchr(at, delimiter_, static_cast<size_t>(limit - at)));
      if (found == nullptr) break;
      at = found + 1;
    }
    if (result.lines == 0) return std::nullopt;
    stop = at;
  }
  result.text = {first, static_cast<size_t>(stop - first)};
  begin_ += result.text.size();
  lines_ += result.lines;
  return result;
}

bool splitter::too_long() const { return end_ - begin_ >= most_bytes_; }

}  // namespace zeroipc::tools
