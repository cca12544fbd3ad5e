#include "tools/demo/proof.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "zeroipc/base/deadline.h"

namespace zeroipc::demo {
namespace {

constexpr size_t kMostDifferences = 10;

std::string describe(const totals& t) {
  return absl::StrCat(t.words, " words, ", t.lines, " lines, ", t.bytes, " bytes, digest ",
                      absl::Hex(t.digest));
}

class differences {
 public:
  explicit differences(std::vector<std::string>& out) : out_(out) {}
  void add(std::string text) {
    if (++count_ <= kMostDifferences) out_.push_back(std::move(text));
  }
  ~differences() {
    if (count_ > kMostDifferences)
      out_.push_back(absl::StrCat("and ", count_ - kMostDifferences, " more"));
  }

 private:
  std::vector<std::string>& out_;
  size_t count_ = 0;
};

void compare_words(const word_map& workers, const word_map& plain, differences& out) {
  for (const auto& [word, count] : plain) {
    const auto it = workers.find(word);
    const uint64_t theirs = it == workers.end() ? 0 : it->second;
    if (theirs != count)
      out.add(absl::StrCat("\"", word, "\": workers ", theirs, ", plain count ", count));
  }
  for (const auto& [word, count] : workers) {
    if (!plain.contains(word))
      out.add(absl::StrCat("\"", word, "\": workers ", count, ", plain count 0"));
  }
}

}  // namespace

std::optional<plain_count> count_plainly(const file_list& files,
                                         absl::FunctionRef<bool(size_t)> go_on) {
  const int64_t begin = deadline::now_ns();
  plain_count plain;
  const int root = ::open(files.root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  word_counter counter;
  bool stopped = false;
  for (size_t i = 0; i < files.paths.size() && !stopped; ++i) {
    const auto ask = [&] {
      stopped = stopped || !go_on(i);
      return !stopped;
    };
    plain.results.push_back(count_file(root, files.paths[i].c_str(), counter, ask));
    for (const auto& [word, count] : counter.words()) plain.words[word] += count;
  }
  if (root >= 0) ::close(root);
  if (stopped) return std::nullopt;
  plain.seconds = static_cast<double>(deadline::now_ns() - begin) / 1e9;
  return plain;
}

verdict compare(const file_list& files, const ledger& books, const plain_count& plain) {
  verdict v;
  differences out(v.differences);
  for (uint32_t i = 0; i < files.paths.size(); ++i) {
    const file_result& w = books.results()[i];
    const file_result& p = plain.results[i];
    if (w.error != 0 && w.error == p.error) {
      v.unreadable.push_back(i);
    } else if (w.error != p.error || w.stamp != p.stamp || w.unsettled != 0 || p.unsettled != 0) {
      v.changed.push_back(i);
    } else {
      ++v.compared;
      v.by_workers += w.sum;
      v.plain += p.sum;
      if (w.sum != p.sum) {
        out.add(absl::StrCat(files.paths[i], ": workers ", describe(w.sum), "; plain count ",
                             describe(p.sum)));
      }
    }
  }
  for (const uint32_t i : books.contradictions()) {
    out.add(absl::StrCat(files.paths[i], ": two passes of the workers came to different results"));
  }
  // The words are not kept by file, so those of a changed file cannot be taken out again. The files' digests still prove
  // the others.
  v.words_compared = v.changed.empty();
  if (v.words_compared) compare_words(books.words(), plain.words, out);
  v.exact = v.differences.empty();
  return v;
}

}  // namespace zeroipc::demo
