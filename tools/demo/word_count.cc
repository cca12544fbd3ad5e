#include "tools/demo/word_count.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "zeroipc/base/hash.h"

namespace zeroipc::demo {
namespace {

constexpr size_t kKeptOfLongWords = 40;
constexpr size_t kChunk = 256 * 1024;

// Each byte as it counts within a word; 0 where it ends one.
constexpr std::array<char, 256> kFolded = [] {
  std::array<char, 256> folded{};
  for (int c = 0; c < 256; ++c) {
    const bool lower = c >= 'a' && c <= 'z', upper = c >= 'A' && c <= 'Z',
               digit = c >= '0' && c <= '9';
    if (upper) {
      folded[static_cast<size_t>(c)] = static_cast<char>(c - 'A' + 'a');
    } else if (lower || digit || c == '_' || c >= 0x80) {
      folded[static_cast<size_t>(c)] = static_cast<char>(c);
    }
  }
  return folded;
}();

int64_t ns_of(const timespec& t) { return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec; }

file_stamp stamp_of(const struct stat& st) {
  return {st.st_ino, static_cast<uint64_t>(st.st_size), ns_of(st.st_mtim), ns_of(st.st_ctim)};
}

class open_file {
 public:
  open_file(int directory, const char* path)
      // O_NONBLOCK: a FIFO that took the file's place must not hold us up.
      : fd_(::openat(directory, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)) {}
  ~open_file() {
    if (fd_ >= 0) ::close(fd_);
  }
  open_file(const open_file&) = delete;
  open_file& operator=(const open_file&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

totals& totals::operator+=(const totals& other) {
  words += other.words;
  lines += other.lines;
  bytes += other.bytes;
  digest += other.digest;
  return *this;
}

uint64_t digest_of(std::string_view word, uint64_t count) { return fixed_hash(word) * count; }

void word_counter::feed(std::string_view bytes) {
  sum_.bytes += bytes.size();
  for (const char raw : bytes) {
    const char c = kFolded[static_cast<unsigned char>(raw)];
    if (c != 0) [[likely]] {
      if (word_.size() < kMaxWordBytes && !long_) [[likely]] {
        word_.push_back(c);
      } else {
        if (!long_) long_hash_ = fixed_hash(word_);
        long_ = true;
        long_hash_ = (long_hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
      }
    } else {
      if (!word_.empty()) end_word();
      sum_.lines += raw == '\n';
    }
  }
}

void word_counter::end_word() {
  if (long_) {
    word_.resize(kKeptOfLongWords);
    absl::StrAppendFormat(&word_, "~%016x", long_hash_);
    long_ = false;
  }
  ++sum_.words;
  ++words_[word_];
  word_.clear();
}

void word_counter::finish() {
  if (!word_.empty()) end_word();
}

totals word_counter::sum() const {
  totals sum = sum_;
  for (const auto& [word, count] : words_) sum.digest += digest_of(word, count);
  return sum;
}

void word_counter::clear() {
  words_.clear();
  sum_ = {};
  word_.clear();
  long_ = false;
}

file_result count_file(int directory, const char* path, word_counter& counter,
                       absl::FunctionRef<bool()> go_on) {
  counter.clear();
  file_result result;
  const auto fail = [&](int error) {
    counter.clear();
    result = {};
    result.error = error;
    return result;
  };
  const open_file file(directory, path);
  struct stat st;
  if (file.fd() < 0 || ::fstat(file.fd(), &st) != 0) return fail(errno);
  if (!S_ISREG(st.st_mode)) return fail(ENOTSUP);
  result.stamp = stamp_of(st);
  thread_local const std::unique_ptr<char[]> buffer(new char[kChunk]);
  for (;;) {
    if (!go_on()) return fail(ECANCELED);
    const ssize_t n = ::read(file.fd(), buffer.get(), kChunk);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(errno);
    if (n == 0) break;
    counter.feed({buffer.get(), static_cast<size_t>(n)});
  }
  counter.finish();
  if (::fstat(file.fd(), &st) != 0) return fail(errno);
  result.unsettled = stamp_of(st) == result.stamp ? 0 : 1;
  result.sum = counter.sum();
  return result;
}

}  // namespace zeroipc::demo
