#!/bin/sh
# The README's two commands in a new clone, outside this folder, as a newcomer has it: nothing beside it, and a PATH in which every
# Python records the call and fails.
#
#     sh tests/fresh_clone.sh [FOLDER]      the clone is left there, built, for who wants to go on with it; FOLDER must not exist
#
# What is committed is tested, not what lies in the working tree. Called by .ci/run, whose run of make check this is. Last line: N passed,
# N failed, N skipped: those of make check and these checks.
set -u
cd "$(dirname "$0")/.." || exit 1
dir=$(mktemp -d "${TMPDIR:-/tmp}/fresh-clone.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

# Git refuses what another user checked out, in every process of a clone, unless a file says otherwise.
printf '[safe]\n\tdirectory = *\n' >"$dir/gitconfig"
export GIT_CONFIG_GLOBAL="$dir/gitconfig"
[ -z "$(git status --porcelain --untracked-files=no)" ] || echo "note: uncommitted changes are not tested here"

mkdir "$dir/no-python"
for name in python python2 python3 pypy3 pip pip3; do
    printf '#!/bin/sh\necho "%s $*" >>"%s"\necho "%s was called: $*" >&2\nexit 127\n' \
        $name "$dir/python-calls" $name >"$dir/no-python/$name"
    chmod +x "$dir/no-python/$name"
done

passed=0 failed=0 skipped=0
pass() { passed=$((passed + 1)) && echo "ok     $1"; }
fail() { # the lines that tell what failed, wherever they stand, then the end
    failed=$((failed + 1)) && echo "FAILED $1"
    grep -E 'FAIL|^fail ' "$dir/log" | head -n 20 | sed 's/^/    ! /'
    sed 's/^/    | /' "$dir/log" | tail -n 60
}
expect_nothing() { # expect_nothing WHAT: the log is empty
    if [ -s "$dir/log" ]; then fail "$1"; else pass "$1"; fi
}

work=${1:-$dir/alone/stoker}
mkdir -p "$(dirname "$work")" && git clone -q . "$work" || exit 1

# run WHAT PATTERN COMMAND...: in $work, without what the caller's make and environment set; its output must hold PATTERN
run() {
    what=$1 pattern=$2
    shift 2
    if (cd "$work" && env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u BUILD "$@") >"$dir/log" 2>&1 </dev/null &&
        grep -Eq "$pattern" "$dir/log"; then
        pass "$what: $(grep -E "$pattern" "$dir/log" | tail -n 1)"
    else
        fail "$what"
    fi
}

no_python="PATH=$dir/no-python:$PATH"
result='^[1-9][0-9]* passed, 0 failed, [0-9]+ skipped$'
streamed='^streaming: [1-9][0-9]* hits, [1-9][0-9]* misses, [1-9][0-9]* evictions'

run "make demo" "$streamed" env "$no_python" make demo
(cd "$work" && env -u MAKEFLAGS -u MAKELEVEL -u BUILD make all) >"$dir/log" 2>&1
expect_nothing "a second make builds nothing"
run "make check" "$result" env "$no_python" make check
counts=$(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$/\1 \2 \3/p' "$dir/log" | tail -n 1)
if [ -n "$counts" ]; then
    grep -Ei '^(ok|FAILED) +[0-9]+\.|^ +\|.*skip|^processors:' "$dir/log" | sed 's/^/    /'
    # shellcheck disable=SC2086 # three numbers
    set -- $counts
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
fi
cat "$dir/python-calls" >"$dir/log" 2>/dev/null
expect_nothing "no Python is called"
(cd "$work" && git status --porcelain) >"$dir/log"
expect_nothing "building leaves the clone clean"

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
