#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "tools/cli/command.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/text.h"
#include "tools/lines/lines.h"
#include "tools/lines/parcel.h"
#include "tools/lines/roll.h"
#include "tools/lines/splitter.h"
#include "zeroipc/name_table/name_table.h"
#include "zeroipc/queue/queue.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::tools {
namespace {

struct send_options {
  std::string segment;
  std::string queue;
  std::string size = "64M";
  bool size_given = false;
  uint64_t capacity = 1024;
  uint64_t line_bytes = longest_line(4096);
  bool line_bytes_given = false;
  uint32_t batch = 0;
  bool null = false;
  bool keep_open = false;
  bool json = false;
};

int failed(const send_options& o, const absl::Status& status) {
  return fail("send", status, o.json);
}

absl::StatusOr<memory> open_segment(const send_options& o) {
  const std::optional<uint64_t> size = parse_bytes(o.size);
  if (!size) return absl::InvalidArgumentError(absl::StrCat("--size ", o.size, " is not a size"));
  // A size that was asked for must be the one there is.
  if (o.size_given) return memory::open_or_create(o.segment, *size);
  for (;;) {
    absl::StatusOr<memory> mem = memory::open(o.segment);
    if (mem.ok() || !absl::IsNotFound(mem.status())) return mem;
    mem = memory::create(o.segment, *size);
    if (mem.ok() || !absl::IsAlreadyExists(mem.status())) return mem;
  }
}

// Sends standard input through one queue. N: bytes of its parcels.
template <size_t N>
class sender {
 public:
  using queue_type = queue<parcel<N>>;
  sender(const send_options& o, const memory& mem) : o_(o), mem_(mem) {}

  // The offset of the queue, opened or made. REQUIRES: the door; see roll.
  absl::StatusOr<uint64_t> open() {
    absl::StatusOr<queue_type> q = queue_type::open(mem_, o_.queue);
    // Closed and worked off: what is left of an earlier pipeline of the same name.
    if (q.ok() && q->closed() && q->empty() && q->stats().leased == 0) {
      if (absl::Status s = remove(mem_, o_.queue); !s.ok()) return s;
      q = queue_type::create(mem_, o_.queue, o_.capacity);
    } else if (q.ok() && q->closed()) {
      return absl::UnavailableError(
          absl::StrCat("queue '", o_.queue, "' in segment ", o_.segment,
                       " is closed (its last sender ended), and lines are left in it"));
    } else if (absl::IsNotFound(q.status())) {
      q = queue_type::create(mem_, o_.queue, o_.capacity);
    }
    if (!q.ok()) return q.status();
    queue_.emplace(*std::move(q));
    const absl::StatusOr<structure_info> info = find(mem_, o_.queue);
    if (!info.ok()) return info.status();
    return info->offset;
  }

  int run() {
    splitter lines(o_.null ? '\0' : '\n', parcel<N>::kText, o_.batch == 0 ? UINT32_MAX : o_.batch);
    for (bool more = true; more;) {
      size_t room = 0;
      char* const space = lines.space(&room);
      ssize_t n;
      {
        const idle_section idle;
        n = ::read(STDIN_FILENO, space, room);
      }
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return failed(o_, absl::ErrnoToStatus(errno, "cannot read standard input"));
      lines.added(static_cast<size_t>(n));
      more = n != 0;
      if (!more) lines.finish();
      while (const auto cut = lines.next()) {
        if (const outcome pushed = push(*cut); !pushed) {
          return fail("send",
                      absl::StrCat("queue '", o_.queue, "' in segment ", o_.segment, ": ",
                                   pushed.name(), ", with ", with_commas(lines_), " lines sent"),
                      kFailed, o_.json);
        }
      }
      if (lines.too_long()) {
        return fail(
            "send",
            absl::StrCat(
                "line ", lines.line_number(), " is longer than the ", parcel<N>::kText - 1,
                " bytes that the lines of queue '", o_.queue,
                "' may have; the lines before it were sent. Make the queue with --line-bytes "
                "of up to ",
                kLongestLine),
            kLineTooLong, o_.json);
      }
    }
    return kOk;
  }

  void close() { queue_->close(); }
  uint64_t lines() const { return lines_; }
  uint64_t bytes() const { return bytes_; }

 private:
  outcome push(const splitter::cut& cut) {
    // Waiting for room, there is nothing to be finished first: what was not pushed is not sent.
    const idle_section idle;
    auto slot = queue_->reserve();
    if (!slot) return slot.why();
    // In place: a parcel that is half full costs half the copying.
    slot->lines = cut.lines;
    slot->bytes = static_cast<uint32_t>(cut.text.size());
    std::memcpy(slot->text, cut.text.data(), cut.text.size());
    const outcome done = slot.commit();
    if (done) {
      lines_ += cut.lines;
      bytes_ += cut.text.size();
    }
    return done;
  }

  const send_options& o_;
  const memory& mem_;
  std::optional<queue_type> queue_;
  uint64_t lines_ = 0;
  uint64_t bytes_ = 0;
};

template <size_t N>
int send_through(const send_options& o, const memory& mem) {
  absl::StatusOr<roll> senders = roll::of(mem);
  if (!senders.ok()) return failed(o, senders.status());
  sender<N> s(o, mem);
  if (absl::Status joined = senders->join([&] { return s.open(); }); !joined.ok())
    return failed(o, joined);
  if (const int result = s.run(); result != kOk) return result;
  bool closed = false;
  senders->leave([&] {
    if (o.keep_open) return;
    s.close();
    closed = true;
  });
  if (o.json) print_json({{"lines", s.lines()}, {"bytes", s.bytes()}, {"closed", closed}});
  return kOk;
}

int run_send(const send_options& o) {
  catch_interrupts();
  const absl::StatusOr<memory> mem = open_segment(o);
  if (!mem.ok()) return failed(o, mem.status());
  // A queue that exists says how long its lines may be.
  const absl::StatusOr<structure_info> existing = find(*mem, o.queue);
  if (!existing.ok() && !absl::IsNotFound(existing.status())) return failed(o, existing.status());
  int result = kFailed;
  const auto run = [&]<size_t N>() { result = send_through<N>(o, *mem); };
  if (!existing.ok()) {
    with_parcel_for(o.line_bytes, run);
    return result;
  }
  if (existing->what != kind::queue || !with_parcel_of(existing->element_size, run)) {
    return failed(
        o, absl::FailedPreconditionError(absl::StrCat(
               "segment ", o.segment, ": '", o.queue, "' is a ", kind_name(existing->what), "<",
               existing->type_name, ">, not a queue of lines made by `zeroipc send`")));
  }
  return result;
}

}  // namespace

void add_send(CLI::App& app) {
  auto options = std::make_shared<send_options>();
  CLI::App* command = add_command(
      app, "send", "Send the lines of standard input through a queue.",
      "  zcat logs.gz | zeroipc send /logs lines          # and elsewhere, as often as you like:\n"
      "  zeroipc receive /logs lines | grep ERROR\n"
      "\n"
      "  find . -name '*.jpg' -print0 | zeroipc send -0 --batch 1 /jobs files\n"
      "\n"
      "Segment and queue are made if they are missing; a queue that was closed and is empty is "
      "replaced. Waits\n"
      "while the queue is full. Whole lines travel together, as many as have come in and fit, to "
      "one receiver;\n"
      "with --batch 1 each goes alone, which suits few lines with much work each.\n"
      "\n"
      "At the end of its input the last of several senders closes the queue, and the receivers end "
      "when they\n"
      "have got everything. A sender that fails or is killed leaves it open, for its input was not "
      "sent whole:\n"
      "send the rest, or close it with `zeroipc send SEGMENT QUEUE </dev/null`. Segment and queue "
      "remain; see\n"
      "`receive --remove` and `zeroipc rm`.\n",
      [options] { return run_send(*options); });
  command->add_option("SEGMENT", options->segment, "A name in /dev/shm or the path of a file.")
      ->required();
  command->add_option("QUEUE", options->queue, "The queue's name in the segment.")->required();
  CLI::Option* size =
      command->add_option("--size", options->size, "Of the segment, if it has to be made.");
  size->capture_default_str();
  command
      ->add_option("--capacity", options->capacity,
                   "Of the queue in parcels of lines, if it has to be made.")
      ->capture_default_str();
  CLI::Option* line =
      command->add_option("--line-bytes", options->line_bytes,
                          "The longest line that has to fit, if the queue has to be made.");
  line->capture_default_str()->check(CLI::Range(size_t{1}, kLongestLine));
  command
      ->add_option("--batch", options->batch, "Most lines that travel together; 0: as many as fit.")
      ->capture_default_str();
  command->add_flag("-0,--null", options->null, "Lines end in a zero byte.");
  command->add_flag("--keep-open", options->keep_open,
                    "Do not close the queue, even as the last sender.");
  command->add_flag("--json", options->json, "Print at the end what was sent, as JSON.");
  command->parse_complete_callback([options, size] { options->size_given = size->count() != 0; });
}

}  // namespace zeroipc::tools
