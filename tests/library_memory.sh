#!/bin/sh
# The library in a small space: an archive of ARTICLES (200,000) pages is added alone in a cgroup of 256 MiB (memory.max, without swap), and
# then searched there. The run ends, nothing is killed, and the database is at most 1.2 times as large as the text in it.
#
#     sh tests/library_memory.sh      STOKER (build/stoker), BUILD (build); needs build/tests/library_tool, libxml2, and root for the cgroup
#
# Last line: N passed, N failed, N skipped.
set -u
export STOKER_NO_CONFIG=1
cd "$(dirname "$0")/.." || exit 1
stoker=${STOKER:-build/stoker} tool=${BUILD:-build}/tests/library_tool articles=${ARTICLES:-200000} limit=268435456
tmp=$(mktemp -d) || exit 1
group='' passed=0 failed=0
end() {
    [ -n "$group" ] && rmdir "$group" 2>/dev/null
    rm -rf "$tmp"
}
trap end EXIT
trap 'exit 1' INT TERM

for root in /sys/fs/cgroup/memory /sys/fs/cgroup; do
    group=$root/stoker-library-$$
    if mkdir "$group" 2>/dev/null; then
        if [ -w "$group/memory.limit_in_bytes" ]; then
            echo $limit >"$group/memory.limit_in_bytes" && break
        elif [ -w "$group/memory.max" ]; then
            echo $limit >"$group/memory.max" && { echo 0 >"$group/memory.swap.max"; } 2>/dev/null
            break
        fi
        rmdir "$group"
    fi
    group=''
done
if [ -z "$group" ]; then
    echo "skip: no cgroup can be made here"
    echo "0 passed, 0 failed, 1 skipped"
    exit
fi

check() { # check WHAT COMMAND...: the command holds
    what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $what"
        cat "$tmp/err"
    fi
}
within() { sh -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' sh "$group" "$@"; }

"$tool" zim "$tmp/g.zim" "$articles" || exit 1
within "$stoker" library add "$tmp/g.zim" --memory 256M --library "$tmp/lib" >"$tmp/out" 2>"$tmp/err"
check "add: status $?" grep -q "^generated: $articles articles, .* $articles new, 0 removed, 0 skipped$" "$tmp/out"
cat "$tmp/out"
killed=$(sed -n 's/^oom_kill //p' "$group/memory.oom_control" "$group/memory.events" 2>/dev/null)
check "the kernel killed ${killed:-0}" [ "${killed:-0}" -eq 0 ]
text=$("$tool" text "$tmp/lib/generated.db" | sed -n 's/^|//p')
size=$(wc -c <"$tmp/lib/generated.db")
echo "text $text bytes, database $size"
check "the database is larger than 1.2 times the text" [ $((size * 10)) -le $((text * 12)) ]
within "$stoker" library search winter harbour w4711 --library "$tmp/lib" >"$tmp/out" 2>"$tmp/err"
check "search: status $?" grep -q "^10\. " "$tmp/out"
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
