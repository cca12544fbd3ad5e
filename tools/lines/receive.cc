#include <signal.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tools/cli/command.h"
#include "tools/cli/interrupt.h"
#include "tools/lines/appearance.h"
#include "tools/lines/lines.h"
#include "tools/lines/parcel.h"
#include "zeroipc/name_table/name_table.h"
#include "zeroipc/queue/queue.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::tools {
namespace {

struct receive_options {
  std::string segment;
  std::string queue;
  std::string wait = "inf";
  uint32_t batch = 16;
  bool remove = false;
  bool json = false;
};

// Writes all of `parts`; how many whole ones were written, and errno if not all.
struct written {
  size_t parts = 0;
  int error = 0;
};
written write_all(std::vector<iovec> parts) {
  written done;
  while (done.parts < parts.size()) {
    const ssize_t n = ::writev(STDOUT_FILENO, parts.data() + done.parts,
                               static_cast<int>(parts.size() - done.parts));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      // A pipe that somebody made non-blocking, and that is full.
      fd_set out;
      FD_ZERO(&out);
      FD_SET(STDOUT_FILENO, &out);
      ::select(STDOUT_FILENO + 1, nullptr, &out, nullptr, nullptr);
      continue;
    }
    if (n < 0) {
      done.error = errno;
      return done;
    }
    auto left = static_cast<size_t>(n);
    while (done.parts < parts.size() && left >= parts[done.parts].iov_len)
      left -= parts[done.parts++].iov_len;
    if (left != 0) {
      iovec& part = parts[done.parts];
      part.iov_base = static_cast<char*>(part.iov_base) + left;
      part.iov_len -= left;
    }
  }
  return done;
}

template <size_t N>
class receiver {
 public:
  using queue_type = queue<parcel<N>>;
  receiver(const receive_options& o, queue_type q) : o_(o), queue_(std::move(q)) {}

  int run() {
    while (interrupted() == 0) {
      std::vector<typename queue_type::leased> held;
      {
        // Killed here, there is nothing to finish: a lease that was just handed to us comes back.
        const idle_section idle;
        held.push_back(queue_.lease());
      }
      if (!held.back()) {
        const outcome why = held.back().why();
        if (why == outcome::closed) return kOk;
        return fail(
            "receive",
            absl::StrCat("queue '", o_.queue, "' in segment ", o_.segment, ": ", why.name()),
            kFailed, false);
      }
      // What else is there already goes with it, in one write.
      while (held.size() < o_.batch) {
        auto next = queue_.try_lease();
        if (!next) break;
        held.push_back(std::move(next));
      }
      if (const int error = deliver(held); error != 0) {
        if (error == EPIPE) return kSignal + SIGPIPE;
        return fail("receive", absl::ErrnoToStatus(error, "cannot write to standard output"),
                    false);
      }
    }
    return kSignal + interrupted();
  }

  uint64_t lines() const { return lines_; }
  uint64_t bytes() const { return bytes_; }
  uint64_t again() const { return again_; }

 private:
  // Writes first, acknowledges then. What was not written whole goes back, when `held` goes out of scope at the latest.
  int deliver(std::vector<typename queue_type::leased>& held) {
    std::vector<iovec> parts;
    for (const auto& l : held) {
      const std::string_view text = l->view();
      parts.push_back({const_cast<char*>(text.data()), text.size()});
    }
    const written done = write_all(std::move(parts));
    for (size_t i = 0; i < done.parts; ++i) {
      lines_ += held[i]->lines;
      bytes_ += held[i]->view().size();
      again_ += held[i].deliveries() > 1 ? 1 : 0;
      held[i].ack();
    }
    // The last first, so that the first comes first when they are delivered again.
    while (!held.empty()) held.pop_back();
    return done.error;
  }

  const receive_options& o_;
  queue_type queue_;
  uint64_t lines_ = 0;
  uint64_t bytes_ = 0;
  uint64_t again_ = 0;  // parcels that another receiver had been given before
};

// Nobody needs it any more: the queue is closed, empty and without leases. Any number of receivers may do this at once.
void remove_all(const receive_options& o, const memory& mem) {
  const absl::Status removed = remove(mem, o.queue);
  if (!removed.ok() && !absl::IsNotFound(removed)) return;
  if (list(mem).empty()) memory::unlink(o.segment).IgnoreError();
}

template <size_t N>
int receive_from(const receive_options& o, const memory& mem) {
  absl::StatusOr<queue<parcel<N>>> q = queue<parcel<N>>::open(mem, o.queue);
  if (!q.ok()) return fail("receive", q.status(), false);
  receiver<N> r(o, *std::move(q));
  const int result = r.run();
  if (result == kOk && o.remove) remove_all(o, mem);
  if (o.json) {
    // Standard output is for the lines.
    const nlohmann::json figures = {
        {"lines", r.lines()}, {"bytes", r.bytes()}, {"redelivered_parcels", r.again()}};
    std::fprintf(stderr, "%s\n", figures.dump().c_str());
  }
  return result;
}

int run_receive(const receive_options& o) {
  catch_interrupts();
  ::signal(SIGPIPE, SIG_IGN);  // a write answers EPIPE, and the lines go to another receiver
  absl::Duration wait;
  if (!parse_duration(o.wait, wait)) {
    return fail("receive",
                absl::StrCat("--wait ", o.wait, " is not a duration such as 10s, 1m30s or inf"),
                kUsage, false);
  }
  const absl::StatusOr<appeared> found = [&] {
    const idle_section idle;
    return wait_for_queue(o.segment, o.queue, absl::Now() + wait);
  }();
  if (!found.ok()) return fail("receive", found.status(), false);
  int result = kFailed;
  const auto run = [&]<size_t N>() { result = receive_from<N>(o, found->mem); };
  if (found->queue.what != kind::queue || !with_parcel_of(found->queue.element_size, run)) {
    return fail("receive",
                absl::FailedPreconditionError(absl::StrCat(
                    "segment ", o.segment, ": '", o.queue, "' is a ", kind_name(found->queue.what),
                    "<", found->queue.type_name, ">, not a queue of lines made by `zeroipc send`")),
                false);
  }
  return result;
}

}  // namespace

void add_receive(CLI::App& app) {
  auto options = std::make_shared<receive_options>();
  CLI::App* command =
      add_command(app, "receive", "Write the lines that come through a queue to standard output.",
                  "  zeroipc receive /logs lines | grep ERROR\n"
                  "  zeroipc receive /logs lines --remove > all.txt\n"
                  "  zeroipc receive /logs lines --wait 10s || echo 'nobody sends'\n"
                  "\n"
                  "Any number of receivers share the lines; each line goes to one of them. A line "
                  "is acknowledged when it\n"
                  "has been written; what a killed receiver had not acknowledged goes to another, "
                  "so that a line may be\n"
                  "written twice but none is lost. If the reader of the output goes away, what it "
                  "was not given goes back\n"
                  "to the queue (exit code 141).\n"
                  "\n"
                  "Ends when the queue is closed and all its lines have been acknowledged, those "
                  "of other receivers\n"
                  "included. Nothing is removed, since another receiver may be about to come; "
                  "--remove takes the queue\n"
                  "away at the end, and the segment with it if it holds nothing else.\n",
                  [options] { return run_receive(*options); });
  command->add_option("SEGMENT", options->segment, "A name in /dev/shm or the path of a file.")
      ->required();
  command->add_option("QUEUE", options->queue, "The queue's name in the segment.")->required();
  command
      ->add_option("--wait", options->wait,
                   "How long to wait for segment and queue to appear: 10s, 0, inf.")
      ->capture_default_str();
  command
      ->add_option("--batch", options->batch,
                   "Most parcels to hold at a time; fewer share out more evenly.")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  command->add_flag("--remove", options->remove, "Remove the queue when it is closed and empty.");
  command->add_flag("--json", options->json,
                    "Print at the end on stderr what was received, as JSON.");
}

}  // namespace zeroipc::tools
