// Lists whose elements bring their own hook, so that being put in and taken out allocates nothing, and one that is destroyed is in none.
#ifndef ZEROIPC_COROUTINE_HOOK_H_
#define ZEROIPC_COROUTINE_HOOK_H_

namespace zeroipc::internal {

class hook {
 public:
  hook() = default;
  hook(const hook&) = delete;
  hook& operator=(const hook&) = delete;
  ~hook() { unlink(); }

  void unlink() {
    prev_->next_ = next_;
    next_->prev_ = prev_;
    next_ = prev_ = this;
  }

 private:
  template <typename>
  friend class hook_list;
  hook* next_ = this;
  hook* prev_ = this;
};

// Of T, which derives from hook. An element is in one such list at most.
template <typename T>
class hook_list {
 public:
  bool empty() const { return head_.next_ == &head_; }
  // From wherever it was.
  void push_back(T& element) {
    hook& h = element;
    h.unlink();
    h.prev_ = head_.prev_;
    h.next_ = &head_;
    head_.prev_->next_ = &h;
    head_.prev_ = &h;
  }
  T& front() { return *static_cast<T*>(head_.next_); }
  T& pop_front() {
    T& first = front();
    static_cast<hook&>(first).unlink();
    return first;
  }
  void take_all(hook_list& from) {
    while (!from.empty()) push_back(from.front());
  }
  // f(T&) must not take out others.
  template <typename F>
  void for_each(F&& f) {
    for (hook* h = head_.next_; h != &head_;) {
      hook* const next = h->next_;
      f(*static_cast<T*>(h));
      h = next;
    }
  }

 private:
  hook head_;
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_COROUTINE_HOOK_H_
