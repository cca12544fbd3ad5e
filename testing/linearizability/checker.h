// Is there an order of the recorded operations, each taking effect at one moment between its beginning and its end, that a
// sequential model allows? Operations that were cut off by a death may have taken effect at any moment after they began, or
// never.
//
// A model is a value with
//
//   std::vector<Model> after(const recorded<Operation>&) const;   // the states that the operation, with the result that
//                                                                 // was recorded, may lead to; none: impossible here.
//                                                                 // For a pending one: with any result
//   bool operator==, uint64_t hash() const, std::string text() const
//
// The search is that of J. Wing and C. Gong ("Testing and verifying concurrent objects", 1993) with the memory of G. Lowe
// ("Testing for linearizability", 2017): a set of operations done together with a state is gone into once. It ends
// undecided when it has looked at `budget` of these: that is no pass. They are remembered by 64 bits each. Two that fall
// together could only make a violation out of a history that has an order, never the other way around, and do so once in a
// million histories that need the whole budget.
//
// Complexity: exponential in the number of operations that overlap, in the worst case; short histories are cheap.
#ifndef ZEROIPC_TESTING_LINEARIZABILITY_CHECKER_H_
#define ZEROIPC_TESTING_LINEARIZABILITY_CHECKER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "testing/linearizability/history.h"

namespace zeroipc::linearizability {

enum class finding : uint8_t { linearizable, violation, undecided };

struct verdict {
  finding what = finding::linearizable;
  uint64_t looked_at = 0;
  std::string text;  // of a violation: the history, and how far an order of it goes
};

template <typename Operation, typename Model>
class checker {
 public:
  // `describe` makes one operation readable.
  using describe = std::string (*)(const Operation&);

  checker(std::vector<recorded<Operation>> operations, Model initial, describe to_text)
      : operations_(std::move(operations)), initial_(std::move(initial)), to_text_(to_text) {
    std::ranges::sort(operations_, {}, &recorded<Operation>::began);
  }

  verdict check(uint64_t budget = 3'000'000) {
    struct frame {
      Model model;
      std::vector<std::pair<size_t, Model>> next;
      size_t tried = 0;
      size_t done = 0;  // the operation that led here
    };
    verdict v;
    std::vector<bool> done(operations_.size());
    size_t completed = 0;
    const auto needed = static_cast<size_t>(
        std::ranges::count_if(operations_, [](const auto& o) { return !o.pending(); }));
    std::unordered_set<uint64_t> seen;
    std::vector<frame> stack;
    stack.push_back({initial_, next_of(initial_, done), 0, 0});
    size_t furthest = 0;
    std::vector<size_t> order, best;
    std::string best_model = initial_.text();
    while (completed != needed) {
      frame& top = stack.back();
      if (top.tried == top.next.size()) {
        if (stack.size() == 1) {
          v.what = finding::violation;
          v.text = explain(best, best_model);
          return v;
        }
        const size_t last = top.done;
        stack.pop_back();
        order.pop_back();
        done[last] = false;
        if (!operations_[last].pending()) --completed;
        continue;
      }
      const auto [i, model] = top.next[top.tried++];
      done[i] = true;
      if (!seen.insert(mark(done, model)).second) {
        done[i] = false;
        continue;
      }
      if (++v.looked_at == budget) {
        v.what = finding::undecided;
        return v;
      }
      if (!operations_[i].pending()) ++completed;
      order.push_back(i);
      if (completed > furthest) {
        furthest = completed;
        best = order;
        best_model = model.text();
      }
      if (completed == needed) break;
      stack.push_back({model, next_of(model, done), 0, i});
    }
    return v;
  }

 private:
  // What may come next: whatever began before everything that is left ended.
  std::vector<std::pair<size_t, Model>> next_of(const Model& model, const std::vector<bool>& done) {
    uint64_t first_end = kNever;
    for (size_t i = 0; i < operations_.size(); ++i) {
      if (!done[i]) first_end = std::min(first_end, operations_[i].ended);
    }
    std::vector<std::pair<size_t, Model>> next;
    for (size_t i = 0; i < operations_.size() && operations_[i].began < first_end; ++i) {
      if (done[i]) continue;
      for (Model& m : model.after(operations_[i])) next.emplace_back(i, std::move(m));
    }
    // Completed ones first, the first to end first: that is mostly how it was.
    std::ranges::stable_sort(next, {}, [&](const auto& n) { return operations_[n.first].ended; });
    return next;
  }

  static uint64_t mix(uint64_t h, uint64_t v) {
    h ^= v + 0x9e37'79b9'7f4a'7c15 + (h << 6) + (h >> 2);
    return h * 0xff51'afd7'ed55'8ccd;
  }
  static uint64_t mark(const std::vector<bool>& done, const Model& model) {
    uint64_t h = model.hash();
    for (size_t i = 0; i < done.size(); ++i) {
      if (done[i]) h += mix(i + 1, 0x1234'5678);
    }
    return h;
  }

  std::string line(const recorded<Operation>& o) const {
    const std::string end = o.pending() ? "never" : std::to_string(o.ended);
    return "  process " + std::to_string(o.process) + "  [" + std::to_string(o.began) + ", " + end +
           "]  " + to_text_(o.what) + "\n";
  }
  // The longest order found, and the operations that none of them gets past.
  std::string explain(const std::vector<size_t>& best, const std::string& model) const {
    std::vector<bool> done(operations_.size());
    for (const size_t i : best) done[i] = true;
    uint64_t first_end = kNever;
    for (size_t i = 0; i < operations_.size(); ++i) {
      if (!done[i]) first_end = std::min(first_end, operations_[i].ended);
    }
    std::string text = "no order of these operations is possible. The longest that is:\n";
    for (const size_t i : best) text += line(operations_[i]);
    text += "leads to " + model + ", after which none of these is:\n";
    for (size_t i = 0; i < operations_.size(); ++i) {
      if (!done[i] && operations_[i].began < first_end) text += line(operations_[i]);
    }
    return text;
  }

  std::vector<recorded<Operation>> operations_;
  Model initial_;
  describe to_text_;
};

}  // namespace zeroipc::linearizability

#endif  // ZEROIPC_TESTING_LINEARIZABILITY_CHECKER_H_
