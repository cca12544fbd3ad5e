"""Repository rules that take a dependency from Debian where it is there, and from upstream elsewhere.

Either way the bytes are pinned by hash, and the dependency is compiled here, from source, with the flags of the
build at hand: only so can the sanitizers see into it.
"""

def _download(ctx, urls, sha256, strip_prefix):
    """Unpacks an archive into the repository. Returns whether that worked."""
    return ctx.download_and_extract(
        url = urls,
        sha256 = sha256,
        stripPrefix = strip_prefix,
        allow_fail = True,
    ).success

def _finish(ctx):
    ctx.file("WORKSPACE", 'workspace(name = "{}")\n'.format(ctx.name))
    if ctx.attr.build_file:
        ctx.file("BUILD.bazel", ctx.read(ctx.attr.build_file))

def _from_debian(ctx):
    """Unpacks the tarball that bazelw left in the cache. Returns whether there was one and its hash was right."""
    cache = ctx.os.environ.get("ZEROIPC_SOURCES")
    if cache:
        cache = ctx.path(cache)
    else:
        cache = ctx.path(ctx.attr._debian_sources).dirname.get_child(".cache")

    for line in ctx.read(ctx.attr._debian_sources).splitlines():
        words = [word for word in line.split(" ") if word]
        if len(words) == 5 and words[0] == ctx.name:
            tarball = cache.get_child(words[2])
            return tarball.exists and _download(ctx, ["file://{}".format(tarball)], words[4], words[3])
    return False

def _source_archive_impl(ctx):
    if not _from_debian(ctx) and not _download(ctx, ctx.attr.urls, ctx.attr.sha256, ctx.attr.strip_prefix):
        fail(("@{name} is needed, and was found neither as a Debian source package in third_party/.cache nor at {urls}. " +
              "On Debian and Ubuntu, ./bazelw fetches the former; elsewhere the latter must be reachable.").format(
            name = ctx.name,
            urls = ", ".join(ctx.attr.urls),
        ))
    _finish(ctx)

source_archive = repository_rule(
    implementation = _source_archive_impl,
    doc = "The source of a library: Debian's source package of that name (see debian_sources.txt), else upstream's archive.",
    attrs = {
        "build_file": attr.label(doc = "The BUILD file, if the source has none of its own.", allow_single_file = True),
        "sha256": attr.string(mandatory = True),
        "strip_prefix": attr.string(),
        "urls": attr.string_list(mandatory = True),
        "_debian_sources": attr.label(default = Label("//third_party:debian_sources.txt"), allow_single_file = True),
    },
    environ = ["ZEROIPC_SOURCES"],
)

def _bazel_rules_impl(ctx):
    installed = ctx.path(ctx.attr.installed)
    if installed.exists:
        # A copy, and not a link, because it may be edited below.
        copy = ctx.execute(["cp", "-RL", str(installed) + "/.", str(ctx.path("."))])
        if copy.return_code != 0:
            fail("cannot copy {}: {}".format(installed, copy.stderr))
    elif not _download(ctx, ctx.attr.urls, ctx.attr.sha256, ctx.attr.strip_prefix):
        fail(("@{name} is needed, and was found neither at {installed}, where the Debian package {package} puts it, " +
              "nor at {urls}. On Debian and Ubuntu, ./bazelw installs the former; elsewhere the latter must be " +
              "reachable.").format(
            name = ctx.name,
            installed = ctx.attr.installed,
            package = ctx.attr.package,
            urls = ", ".join(ctx.attr.urls),
        ))
    for file in ctx.attr.edit_files:
        content = ctx.read(file)
        for old, new in ctx.attr.edits.items():
            content = content.replace(old, new)
        ctx.file(file, content)
    _finish(ctx)

bazel_rules = repository_rule(
    implementation = _bazel_rules_impl,
    doc = "A set of Bazel rules: as a Debian package installs it, else upstream's archive.",
    attrs = {
        "build_file": attr.label(allow_single_file = True),
        "edit_files": attr.string_list(doc = "Files in which `edits` are made."),
        "edits": attr.string_dict(doc = "Text to replace, and what to put in its place."),
        "installed": attr.string(mandatory = True),
        "package": attr.string(mandatory = True, doc = "The Debian package."),
        "sha256": attr.string(mandatory = True),
        "strip_prefix": attr.string(),
        "urls": attr.string_list(mandatory = True),
    },
)

def _empty_tool_impl(ctx):
    _finish(ctx)

empty_tool = repository_rule(
    implementation = _empty_tool_impl,
    doc = "Stands in for a repository that Bazel insists on but that C++ never uses.",
    attrs = {"build_file": attr.label(mandatory = True, allow_single_file = True)},
)
