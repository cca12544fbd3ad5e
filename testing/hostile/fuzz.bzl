"""A fuzz target, twice: as a test of every configuration, and as libFuzzer's program."""

load("@rules_cc//cc:defs.bzl", "cc_binary")
load("//:build_defs.bzl", "zeroipc_cc_test")

def zeroipc_fuzz_test(name, srcs, corpus, mutations, deps = [], **kwargs):
    """Makes `<name>`, which replays the corpus and inputs near it, and `<name>_libfuzzer`.

    Args:
      name: Of the test, ending in _fuzz.
      srcs: As for cc_test; they define LLVMFuzzerTestOneInput (testing/hostile/fuzz_target.h).
      corpus: A file with one input a line, in hexadecimal digits.
      mutations: How many inputs near those the test tries.
      deps: As for cc_test.
      **kwargs: Passed on to the test.
    """
    zeroipc_cc_test(
        name = name,
        srcs = srcs,
        args = ["$(rootpath {})".format(corpus), str(mutations)],
        data = [corpus],
        main = False,
        # One thread: there is nothing for ThreadSanitizer to see.
        tags = ["no_tsan"],
        deps = deps + ["//testing/hostile:fuzz_main"],
        **kwargs
    )
    cc_binary(
        name = name + "_libfuzzer",
        testonly = True,
        srcs = srcs,
        linkopts = ["-fsanitize=fuzzer"],
        # Links with clang under --config=fuzz alone.
        tags = ["manual"],
        deps = deps + ["//testing/hostile:fuzz_target"],
    )
