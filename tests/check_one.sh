#!/bin/sh
# One test for tests/check.sh: sh tests/check_one.sh BUILD DIR COMMAND...
#
# Runs it, adds "PASSED FAILED SKIPPED" to DIR/counts, and prints its line, with its output if it failed. Several may run at a time:
# each prints when it has ended, and all at once.
set -u
build=$1 dir=$2
shift 2

# No test may take longer (seconds): the slowest one needs two minutes with sanitizers on two cores that are its own.
limit=1800

out=$(mktemp "$dir/out.XXXXXX") || exit 1

centiseconds() {
    read -r up _ </proc/uptime
    echo "${up%.*}${up#*.}"
}

# The three counts of a program's output. cmocka sums up each group once; drivers and scripts sum up in the last line.
counts() {
    awk '
        /^\[  PASSED  \] [0-9]+ test/ { p += $4 }
        /^\[  FAILED  \] [0-9]+ test/ { f += $4 }
        /^\[  SKIPPED \] [0-9]+ test/ { s += $4 }
        { last = $0 }
        END {
            if (last ~ /^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$/) {
                split(last, n, " ")
                p += n[1]; f += n[3]; s += n[5]
            }
            print p + 0, f + 0, s + 0
        }' "$out"
}

name=$*
name=${name#sh } name=${name#"$build"/} name=${name#tests/}
began=$(centiseconds)
timeout "$limit" "$@" >"$out" 2>&1 </dev/null
status=$?
took=$(($(centiseconds) - began))

set -- $(counts)
p=$1 f=$2 s=$3 note=
if [ "$status" -eq 124 ]; then
    f=$((f + 1)) note=", stopped after $limit s"
elif [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then
    f=1 note=", exit status $status"
elif [ $((p + f + s)) -eq 0 ]; then
    f=1 note=", printed no result"
fi
[ "$s" -eq 0 ] || note="$note, $s skipped"
[ "$f" -eq 0 ] || note=", $f failed$note"
verdict=ok
[ "$f" -eq 0 ] || verdict=FAILED
{
    printf '%-6s %3d.%02d s  %s: %d passed%s\n' $verdict $((took / 100)) $((took % 100)) "$name" "$p" "$note"
    if [ "$f" -ne 0 ]; then
        sed 's/^/    | /' "$out"
    elif [ "$s" -ne 0 ]; then
        sed '$d' "$out" | grep -i skip | head -n 3 | sed 's/^/    | /'
    fi
} >"$out.line"
echo "$p $f $s" >>"$dir/counts"
flock "$dir" cat "$out.line"
rm -f "$out" "$out.line"
exit 0
