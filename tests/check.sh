#!/bin/sh
# Runs every test and adds up: make check builds them first.
#
#   units     build/tests/unit/NAME for each tests/unit/NAME.c (cmocka; its summary is counted)
#   drivers   the table below; their last line is "N passed, N failed, N skipped"
#   scripts   tests/cli/NAME.sh, run by sh with STOKER=build/stoker; their last line likewise
#
# A line a program, its output only when it fails (of skipped tests the first reasons). The last line is "N passed, N failed"; status 1 on any failure.
# BUILD (build) is where the programs are; STOKER_SHARED (../shared) is the test data that is not in the repository.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
shared=${STOKER_SHARED:-../shared}
export STOKER_SHARED="$shared" STOKER="$build/stoker"

# A new driver is one row. needs: "-", or a path that must be there, else the row counts as one skipped test.
# driver       needs                                arguments
drivers="
kernels        -
header_fuzz    -
hostile_models -
laws           -
plan           -
plan_models    $shared/spec/plan_models.json        $shared/spec/plan_models.json
prefix         -
state          -
cache_trace    -
prompts        -
soak           -                                    10
serve          -
serve_room     -
load           -                                    20
server_crash   -                                    10
golden         -                                    --exact tests/data/golden models/ember
golden         -                                    --memory min tests/data/golden models/ember
golden         $shared/golden                       --exact $shared/golden
golden         $shared/golden                       --memory min $shared/golden
quants         $shared/quants                       $shared/quants
tokenizers     $shared/tokenizers                   $shared/tokenizers
sampling       $shared/spec/sampling_cases.json     $shared/spec/sampling_cases.json
tool_cases     $shared/spec/tool_cases              $shared/spec/tool_cases
tool_calls_model -
schema_cases   $shared/schema_cases                 --walks 100 $shared/schema_cases
schema_cases   $shared/tokenizers                   --walks 200 tests/data/schema_cases
jinja          $shared/spec/jinja_cases.json        $shared/spec/jinja_cases.json
templates      $shared/templates                    $shared/templates
injection      -
"

# No test may take longer (seconds): the slowest one needs a minute with sanitizers on two cores.
limit=900

passed=0 failed=0 skipped=0
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
trap 'exit 1' INT TERM

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

# run NAME COMMAND...: runs it, counts, prints its line
run() {
    name=$1
    shift
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
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    verdict=ok
    [ "$f" -eq 0 ] || verdict=FAILED
    printf '%-6s %3d.%02d s  %s: %d passed%s\n' $verdict $((took / 100)) $((took % 100)) "$name" "$p" "$note"
    if [ "$f" -ne 0 ]; then
        sed 's/^/    | /' "$out"
    elif [ "$s" -ne 0 ]; then
        sed '$d' "$out" | grep -i skip | head -n 3 | sed 's/^/    | /'
    fi
}

# fail NAME REASON, skip NAME REASON: without running anything
fail() {
    failed=$((failed + 1))
    printf '%-6s           %s: %s\n' FAILED "$1" "$2"
}
skip() {
    skipped=$((skipped + 1))
    printf '%-6s           %s: %s\n' skip "$1" "$2"
}

run_driver() { # run_driver NAME NEEDS ARGUMENT...
    driver=$1 needs=$2
    shift 2
    if [ "$needs" != - ] && [ ! -e "$needs" ]; then
        skip "$driver${*:+ }$*" "$needs is absent"
    elif [ ! -x "$build/tests/$driver" ]; then
        fail "$driver${*:+ }$*" "$build/tests/$driver is not built"
    else
        run "$driver${*:+ }$*" "$build/tests/$driver" "$@"
    fi
}

for c in tests/unit/*.c; do
    unit=$(basename "$c" .c)
    if [ -x "$build/tests/unit/$unit" ]; then
        run "unit/$unit" "$build/tests/unit/$unit"
    else
        fail "unit/$unit" "$build/tests/unit/$unit is not built"
    fi
done

rows=$(echo "$drivers" | sed '/^$/d')
while read -r row; do
    run_driver $row
done <<END
$rows
END

for c in tests/*.c; do
    driver=$(basename "$c" .c)
    [ -e "$c" ] || continue
    echo "$rows" | grep -q "^$driver " || fail "$driver" "has no row in the table of tests/check.sh"
done

for script in tests/cli/*.sh; do
    [ -e "$script" ] && run "cli/$(basename "$script")" sh "$script"
done

[ "$skipped" -eq 0 ] || echo "$skipped skipped (each says why in its line; data outside the repository is looked for in $shared)"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
