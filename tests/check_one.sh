#!/bin/sh
# One test for tests/check.sh: sh tests/check_one.sh BUILD DIR COMMAND...
#
# Runs it, adds "PASSED FAILED SKIPPED PROGRAM KERNEL" to DIR/counts, and prints its line, with its output if it failed. Several may run at
# a time: each prints when it has ended, and all at once. PROGRAM and KERNEL are seconds of processors, those of what it started and waited
# for included; in its line they stand behind the seconds that it took: where they are fewer, it waited, or others had the cores.
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

# Seconds of processors, in programs and in the kernel: of children, the second line of what times prints ("1m2.5s 0m3.25s").
processors() {
    awk 'NR == 2 { for (i = 1; i <= 2; i++) { split($i, t, /[ms]/); printf "%.1f%s", t[1] * 60 + t[2], i == 1 ? " " : "\n" } }' "$out.times"
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
times >"$out.times"
took=$(($(centiseconds) - began))

set -- $(counts)
p=$1 f=$2 s=$3 note=
set -- $(processors)
program=$1 kernel=$2
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
    printf '%-6s %3d.%02d s (%s + %s)  %s: %d passed%s\n' $verdict $((took / 100)) $((took % 100)) "$program" "$kernel" \
        "$name" "$p" "$note"
    if [ "$f" -ne 0 ]; then
        sed 's/^/    | /' "$out"
    elif [ "$s" -ne 0 ]; then
        sed '$d' "$out" | grep -i skip | head -n 3 | sed 's/^/    | /'
    fi
} >"$out.line"
echo "$p $f $s $program $kernel" >>"$dir/counts"
flock "$dir" cat "$out.line"
rm -f "$out" "$out.line" "$out.times"
exit 0
