#include "zeroipc/coroutine/watch_list.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace zeroipc::internal {
namespace {

// Acquire: what was published before the change that this sees is found by the looks that follow.
bool changed_since(const watched_word& w) {
  return w.word->load(std::memory_order_acquire) != w.key;
}

}  // namespace

void watch_list::link_up(waiting& w, const awaited_words& words) {
  scratch_.clear();
  const auto add = [&](watched_word& word) {
    if (std::find(scratch_.begin(), scratch_.end(), &word) == scratch_.end()) {
      scratch_.push_back(&word);
    }
  };
  for (const auto& a : words) {
    add(find_or_add(a.env->header().death_epoch, nullptr, *a.env));
    if (a.event != nullptr) add(find_or_add(a.event->word, a.event, *a.env));
  }
  w.links_ = std::vector<link>(scratch_.size());
  for (size_t i = 0; i < scratch_.size(); ++i) {
    w.links_[i].who = &w;
    w.links_[i].word = scratch_[i];
    scratch_[i]->links.push_back(w.links_[i]);
  }
}

void watch_list::unlink(waiting& w, const awaited_words& taken) {
  for (link& l : w.links_) {
    watched_word& word = *l.word;
    const bool used = std::any_of(taken.begin(), taken.end(), [&](const auto& t) {
      return t.event != nullptr && t.event == word.event;
    });
    if (used) word.owes = false;
    l.unlink();
    if (word.links.empty()) remove(word, used);
  }
  w.links_.clear();
}

watched_word& watch_list::find_or_add(const std::atomic<uint32_t>& word,
                                      event_word<hardware>* event, participant& env) {
  std::unique_ptr<watched_word>& found = words_[&word];
  if (found != nullptr) return *found;
  if (event == nullptr) env.self();  // a forked child begins to watch for deaths now
  if (spare_.empty()) {
    found = std::make_unique<watched_word>();
  } else {
    found = std::move(spare_.back());
    spare_.pop_back();
  }
  found->word = &word;
  found->event = event;
  found->env = &env;
  found->prepared = found->owes = false;
  found->since = ++clock_;
  put(*found, 0);
  unprepared_.push_back(*found);
  return *found;
}

void watch_list::put(watched_word& word, size_t set) {
  std::vector<watched_word*>& words = sets_[set].words;
  word.set = set;
  word.place = words.size();
  words.push_back(&word);
}

// Nobody sleeps on it any more.
void watch_list::take_out(watched_word& word) {
  word_set& set = sets_[word.set];
  if (set.by != nullptr) set.by->recall();
  set.words[word.place] = set.words.back();
  set.words[word.place]->place = word.place;
  set.words.pop_back();
}

void watch_list::remove(watched_word& word, bool used) {
  take_out(word);
  // Only now is it certain that no sleep of ours is chosen any more.
  const bool owed =
      word.event != nullptr && !used && (word.owes || (word.prepared && changed_since(word)));
  if (owed) word.event->notify(*word.env, 1);
  word.unlink();
  const auto at = words_.find(word.word);
  spare_.push_back(std::move(at->second));
  words_.erase(at);
}

void watch_list::scan(hook_list<waiting>& changed) {
  for (const word_set& set : sets_) {
    // The words of a helper that sleeps are its affair: it says when there is something.
    if (set.by == nullptr || set.by->idle()) scan(set, changed);
  }
}

void watch_list::scan(const word_set& set, hook_list<waiting>& changed) {
  for (watched_word* const word : set.words) {
    if (!word->prepared || !changed_since(*word)) continue;
    word->prepared = false;
    word->owes = true;
    word->since = ++clock_;
    unprepared_.push_back(*word);
    word->links.for_each([&](link& l) { changed.push_back(*l.who); });
  }
}

void watch_list::prepare(hook_list<waiting>& look) {
  while (!unprepared_.empty()) {
    watched_word& word = unprepared_.pop_front();
    word.prepared = true;
    // All who wait for it have been looked at since it changed, and are again: nobody is left to be told.
    word.owes = false;
    if (word.event != nullptr) {
      word.key = word.event->prepare();
      if (std::find(unfenced_.begin(), unfenced_.end(), word.env) == unfenced_.end()) {
        unfenced_.push_back(word.env);
      }
    } else {
      word.key = word.env->death_epoch();
    }
    word.links.for_each([&](link& l) { look.push_back(*l.who); });
  }
  for (participant* const env : unfenced_) env->heavy_fence();
  unfenced_.clear();
}

void watch_list::start_helpers() {
  if (sets_[0].words.size() > kWordsPerSleep) {
    keep_newest(kWordsPerSleep / 2);
  } else if (sets_[0].words.size() > kFewWords && ++sleeps_ >= kManySleeps) {
    keep_newest(kFewWords / 2);
  }
  for (size_t k = 1; k < sets_.size(); ++k) {
    word_set& set = sets_[k];
    if (set.words.empty() || !set.by->idle()) continue;
    set.by->words().clear();
    for (const watched_word* w : set.words) set.by->words().push_back({w->word, w->key});
    set.by->sleep();
  }
}

// Of the loop's own. The others, which have not changed for long, are likely not to for long.
void watch_list::keep_newest(size_t n) {
  sleeps_ = 0;
  std::vector<watched_word*> all = sets_[0].words;
  const auto rest = all.begin() + static_cast<std::ptrdiff_t>(all.size() - n);
  std::nth_element(all.begin(), rest, all.end(),
                   [](const auto* a, const auto* b) { return a->since < b->since; });
  size_t to = 1;
  for (auto w = all.begin(); w != rest; ++w) {
    while (to < sets_.size() && sets_[to].words.size() >= kWordsPerSleep) ++to;
    if (to == sets_.size()) sets_.push_back({{}, std::make_unique<helper>(ended_)});
    sets_[to].by->recall();
    take_out(**w);
    put(**w, to);
  }
}

void watch_list::add_to(std::vector<futex_wait_entry>& entries) const {
  for (const watched_word* w : sets_[0].words) entries.push_back({w->word, w->key});
}

}  // namespace zeroipc::internal
